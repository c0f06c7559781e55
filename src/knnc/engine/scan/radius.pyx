"""All rows within a distance of each query: lists that grow, around the kernels.

    search
      chunks of queries (and of rows, when they are many): at most about 0.05 s each; between
      two of them signals are checked and progress is told, with the GIL held
        items, one an OpenMP iteration: a block of queries x a part of the rows
          a panel block that fits the L2 cache, times each tile of queries
            kernel.tile: which rows of the block are below each query's limit
            each query's list in this part of the rows grows by them
        the lists of the chunk, part after part, become two arrays

The parts stay the same for a whole chunk, and each part is scanned in ascending order of its rows.
So a query's lists, part after part, are in order of rows; only an order by distance takes a sort.
Besides the result, memory never holds more than the lists of one chunk.
"""
from cpython.exc cimport PyErr_CheckSignals
from cython.parallel cimport prange
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from knnc.engine._kernels cimport (
    KNNC_CHEBYSHEV,
    knnc_found,
    knnc_kernel,
    knnc_push,
    knnc_queries,
)
from knnc.engine.scan._collect cimport List, make_room
from knnc.engine.scan._plan cimport CHUNK_PAIRS, Plan, Rows, plan_chunk
from knnc.engine.scan._sort cimport stable_sort
from knnc.engine.packed cimport PackedRows
from knnc.engine.scan.brute cimport (
    Sums,
    add_block,
    limit_of,
    max_block,
    pack_tiles,
    panels_at_a_time,
    rows_of,
    tile_bytes,
)
from knnc.engine.system._pace cimport KNNC_STEP_SECONDS, look, next_step

import numpy as np

# Rows of a panel block, at most: the buffers of a tile have a place for each.
cdef int64_t BLOCK_ROWS = 2048


# ------------------------------------------------------------------------------------------------
# Lists

cdef class Lists:
    """`n` lists, empty at first; frees what they have grown to."""
    def __cinit__(self, int64_t n):
        self.n = n
        self.at = <List *>calloc(n, sizeof(List))
        if self.at == NULL:
            raise MemoryError()

    def __dealloc__(self):
        cdef int64_t i
        if self.at:
            for i in range(self.n):
                free(self.at[i].ind)
                free(self.at[i].dist)
        free(self.at)


# ------------------------------------------------------------------------------------------------
# One item of work: a block of queries against a range of panels, on one thread

cdef struct Item:
    const uint8_t *queries
    int64_t n_queries
    int64_t first_self
    int64_t first_panel
    int64_t last_panel
    const int64_t *below  # one for each query: rows at a smaller distance are found
    List *lists
    bint with_dist


cdef struct Scratch:
    # What the tiles of an item share: packed queries, and what one tile finds in one panel block.
    uint8_t *values
    knnc_queries *tiles
    int32_t *offsets
    int32_t *rows
    int32_t *dist
    int64_t *sums
    int64_t step


cdef int run_item(PackedRows rows, Item *item) noexcept nogil:
    """Returns -1 when there is no memory."""
    cdef int64_t tile = rows.kernel.layout.tile_queries, height = rows.kernel.layout.panel_rows
    cdef int64_t n_tiles = (item.n_queries + tile - 1) // tile, i
    cdef int status = -1
    cdef Scratch scratch
    memset(&scratch, 0, sizeof(Scratch))
    scratch.step = max(1, min(panels_at_a_time(rows), BLOCK_ROWS // height))
    scratch.values = <uint8_t *>malloc(n_tiles * tile_bytes(rows))
    scratch.tiles = <knnc_queries *>malloc(n_tiles * rows.n_blocks * sizeof(knnc_queries))
    scratch.offsets = <int32_t *>calloc(n_tiles * tile, sizeof(int32_t))
    if rows.n_blocks == 1:
        i = tile * (scratch.step * height + 1)
        scratch.rows = <int32_t *>malloc(i * sizeof(int32_t))
        scratch.dist = <int32_t *>malloc(i * sizeof(int32_t))
    else:
        scratch.sums = <int64_t *>malloc(tile * scratch.step * height * sizeof(int64_t))
    if (scratch.values and scratch.tiles and scratch.offsets
            and ((scratch.rows and scratch.dist) or scratch.sums)):
        status = pack_tiles(
            rows, item.queries, item.n_queries, scratch.values, scratch.tiles, scratch.offsets)
    if status == 0:
        if rows.n_blocks == 1:
            for i in range(item.n_queries):
                scratch.tiles[i // tile].limits[i % tile] = limit_of(
                    item.below[i], scratch.offsets[i], rows.kernel.metric == KNNC_CHEBYSHEV)
        status = scan_panels(rows, item, n_tiles, &scratch)
    free(scratch.values)
    free(scratch.tiles)
    free(scratch.offsets)
    free(scratch.rows)
    free(scratch.dist)
    free(scratch.sums)
    return status


cdef int scan_panels(
    PackedRows rows, Item *item, int64_t n_tiles, Scratch *scratch
) noexcept nogil:
    cdef int64_t first, last = item.first_panel, t
    cdef int failed = 0
    while last < item.last_panel and failed == 0:
        first = last
        last = min(item.last_panel, first + scratch.step)
        for t in range(n_tiles):
            if rows.n_blocks == 1:
                failed |= list_rows(rows, item, t, first, last, scratch)
            else:
                failed |= sum_blocks(rows, item, t, first, last, scratch)
    return failed


cdef int list_rows(
    PackedRows rows, Item *item, int64_t t, int64_t first, int64_t last, Scratch *scratch
) noexcept nogil:
    """Add the rows that a tile of queries finds in a block of panels to its lists."""
    cdef const knnc_kernel *kernel = rows.kernel
    cdef int64_t query = t * kernel.layout.tile_queries, i, at, row, dist
    cdef bint largest = kernel.metric == KNNC_CHEBYSHEV
    cdef knnc_found found
    cdef List *into
    cdef int q
    found.rows, found.dist = scratch.rows, scratch.dist
    found.room = scratch.step * kernel.layout.panel_rows + 1
    found.first_row = first * kernel.layout.panel_rows
    memset(found.counts, 0, sizeof(found.counts))
    kernel.tile(&rows.blocks[0], first, last, &scratch.tiles[t], NULL, &found)
    for q in range(scratch.tiles[t].n_queries):
        into = &item.lists[query + q]
        if make_room(into, found.counts[q], item.with_dist):
            return -1
        for i in range(q * found.room, q * found.room + found.counts[q]):
            row = found.first_row + found.rows[i]
            if row == item.first_self + query + q:
                continue
            at = into.n
            into.ind[at] = row
            if item.with_dist:
                dist = found.dist[i]
                into.dist[at] = (max(dist, <int64_t>scratch.offsets[query + q]) if largest
                                 else dist + scratch.offsets[query + q])
            into.n = at + 1
    return 0


cdef int sum_blocks(
    PackedRows rows, Item *item, int64_t t, int64_t first, int64_t last, Scratch *scratch
) noexcept nogil:
    """As `list_rows`, for rows with more features than a kernel adds up."""
    cdef const knnc_kernel *kernel = rows.kernel
    cdef knnc_push combine = max_block if kernel.metric == KNNC_CHEBYSHEV else add_block
    cdef int64_t query = t * kernel.layout.tile_queries, n, r
    cdef Sums sums
    cdef List *into
    cdef int b, q
    sums.dist = scratch.sums
    sums.first_row = first * kernel.layout.panel_rows
    sums.n_rows = (last - first) * kernel.layout.panel_rows
    memset(sums.dist, 0, kernel.layout.tile_queries * sums.n_rows * sizeof(int64_t))
    for b in range(rows.n_blocks):
        kernel.tile(&rows.blocks[b], first, last, &scratch.tiles[t * rows.n_blocks + b],
                    combine, &sums)
    n = min(sums.n_rows, rows.n_rows - sums.first_row)
    for q in range(scratch.tiles[t * rows.n_blocks].n_queries):
        into = &item.lists[query + q]
        if make_room(into, n, item.with_dist):
            return -1
        for r in range(n):
            if (sums.dist[q * sums.n_rows + r] >= item.below[query + q]
                    or sums.first_row + r == item.first_self + query + q):
                continue
            into.ind[into.n] = sums.first_row + r
            if item.with_dist:
                into.dist[into.n] = sums.dist[q * sums.n_rows + r]
            into.n += 1
    return 0


# ------------------------------------------------------------------------------------------------
# The items of a chunk, divided among threads

cdef int run_chunk(PackedRows rows, Item *whole, Plan *plan) noexcept nogil:
    """Scan panels for a chunk of queries, in blocks of queries and parts of all panels.

    Each part is scanned from whole.first_panel to whole.last_panel, counted from its own first.
    """
    cdef int64_t n_items = (whole.n_queries + plan.block - 1) // plan.block * plan.n_parts, i
    cdef int failed = 0
    if n_items == 1:
        return run_part(rows, whole, plan, 0)
    for i in prange(n_items, num_threads=plan.steps.n_threads, schedule="dynamic", chunksize=1):
        failed += run_part(rows, whole, plan, i)
    return failed


cdef int run_part(PackedRows rows, Item *whole, Plan *plan, int64_t i) noexcept nogil:
    cdef Item item = whole[0]
    cdef int64_t first = i // plan.n_parts * plan.block, part = i % plan.n_parts
    cdef int64_t start = rows.n_panels * part // plan.n_parts
    cdef int64_t end = rows.n_panels * (part + 1) // plan.n_parts
    item.queries = whole.queries + first * rows.n_features
    item.n_queries = min(plan.block, whole.n_queries - first)
    item.first_self = whole.first_self + first
    item.below = whole.below + first
    item.first_panel = min(end, start + whole.first_panel)
    item.last_panel = min(end, start + whole.last_panel)
    item.lists = whole.lists + part * whole.n_queries + first
    return run_item(rows, &item)


# ------------------------------------------------------------------------------------------------
# From lists to arrays

cdef tuple collect_lists(
    Lists lists, int64_t n_queries, int64_t[::1] ends, bint with_dist, bint sort, int n_threads,
    const int64_t *at,
):
    """The rows of all lists, a query after the other, and their distances or None.

    `ends[0]` is where query 0 starts; this sets `ends[q + 1]` to the end of query q. The lists of
    query q have the number `at[q]`, and their rows come in any order. If `at` is NULL, they have
    the number q, and their rows are in ascending order.
    """
    cdef int64_t n_parts = lists.n // n_queries, total = 0, first, last = 0, q, p, start = ends[0]
    for q in range(n_queries):
        for p in range(n_parts):
            total += lists.at[p * n_queries + (at[q] if at else q)].n
        ends[q + 1] = start + total
    ind = np.empty(total, np.int64)
    dist = np.empty(total, np.int64) if with_dist else None
    cdef int64_t[::1] ind_of = ind, dist_of = dist if with_dist else ind
    if total == 0:
        return ind, dist
    if total < CHUNK_PAIRS // 64:
        n_threads = 1
    cdef int64_t step = max(1, CHUNK_PAIRS // (total // n_queries + 1))
    cdef int failed = 0
    while last < n_queries:
        first = last
        last = min(n_queries, first + step)
        for q in prange(first, last, nogil=True, num_threads=n_threads, schedule="dynamic"):
            failed += finish_query(
                lists, n_queries, at[q] if at else q, &ind_of[0] + (ends[q] - start),
                &dist_of[0] + (ends[q] - start), with_dist, sort, at != NULL)
        if failed:
            raise MemoryError("no memory to sort the neighbours within a radius.")
        PyErr_CheckSignals()
    return ind, dist


cdef int finish_query(
    Lists lists, int64_t n_queries, int64_t q, int64_t *ind, int64_t *dist, bint with_dist,
    bint sort, bint is_shuffled,
) noexcept nogil:
    """Returns -1 when there is no memory to sort."""
    cdef List *found
    cdef int64_t n_parts = lists.n // n_queries, p, n = 0
    for p in range(n_parts):
        found = &lists.at[p * n_queries + q]
        if found.n:
            memcpy(ind + n, found.ind, found.n * sizeof(int64_t))
            if with_dist:
                memcpy(dist + n, found.dist, found.n * sizeof(int64_t))
            n += found.n
    # `stable_sort` takes two arrays: without distances, `ind` is passed twice.
    if is_shuffled and stable_sort(ind, dist if with_dist else ind, n):
        return -1
    if not sort:
        return 0
    return stable_sort(dist, ind, n)


def joined(list parts):
    """The arrays, if any, as one. `parts` is emptied, so that each array is freed once copied."""
    if len(parts) == 1:
        return parts.pop()
    whole = np.empty(sum([len(part) for part in parts]), np.int64)
    start = len(whole)
    while parts:
        part = parts.pop()
        start -= len(part)
        whole[start:start + len(part)] = part
        PyErr_CheckSignals()
    return whole


def below_limits(limit, int64_t n_queries):
    """What keys of at most `limit` are below; one limit for all queries or one for each."""
    return np.full(n_queries, np.minimum(limit, INT64_MAX - 1) + 1, np.int64)


def search(
    PackedRows rows, const uint8_t[:, ::1] queries, limit, int n_threads,
    int64_t first_self, bint with_dist, bint sort, progress, double seconds=KNNC_STEP_SECONDS,
):
    """All rows at a distance of at most `limit` of each query.

    Parameters
    ----------
    rows : PackedRows
    queries : ndarray of shape (n_queries, n_features), uint8, C-contiguous
    limit : int or ndarray of shape (n_queries,)
        An integer distance, one for all queries or one for each. Below 0, no rows are found.
    n_threads : int
    first_self : int
        Query i is row first_self + i, and is not its own neighbour; NO_SELF: queries are no rows.
    with_dist : bool
        Whether to return distances.
    sort : bool
        Whether to sort by (distance, row index) instead of row index; needs `with_dist`.
    progress : callable or None
        Called with (queries done, queries in all) after each chunk.
    seconds : float
        Seconds of work between two checks of signals.

    Returns
    -------
    indptr : ndarray of shape (n_queries + 1,), int64
        The neighbours of query i are at indptr[i] to indptr[i + 1] of `dist` and `ind`.
    dist : ndarray of shape (n_found,), int64, or None
    ind : ndarray of shape (n_found,), int64
    """
    cdef int64_t n_queries = queries.shape[0], done = 0
    cdef double pace = rows._pace
    cdef Rows of = rows_of(rows)
    cdef Plan plan
    cdef int failed
    cdef Lists lists
    cdef Item whole
    indptr = np.zeros(n_queries + 1, np.int64)
    cdef int64_t[::1] ends = indptr
    dist_parts, ind_parts = [], []
    whole.with_dist = with_dist
    cdef int64_t[::1] below = below_limits(limit, n_queries)
    while done < n_queries:
        plan = plan_chunk(&of, n_queries - done, 0, n_threads, pace, seconds)
        lists = Lists(plan.n_queries * plan.n_parts)
        whole.queries = &queries[done, 0]
        whole.n_queries = plan.n_queries
        whole.first_self = first_self + done
        whole.below = &below[done]
        whole.lists = lists.at
        while next_step(&plan.steps, pace):
            whole.first_panel, whole.last_panel = plan.steps.first, plan.steps.last
            with nogil:
                failed = run_chunk(rows, &whole, &plan)
            if failed:
                raise MemoryError("no memory for the neighbours within a radius.")
            look(&plan.steps, &pace)
        ind, dist = collect_lists(lists, plan.n_queries, ends[done:done + plan.n_queries + 1],
                                  with_dist, sort, plan.steps.n_threads, NULL)
        ind_parts.append(ind)
        dist_parts.append(dist)
        done += plan.n_queries
        if progress is not None:
            progress(done, n_queries)
    ind = dist = None  # so that `joined` can free the last chunk too
    return indptr, joined(dist_parts) if with_dist else None, joined(ind_parts)
