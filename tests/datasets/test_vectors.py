"""Files of vectors and of neighbours."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest

from knnc.datasets import read_neighbors, read_vectors
from knnc.datasets._vectors import NeighborsFile
from knnc.engine.memory import mapping_of

ROWS = np.random.default_rng(0).integers(0, 256, (70, 13), np.uint8)


def write_vectors(path: Path, rows: np.ndarray) -> Path:
    """Write rows as the name says."""
    n, d = rows.shape
    if path.suffix == ".npy":
        np.save(path, rows)
    elif path.suffix == ".u8bin":
        path.write_bytes(struct.pack("<II", n, d) + rows.tobytes())
    else:
        path.write_bytes(b"".join(struct.pack("<i", d) + row.tobytes() for row in rows))
    return path


@pytest.mark.parametrize("suffix", [".u8bin", ".bvecs", ".npy"])
def test_vectors_are_mapped(suffix: str, tmp_path: Path) -> None:
    vectors = read_vectors(write_vectors(tmp_path / f"base{suffix}", ROWS))
    np.testing.assert_array_equal(vectors, ROWS, strict=True)
    assert mapping_of(vectors) is not None
    assert not vectors.flags.writeable


@pytest.mark.parametrize("suffix", [".u8bin", ".bvecs", ".npy"])
@pytest.mark.parametrize("cut", [0, 3, 8, 100, -1])
def test_truncated_files(suffix: str, cut: int, tmp_path: Path) -> None:
    path = write_vectors(tmp_path / f"base{suffix}", ROWS)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ValueError, match=r"."):
        read_vectors(path)


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("a.fvecs", b"", "are called .u8bin, .bvecs, .npy"),
        ("a.u8bin", struct.pack("<II", 2**32 - 1, 2**32 - 1) + bytes(9), "and has 17"),
        ("a.u8bin", struct.pack("<II", 5, 0), "5 vectors of 0 features"),
        ("a.u8bin", struct.pack("<II", 0, 5), "0 vectors of 5 features"),
        ("a.bvecs", struct.pack("<i", -3) + bytes(8), "vectors of -3 features"),
        ("a.bvecs", struct.pack("<i", 4) + bytes(4) + struct.pack("<i", 3) + bytes(4), "different"),
        ("a.npy", b"\x93NUMPY\x01\x00junk" * 9, "header|EOF"),
    ],
)
def test_files_that_are_none(name: str, data: bytes, why: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=why):
        read_vectors(tmp_path / name)


def test_arrays_that_are_no_vectors(tmp_path: Path) -> None:
    for array in (ROWS.astype(np.int16), ROWS[0], np.array([None])):
        np.save(tmp_path / "a.npy", array)
        with pytest.raises(ValueError, match=r"two axes|pickle|Python objects"):
            read_vectors(tmp_path / "a.npy")
    with pytest.raises(FileNotFoundError):
        read_vectors(tmp_path / "none.u8bin")


def test_neighbors(tmp_path: Path) -> None:
    dist, ind = np.arange(12).reshape(4, 3) * 2**25 + 1, np.arange(12).reshape(4, 3)[::-1]
    file = NeighborsFile(tmp_path / "partial", 4, 3)
    file.write(0, dist[:3], ind[:3])
    file = NeighborsFile(tmp_path / "partial", 4, 3)  # goes on
    file.write(3, dist[3:], ind[3:])
    file.close(tmp_path / "truth.ibin")
    got_dist, got_ind = read_neighbors(tmp_path / "truth.ibin")
    np.testing.assert_array_equal(got_ind, ind.astype(np.uint32), strict=True)
    np.testing.assert_array_equal(got_dist, dist.astype(np.float32), strict=True)
    assert os.listdir(tmp_path) == ["truth.ibin"]
    data = (tmp_path / "truth.ibin").read_bytes()
    assert struct.unpack_from("<II", data) == (4, 3)
    assert struct.unpack_from("<12I", data, 8) == tuple(ind.ravel())
    for other in (b"", data[:-1], data + b"0", struct.pack("<II", 0, 0), data[:7]):
        (tmp_path / "truth.ibin").write_bytes(other)
        with pytest.raises(ValueError, match="not a file of"):
            read_neighbors(tmp_path / "truth.ibin")
