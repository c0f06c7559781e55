"""The file format: values come back as they were, and a file is whole or not there."""

from __future__ import annotations

import errno
import os
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from knnc.persistence import archive
from tests.persistence.hostile_files import sealed


def test_values_come_back_as_they_were(tmp_path: Path) -> None:
    tree = {
        "none": None,
        "yes": True,
        "whole": -(2**70),
        "floats": [0.1, float("inf"), float("nan"), -0.0, 5e-324],
        "text": "ä\0\U0001f600",
        "nested": {"a": ({"b": [()]},)},
        "empty": np.empty((0, 3), np.int16),
        "bits": np.array([True, False]),
        "strings": np.array(["ab", "ü"]),
        "objects": np.array(["ab", "ü"], dtype=object),
        "big-endian": np.arange(5, dtype=">i4"),
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    }
    archive.write_archive(tmp_path / "file", "test", tree)
    for mapped in (True, False):
        kind, back = archive.read_archive(tmp_path / "file", map_it=mapped, verify=True)
        assert kind == "test"
        assert list(back) == list(tree)
        for name, value in tree.items():
            if isinstance(value, np.ndarray):
                np.testing.assert_array_equal(back[name], value, strict=name != "big-endian")
                assert back[name].flags.aligned
            else:
                assert repr(back[name]) == repr(value)


@pytest.mark.parametrize(
    "value", [1j, {1: 2}, b"bytes", object(), np.array([1, None]), np.zeros(3, "M8[s]"), {1, 2}]
)
def test_values_that_are_none_of_a_file(value: Any, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"test|inner"):
        archive.write_archive(tmp_path / "file", "test", {"inner": [value]})
    assert not os.listdir(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
@pytest.mark.parametrize("mode", [0o600, 0o666, 0o640, 0o444])
def test_a_file_keeps_the_mode_of_the_one_it_replaces(
    mode: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, seen, changed = tmp_path / "file", [], []
    write, chmod = archive._write, os.chmod

    def looked_at(file: Any, *rest: Any) -> None:
        seen.append(os.fstat(file.fileno()).st_mode & 0o777)
        write(file, *rest)

    monkeypatch.setattr(archive, "_write", looked_at)
    before = os.umask(0o027)
    try:
        archive.write_archive(path, "test", {})
        path.chmod(mode)
        monkeypatch.setattr(os, "chmod", lambda *args: (changed.append(args), chmod(*args)))
        archive.write_archive(path, "test", {"a": 1})
    finally:
        os.umask(before)
    assert seen == [0o640, mode]
    # It is never more than that: what it lacks after the umask is added.
    assert len(changed) == bool(mode & 0o027)
    assert path.stat().st_mode & 0o777 == mode
    assert archive.read_archive(path, map_it=False, verify=True)[1] == {"a": 1}


def test_a_full_disk_is_an_error_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "file"
    archive.write_archive(path, "test", {"a": 1})
    monkeypatch.setattr(archive, "_write", full)
    with pytest.raises(OSError, match=r"No space left on device: .*file'"):
        archive.write_archive(path, "test", {"a": 2})
    assert os.listdir(tmp_path) == ["file"]
    assert archive.read_archive(path, map_it=False, verify=True)[1] == {"a": 1}


# --- the size of the contents ---

HEAVY = {
    "lists": b"[],",
    "dicts": b"{},",
    "encoded lists": b'{"list":[]},',
    "whole numbers": b"0,",
    "floats": b'{"float":"0x1p0"},',
    "nested": b"[",
    "brackets after strings": b'"\\\\",[],"\\"",[],',
}


@pytest.mark.parametrize("name", HEAVY)
def test_contents_that_no_estimator_needs_cost_little(name: str, tmp_path: Path) -> None:
    """They are refused before they are parsed: that would take 9 to 26 times their length."""
    n_bytes = 5_000_000
    text = HEAVY[name] * (n_bytes // len(HEAVY[name]))
    text = b'{"kind":"x","arrays":[],"tree":{"dict":{"a":{"list":[' + text + b"0]}}}}"
    (tmp_path / "file").write_bytes(sealed(bytes(64), text))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="more than 524288 brackets"):
            archive.read_archive(tmp_path / "file", map_it=True, verify=False)
        assert tracemalloc.get_traced_memory()[1] < 8 * n_bytes
    finally:
        tracemalloc.stop()


def test_contents_are_nested_at_most_72_deep(tmp_path: Path) -> None:
    for extra, why in ((0, "of no known kind"), (1, "nested more than 72 deep")):
        depth = 70 + extra
        text = b'{"kind":"x","arrays":[],"tree":{"dict":' + b"[" * depth + b"]" * depth + b"}}"
        (tmp_path / str(extra)).write_bytes(sealed(bytes(64), text))
        with pytest.raises(ValueError, match=why):
            archive.read_archive(tmp_path / str(extra), map_it=True, verify=False)


def test_contents_are_at_most_64_mib(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(sealed(bytes(64), b" " * ((1 << 26) + 1)))
    with pytest.raises(ValueError, match="67108865 bytes, of at most 67108864"):
        archive.read_archive(tmp_path / "file", map_it=True, verify=False)


def test_a_file_holds_the_names_of_many_columns(tmp_path: Path) -> None:
    names = np.array([f'[{i}] {{"a": \\}}, ' for i in range(200_000)], dtype=object)
    archive.write_archive(tmp_path / "file", "test", {"names": names})
    _, tree = archive.read_archive(tmp_path / "file", map_it=True, verify=True)
    np.testing.assert_array_equal(tree["names"], names)


def _nested(depth: int) -> Any:
    return [_nested(depth - 1)] if depth else "inside"


@pytest.mark.parametrize(
    ("value", "why"),
    [(_nested(40), "nested more than 72 deep"), ([[]] * 100_000, "brackets"), ([7] * 600_000, "")],
)
def test_what_could_not_be_read_is_not_written(value: Any, why: str, tmp_path: Path) -> None:
    archive.write_archive(tmp_path / "file", "test", {"a": 1})
    with pytest.raises(ValueError, match=f"cannot hold this test: .*{why}"):
        archive.write_archive(tmp_path / "file", "test", {"a": value})
    assert os.listdir(tmp_path) == ["file"]
    assert archive.read_archive(tmp_path / "file", map_it=False, verify=True)[1] == {"a": 1}
