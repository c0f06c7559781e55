"""Files of many vectors, as those who measure approximate search exchange them; never read whole.

=========  =====================================================================================
.u8bin     the numbers of vectors and of features (uint32 each), then the vectors
.bvecs     each vector after its number of features (int32)
.npy       NumPy's own, of a C-contiguous uint8 array with two axes
.ibin      neighbours: the numbers of queries and of neighbours of each (uint32 each), then all
           indices (uint32), then all distances (float32), as big-ann-benchmarks has them
=========  =====================================================================================

All numbers are little-endian.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["NeighborsFile", "read_neighbors", "read_vectors"]

_VECTOR_SUFFIXES = (".u8bin", ".bvecs", ".npy")
_HEADER_BYTES = 8
# Vectors of a .bvecs file whose number of features is looked at before the file is used.
_LOOKED_AT = 1000


def read_vectors(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Map a file of vectors into memory.

    Parameters
    ----------
    path : str or path-like
        A .u8bin, .bvecs or .npy file.

    Returns
    -------
    vectors : ndarray of shape (n_vectors, n_features), uint8
        Read from the file when they are used, and not writeable. Those of a .bvecs file are not
        contiguous.

    Raises
    ------
    ValueError
        If the name ends otherwise, the file is not of its format, or it is empty.
    OSError
        If it cannot be read.
    """
    suffix = Path(path).suffix
    if suffix not in _VECTOR_SUFFIXES:
        raise ValueError(f"{path}: files of vectors are called {', '.join(_VECTOR_SUFFIXES)}.")
    if suffix == ".npy":
        vectors = _npy(path)
    else:
        if os.stat(path).st_size < _HEADER_BYTES:
            raise ValueError(f"{path} is too short for a {suffix} file.")
        whole = np.asarray(np.memmap(path, np.uint8, mode="r"))
        vectors = _u8bin(path, whole) if suffix == ".u8bin" else _bvecs(path, whole)
    if 0 in vectors.shape:
        raise ValueError(f"{path} has {vectors.shape[0]} vectors of {vectors.shape[1]} features.")
    return vectors


def _npy(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    try:
        vectors: Any = np.load(path, mmap_mode="r", allow_pickle=False)
    except EOFError:
        raise ValueError(f"{path} is empty.") from None
    if not isinstance(vectors, np.ndarray) or vectors.dtype != np.uint8 or vectors.ndim != 2:
        raise ValueError(f"{path} does not hold a uint8 array with two axes.")
    return vectors


def _u8bin(path: str | os.PathLike[str], whole: NDArray[np.uint8]) -> NDArray[np.uint8]:
    n, d = (int(number) for number in whole[:_HEADER_BYTES].view("<u4"))
    if _HEADER_BYTES + n * d != len(whole):
        raise ValueError(
            f"{path} says it has {n} vectors of {d} features, which take "
            f"{_HEADER_BYTES + n * d} bytes, and has {len(whole)}."
        )
    return whole[_HEADER_BYTES:].reshape(n, d)


def _bvecs(path: str | os.PathLike[str], whole: NDArray[np.uint8]) -> NDArray[np.uint8]:
    d = int(whole[:4].view("<i4")[0])
    if d < 1 or len(whole) % (d + 4):
        raise ValueError(f"{path} is not a number of vectors of {d} features, as its first says.")
    records = whole.reshape(-1, d + 4)
    some = np.linspace(0, len(records) - 1, _LOOKED_AT).astype(np.int64)
    if (records[some, :4] != records[0, :4]).any():
        raise ValueError(f"{path} has vectors of different numbers of features.")
    return records[:, 4:]


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
        If it is no such file.
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
    """An .ibin file that is filled a few queries at a time.

    Parameters
    ----------
    path : path-like
        Made if it is not there, or not of the right size.
    n_queries, k : int
    """

    def __init__(self, path: Path, n_queries: int, k: int) -> None:
        self._path = path
        size = self.n_bytes(n_queries, k)
        if not path.exists() or path.stat().st_size != size:
            with open(path, "wb") as file:
                file.write(np.array([n_queries, k], "<u4").tobytes())
                file.truncate(size)
        self._both = np.memmap(
            path, "<u4", mode="r+", offset=_HEADER_BYTES, shape=(2, n_queries, k)
        )

    @staticmethod
    def n_bytes(n_queries: int, k: int) -> int:
        """Bytes of such a file."""
        return _HEADER_BYTES + 8 * n_queries * k

    def write(self, first: int, dist: NDArray[np.int64], ind: NDArray[np.int64]) -> None:
        """Write the neighbours of the queries from `first` on, and have them on the disk."""
        place = slice(first, first + len(dist))
        self._both[0, place] = ind
        self._both[1, place] = dist.astype("<f4").view("<u4")
        self._both.flush()

    def close(self, to: Path) -> None:
        """Rename it: it is complete."""
        self._both.flush()
        del self._both
        os.replace(self._path, to)
