"""Memory for packed rows, which starts at a cache line, and the runs of columns in them."""

from __future__ import annotations

import mmap
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ALIGNMENT", "aligned", "aligned_bytes", "own_pages", "runs_of"]

# KNNC_ALIGNMENT of kernels.h.
ALIGNMENT = 64
# Bytes from which an array is a mapping of its own.
MAPPED_BYTES = 1 << 20


def aligned_bytes(n_bytes: int) -> NDArray[np.uint8]:
    """An uninitialised uint8 array that starts at a cache line."""
    raw = np.empty(n_bytes + ALIGNMENT, dtype=np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + n_bytes]


def own_pages(n_bytes: int) -> NDArray[np.uint8]:
    """The same, as a mapping of its own if it is large: with it, its pages go back to the system.

    Those of an array of NumPy may stay with the process, beside what takes its place.
    """
    if n_bytes < MAPPED_BYTES or not hasattr(mmap, "MAP_ANONYMOUS"):
        return aligned_bytes(n_bytes)
    try:
        pages = mmap.mmap(-1, n_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        raise MemoryError(f"Unable to allocate {n_bytes:,} bytes: {error}") from error
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):  # a kernel that has no huge pages refuses the advice
            pages.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(pages, dtype=np.uint8)


def aligned(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The bytes of an array from a cache line on: its own, or if they start elsewhere a copy."""
    if array.ctypes.data % ALIGNMENT == 0:
        return array
    copy = aligned_bytes(array.nbytes)
    copy[:] = array
    return copy


def runs_of(wanted: NDArray[np.bool_]) -> NDArray[Any]:
    """Starts and lengths of the runs of True, int64, as an array of Run."""
    edges = np.flatnonzero(np.diff(wanted, prepend=False, append=False))
    runs = np.empty(len(edges) // 2, dtype=[("start", np.int64), ("length", np.int64)])
    runs["start"], runs["length"] = edges[::2], edges[1::2] - edges[::2]
    return runs
