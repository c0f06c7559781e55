"""Maps files of many vectors, in the formats of benchmarks of approximate search, into memory.

=========  =====================================================================================
.u8bin     the numbers of vectors and of features (uint32 each), then the vectors, uint8;
           .u8bin.crop_nb_N is such a file of the first N, as big-ann-benchmarks names it
.fbin      the same with float32, and .fbin.crop_nb_N
.bvecs     each vector, uint8, after its number of features (int32)
.fvecs     the same with float32
.npy       NumPy's own, of a uint8, float16, float32 or float64 array with two axes
.ibin      neighbours: the numbers of queries and of neighbours of each (uint32 each), then all
           indices (uint32), then all distances (float32), as big-ann-benchmarks has them
=========  =====================================================================================

All numbers are little-endian.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Sequence
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["NeighborsFile", "read_neighbors", "read_vectors"]

# The files that are no array of NumPy's, and their dtypes.
_DTYPES = {".u8bin": "u1", ".fbin": "<f4", ".bvecs": "u1", ".fvecs": "<f4"}
_VECTOR_SUFFIXES = (*_DTYPES, ".npy")
_CROP = re.compile(r"((?<=\.u8bin)|(?<=\.fbin))\.crop_nb_[0-9]+\Z")
_HEADER_BYTES = 8
# Bytes read and summed, or reserved, at a time.
_PIECE = 1 << 22
# Vectors of a .bvecs or .fvecs file whose number of features is looked at before the file is used.
_LOOKED_AT = 1000


def read_vectors(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Map a file of vectors into memory.

    Parameters
    ----------
    path : str or path-like
        A .u8bin, .fbin, .bvecs, .fvecs or .npy file; a name may end in .u8bin.crop_nb_N or
        .fbin.crop_nb_N.

    Returns
    -------
    vectors : ndarray of shape (n_vectors, n_features)
        uint8, or float32 from .fbin and .fvecs files. A .npy file may also hold float16 or float64.
        The vectors are mapped from the file and read-only. Vectors of .bvecs and .fvecs files are
        not contiguous.

    Raises
    ------
    ValueError
        If the name has another ending, or the file is malformed or empty.
    OSError
        If it cannot be read.

    Notes
    -----
    Do not make the file shorter while the vectors are in use: the process would end with SIGBUS.
    Replace it instead, as :func:`knnc.load` says.
    """
    suffix = Path(_CROP.sub("", Path(path).name)).suffix
    if suffix not in _VECTOR_SUFFIXES:
        raise ValueError(f"{path}: files of vectors are called {', '.join(_VECTOR_SUFFIXES)}.")
    if suffix == ".npy":
        vectors = _npy(path)
    else:
        if os.stat(path).st_size < _HEADER_BYTES:
            raise ValueError(f"{path} is too short for a {suffix} file.")
        whole = np.asarray(np.memmap(path, np.uint8, mode="r"))
        read = _bin if suffix.endswith("bin") else _vecs
        vectors = read(path, whole, np.dtype(_DTYPES[suffix]))
    if 0 in vectors.shape:
        raise ValueError(f"{path} has {vectors.shape[0]} vectors of {vectors.shape[1]} features.")
    return vectors


def _npy(path: str | os.PathLike[str]) -> NDArray[Any]:
    try:
        # Not np.load, which takes a file of another kind for a pickle or an archive.
        vectors: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    except (OverflowError, ValueError) as error:
        reason = str(error).rstrip(".")
        raise ValueError(f"{path} is no .npy file that can be mapped: {reason}.") from error
    dtype = vectors.dtype.newbyteorder("=")
    if dtype not in (np.uint8, np.float16, np.float32, np.float64) or vectors.ndim != 2:
        raise ValueError(
            f"{path} does not hold an array of uint8, float16, float32 or float64 with two axes."
        )
    return vectors


def _bin(
    path: str | os.PathLike[str], whole: NDArray[np.uint8], dtype: np.dtype[Any]
) -> NDArray[Any]:
    n, d = (int(number) for number in whole[:_HEADER_BYTES].view("<u4"))
    size = _HEADER_BYTES + n * d * dtype.itemsize
    if size != len(whole):
        raise ValueError(
            f"{path} says it has {n} vectors of {d} features, which take "
            f"{size} bytes, and has {len(whole)}."
        )
    return whole[_HEADER_BYTES:].view(dtype).reshape(n, d)


def _vecs(
    path: str | os.PathLike[str], whole: NDArray[np.uint8], dtype: np.dtype[Any]
) -> NDArray[Any]:
    d = int(whole[:4].view("<i4")[0])
    if d < 1 or len(whole) % (d * dtype.itemsize + 4):
        raise ValueError(f"{path} is not a number of vectors of {d} features, as its first says.")
    records = whole.reshape(-1, d * dtype.itemsize + 4)
    some = np.linspace(0, len(records) - 1, _LOOKED_AT).astype(np.int64)
    if (records[some, :4] != records[0, :4]).any():
        raise ValueError(f"{path} has vectors of different numbers of features.")
    return records[:, 4:].view(dtype)


def read_neighbors(
    path: str | os.PathLike[str],
) -> tuple[NDArray[np.float32], NDArray[np.uint32]]:
    """Map a file of neighbours into memory.

    Parameters
    ----------
    path : str or path-like
        An .ibin file, as ``knnc groundtruth`` writes it.

    Returns
    -------
    dist : ndarray of shape (n_queries, k), float32
    ind : ndarray of shape (n_queries, k), uint32

    Raises
    ------
    ValueError
        If it is not such a file.
    OSError
        If it cannot be read.
    """
    with open(path, "rb") as file:
        header = np.frombuffer(file.read(_HEADER_BYTES).ljust(_HEADER_BYTES, b"\0"), "<u4")
    n, k = (int(number) for number in header)
    size = os.stat(path).st_size
    if size != NeighborsFile.n_bytes(n, k) or 0 in (n, k):
        raise ValueError(f"{path} is not a file of {k} neighbours of each of {n} queries.")
    both = np.memmap(path, "<u4", mode="r", offset=_HEADER_BYTES, shape=(2, n, k))
    return both[1].view("<f4"), both[0]


class NeighborsFile:
    """An .ibin file that is filled a few queries at a time, in their order.

    Parameters
    ----------
    path : path-like
        Begun anew, unless some are done.
    n_queries, k : int
    n_done : int, default=0
        The first queries, whose neighbours the file has.
    checksums : sequence of two int, default=(0, 0)
        Those of their indices and distances, as :attr:`checksums` had them.

    Raises
    ------
    OSError
        If it cannot be written. All its bytes are reserved when it is made, so that a full disk is
        an error at once and not after hours. A file that could not be made is removed.

    Notes
    -----
    The file is written and not mapped: a full disk makes a write raise, but kills a process that
    writes into a map.
    """

    def __init__(
        self,
        path: Path,
        n_queries: int,
        k: int,
        n_done: int = 0,
        checksums: Sequence[int] = (0, 0),
    ) -> None:
        self._path = path
        self._shape = n_queries, k
        self.n_done = n_done
        self.checksums = list(checksums)
        self._file = FileIO(path, "r+" if n_done else "w+")
        try:
            if not n_done:
                self._reserve()
            self._put(0, self._header(n_queries, k))
        except BaseException:
            self._file.close()
            if not n_done:
                path.unlink(missing_ok=True)
            raise

    @staticmethod
    def n_bytes(n_queries: int, k: int) -> int:
        """Bytes of such a file."""
        return _HEADER_BYTES + 8 * n_queries * k

    @staticmethod
    def _header(n_queries: int, k: int) -> bytes:
        return np.array([n_queries, k], "<u4").tobytes()

    @classmethod
    def holds(
        cls, path: Path, n_queries: int, k: int, n_done: int, checksums: Sequence[int]
    ) -> bool:
        """Whether the file exists and has what was written for the first `n_done` queries."""
        if not path.exists() or path.stat().st_size != cls.n_bytes(n_queries, k):
            return False
        with open(path, "rb") as file:
            if file.read(_HEADER_BYTES) != cls._header(n_queries, k):
                return False
            for which, expected in enumerate(checksums):
                file.seek(_HEADER_BYTES + 4 * which * n_queries * k)
                crc, left = 0, 4 * n_done * k
                while left and (piece := file.read(min(left, _PIECE))):
                    crc = zlib.crc32(piece, crc)
                    left -= len(piece)
                if left or crc != expected:
                    return False
        return True

    def write(self, dist: NDArray[Any], ind: NDArray[np.int64]) -> None:
        """Write the neighbours of the next queries, and flush them to the disk."""
        n_queries, k = self._shape
        sums = []
        with np.errstate(over="ignore"):  # a float64 may be beyond float32: infinity
            written = ind.astype("<u4"), dist.astype("<f4")
        for which, numbers in enumerate(written):
            data = numbers.reshape(-1).view(np.uint8).data
            self._put(_HEADER_BYTES + 4 * k * (which * n_queries + self.n_done), data)
            sums.append(zlib.crc32(data, self.checksums[which]))
        self._sync()
        self.n_done += len(dist)
        self.checksums = sums

    def finish(self, to: Path) -> None:
        """Rename it: it is complete."""
        self._sync()
        self._file.close()  # Windows renames no file that is open
        os.replace(self._path, to)

    def close(self) -> None:
        """Leave it for another time."""
        self._file.close()

    def _reserve(self) -> None:
        size = self.n_bytes(*self._shape)
        zeros = bytes(min(size, _PIECE))
        for at in range(0, size, _PIECE):
            self._put(at, zeros[: size - at])
        self._sync()

    def _put(self, at: int, data: bytes | memoryview) -> None:
        left = memoryview(data)
        try:
            self._file.seek(at)
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            error.filename = os.fspath(self._path)
            raise

    def _sync(self) -> None:
        try:
            os.fsync(self._file.fileno())  # where a network's file system says that it is full
        except OSError as error:
            error.filename = os.fspath(self._path)
            raise
