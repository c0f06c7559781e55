"""The job of ``knnc groundtruth``, and its lock, without the command; tests/cli has the rest."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from knnc import _file_lock, groundtruth

RNG = np.random.default_rng(0)
ROWS, QUERIES = RNG.integers(0, 6, (5000, 24), np.uint8), RNG.integers(0, 6, (700, 24), np.uint8)


def test_files_are_known_by_their_ends_and_their_time(tmp_path: Path) -> None:
    paths = tmp_path / "base", tmp_path / "queries"
    content = bytes(1 << 18)
    said = []
    for changed in (None, (0, 0), (0, len(content) - 1), (1, 5)):
        for which, path in enumerate(paths):
            written = bytearray(content)
            if changed and changed[0] == which:
                written[changed[1]] = 1
            path.write_bytes(written)
            os.utime(path, ns=(10**18, 10**18))
        said.append(groundtruth.fingerprint_of(*paths, 10, "euclidean"))
    said += [groundtruth.fingerprint_of(*paths, k, m) for k, m in ((9, "euclidean"), (10, "l1"))]
    os.utime(paths[0], ns=(10**18, 10**18 + 1000))
    said.append(groundtruth.fingerprint_of(*paths, 10, "euclidean"))
    assert len({str(one) for one in said}) == len(said) == 7


@pytest.mark.parametrize("contiguous", [True, False])
def test_an_index_in_memory_only_if_it_fits(contiguous: bool, tmp_path: Path) -> None:
    rows = RNG.integers(0, 256, (5000, 24), np.uint8)
    rows = rows if contiguous else rows[:, ::-1]

    def index(limit: int) -> Any:
        job = groundtruth.Job(rows, QUERIES, 10, tmp_path / "o", "manhattan", 1, limit)
        return job._index_in_memory()

    # Half of the limit is for rows: packed ones, and beside these a copy if they are no array.
    assert index(4 * rows.size + (1 << 16)) is not None
    assert index(4 * rows.size - 4 if not contiguous else rows.size) is None


def test_heaps_are_saved_when_it_is_time_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every 30 s, or at 5 % of the time if a save takes long; not when all rows were seen."""
    now = [0.0]
    monkeypatch.setattr(groundtruth, "perf_counter", lambda: now[0])
    for save, each in ((1.0, 30), (10.0, 200)):
        job = groundtruth.Job(ROWS, QUERIES, 10, tmp_path / "o", "sqeuclidean", 1, 1 << 30)
        saved = []

        def scan() -> Iterator[int]:
            for n_rows_done in range(10, 5001, 10):
                now[0] += 1.0
                yield n_rows_done

        for n_rows_done in job._due(scan()):
            saved.append(n_rows_done // 10)
            now[0] += save
        assert saved[0] == 30
        assert set(np.diff(saved)) == {each}
    job = groundtruth.Job(ROWS, QUERIES, 10, tmp_path / "o", "sqeuclidean", 1, 1 << 30)
    monkeypatch.setattr(groundtruth, "CHECKPOINT_SECONDS", 0)
    assert list(job._due(iter([4999, 5000]))) == [4999]


def test_a_lock_that_was_removed_before_it_was_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock of a file that has no name any more keeps nobody away: another is taken."""
    lock, is_held, calls = tmp_path / "o.lock", _file_lock._is_held, []

    def removed(file: Any) -> bool:
        calls.append(file)
        if len(calls) < 3 and sys.platform != "win32":  # Windows removes no file that is open
            lock.unlink()
        if len(calls) == 2:
            lock.touch()
        return is_held(file)

    with monkeypatch.context() as patch:
        patch.setattr(_file_lock, "_is_held", removed)
        with _file_lock.locked(tmp_path / "o"):
            patch.setattr(_file_lock, "_is_held", is_held)
            with pytest.raises(BlockingIOError), _file_lock.locked(tmp_path / "o"):
                pass
            assert lock.exists()
    assert len(calls) == (1 if sys.platform == "win32" else 3)
    assert not lock.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="locks of POSIX")
@pytest.mark.parametrize(
    ("code", "is_held"), [("EAGAIN", True), ("EACCES", True), ("ENOLCK", False)]
)
def test_a_file_system_without_locks(
    code: str, is_held: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: object) -> None:
        raise OSError(getattr(errno, code), "no")

    monkeypatch.setattr("fcntl.flock", flock)
    with open(tmp_path / "o", "wb") as file:
        assert _file_lock._is_held(file) == is_held
