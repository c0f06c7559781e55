"""Streaming: each search packs the rows anew, a chunk at a time, and makes no other copy of them.

    StreamedRows.search
      a reader thread packs the next chunk of rows, which reads them if they are on disk,
        while the kernels compare this chunk with all queries (brute.pyx); two chunks are in memory
      every query has one heap, from the first chunk to the last

The rows may have any memory layout. After a chunk of a memory map is packed, its pages are given
back to the system.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnc.engine.encoding import Encoding
from knnc.engine.floats import FloatMode
from knnc.engine.packed import PackedRows
from knnc.engine.scan import radius
from knnc.engine.scan.brute import NO_SELF, search_onto
from knnc.engine.scan.read_ahead import ReadAhead
from knnc.engine.system.memory import MemoryPlan
from knnc.engine.system.pages import Pages
from knnc.engine.system.progress import ProgressCallback, shifted

__all__ = [
    "Overall",
    "Streamed",
    "StreamedRows",
    "is_to_stream",
    "rows_in_place",
    "search_in_blocks",
]

Bytes = NDArray[np.uint8]
Int64 = NDArray[np.int64]
Found = tuple[Int64, Int64 | None, Int64]  # as radius.search returns it

# Bytes of a chunk. Each query has a fixed cost a chunk: with this size, a hundredth of its time.
MOST_BYTES = 32 << 20
FEWEST_BYTES = 1 << 20
# Two packed chunks, a copy of strided or selected rows to pack from, and one to spare.
CHUNKS_AT_ONCE = 4
# Neighbours within a radius that are sorted at a time, unless one query has more.
_JOINED = 1 << 18


def is_to_stream(rows: NDArray[Any]) -> bool:
    """Whether these rows are streamed with any kernel, by the settings in force."""
    return MemoryPlan.for_rows(rows).is_streamed()


def rows_in_place(X: NDArray[Any], *, contiguous: bool) -> tuple[Bytes, Encoding] | None:
    """Training rows as bytes that are not copied, if they are to be streamed.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        In any memory layout.
    contiguous : bool
        Whether the rows must be C-contiguous.

    Returns
    -------
    rows : ndarray of shape (n_samples, n_features), uint8
        The memory of X.
    encoding : Encoding
        None is returned instead of both if the rows are not streamed, or if X does not hold bytes:
        uint8, or bool as 0 and 1.
    """
    in_order = X.flags.c_contiguous or not contiguous
    if X.dtype not in (np.uint8, np.bool_) or not in_order or not is_to_stream(X):
        return None
    rows = X.view(np.uint8)
    # A file of bool may hold any byte but 0 for True.
    if X.dtype == np.bool_ and not _are_zeros_and_ones(rows):
        return None
    return rows, Encoding(X.dtype)


def _are_zeros_and_ones(rows: Bytes) -> bool:
    step = max(1, FEWEST_BYTES // rows.shape[1])
    for first in range(0, len(rows), step):
        some = rows[first : first + step]
        if some.max() > 1:
            return False
        Pages(some).drop()
    return True


class Streamed(ABC):
    """Rows of which each search makes ready a chunk at a time.

    Parameters
    ----------
    rows : ndarray of shape (n_all, n_features)
        Not copied. They need not be contiguous.
    n_rows : int
        How many are searched.
    row_bytes : int
        What a row that is made ready takes.
    max_memory : int
        Bytes that a search may take for rows.
    """

    # What queries have to be.
    _dtype_of_queries: type
    _search_within: Callable[..., Found]

    def __init__(self, rows: NDArray[Any], n_rows: int, row_bytes: int, max_memory: int) -> None:
        self._rows = rows
        self.n_rows = n_rows
        chunk_bytes = max(FEWEST_BYTES, min(MOST_BYTES, max_memory // CHUNKS_AT_ONCE))
        self.chunk_rows = max(1, chunk_bytes // row_bytes)

    @abstractmethod
    def _read(self, first: int, last: int) -> Any:
        """A chunk of rows, ready to be searched."""

    @abstractmethod
    def _take(
        self,
        rows: Any,
        bounds: tuple[int, int],
        queries: NDArray[Any],
        found: tuple[Int64, Int64],
        n_threads: int,
        first_self: int,
        progress: ProgressCallback | None,
    ) -> None:
        """Compare a chunk, and put its rows to what was found; `bounds` are its first and end."""

    def scan(
        self,
        queries: NDArray[Any],
        dist: Int64,
        ind: Int64,
        n_threads: int,
        first_self: int,
        progress: ProgressCallback | None,
        first_row: int = 0,
    ) -> Iterator[int]:
        """Search, a chunk of rows at a time, so that the caller can save what was found.

        Parameters
        ----------
        queries : ndarray of shape (n_queries, n_features), C-contiguous
        dist, ind : ndarray of shape (n_queries, k), int64, C-contiguous
            The neighbours so far: uninitialised, or as a scan of the rows before `first_row` left
            them. After the last row they are the answers.

        Yields
        ------
        done : int
            Rows that have been compared.
        """
        report = Overall(progress, self.n_rows)
        with ReadAhead(self._read, self._bounds(first_row)) as chunks:
            for first, last, rows in chunks:
                told = report.of_rows(first, last)
                bounds, found = (first, last), (dist, ind)
                self._take(rows, bounds, queries, found, n_threads, first_self, told)
                del rows
                chunks.done()
                yield last

    def search(
        self,
        queries: NDArray[Any],
        k: int,
        n_threads: int,
        first_self: int,
        progress: ProgressCallback | None,
    ) -> tuple[Int64, Int64]:
        """The k nearest rows, with the arguments and the answers of the search in memory.

        Queries need not be C-contiguous, nor of the dtype that is compared. If they are not, blocks
        of them no larger than a chunk are copied, and each block has its own scan of the rows.
        """
        n_queries = len(queries)
        dist, ind = np.empty((n_queries, k), np.int64), np.empty((n_queries, k), np.int64)
        for block, some in self._blocks(queries):
            own_self = first_self if first_self == NO_SELF else first_self + block.start
            told = shifted(progress, block.start, n_queries)
            for _ in self.scan(some, dist[block], ind[block], n_threads, own_self, told):
                pass
        return dist, ind

    def _blocks(self, queries: NDArray[Any]) -> Iterator[tuple[slice, NDArray[Any]]]:
        """All queries at once if they need not be copied, else a copy of one block at a time."""
        n_queries = len(queries)
        if queries.flags.c_contiguous and queries.dtype == self._dtype_of_queries:
            if n_queries:
                yield slice(0, n_queries), queries
            return
        for start in range(0, n_queries, self.chunk_rows):
            block = slice(start, min(n_queries, start + self.chunk_rows))
            with FloatMode():
                some: NDArray[Any] = np.ascontiguousarray(queries[block], self._dtype_of_queries)
            Pages(queries[block]).drop()
            yield block, some

    def within(
        self,
        queries: NDArray[Any],
        limit: int,
        n_threads: int,
        first_self: int,
        return_distance: bool,
        sort: bool,
        progress: ProgressCallback | None,
    ) -> Found:
        """All rows within a limit, with the arguments and the answers of the search in memory.

        Queries need not be C-contiguous, as in :meth:`search`.
        """
        indptr = np.zeros(len(queries) + 1, np.int64)
        dist_parts: list[Int64] = []
        ind_parts: list[Int64] = []
        for block, some in self._blocks(queries):
            own_self = first_self if first_self == NO_SELF else first_self + block.start
            told = shifted(progress, block.start, len(queries))
            options = limit, n_threads, own_self, return_distance, sort, told
            ends, dist, ind = _joined(self._found_in_chunks(some, *options), sort)
            indptr[block.start + 1 : block.stop + 1] = indptr[block.start] + ends[1:]
            ind_parts.append(ind)
            if dist is not None:
                dist_parts.append(dist)
        if not ind_parts:
            empty = np.empty(0, np.int64)
            return indptr, empty if return_distance else None, empty
        del dist, ind  # so that the memory of the last block can be freed too
        whole = radius.joined(dist_parts) if return_distance else None
        return indptr, whole, radius.joined(ind_parts)

    def _found_in_chunks(
        self,
        queries: NDArray[Any],
        limit: int,
        n_threads: int,
        first_self: int,
        return_distance: bool,
        sort: bool,
        progress: ProgressCallback | None,
    ) -> list[Found]:
        """What each chunk has within the limit, with indices that count all rows."""
        parts = []
        report = Overall(progress, self.n_rows)
        with ReadAhead(self._read, self._bounds(0)) as chunks:
            for first, last, rows in chunks:
                indptr, dist, ind = type(self)._search_within(
                    rows,
                    queries,
                    limit,
                    n_threads,
                    first_self if first_self == NO_SELF else first_self - first,
                    return_distance,
                    sort,
                    report.of_rows(first, last),
                )
                ind += first
                parts.append((indptr, dist, ind))
                del rows
                chunks.done()
        return parts

    def _bounds(self, first_row: int) -> Iterator[tuple[int, int]]:
        for first in range(first_row, self.n_rows, self.chunk_rows):
            yield first, min(self.n_rows, first + self.chunk_rows)


class StreamedRows(Streamed):
    """Rows of bytes that are packed anew in each search, a chunk at a time.

    Parameters
    ----------
    rows : ndarray of shape (n_all, n_features), uint8
        Not copied. They need not be contiguous.
    metric : {"sqeuclidean", "manhattan", "chebyshev", "hamming"}
    kernel : str or None
        The kernel's name; None for the best that runs here.
    max_memory : int
        Bytes that a search may take for rows.
    where : ndarray of shape (n_rows,), integer, or None
        The rows to search among, ascending. Answers count only these: index 0 is the first of
        them. None is all rows.
    """

    _dtype_of_queries = np.uint8
    _search_within = radius.search

    def __init__(
        self,
        rows: Bytes,
        metric: str,
        kernel: str | None,
        max_memory: int,
        where: NDArray[np.intp] | None = None,
    ) -> None:
        n_rows = len(rows) if where is None else len(where)
        super().__init__(rows, n_rows, rows.shape[1] + 8, max_memory)
        self._metric = metric
        self._kernel = kernel
        self._where = where
        self._max_memory = max_memory
        self._pace: float | None = None

    def among(self, where: NDArray[np.intp]) -> StreamedRows:
        """Some of these rows, ascending, streamed as they are."""
        return StreamedRows(self._rows, self._metric, self._kernel, self._max_memory, where)

    def _take(
        self,
        rows: PackedRows,
        bounds: tuple[int, int],
        queries: Bytes,
        found: tuple[Int64, Int64],
        n_threads: int,
        first_self: int,
        progress: ProgressCallback | None,
    ) -> None:
        """What was found are heaps until the last row."""
        first, last = bounds
        if self._pace is not None:
            rows.pace = self._pace
        is_last = last == self.n_rows
        search_onto(rows, queries, *found, n_threads, first_self, first, is_last, progress)
        self._pace = rows.pace

    def _read(self, first: int, last: int) -> PackedRows:
        # On one thread, which packs 3 GB/s: few disks are faster. The other threads search.
        if self._where is None:
            rows = self._rows[first:last]
            pages = Pages(rows)
            Pages(self._rows[first : last + self.chunk_rows]).advise("MADV_WILLNEED")
        else:
            rows = self._rows[self._where[first:last]]
            pages = Pages(self._rows[self._where[first] : self._where[last - 1] + 1])
        array = np.ascontiguousarray(rows)
        packed = PackedRows(array, self._metric, self._kernel, 1, drop_constant=True, kept=False)
        pages.drop()
        return packed


class Overall:
    """Progress through all rows, counted in queries, from the progress in each chunk."""

    def __init__(self, progress: ProgressCallback | None, n_rows: int) -> None:
        self._progress = progress
        self._n_rows = n_rows
        self._said = 0

    def of_rows(self, first: int, last: int) -> ProgressCallback | None:
        """The callback for the search of the rows from `first` to `last`."""
        progress = self._progress
        if progress is None:
            return None

        def report(done: int, n_queries: int) -> None:
            done = (first * n_queries + (last - first) * done) // self._n_rows
            if done > self._said:
                self._said = done
                progress(done, n_queries)

        return report


def search_in_blocks(
    part: StreamedRows,
    rows: Bytes,
    which: NDArray[np.intp],
    k: int,
    n_threads: int,
    *,
    are_part: bool,
    progress: ProgressCallback | None,
) -> tuple[Int64, Int64]:
    """Search for some rows, in blocks whose copy is no larger than a chunk.

    Parameters
    ----------
    part : StreamedRows
    rows : ndarray of shape (n_all, n_features), uint8
    which : ndarray of shape (n_queries,), integer
        Indices of the queries in `rows`.
    are_part : bool
        Whether they are the rows of `part`, in order, each left out of its own neighbours.
    """
    n_queries = len(which)
    dist, ind = np.empty((n_queries, k), np.int64), np.empty((n_queries, k), np.int64)
    for start in range(0, n_queries, part.chunk_rows):
        block = slice(start, min(n_queries, start + part.chunk_rows))
        report = shifted(progress, start, n_queries)
        first_self = start if are_part else NO_SELF
        queries = np.ascontiguousarray(rows[which[block]])
        dist[block], ind[block] = part.search(queries, k, n_threads, first_self, report)
    return dist, ind


def _joined(parts: list[Found], sort: bool) -> Found:
    """Merge what was found in each chunk, query by query, and shrink the parts on the way.

    It goes from the last query to the first, some queries at a time. After each step the parts are
    cut to what is left of them, and the system gives the result memory as it is written. So both
    together take about as much as the result.
    """
    if len(parts) == 1:
        return parts.pop()
    indptr: Int64 = np.sum([ends for ends, _, _ in parts], axis=0)
    found = np.empty(indptr[-1], np.int64)
    distances = None if parts[0][1] is None else np.empty(indptr[-1], np.int64)
    last = len(indptr) - 1
    while last > 0:
        first = int(np.searchsorted(indptr, indptr[last] - _JOINED))
        first = min(max(first, last - _JOINED), last - 1)
        place = slice(indptr[first], indptr[last])
        order = _order(parts, first, last, sort)
        found[place] = np.concatenate([ind[ends[first] :] for ends, _, ind in parts])[order]
        if distances is not None:
            distances[place] = _distances_from(parts, first)[order]
        for ends, dist, ind in parts:
            for array in (dist, ind):
                if array is not None:
                    array.resize(ends[first], refcheck=False)  # no view of it is left
        last = first
    return indptr, distances, found


def _order(parts: list[Found], first: int, last: int, sort: bool) -> NDArray[np.intp]:
    """The order that merges the parts' neighbours of the queries from `first` to `last`.

    Each part is already in order, and smaller indices are in an earlier part. So a stable sort by
    query, or by query and distance, only merges as many runs as there are parts.
    """
    counts = [np.diff(ends[first : last + 1]) for ends, _, _ in parts]
    query = np.concatenate([np.repeat(np.arange(last - first), count) for count in counts])
    return np.lexsort((_distances_from(parts, first), query) if sort else (query,))


def _distances_from(parts: list[Found], first: int) -> Int64:
    return np.concatenate([dist[ends[first] :] for ends, dist, _ in parts if dist is not None])
