"""Files of vectors and of neighbours."""

from __future__ import annotations

import errno
import os
import pickle
import re
import struct
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from knnc.datasets import read_neighbors, read_vectors
from knnc.datasets._vectors import NeighborsFile
from knnc.engine.system.pages import mapping_of

ROWS = np.random.default_rng(0).integers(0, 256, (70, 13), np.uint8)
FLOATS = np.random.default_rng(0).standard_normal((70, 13))
OF_BYTES, OF_FLOATS = (".u8bin", ".bvecs", ".npy"), (".fbin", ".fvecs")

# A .npy file that says that it has 2**63 vectors.
HUGE_HEADER = {"descr": "|u1", "fortran_order": False, "shape": (2**63, 1)}
HUGE = b"\x93NUMPY\1\0" + struct.pack("<H118s", 118, str(HUGE_HEADER).encode().ljust(118))


def write_vectors(path: Path, rows: np.ndarray) -> Path:
    """Write rows as the name says."""
    n, d = rows.shape
    if path.suffix in OF_FLOATS:
        rows = rows.astype("<f4")
    if path.suffix == ".npy":
        np.save(path, rows)
    elif path.suffix in (".u8bin", ".fbin"):
        path.write_bytes(struct.pack("<II", n, d) + rows.tobytes())
    else:
        path.write_bytes(b"".join(struct.pack("<i", d) + row.tobytes() for row in rows))
    return path


@pytest.mark.parametrize(
    ("suffix", "rows"),
    [
        *((suffix, ROWS) for suffix in OF_BYTES),
        *((suffix, FLOATS.astype(np.float32)) for suffix in OF_FLOATS),
        *((".npy", FLOATS.astype(dtype)) for dtype in ("f2", "f4", "f8", ">f4", ">f8")),
        (".npy", np.asfortranarray(FLOATS)),
    ],
)
def test_vectors_are_mapped(suffix: str, rows: np.ndarray, tmp_path: Path) -> None:
    vectors = read_vectors(write_vectors(tmp_path / f"base{suffix}", rows))
    np.testing.assert_array_equal(vectors, rows, strict=True)
    assert mapping_of(vectors) is not None
    assert not vectors.flags.writeable


def test_crops_as_big_ann_names_them(tmp_path: Path) -> None:
    path = write_vectors(tmp_path / "base.1B.u8bin", ROWS)
    crop = path.rename(tmp_path / "base.1B.u8bin.crop_nb_10000000")
    np.testing.assert_array_equal(read_vectors(crop), ROWS, strict=True)
    floats = write_vectors(tmp_path / "base.fbin", FLOATS)
    floats = floats.rename(tmp_path / "base.1B.fbin.crop_nb_70")
    np.testing.assert_array_equal(read_vectors(floats), FLOATS.astype(np.float32), strict=True)
    for name in ("a.u8bin.crop_nb_", "a.u8bin.crop_nb_1x", "a.npy.crop_nb_1", "a.fvecs.crop_nb_1"):
        with pytest.raises(ValueError, match=r"are called \.u8bin"):
            read_vectors(crop.rename(tmp_path / name))
        crop = tmp_path / name


@pytest.mark.parametrize("suffix", [*OF_BYTES, *OF_FLOATS])
@pytest.mark.parametrize("cut", [0, 3, 8, 100, -1])
def test_truncated_files(suffix: str, cut: int, tmp_path: Path) -> None:
    path = write_vectors(tmp_path / f"base{suffix}", ROWS)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))} "):
        read_vectors(path)


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("a.i8bin", b"", "are called .u8bin, .fbin, .bvecs, .fvecs, .npy"),
        ("a.fbin", struct.pack("<II", 2, 3) + bytes(6), "take 32 bytes, and has 14"),
        ("a.fvecs", struct.pack("<i", 4) + bytes(4), "vectors of 4 features"),
        ("a.fvecs", struct.pack("<ifif", 1, 0, 2, 0), "different"),
        ("a.u8bin", struct.pack("<II", 2**32 - 1, 2**32 - 1) + bytes(9), "and has 17"),
        ("a.u8bin", struct.pack("<II", 5, 0), "5 vectors of 0 features"),
        ("a.u8bin", struct.pack("<II", 0, 5), "0 vectors of 5 features"),
        ("a.bvecs", struct.pack("<i", -3) + bytes(8), "vectors of -3 features"),
        ("a.bvecs", struct.pack("<i", 4) + bytes(4) + struct.pack("<i", 3) + bytes(4), "different"),
        ("a.npy", b"\x93NUMPY\x01\x00junk" * 9, "header|EOF"),
        ("a.npy", b"", "EOF"),
        ("a.npy", HUGE, "no .npy file .* too large"),
        ("a.npy", b"PK\x03\x04" + bytes(99), "no .npy file .* magic"),
        ("a.npy", pickle.dumps([1] * 99), "no .npy file .* magic"),
    ],
)
def test_files_that_are_none(name: str, data: bytes, why: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=why) as caught:
        read_vectors(tmp_path / name)
    assert str(caught.value).startswith(str(tmp_path / name))


def test_arrays_that_are_no_vectors(tmp_path: Path) -> None:
    for array in (ROWS.astype(np.int16), ROWS[0], FLOATS[0], FLOATS + 1j, np.array([None])):
        np.save(tmp_path / "a.npy", array)
        with pytest.raises(ValueError, match=r"two axes|pickle|Python objects"):
            read_vectors(tmp_path / "a.npy")
    with pytest.raises(FileNotFoundError):
        read_vectors(tmp_path / "none.u8bin")


def test_neighbors(tmp_path: Path) -> None:
    dist, ind = np.arange(12).reshape(4, 3) * 2**25 + 1, np.arange(12).reshape(4, 3)[::-1]
    file = NeighborsFile(tmp_path / "partial", 4, 3)
    file.write(dist[:2], ind[:2])
    file.write(dist[2:3], ind[2:3])
    file.close()
    file = NeighborsFile(tmp_path / "partial", 4, 3, file.n_done, file.checksums)  # goes on
    file.write(dist[3:], ind[3:])
    file.finish(tmp_path / "truth.ibin")
    got_dist, got_ind = read_neighbors(tmp_path / "truth.ibin")
    np.testing.assert_array_equal(got_ind, ind.astype(np.uint32), strict=True)
    np.testing.assert_array_equal(got_dist, dist.astype(np.float32), strict=True)
    del got_dist, got_ind  # Windows lets no file be changed that is mapped
    assert os.listdir(tmp_path) == ["truth.ibin"]
    data = (tmp_path / "truth.ibin").read_bytes()
    assert struct.unpack_from("<II", data) == (4, 3)
    assert struct.unpack_from("<12I", data, 8) == tuple(ind.ravel())
    for other in (b"", data[:-1], data + b"0", struct.pack("<II", 0, 0), data[:7]):
        (tmp_path / "truth.ibin").write_bytes(other)
        with pytest.raises(ValueError, match="not a file of"):
            read_neighbors(tmp_path / "truth.ibin")


def test_a_file_of_neighbors_that_is_begun_keeps_nothing(tmp_path: Path) -> None:
    """Neither the header of another search with as many answers, nor these."""
    path = tmp_path / "partial"
    for n_queries in (4, 5, 3):
        numbers = np.ones((n_queries, 3), np.int64)
        file = NeighborsFile(path, n_queries, 3)
        file.write(numbers, numbers)
        file.close()
        NeighborsFile(path, 3, 4).close()
        assert path.read_bytes() == struct.pack("<II", 3, 4) + bytes(96)


def test_what_a_file_of_neighbors_holds(tmp_path: Path) -> None:
    path, numbers = tmp_path / "partial", np.arange(12).reshape(4, 3)
    assert not NeighborsFile.holds(path, 4, 3, 2, [0, 0])
    file = NeighborsFile(path, 4, 3)
    file.write(numbers[:1], numbers[1:2])
    file.write(numbers[1:2], numbers[2:3])
    file.close()
    assert NeighborsFile.holds(path, 4, 3, 2, file.checksums)
    assert not NeighborsFile.holds(path, 3, 4, 2, file.checksums)
    assert not NeighborsFile.holds(path, 4, 3, 1, file.checksums)
    data = path.read_bytes()
    for at in (0, 8, 8 + 23, 8 + 48, 8 + 48 + 23):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        assert not NeighborsFile.holds(path, 4, 3, 2, file.checksums), at
    for other in (data[:-1], data + b"0"):
        path.write_bytes(other)
        assert not NeighborsFile.holds(path, 4, 3, 2, file.checksums)
    # What was written after the last that is known of does not matter.
    path.write_bytes(data[:32] + b"after" + data[37:])
    assert NeighborsFile.holds(path, 4, 3, 2, file.checksums)


@pytest.mark.skipif(os.name != "posix", reason="asks for the blocks of a file")
def test_all_bytes_of_a_file_of_neighbors_are_reserved(tmp_path: Path) -> None:
    (tmp_path / "zeros").write_bytes(bytes(1 << 20))
    if (tmp_path / "zeros").stat().st_blocks * 512 < 1 << 20:
        pytest.skip("the file system makes no room for zeros")
    NeighborsFile(tmp_path / "partial", 1024, 128).close()
    assert (tmp_path / "partial").stat().st_blocks * 512 >= 1 << 20


class _Full(FileIO):
    """A file on a disk that has room for some more bytes, and takes at most 100 at a time."""

    left = 0

    def write(self, data: Any) -> int:
        n_bytes = min(len(data), _Full.left, 100)
        if not n_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        _Full.left -= n_bytes
        return super().write(data[:n_bytes])


def test_neighbors_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that names the file; what was there before it is whole."""
    monkeypatch.setattr("knnc.datasets._vectors.FileIO", _Full)
    path, numbers = tmp_path / "partial", np.arange(90).reshape(30, 3)
    monkeypatch.setattr(_Full, "left", 500)
    with pytest.raises(OSError, match=r"No space left on device: .*partial") as raised:
        NeighborsFile(path, 30, 3)
    assert raised.value.errno == errno.ENOSPC
    assert not path.exists()
    monkeypatch.setattr(_Full, "left", 728 + 8 + 240 + 300)
    file = NeighborsFile(path, 30, 3)
    file.write(numbers[:10], numbers[:10])
    before = file.checksums
    with pytest.raises(OSError, match=r"No space left on device: .*partial"):
        file.write(numbers[10:], numbers[10:])
    file.close()
    assert (file.n_done, file.checksums) == (10, before)
    assert NeighborsFile.holds(path, 30, 3, 10, before)
    monkeypatch.setattr(_Full, "left", 1000)
    file = NeighborsFile(path, 30, 3, 10, before)
    file.write(numbers[10:], numbers[10:])
    file.finish(tmp_path / "truth.ibin")
    for got in read_neighbors(tmp_path / "truth.ibin"):
        np.testing.assert_array_equal(got, numbers)
