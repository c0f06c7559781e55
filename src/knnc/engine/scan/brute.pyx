"""Blocking, threads and selection around the kernels: from packed rows to the k nearest.

    search
      chunks of queries (and of rows, when they are many): at most about 0.05 s each; between
      two of them signals are checked and progress is told, with the GIL held
        items, one an OpenMP iteration: a block of queries x a part of the rows
          a panel block that fits the L2 cache, times each tile of queries
            kernel.tile: distances in registers, a push for each row within a query's limit

Many queries are divided among threads. If there are few, the rows are divided instead: each part
of the rows has its own heaps, which are merged at the end. Either way a heap meets its rows in
ascending order. So a row at the limit itself can be left out of a heap: its index is larger than
those in the heap.
"""
from cpython.exc cimport PyErr_CheckSignals
from cython.parallel cimport prange
from libc.math cimport log2
from libc.stdint cimport INT64_MIN, int32_t, int64_t, uint8_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

from knnc.engine.scan._heap cimport heap_clear, heap_push, heap_sort_part, sift_down
from knnc.engine._kernels cimport (
    KNNC_CHEBYSHEV,
    KNNC_LIMIT_NONE,
    knnc_push,
    knnc_kernel,
    knnc_queries,
)
from knnc.engine.dispatch cimport pack_queries, packed_tile_bytes
from knnc.engine.packed cimport PackedRows
from knnc.engine.scan._plan cimport KNNC_PUSH_SECONDS, Plan, Rows, plan_chunk
from knnc.engine.system._pace cimport KNNC_STEP_SECONDS, look, next_step

import numpy as np

# Rows of one panel block: about half of a 1 MiB L2 cache; the queries of an item take a quarter.
cdef int64_t PANEL_BLOCK_BYTES = 384 * 1024
# The `first_self` of queries that are not rows: so low that first_self + i is never a row.
NO_SELF = INT64_MIN // 2


# ------------------------------------------------------------------------------------------------
# One item of work: a block of queries against a range of panels, on one thread

cdef struct Heaps:
    # What a tile's pushes need: heap q is at dist + q * k, ind + q * k.
    int64_t *dist
    int64_t *ind
    int64_t k
    int64_t first_row  # the index of the first of these rows among all rows
    int64_t first_self  # the row that the tile's first query is; far below 0 if it is none
    const int32_t *offsets  # the distances of the queries in the dropped columns


cdef int32_t push_row(void *context, int query, int64_t row, int32_t dist) noexcept nogil:
    cdef Heaps *heaps = <Heaps *>context
    cdef int64_t *heap = heaps.dist + query * heaps.k
    if row != heaps.first_self + query:
        sift_down(heap, heaps.ind + query * heaps.k, heaps.k,
                  <int64_t>dist + heaps.offsets[query], heaps.first_row + row)
    return limit_of(heap[0], heaps.offsets[query], False)


cdef int32_t push_row_by_largest(
    void *context, int query, int64_t row, int32_t dist
) noexcept nogil:
    cdef Heaps *heaps = <Heaps *>context
    cdef int64_t *heap = heaps.dist + query * heaps.k
    if row != heaps.first_self + query:
        sift_down(heap, heaps.ind + query * heaps.k, heaps.k,
                  <int64_t>max(dist, heaps.offsets[query]), heaps.first_row + row)
    return limit_of(heap[0], heaps.offsets[query], True)


cdef int32_t add_block(void *context, int query, int64_t row, int32_t dist) noexcept nogil:
    cdef Sums *sums = <Sums *>context
    sums.dist[query * sums.n_rows + row - sums.first_row] += dist
    return KNNC_LIMIT_NONE


cdef int32_t max_block(void *context, int query, int64_t row, int32_t dist) noexcept nogil:
    cdef Sums *sums = <Sums *>context
    cdef int64_t *largest = &sums.dist[query * sums.n_rows + row - sums.first_row]
    largest[0] = max(largest[0], <int64_t>dist)
    return KNNC_LIMIT_NONE


cdef void push_sums(Sums *sums, Heaps *heaps, int n_queries, int64_t n_rows) noexcept nogil:
    cdef int q
    cdef int64_t r, row
    for q in range(n_queries):
        for r in range(min(sums.n_rows, n_rows - sums.first_row)):
            row = sums.first_row + r
            if row != heaps.first_self + q:
                heap_push(heaps.dist + q * heaps.k, heaps.ind + q * heaps.k, heaps.k,
                          sums.dist[q * sums.n_rows + r], heaps.first_row + row)


cdef int run_item(PackedRows rows, Item *item) noexcept nogil:
    """Returns -1 when there is no memory for the packed queries."""
    cdef const knnc_kernel *kernel = rows.kernel
    cdef int tile_queries = kernel.layout.tile_queries, n_blocks = rows.n_blocks, status = -1
    cdef int64_t n_tiles = (item.n_queries + tile_queries - 1) // tile_queries
    cdef int64_t step = panels_at_a_time(rows)
    cdef int64_t width = step * kernel.layout.panel_rows, i
    cdef uint8_t *values = <uint8_t *>malloc(n_tiles * tile_bytes(rows))
    cdef knnc_queries *tiles = <knnc_queries *>malloc(n_tiles * n_blocks * sizeof(knnc_queries))
    cdef int32_t *offsets = <int32_t *>calloc(n_tiles * tile_queries, sizeof(int32_t))
    cdef int64_t *sums = NULL
    if n_blocks > 1:
        sums = <int64_t *>malloc(tile_queries * width * sizeof(int64_t))
    if values and tiles and offsets and (sums or n_blocks == 1):
        status = pack_tiles(rows, item.queries, item.n_queries, values, tiles, offsets)
    if status == 0:
        if n_blocks == 1:
            for i in range(item.n_queries):
                tiles[i // tile_queries].limits[i % tile_queries] = limit_of(
                    item.dist[i * item.k], offsets[i], kernel.metric == KNNC_CHEBYSHEV)
        scan_panels(rows, item, tiles, n_tiles, step, sums, offsets)
    free(values)
    free(tiles)
    free(offsets)
    free(sums)
    return status


cdef int64_t panels_at_a_time(PackedRows rows) noexcept nogil:
    """Panels of a block that fits the cache, whatever their number of features."""
    cdef int64_t total = 0
    cdef int b
    for b in range(rows.n_blocks):
        total += rows.block_bytes(b)
    return max(1, PANEL_BLOCK_BYTES // max(1, total))


cdef int64_t tile_bytes(PackedRows rows) noexcept nogil:
    """Bytes of one packed tile of queries, over all blocks of features."""
    cdef int64_t total = 0
    cdef int b
    for b in range(rows.n_blocks):
        total += packed_tile_bytes(rows.kernel, rows.block_end(b) - rows.block_start(b))
    return total


cdef int pack_tiles(
    PackedRows rows, const uint8_t *queries, int64_t n_queries, uint8_t *values,
    knnc_queries *tiles, int32_t *offsets,
) noexcept nogil:
    """Pack queries without dropped columns: tile by tile, then by blocks of features.

    Limits are not set. Returns -1 when there is no memory.
    """
    cdef const knnc_kernel *kernel = rows.kernel
    cdef int n_blocks = rows.n_blocks, b, q, n
    cdef int64_t tile_queries = kernel.layout.tile_queries, first = 0, width, d = rows.n_features
    cdef const uint8_t *source = queries
    cdef uint8_t *kept = NULL
    if rows.n_kept < d:
        # One tile, and after it the dropped columns of one query.
        kept = <uint8_t *>malloc(tile_queries * rows.n_kept + d - rows.n_kept)
        if kept == NULL:
            return -1
        source = kept
    while first < n_queries:
        n = <int>min(tile_queries, n_queries - first)
        if kept:
            for q in range(n):
                rows.columns.keep(queries + q * d, kept + q * rows.n_kept)
                offsets[first + q] = rows.columns.offset(
                    queries + q * d, kernel.pair, kept + tile_queries * rows.n_kept)
        for b in range(n_blocks):
            width = rows.block_end(b) - rows.block_start(b)
            pack_queries(kernel, source + rows.block_start(b), rows.n_kept, n, width, values,
                         &tiles[first // tile_queries * n_blocks + b])
            values += packed_tile_bytes(kernel, width)
        queries += tile_queries * d
        if not kept:
            source = queries
        first += tile_queries
    free(kept)
    return 0


cdef void scan_panels(
    PackedRows rows, Item *item, knnc_queries *tiles, int64_t n_tiles, int64_t step,
    int64_t *sums_of, const int32_t *offsets,
) noexcept nogil:
    cdef const knnc_kernel *kernel = rows.kernel
    cdef int n_blocks = rows.n_blocks, b
    cdef int64_t first, last, t
    cdef bint largest = kernel.metric == KNNC_CHEBYSHEV
    cdef knnc_push push = push_row_by_largest if largest else push_row
    cdef knnc_push combine = max_block if largest else add_block
    cdef Heaps heaps
    cdef Sums sums
    heaps.k = item.k
    heaps.first_row = item.first_row
    last = item.first_panel
    while last < item.last_panel:
        first = last
        last = min(item.last_panel, first + step)
        for t in range(n_tiles):
            heaps.dist = item.dist + t * kernel.layout.tile_queries * item.k
            heaps.ind = item.ind + t * kernel.layout.tile_queries * item.k
            heaps.first_self = item.first_self + t * kernel.layout.tile_queries
            heaps.offsets = offsets + t * kernel.layout.tile_queries
            if n_blocks == 1:
                kernel.tile(&rows.blocks[0], first, last, &tiles[t], push, &heaps)
                continue
            sums.dist = sums_of
            sums.first_row = first * kernel.layout.panel_rows
            sums.n_rows = (last - first) * kernel.layout.panel_rows
            memset(sums_of, 0, kernel.layout.tile_queries * sums.n_rows * sizeof(int64_t))
            for b in range(n_blocks):
                kernel.tile(
                    &rows.blocks[b], first, last, &tiles[t * n_blocks + b], combine, &sums)
            push_sums(&sums, &heaps, tiles[t * n_blocks].n_queries, rows.n_rows)


# ------------------------------------------------------------------------------------------------
# The items of a chunk, divided among threads

cdef int run_chunk(
    PackedRows rows, Item *whole, Plan *plan, int64_t *part_dist, int64_t *part_ind,
) noexcept nogil:
    """Scan a range of panels of each part for a chunk of queries, in blocks of these.

    Heaps of part 0 are in the result, those of part p > 0 at part_dist[(p - 1) * n_queries * k].
    """
    cdef int64_t n_items = (whole.n_queries + plan.block - 1) // plan.block * plan.n_parts, i
    cdef int failed = 0
    if n_items == 1:
        return run_item(rows, whole)
    for i in prange(n_items, num_threads=plan.steps.n_threads, schedule="dynamic", chunksize=1):
        failed += run_part(rows, whole, plan, part_dist, part_ind, i)
    return failed


cdef int run_part(
    PackedRows rows, Item *whole, Plan *plan, int64_t *part_dist, int64_t *part_ind, int64_t i
) noexcept nogil:
    cdef Item item = whole[0]
    cdef int64_t first = i // plan.n_parts * plan.block, part = i % plan.n_parts
    cdef int64_t skip = first * whole.k
    cdef int64_t start = rows.n_panels * part // plan.n_parts
    cdef int64_t end = rows.n_panels * (part + 1) // plan.n_parts
    item.queries += first * rows.n_features
    item.n_queries = min(plan.block, whole.n_queries - first)
    item.first_self += first
    item.first_panel = min(end, start + whole.first_panel)
    item.last_panel = min(end, start + whole.last_panel)
    item.dist += skip
    item.ind += skip
    if part:
        item.dist = part_dist + (part - 1) * whole.n_queries * whole.k + skip
        item.ind = part_ind + (part - 1) * whole.n_queries * whole.k + skip
    return run_item(rows, &item)


cdef int64_t finish_steps(int64_t k, int64_t n_parts) noexcept nogil:
    """How many steps merge and sort the heaps of a query. A step puts one pair in place."""
    return n_parts * k


cdef void finish_query(
    Item *whole, int64_t n_parts, const int64_t *part_dist, const int64_t *part_ind, int64_t q,
    int64_t first, int64_t last,
) noexcept nogil:
    """Steps first to last of a query: merge its heaps into that of the first part, then sort it."""
    cdef int64_t k = whole.k, step = first, at, sorting = (n_parts - 1) * k
    cdef int64_t *dist = whole.dist + q * k
    cdef int64_t *ind = whole.ind + q * k
    while step < min(last, sorting):
        at = (step // k * whole.n_queries + q) * k + step % k
        heap_push(dist, ind, k, part_dist[at], part_ind[at])
        step += 1
    if step < last:
        heap_sort_part(dist, ind, k - (step - sorting), k - (last - sorting))


cdef void finish_queries(
    Item *whole, int64_t n_parts, const int64_t *part_dist, const int64_t *part_ind,
    int64_t n_steps, int64_t first, int64_t last, int n_threads,
) noexcept nogil:
    cdef int64_t q
    for q in prange(first, last, num_threads=n_threads, schedule="static"):
        finish_query(whole, n_parts, part_dist, part_ind, q, 0, n_steps)


cdef int finish(
    Item *whole, int64_t n_parts, const int64_t *part_dist, const int64_t *part_ind, int n_threads
) except -1:
    """Merge the heaps of the parts, and sort; signals are checked on the way."""
    return merge_and_sort(
        whole, n_parts, part_dist, part_ind, finish_steps(whole.k, n_parts), n_threads)


cdef int merge_and_sort(
    Item *whole, int64_t n_parts, const int64_t *part_dist, const int64_t *part_ind,
    int64_t n_steps, int n_threads,
) except -1:
    """The first `n_steps` steps of `finish`, of which the last k sort."""
    cdef int64_t q = 0, last, step
    cdef int64_t at_once = <int64_t>(
        KNNC_STEP_SECONDS / (KNNC_PUSH_SECONDS * log2(whole.k + 1.0)))
    while q < whole.n_queries and n_steps:
        if n_steps <= at_once:
            last = min(whole.n_queries, q + at_once // n_steps * n_threads)
            with nogil:
                finish_queries(
                    whole, n_parts, part_dist, part_ind, n_steps, q, last, n_threads)
            q = last
        else:
            for step in range(0, n_steps, at_once):
                with nogil:
                    finish_query(whole, n_parts, part_dist, part_ind, q, step,
                                 min(step + at_once, n_steps))
                PyErr_CheckSignals()
            q += 1
        PyErr_CheckSignals()
    return 0


cdef Rows rows_of(PackedRows rows) noexcept nogil:
    """The numbers that `plan_chunk` needs."""
    cdef Rows of
    of.n_rows, of.n_features, of.n_panels = rows.n_rows, rows.n_features, rows.n_panels
    of.panel_rows = rows.kernel.layout.panel_rows
    of.tile_queries = rows.kernel.layout.tile_queries
    of.tile_bytes = of.tile_queries * rows.n_features
    of.serial_work = 4e6
    return of


def search(
    PackedRows rows, const uint8_t[:, ::1] queries, int64_t k, int n_threads, int64_t first_self,
    progress,
):
    """The k nearest rows of each query, in ascending order of (distance, row index).

    Parameters
    ----------
    rows : PackedRows
    queries : ndarray of shape (n_queries, n_features), uint8, C-contiguous
    k : int
    n_threads : int
    first_self : int
        Query i is row first_self + i, and is not its own neighbour; NO_SELF: queries are no rows.
    progress : callable or None
        Called with (queries done, queries in all) after each step of some 0.05 s. When a chunk of
        queries has been compared with a share of the rows, that share of the chunk counts as done.

    Returns
    -------
    dist, ind : ndarray of shape (n_queries, k), int64
    """
    n_queries = queries.shape[0]
    dist, ind = np.empty((n_queries, k), np.int64), np.empty((n_queries, k), np.int64)
    search_onto(rows, queries, dist, ind, n_threads, first_self, 0, True, progress)
    return dist, ind


def search_onto(
    PackedRows rows, const uint8_t[:, ::1] queries, int64_t[:, ::1] dist, int64_t[:, ::1] ind,
    int n_threads, int64_t first_self, int64_t first_row, bint is_last, progress,
):
    """Add rows to a search for the k nearest; calls have to come in ascending order of rows.

    Parameters
    ----------
    rows, queries, n_threads, progress
        As for `search`.
    dist, ind : ndarray of shape (n_queries, k), int64, C-contiguous
        The heaps. The call with `first_row` 0 empties them, and that with `is_last` sorts them.
    first_self : int
        As for `search`: counted from row 0 of all rows.
    first_row : int
        The index of the first of these rows among all rows.
    is_last : bool
        Whether no more rows follow.
    """
    cdef int64_t n_queries = queries.shape[0], k = dist.shape[1], done = 0, n_steps
    cdef int64_t told, said = 0
    cdef int failed
    cdef Plan plan
    cdef Item whole
    cdef int64_t[:, ::1] part_dist, part_ind
    cdef int64_t *parts_d
    cdef int64_t *parts_i
    cdef Rows of = rows_of(rows)
    whole.k, whole.first_row = k, first_row
    while done < n_queries:
        plan = plan_chunk(
            &of, n_queries - done, k, n_threads, rows._pace, KNNC_STEP_SECONDS)
        whole.queries = &queries[done, 0]
        whole.n_queries = plan.n_queries
        whole.first_self = first_self + done - first_row
        whole.dist, whole.ind = &dist[done, 0], &ind[done, 0]
        if first_row == 0:
            heap_clear(whole.dist, whole.ind, plan.n_queries * k)
        parts_d = parts_i = NULL
        if plan.n_parts > 1:
            part_dist = np.empty(((plan.n_parts - 1) * plan.n_queries, k), np.int64)
            part_ind = np.empty(((plan.n_parts - 1) * plan.n_queries, k), np.int64)
            parts_d, parts_i = &part_dist[0, 0], &part_ind[0, 0]
            heap_clear(parts_d, parts_i, (plan.n_parts - 1) * plan.n_queries * k)
        while next_step(&plan.steps, rows._pace):
            whole.first_panel, whole.last_panel = plan.steps.first, plan.steps.last
            with nogil:
                failed = run_chunk(rows, &whole, &plan, parts_d, parts_i)
            if failed:
                raise MemoryError("no memory for the packed queries of a search.")
            look(&plan.steps, &rows._pace)
            told = done + plan.n_queries * plan.steps.last // plan.steps.n
            if progress is not None and plan.steps.last < plan.steps.n and told > said:
                said = told
                progress(said, n_queries)
        n_steps = finish_steps(k, plan.n_parts) - (0 if is_last else k)
        merge_and_sort(&whole, plan.n_parts, parts_d, parts_i, n_steps, plan.steps.n_threads)
        done += plan.n_queries
        said = done
        if progress is not None:
            progress(done, n_queries)
