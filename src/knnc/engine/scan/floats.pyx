"""Exact search over rows of floats: the k nearest, or all within a limit.

    search, within
      chunks of queries (and of rows, when they are many): about 0.05 s each; between two of
      them signals are checked and progress is told, with the GIL held
        tasks, one an OpenMP iteration: a block of queries x a part of the rows
          a block of rows that fits the L2 cache, as float64, times each tile of queries
            kernel.tile: a push for each row below a query's limit
          one query alone: kernel.pair for each row

Keys are int64 here too, so heaps, lists, merges and sorts are those of the integer engine.
The parts stay the same for a whole chunk, and each part is scanned in ascending order of its rows.
So a row at the limit itself can be left out of a heap: its index is larger than those in the heap.
"""
from cpython.exc cimport PyErr_CheckSignals
from cython.parallel cimport prange
from libc.math cimport INFINITY
from libc.stdint cimport INT64_MAX, int64_t, uint64_t, uintptr_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memset

from knnc.engine._floats cimport (
    KNNC_FLOAT_ROWS_F32,
    KNNC_FLOAT_ROWS_F64,
    KNNC_FLOAT_SUMS,
    KNNC_TREE_ARITY,
    knnc_float_kernel,
    knnc_float_mode,
    knnc_float_push,
    knnc_float_queries,
)
from knnc.engine.floats cimport FloatRows, enter_float_mode, leave_float_mode
from knnc.engine.scan._collect cimport Collector, List, collect, make_room, worst
from knnc.engine.scan._heap cimport heap_clear, heap_sort_part, sift_down
from knnc.engine.scan._plan cimport CHUNK_PAIRS, MAX_CHUNK, Plan, Rows, plan_chunk
from knnc.engine.scan.brute cimport Item as HeapItem
from knnc.engine.scan.brute cimport finish
from knnc.engine.scan.radius cimport Lists, collect_lists
from knnc.engine.system._pace cimport KNNC_STEP_SECONDS, Steps, look, next_step, steps_of

import numpy as np

from knnc.engine.scan.radius import below_limits, joined

# A block of rows and the queries of a task fit an L2 cache of 1 MiB together, or half of one.
cdef int64_t ROW_BLOCK_BYTES = 256 * 1024


# ------------------------------------------------------------------------------------------------
# One task: a block of queries against a range of rows, on one thread

cdef struct Task:
    const double *queries  # as `prepare` returns them
    const double *norms  # of the queries, for cosine
    int64_t n_queries
    int64_t first_self  # the row that the first query is; far below 0 if it is none
    int64_t first_row
    int64_t last_row
    # The k nearest: heap q is at dist + q * k, ind + q * k.
    int64_t k
    int64_t *dist
    int64_t *ind
    # Or, where lists is not NULL, all rows whose key is below a query's limit.
    List *lists
    const int64_t *below  # one for each query
    bint with_dist
    bint failed  # there was no memory for a list


cdef int64_t push_nearest(void *context, int query, int64_t row, int64_t key) noexcept nogil:
    cdef Task *task = <Task *>context
    cdef int64_t *heap = task.dist + query * task.k
    if row != task.first_self + query:
        sift_down(heap, task.ind + query * task.k, task.k, key, row)
    return heap[0]


cdef int64_t push_listed(void *context, int query, int64_t row, int64_t key) noexcept nogil:
    cdef Task *task = <Task *>context
    cdef List *found = &task.lists[query]
    if row == task.first_self + query:
        return task.below[query]
    if make_room(found, 1, task.with_dist):
        task.failed = True
        return 0  # nothing more passes
    found.ind[found.n] = row
    if task.with_dist:
        found.dist[found.n] = key
    found.n += 1
    return task.below[query]


cdef Task part_of(Task *whole, int64_t first, int64_t n, int64_t n_features) noexcept nogil:
    """The same task for some of its queries."""
    cdef Task task = whole[0]
    task.n_queries = n
    task.queries += first * n_features
    task.first_self += first
    if task.norms:
        task.norms += first
    if task.lists:
        task.lists += first
        task.below += first
    else:
        task.dist += first * task.k
        task.ind += first * task.k
    return task


cdef int scan_pairs(FloatRows rows, Task *task) noexcept nogil:
    cdef knnc_float_push push = push_listed if task.lists else push_nearest
    cdef int64_t limit = task.below[0] if task.lists else task.dist[0], row, key
    cdef double norm = task.norms[0] if task.norms else 1
    for row in range(task.first_row, task.last_row):
        key = rows.pair(task.queries, norm, row)
        if key < limit:
            limit = push(task, 0, row, key)
    return -1 if task.failed else 0


cdef int scan_tiles(FloatRows rows, Task *task) noexcept nogil:
    """Returns -1 when there is no memory."""
    cdef int64_t tile = rows.kernel_of.tile_queries, d = rows.n_features
    cdef int64_t n_tiles = (task.n_queries + tile - 1) // tile
    cdef int64_t width = (d + KNNC_FLOAT_SUMS - 1) // KNNC_FLOAT_SUMS * KNNC_FLOAT_SUMS * tile
    cdef int64_t step = max(1, ROW_BLOCK_BYTES // (8 * d))
    cdef bint is_decoded = rows.type_of != KNNC_FLOAT_ROWS_F64 or rows.data.norms != NULL
    # Vectors start at a cache line.
    cdef double *packed = <double *>calloc(n_tiles * width + 8, sizeof(double))
    cdef double *values = <double *>((<uintptr_t>packed + 63) & ~<uintptr_t>63)
    cdef Task *tasks = <Task *>malloc(n_tiles * sizeof(Task))
    cdef knnc_float_queries *tiles = <knnc_float_queries *>malloc(n_tiles * sizeof(tiles[0]))
    cdef double *scratch = NULL
    cdef int status = -1
    cdef int64_t t
    if is_decoded:
        step = min(step, task.last_row - task.first_row)
        scratch = <double *>malloc(step * d * sizeof(double))
    if packed and tasks and tiles and (scratch or not is_decoded):
        for t in range(n_tiles):
            tasks[t] = part_of(task, t * tile, min(tile, task.n_queries - t * tile), d)
            pack_tile(rows, &tasks[t], values + t * width, &tiles[t])
        status = scan_blocks(rows, task, tasks, tiles, n_tiles, step, scratch)
    free(packed)
    free(tasks)
    free(tiles)
    free(scratch)
    return status


cdef void pack_tile(
    FloatRows rows, Task *task, double *values, knnc_float_queries *tile
) noexcept nogil:
    """`values` have to hold zeros."""
    cdef int64_t width = rows.kernel_of.tile_queries, d = rows.n_features, j
    cdef int q
    memset(tile, 0, sizeof(knnc_float_queries))
    tile.values = values
    for q in range(<int>task.n_queries):
        for j in range(d):
            values[j * width + q] = task.queries[q * d + j]
        tile.limits[q] = task.below[q] if task.lists else task.dist[q * task.k]
        if task.norms:
            tile.lowest[q] = 0 if task.norms[q] else 2
            tile.highest[q] = 4 if task.norms[q] else 2


cdef int scan_blocks(
    FloatRows rows, Task *task, Task *tasks, knnc_float_queries *tiles, int64_t n_tiles,
    int64_t step, double *scratch,
) noexcept nogil:
    cdef knnc_float_push push = push_listed if task.lists else push_nearest
    cdef int64_t first, last = task.first_row, t
    cdef const double *values
    cdef const double *norms = NULL
    while last < task.last_row:
        first = last
        last = min(task.last_row, first + step)
        values = <const double *>rows.data.values + first * rows.n_features
        if scratch:
            rows.kernel_of.decode[rows.data.norms != NULL][<int>rows.type_of](
                &rows.data, first, last, scratch)
            values = scratch
        if rows.data.norms:
            norms = rows.data.norms + first
        for t in range(n_tiles):
            rows.kernel_of.tile[<int>rows.metric_of](
                values, norms, last - first, rows.n_features, first, &tiles[t], push, &tasks[t])
            if tasks[t].failed:
                return -1
    return 0


# ------------------------------------------------------------------------------------------------
# The tasks of a chunk, divided among threads

cdef struct Chunk:
    Task whole  # its rows are counted from the first row of each part
    Plan plan
    # The heaps of part p > 0 are at (p - 1) * n_queries * k, those of part 0 where the result goes.
    int64_t *part_dist
    int64_t *part_ind


cdef int run_part(FloatRows rows, Chunk *chunk, int64_t i) noexcept nogil:
    """Returns -1 when there is no memory."""
    cdef knnc_float_mode before
    cdef int status
    cdef int64_t n_parts = chunk.plan.n_parts, block = chunk.plan.block, skip
    cdef int64_t first = i // n_parts * block, part = i % n_parts
    cdef int64_t start = rows.n_rows * part // n_parts
    cdef int64_t end = rows.n_rows * (part + 1) // n_parts
    cdef Task whole = chunk.whole, task
    whole.first_row = min(end, start + whole.first_row)
    whole.last_row = min(end, start + whole.last_row)
    if whole.lists:
        whole.lists += part * whole.n_queries
    elif part:
        skip = (part - 1) * whole.n_queries * whole.k
        whole.dist = chunk.part_dist + skip
        whole.ind = chunk.part_ind + skip
    task = part_of(&whole, first, min(block, whole.n_queries - first), rows.n_features)
    before = enter_float_mode()
    status = scan_pairs(rows, &task) if task.n_queries == 1 else scan_tiles(rows, &task)
    leave_float_mode(before)
    return status


cdef int run_chunk(FloatRows rows, Chunk *chunk) noexcept nogil:
    """Compare a chunk of queries with rows whole.first_row to whole.last_row of each part."""
    cdef int64_t block = chunk.plan.block, i
    cdef int64_t n = (chunk.whole.n_queries + block - 1) // block * chunk.plan.n_parts
    cdef int failed = 0
    if n == 1:
        return run_part(rows, chunk, 0)
    for i in prange(
        n, num_threads=chunk.plan.steps.n_threads, schedule="dynamic", chunksize=1
    ):
        failed += run_part(rows, chunk, i)
    return failed


cdef Rows rows_of(FloatRows rows) noexcept nogil:
    """The numbers that `plan_chunk` needs."""
    cdef Rows of
    of.n_rows = of.n_panels = rows.n_rows
    of.n_features, of.panel_rows = rows.n_features, 1
    of.tile_queries = rows.kernel_of.tile_queries
    of.tile_bytes = 8 * of.tile_queries * rows.n_features
    of.serial_work = 2e6
    return of


cdef int scan(FloatRows rows, Chunk *chunk, int64_t done, int64_t n_queries, progress) except -1:
    """Compare a chunk of queries with all rows; tell progress on the way, but not at the end."""
    cdef int64_t told, said = done
    cdef Steps *steps = &chunk.plan.steps
    cdef int failed
    while next_step(steps, rows.pace):
        chunk.whole.first_row, chunk.whole.last_row = steps.first, steps.last
        with nogil:
            failed = run_chunk(rows, chunk)
        if failed:
            raise MemoryError("no memory for the queries or the neighbours of a search.")
        look(steps, &rows.pace)
        told = done + chunk.plan.n_queries * steps.last // steps.n
        if progress is not None and steps.last < steps.n and told > said:
            said = told
            progress(said, n_queries)
    return 0


# ------------------------------------------------------------------------------------------------
# Chunk after chunk

cdef class Queries:
    """The queries of a chunk, as kernels take them."""
    cdef const double[:, ::1] values
    cdef const double[::1] norms

    def __cinit__(self, FloatRows rows, queries):
        self.values, self.norms = rows.prepare(np.asarray(queries))

    cdef void point(self, Chunk *chunk, int64_t first_self):
        chunk.whole.queries = &self.values[0, 0]
        if self.norms is not None:
            chunk.whole.norms = &self.norms[0]
        chunk.whole.n_queries = chunk.plan.n_queries
        chunk.whole.first_self = first_self


def search(
    FloatRows rows, const double[:, ::1] queries, int64_t k, int n_threads, int64_t first_self,
    progress, double seconds=KNNC_STEP_SECONDS,
):
    """The k nearest rows of each query, in ascending order of (key, row index).

    Parameters
    ----------
    rows : FloatRows
    queries : ndarray of shape (n_queries, n_features), float64, C-contiguous
    k : int
        At most the number of rows, or one less where queries are rows.
    n_threads : int
    first_self : int
        Query i is row first_self + i, and is not its own neighbour; search.NO_SELF: queries are
        no rows.
    progress : callable or None
        Called with (queries done, queries in all) after each step. When a chunk of queries has
        been compared with a share of the rows, that share of the chunk counts as done.
    seconds : float
        Seconds of work between two checks of signals.

    Returns
    -------
    keys, ind : ndarray of shape (n_queries, k), int64
    """
    cdef int64_t n_queries = queries.shape[0], done = 0, n, n_parts
    cdef Rows of = rows_of(rows)
    cdef Chunk chunk
    cdef Queries some
    cdef HeapItem heaps
    keys, ind = np.empty((n_queries, k), np.int64), np.empty((n_queries, k), np.int64)
    cdef int64_t[:, ::1] keys_of = keys, ind_of = ind, part_keys, part_ind
    memset(&chunk, 0, sizeof(Chunk))
    chunk.whole.k = heaps.k = k
    while done < n_queries:
        chunk.plan = plan_chunk(&of, n_queries - done, k, n_threads, rows.pace, seconds)
        n, n_parts = chunk.plan.n_queries, chunk.plan.n_parts
        some = Queries(rows, queries[done:done + n])
        some.point(&chunk, first_self + done)
        chunk.whole.dist, chunk.whole.ind = &keys_of[done, 0], &ind_of[done, 0]
        heap_clear(chunk.whole.dist, chunk.whole.ind, n * k)
        if n_parts > 1:
            part_keys = np.empty(((n_parts - 1) * n, k), np.int64)
            part_ind = np.empty(((n_parts - 1) * n, k), np.int64)
            chunk.part_dist, chunk.part_ind = &part_keys[0, 0], &part_ind[0, 0]
            heap_clear(chunk.part_dist, chunk.part_ind, (n_parts - 1) * n * k)
        scan(rows, &chunk, done, n_queries, progress)
        heaps.n_queries, heaps.dist, heaps.ind = n, chunk.whole.dist, chunk.whole.ind
        finish(&heaps, n_parts, chunk.part_dist, chunk.part_ind, chunk.plan.steps.n_threads)
        done += n
        if progress is not None:
            progress(done, n_queries)
    return keys, ind


def within(
    FloatRows rows, const double[:, ::1] queries, limit_key, int n_threads,
    int64_t first_self, bint return_distance, bint sort, progress,
    double seconds=KNNC_STEP_SECONDS,
):
    """All rows whose key is at most `limit_key`, for each query.

    Parameters
    ----------
    rows, queries, n_threads, first_self, progress, seconds
        As for `search`.
    limit_key : int or ndarray of shape (n_queries,)
        One for all queries or one for each. Below 0, no rows are found.
    return_distance : bool
        Whether to return keys.
    sort : bool
        Whether to sort by (key, row index) instead of row index; needs `return_distance`.

    Returns
    -------
    indptr : ndarray of shape (n_queries + 1,), int64
        The rows of query i are at indptr[i] to indptr[i + 1] of `keys` and `ind`.
    keys : ndarray of shape (n_found,), int64, or None
    ind : ndarray of shape (n_found,), int64
    """
    cdef int64_t n_queries = queries.shape[0], done = 0, n, n_parts
    cdef Rows of = rows_of(rows)
    cdef Chunk chunk
    cdef Queries some
    cdef Lists lists
    indptr = np.zeros(n_queries + 1, np.int64)
    cdef int64_t[::1] ends = indptr
    key_parts, ind_parts = [], []
    if sort and not return_distance:
        raise ValueError("sort takes distances: return_distance must be True.")
    memset(&chunk, 0, sizeof(Chunk))
    chunk.whole.with_dist = return_distance
    cdef int64_t[::1] below = below_limits(limit_key, n_queries)
    while done < n_queries:
        chunk.plan = plan_chunk(&of, n_queries - done, 0, n_threads, rows.pace, seconds)
        n, n_parts = chunk.plan.n_queries, chunk.plan.n_parts
        some = Queries(rows, queries[done:done + n])
        some.point(&chunk, first_self + done)
        lists = Lists(n * n_parts)
        chunk.whole.lists = lists.at
        chunk.whole.below = &below[done]
        scan(rows, &chunk, done, n_queries, progress)
        ind, keys = collect_lists(
            lists, n, ends[done:done + n + 1], return_distance, sort,
            chunk.plan.steps.n_threads, NULL)
        ind_parts.append(ind)
        key_parts.append(keys)
        done += n
        if progress is not None:
            progress(done, n_queries)
    ind = keys = None  # so that `joined` can free the last chunk too
    return indptr, joined(key_parts) if return_distance else None, joined(ind_parts)


include "kd_tree.pxi"
