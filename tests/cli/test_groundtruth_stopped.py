"""``knnc groundtruth`` when it is stopped, a disk is full, or another run is at its output."""

from __future__ import annotations

import errno
import os
import sys
from functools import partial, partialmethod
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import knnc
from knnc.datasets import read_neighbors
from knnc.datasets._vectors import NeighborsFile
from knnc.engine.system.progress import current
from tests.datasets.test_vectors import write_vectors
from tests.oracle import oracle_kneighbors

from .conftest import Program

pytest.importorskip("typer", reason="the command line needs the extra 'cli'")

from knnc import groundtruth
from knnc.cli import _console

from .groundtruth_support import (
    FILES,
    QUERIES,
    ROWS,
    SUMS,
    Files,
    Killed,
    check,
    die,
    left_after,
    run,
    streaming,
    write_files,
)

FILE = "datasets._vectors.NeighborsFile"
# What is called between the rename of the output and the end of the progress.
RENAMED = "groundtruth.sync_folder"


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return write_files(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="kills with SIGKILL")
def test_a_killed_run(knnc_child: Program, files: Files) -> None:
    code = """
import os, sys
from knnc import groundtruth
from knnc.cli import main
from knnc.engine.scan import streamed as stream
stream.MOST_BYTES, stream.FEWEST_BYTES, groundtruth.CHECKPOINT_SECONDS = 16_000, 1, 0
groundtruth.CHECKPOINT_SHARE = 1e9
groundtruth.Job._index_in_memory = lambda self: None
save, saved = groundtruth.Job._save, []
def die(self, heaps):
    save(self, heaps)
    saved.append(1)
    if len(saved) == 5:
        os.kill(os.getpid(), 9)
groundtruth.Job._save = die
sys.exit(main())
"""
    arguments = ["groundtruth", *files[:2], "-k", 10, "-o", files[2]]
    assert knnc_child(*arguments, code=code).code == -9
    assert not files[2].exists()
    assert files[2].with_name("truth.ibin.lock").exists()  # and locks nobody out
    result = knnc_child(*arguments)
    assert result.code == 0, result.err
    assert sorted(os.listdir(files[2].parent)) == ["base.u8bin", "queries.u8bin", "truth.ibin"]
    assert "the last" in result.out
    check(files[2])


def test_what_an_earlier_run_left_of_other_files(
    knnc_here: Program, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        streaming(patch)
        patch.setattr(NeighborsFile, "write", die)
        with pytest.raises(Killed):
            run(files)
    arguments = ["groundtruth", *files[:2], "-o", files[2]]
    result = knnc_here(*arguments, "-k", 9)
    assert result.code == 1
    assert "search of other files" in result.err
    assert knnc_here(*arguments, "-k", 9, "--restart").code == 0
    assert read_neighbors(files[2])[0].shape == (700, 9)


def test_a_damaged_progress_file(
    knnc_here: Program, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused, in words; one whose numbers do not fit its arrays too."""
    base, queries, output = files
    left = output.with_name("truth.ibin.progress")
    arguments = ["groundtruth", base, queries, "-k", 10, "-o", output]
    left.write_bytes(b"junk" * 99)
    result = knnc_here(*arguments)
    assert (result.code, "cannot" in result.err or "not a file" in result.err) == (1, True)
    fingerprint = groundtruth.fingerprint_of(base, queries, 10, "euclidean")
    heaps = {"dist": np.zeros((3, 10), np.int64), "ind": np.zeros((3, 10), np.int64)}
    good = {"fingerprint": fingerprint, "n_done": 0, "n_rows_done": 7, "block": 3, **heaps, **SUMS}
    for change in (
        {"crc32_ind": None},
        {"crc32_dist": 1 << 32},
        {"block": 4},
        {"n_rows_done": -1},
        {"n_rows_done": 5000},
        {"n_done": 701},
        {"dist": np.zeros((3, 9), np.int64)},
        {"ind": np.zeros((3, 10), np.int32)},
    ):
        groundtruth.write_archive(left, "groundtruth", {**good, **change})
        assert knnc_here(*arguments).code == 1
        assert not output.exists()


def test_answers_that_are_gone(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the progress file says is done has to be there."""
    base, queries, output = files
    fingerprint = groundtruth.fingerprint_of(base, queries, 10, "euclidean")
    said = {"fingerprint": fingerprint, "n_done": 300, "n_rows_done": 0, "block": 0, **SUMS}
    progress, partial = (output.with_name(f"truth.ibin.{end}") for end in ("progress", "partial"))
    as_long = bytes(NeighborsFile.n_bytes(700, 10))
    for left in (None, b"", b"x" * 99, as_long):
        groundtruth.write_archive(progress, "groundtruth", said)
        if left is not None:
            partial.write_bytes(left)
        with pytest.raises(ValueError, match=r"has not the answers that .* says are there"):
            run(files)
        assert progress.exists()
    run(files, restart=True)
    check(output)


def test_what_is_left_of_a_search_with_as_many_answers(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """350 queries with 20 neighbours take the bytes of 700 with 10, and have another header."""
    half = write_vectors(files[0].with_name("half.u8bin"), QUERIES[:350])
    left_after(f"{FILE}.write", files, monkeypatch)
    run((files[0], half, files[2]), n_neighbors=20)
    check(files[2], oracle_kneighbors(ROWS, QUERIES[:350], 20, "sqeuclidean"))


def test_restart_after_a_checkpoint(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of before is kept, and another end before the first checkpoint changes nothing."""
    half = write_vectors(files[0].with_name("half.u8bin"), QUERIES[:350])
    monkeypatch.setattr(groundtruth, "BLOCK_WORK", 1)
    save = groundtruth.Job._save

    def die(job: Any, heaps: Any) -> None:
        save(job, heaps)
        raise Killed

    for restarts in (1, 2):
        with monkeypatch.context() as patch:
            patch.setattr(groundtruth.Job, "_save", die)
            with pytest.raises(Killed):
                run(files, restart=True)
        if restarts == 2:
            left_after(f"{FILE}.write", files, monkeypatch, restart=True)
            run(files)
            check(files[2])
        run((files[0], half, files[2]), n_neighbors=20, restart=True)
        check(files[2], oracle_kneighbors(ROWS, QUERIES[:350], 20, "sqeuclidean"))


def test_a_run_that_is_killed_when_all_is_done(
    files: Files,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Before the output is in its place, and after; the next run does not search again."""
    progress = files[2].with_name("truth.ibin.progress")
    for where, said in (
        ("datasets._vectors.NeighborsFile.finish", "the last 0%"),
        (RENAMED, "complete, by"),
    ):
        left_after(where, files, monkeypatch)
        assert progress.exists()
        files[2].with_name("truth.ibin.lock").unlink(missing_ok=True)
        with monkeypatch.context() as patch:
            patch.setattr(groundtruth.Job, "_index_in_memory", die)
            capsys.readouterr()
            run(files)
        assert said in " ".join(capsys.readouterr().out.split())
        check(files[2])
        assert sorted(os.listdir(files[2].parent)) == FILES
    # An output that is another is not taken for the one that was complete.
    left_after(RENAMED, files, monkeypatch)
    changed = bytearray(files[2].read_bytes())
    changed[-1] ^= 1
    files[2].write_bytes(changed)
    with pytest.raises(ValueError, match="has not the answers"):
        run(files)
    assert files[2].read_bytes() == changed


def test_two_runs_to_one_output(
    knnc_here: Program,
    knnc_child: Program,
    files: Files,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second is refused, here and from another process, and harms nothing."""
    arguments = ["groundtruth", *files[:2], "-k", 10, "-o", files[2]]
    seen = []
    run_job = groundtruth.Job.run

    def run_while_others_try(job: Any) -> None:
        monkeypatch.setattr(groundtruth.Job, "run", run_job)
        for more in ([], ["--restart"]):
            seen.extend(program(*arguments, *more) for program in (knnc_here, knnc_child))
        run_job(job)

    monkeypatch.setattr(groundtruth.Job, "run", run_while_others_try)
    run(files)
    assert [result.code for result in seen] == [1] * 4
    for result in seen:
        assert "Another run is writing this file" in result.err
        assert "truth.ibin" in result.err
    check(files[2])
    assert sorted(os.listdir(files[2].parent)) == FILES


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files")
def test_no_room_for_the_answers(
    knnc_child: Program, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error before the search; an earlier output and what another run had found are kept."""
    with monkeypatch.context() as patch:
        streaming(patch)
        left_after(f"{FILE}.write", files, monkeypatch)
    files[2].write_bytes(b"earlier")
    names = sorted({*os.listdir(files[2].parent)} - {"truth.ibin.partial"})
    code = """
import resource, sys
from knnc import groundtruth
from knnc.cli import main
groundtruth.Job._search_into = None
resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))
sys.exit(main())
"""
    arguments = ["groundtruth", *files[:2], "-k", 10, "-o", files[2]]
    result = knnc_child(*arguments, code=code)
    assert result.code == 1
    assert "File too large" in result.err
    assert "truth.ibin.partial" in result.err
    assert files[2].read_bytes() == b"earlier"
    assert sorted(os.listdir(files[2].parent)) == names
    result = knnc_child(*arguments)
    assert (result.code, result.err) == (0, "")
    assert "the last" in result.out
    check(files[2])


def test_a_disk_that_fills_while_searching(
    files: Files,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whether answers or the progress do not fit: the next run goes on from the last that did."""
    monkeypatch.setattr(groundtruth, "BLOCK_WORK", 1)
    for owner, name in ((NeighborsFile, "_put"), (groundtruth, "write_archive")):
        written, calls = getattr(owner, name), list[Any]()

        def full(*args: Any, written: Any = written, calls: Any = calls, most: int) -> None:
            calls.append(args)
            if len(calls) > most:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            written(*args)

        with monkeypatch.context() as patch:
            # Zeros, the header, and two blocks of indices and distances; two times progress.
            patch.setattr(owner, name, partialmethod(full, most=6))
            if owner is groundtruth:
                patch.setattr(owner, name, partial(full, most=2))
            with pytest.raises(OSError, match="No space left on device"):
                run(files)
        assert not files[2].exists()
        capsys.readouterr()
        run(files)
        assert "the last 27% of them" in " ".join(capsys.readouterr().out.split())
        check(files[2])
        assert sorted(os.listdir(files[2].parent)) == FILES
        files[2].unlink()


def test_lines_of_progress_without_a_terminal(
    files: Files,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One a minute, on standard error; who listens already still hears it all."""
    now = [0.0]
    heard = []

    def search(job: Any) -> None:
        for done in range(100, 701, 10):
            now[0] += 10
            current()(done, 700)  # type: ignore[misc]

    monkeypatch.setattr(_console, "perf_counter", lambda: now[0])
    monkeypatch.setattr(groundtruth.Job, "run", search)
    with knnc.progress(lambda *call: heard.append(call)):
        run(files)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10
    # 50 queries in the first minute, whatever an earlier run had done before them.
    assert lines[0] == "Searching: 150 of 700 queries (21.4%), about 0:11:00 left"
    assert lines[-1].startswith("Searching: 690 of 700 queries (98.6%), about 0:00:1")
    assert len(heard) == 61


def test_lines_that_nobody_reads(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    said = []

    class Gone:
        def isatty(self) -> bool:
            return False

        def write(self, text: str) -> int:
            said.append(text)
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    monkeypatch.setattr(_console, "LINE_SECONDS", 0)
    monkeypatch.setattr(sys, "stderr", Gone())
    run(files)
    assert said
    check(files[2])
