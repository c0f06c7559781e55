"""Memory maps: which one an array lies in, and what of it this process keeps in memory."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Pages", "mapping_of"]

# Bytes that Linux maps around one that is read: those before a chunk would never be dropped.
_FAULT_AROUND = 1 << 16


def mapping_of(array: NDArray[Any]) -> tuple[mmap.mmap, int, bool] | None:
    """The memory map that holds an array, where in it, and whether all processes share it.

    Returns
    -------
    mapped : mmap.mmap
        Or None in place of all three, if the array lies in no map of a file.
    start : int
        Of the array's first element, in bytes.
    shared : bool
        Whether it is known that pages of it can be dropped and read again.
    """
    base: Any = array
    shared = False
    while isinstance(base, (np.ndarray, memoryview)):
        if isinstance(base, np.memmap):
            shared = base.mode in ("r", "r+", "w+")
        base = base.obj if isinstance(base, memoryview) else base.base
    if not isinstance(base, mmap.mmap):
        return None
    start = array.ctypes.data - np.frombuffer(base, np.uint8).ctypes.data
    return base, start, shared


class Pages:
    """The whole pages of a memory map that some rows lie in; none, if they lie in no map."""

    def __init__(self, rows: NDArray[np.uint8]) -> None:
        mapping = mapping_of(rows) if hasattr(mmap.mmap, "madvise") and rows.size else None
        self._mapped: mmap.mmap | None = None
        if mapping is not None:
            self._mapped, start, self._shared = mapping
            self._spans = [*_spans(start, rows.shape, rows.strides)]

    def advise(self, name: str, around: int = 0) -> None:
        """Tell the system of these pages; what it refuses, as of locked ones, is no loss."""
        option = getattr(mmap, name, None)
        if self._mapped is not None and option is not None:
            for first, last in self._spans:
                first = max(0, first - around)
                first -= first % mmap.PAGESIZE
                last = min(last + around, len(self._mapped))
                with suppress(OSError):
                    self._mapped.madvise(option, first, last - first)

    def drop(self) -> None:
        """Count these pages to this process no more; the file, and other readers, keep them."""
        if self._mapped is not None and self._shared:
            self.advise("MADV_DONTNEED", _FAULT_AROUND)


def _spans(start: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> Iterator[Any]:
    """First byte and end of where the elements lie: of each column, where these are apart."""
    (n_rows, n_columns), (down, right) = shape, strides
    if abs(right) > max(abs(down), mmap.PAGESIZE):
        for column in range(n_columns):
            yield from _spans(start + column * right, (n_rows, 1), (down, 0))
        return
    ends = (n_rows - 1) * down, (n_columns - 1) * right
    yield start + sum(min(0, end) for end in ends), start + sum(max(0, end) for end in ends) + 1
