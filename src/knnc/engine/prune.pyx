"""Exact search that rules most rows out by their codes (codes.pyx) and refines the rest.

    search
      chunks of queries, about 0.05 s each, then signals and progress
        encode the queries
        seed: over a few panels of coarse codes keep the nearest, and refine those whole: an upper
              bound of each query's k-th distance
        scan: a block of panels times each tile of queries: kernel.tile lists the rows within the
              limit; of those, the fine codes leave some, which are refined with whole rows

Codes lie in an order of their own, without pattern, so that data sorted by class or time does not
mislead the seed, and the limits fall early. A heap therefore meets its rows in any order.
"""
from cpython.exc cimport PyErr_CheckSignals
from cython.parallel cimport prange
from libc.math cimport INFINITY
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t
from libc.stdlib cimport free, malloc

from knnc.engine._heap cimport heap_clear, heap_merge, heap_push, heap_sort, sift_down
from knnc.engine._kernels cimport (
    KNNC_LIMIT_NONE,
    knnc_found,
    knnc_kernel,
    knnc_pack_queries,
    knnc_prefetch_row,
    knnc_queries,
    knnc_tile_bytes,
)
from knnc.engine.codes cimport Codes
from knnc.engine.packed cimport PackedRows
from knnc.engine.search cimport count_parts, queries_to_sort

from time import perf_counter

import numpy as np

from knnc.engine.packed import PackedRows as _PackedRows
from knnc.engine.packed import aligned_bytes

# Coarse codes of one panel block; the codes of a block of queries go with it in the L2 cache.
cdef int64_t PANEL_BLOCK_BYTES = 256 * 1024
cdef int64_t QUERY_TILES = 16
cdef double CHUNK_SECONDS = 0.05
# The part of the rows that seeds: of 4, 8 and 16 this was fastest on MNIST, by 3 %.
cdef int64_t SEED_SHARE = 8
cdef int64_t MAX_SEED_ROWS = 1 << 16


cdef class PrunedRows:
    """Rows and their codes.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features), uint8, C-contiguous
        Kept, and read when a row is refined.
    coder : Codes
    metric : {"sqeuclidean", "manhattan"}
    kernel : str or None
    n_threads : int
    """
    cdef Codes coder
    cdef PackedRows coarse
    cdef const uint8_t[:, ::1] rows, fine
    cdef const float[::1] fine_errors
    cdef const double[::1] worst  # the largest error of the coarse codes of each panel
    cdef const int64_t[::1] order
    cdef readonly int64_t n_rows, n_features
    cdef double _pace  # queries a second, as last seen

    def __init__(self, rows, Codes coder, str metric, kernel, int n_threads):
        self.rows = rows
        self.coder = coder
        self.n_rows, self.n_features = rows.shape
        codes, errors = coder.encode(rows, n_threads)
        order = row_order(errors[:, 0])
        self.order = order
        codes, errors = codes[order], errors[order]
        coarse = np.ascontiguousarray(codes[:, :coder.n_coarse])
        self.coarse = _PackedRows(coarse, metric, kernel, n_threads)
        self.fine = aligned_copy(codes[:, coder.n_coarse:])
        # float32 holds an error a hair too large, never too small.
        self.fine_errors = np.nextafter(errors[:, 1].astype(np.float32), np.float32(np.inf))
        height = self.coarse.kernel.layout.panel_rows
        self.worst = np.maximum.reduceat(errors[:, 0], np.arange(0, self.n_rows, height))
        self._pace = 0

    @property
    def nbytes(self):
        """Bytes of the codes and what goes with them."""
        return self.coarse.nbytes + self.n_rows * (self.coder.n_fine + 12) + 8 * len(self.worst)


def aligned_copy(codes):
    """A C-contiguous copy that starts at a cache line: 128 codes are two lines then, not three."""
    copy = aligned_bytes(codes.size).reshape(codes.shape)
    copy[:] = codes
    return copy


def row_order(errors):
    """A permutation of rows without pattern, but for the hundredth with the largest errors.

    Those come last, sorted, so that a few rows whose codes are cut off at 127 loosen the limits of
    no panels but their own.
    """
    order = np.random.default_rng(0).permutation(len(errors))
    n_rough = len(errors) // 100
    by_error = np.argsort(errors, kind="stable")
    is_rough = np.zeros(len(errors), dtype=bool)
    is_rough[by_error[len(errors) - n_rough:]] = True
    return np.concatenate([order[~is_rough[order]], by_error[len(errors) - n_rough:]])


# ------------------------------------------------------------------------------------------------
# One item of work: a block of queries against a range of panels, on one thread

cdef struct Item:
    const uint8_t *queries
    const uint8_t *codes
    const double *errors  # two a query
    int64_t *best  # an upper bound of each query's k-th distance
    int64_t n_queries
    int64_t first_self  # the row that is the first query itself, or far below 0
    int64_t first_panel
    int64_t last_panel
    int64_t *dist
    int64_t *ind
    int64_t k


cdef struct Nearest:
    # Heaps of the nearest coarse codes of a tile.
    int64_t *dist
    int64_t *ind
    int64_t k


cdef int32_t keep_nearest(void *context, int query, int64_t row, int32_t dist) noexcept nogil:
    cdef Nearest *nearest = <Nearest *>context
    cdef int64_t *heap = nearest.dist + query * nearest.k
    sift_down(heap, nearest.ind + query * nearest.k, nearest.k, dist, row)
    return <int32_t>min(heap[0], <int64_t>KNNC_LIMIT_NONE)


cdef int seed_item(PrunedRows self, Item *item) noexcept nogil:
    """Refine the rows with the nearest coarse codes: `best` of each query, from k rows or more."""
    cdef const knnc_kernel *kernel = self.coarse.kernel
    cdef int tile = kernel.layout.tile_queries, n, q
    cdef int64_t m = self.coder.n_coarse + self.coder.n_fine, t, first
    # As many again as wanted, and one for the query itself in leave-one-out.
    cdef int64_t n_seeds = min(2 * item.k + 2, item.last_panel * kernel.layout.panel_rows)
    cdef int64_t n_heaps = min(<int64_t>tile, item.n_queries)
    cdef knnc_queries queries
    cdef Nearest nearest
    cdef void *values = malloc(knnc_tile_bytes(kernel, self.coder.n_coarse))
    cdef int64_t *heaps = <int64_t *>malloc(
        (2 * n_heaps * n_seeds + 2 * item.k) * sizeof(int64_t))
    if values == NULL or heaps == NULL:
        free(values)
        free(heaps)
        return -1
    nearest.k = n_seeds
    nearest.dist, nearest.ind = heaps, heaps + n_heaps * n_seeds
    for t in range((item.n_queries + tile - 1) // tile):
        first = t * tile
        n = <int>min(<int64_t>tile, item.n_queries - first)
        knnc_pack_queries(
            kernel, item.codes + first * m, m, n, self.coder.n_coarse, values, &queries)
        heap_clear(nearest.dist, nearest.ind, n * n_seeds)
        kernel.tile(&self.coarse.blocks[0], item.first_panel, item.last_panel, &queries,
                    keep_nearest, &nearest)
        for q in range(n):
            item.best[first + q] = kth_of_seeds(
                self, item, first + q, nearest.ind + q * n_seeds, n_seeds,
                heaps + 2 * n_heaps * n_seeds)
    free(values)
    free(heaps)
    return 0


cdef int64_t kth_of_seeds(
    PrunedRows self, Item *item, int64_t query, const int64_t *seeds, int64_t n_seeds,
    int64_t *exact,
) noexcept nogil:
    """The k-th smallest whole distance of the seeds, INT64_MAX if they are fewer."""
    cdef int64_t d = self.n_features, k = item.k, j, row
    cdef const uint8_t *start = &self.rows[0, 0]
    heap_clear(exact, exact + k, k)
    for j in range(n_seeds):
        if seeds[j] != INT64_MAX:
            knnc_prefetch_row(start + self.order[seeds[j]] * d, d)
    for j in range(n_seeds):
        if seeds[j] == INT64_MAX:
            continue
        row = self.order[seeds[j]]
        if row != item.first_self + query:
            heap_push(exact, exact + k, k, self.coarse.kernel.pair(
                item.queries + query * d, start + row * d, d), row)
    return exact[0]


cdef struct Stage:
    # The lists of one tile of queries in one block of panels, on their way through three steps.
    knnc_found found
    int64_t tile


cdef int scan_item(PrunedRows self, Item *item) noexcept nogil:
    """List and refine, a block of panels at a time, for one tile of queries after another.

    What a list names lies anywhere in memory, so each step asks for what the next one reads, and
    that one comes after the scan of another tile: by then it is there (MNIST: a fifth less time).
    """
    cdef const knnc_kernel *kernel = self.coarse.kernel
    cdef int64_t tile = kernel.layout.tile_queries, t, s, i
    cdef int64_t m = self.coder.n_coarse + self.coder.n_fine
    cdef int64_t n_tiles = (item.n_queries + tile - 1) // tile
    cdef int64_t step = max(1, PANEL_BLOCK_BYTES // self.coarse.block_bytes(0))
    cdef int64_t n_blocks = (item.last_panel - item.first_panel + step - 1) // step
    cdef int64_t bytes_a_tile = knnc_tile_bytes(kernel, self.coder.n_coarse)
    cdef int64_t room = step * kernel.layout.panel_rows + 1
    cdef Stage stages[3]
    cdef uint8_t *values = <uint8_t *>malloc(n_tiles * bytes_a_tile)
    cdef knnc_queries *tiles = <knnc_queries *>malloc(n_tiles * sizeof(knnc_queries))
    cdef int32_t *lists = <int32_t *>malloc(3 * 2 * tile * room * sizeof(int32_t))
    if values == NULL or tiles == NULL or lists == NULL:
        free(values)
        free(tiles)
        free(lists)
        return -1
    for i in range(3):
        stages[i].found.room = room
        stages[i].found.rows = lists + 2 * i * tile * room
        stages[i].found.dist = lists + (2 * i + 1) * tile * room
    for t in range(n_tiles):
        knnc_pack_queries(kernel, item.codes + t * tile * m, m,
                          <int>min(tile, item.n_queries - t * tile), self.coder.n_coarse,
                          values + t * bytes_a_tile, &tiles[t])
    for s in range(n_blocks * n_tiles + 2):
        if s < n_blocks * n_tiles:
            t = s % n_tiles
            i = item.first_panel + s // n_tiles * step
            stages[s % 3].tile = t
            list_rows(self, item, &tiles[t], i, min(i + step, item.last_panel), &stages[s % 3])
        if 0 < s <= n_blocks * n_tiles:
            t = stages[(s - 1) % 3].tile
            compare_fine(self, item, tiles[t].n_queries, &stages[(s - 1) % 3])
        if s > 1:
            t = stages[(s - 2) % 3].tile
            compare_whole(self, item, tiles[t].n_queries, &stages[(s - 2) % 3])
    free(values)
    free(tiles)
    free(lists)
    return 0


cdef void list_rows(
    PrunedRows self, Item *item, knnc_queries *queries, int64_t first, int64_t last, Stage *stage
) noexcept nogil:
    """Scan a block of panels: the rows whose coarse codes are within the limits."""
    cdef const knnc_kernel *kernel = self.coarse.kernel
    cdef int64_t m = self.coder.n_fine, query = stage.tile * kernel.layout.tile_queries, p
    cdef knnc_found *found = &stage.found
    cdef const uint8_t *fine
    cdef const int32_t *rows
    cdef double worst = 0
    cdef int q
    for p in range(first, last):
        worst = max(worst, self.worst[p])
    for q in range(queries.n_queries):
        queries.limits[q] = self.coder.coarse_limit(
            item.errors[2 * (query + q)] + worst,
            min(item.best[query + q], item.dist[(query + q) * item.k]))
        found.counts[q] = 0
    found.first_row = first * kernel.layout.panel_rows
    kernel.tile(&self.coarse.blocks[0], first, last, queries, NULL, found)
    fine = &self.fine[found.first_row, 0]
    for q in range(queries.n_queries):
        rows = found.rows + q * found.room
        for p in range(found.counts[q]):
            knnc_prefetch_row(fine + rows[p] * m, m)


cdef void compare_fine(PrunedRows self, Item *item, int n_queries, Stage *stage) noexcept nogil:
    """Of the rows listed, keep those that their fine codes do not rule out."""
    cdef const knnc_kernel *kernel = self.coarse.kernel
    cdef int64_t m = self.coder.n_fine, d = self.n_features, best, query, i, kept
    cdef knnc_found *found = &stage.found
    cdef const uint8_t *fine = &self.fine[found.first_row, 0]
    cdef const int64_t *order = &self.order[found.first_row]
    cdef const uint8_t *code
    cdef int32_t *rows
    cdef const int32_t *coarse
    cdef double far
    cdef int q
    for q in range(n_queries):
        if found.counts[q] == 0:
            continue
        query = stage.tile * kernel.layout.tile_queries + q
        best = min(item.best[query], item.dist[query * item.k])
        far = INFINITY
        if best != INT64_MAX:
            far = self.coder.reach(best) + item.errors[2 * query + 1]
        code = item.codes + query * (self.coder.n_coarse + m) + self.coder.n_coarse
        rows = found.rows + q * found.room
        coarse = found.dist + q * found.room
        kept = 0
        for i in range(found.counts[q]):
            if not self.coder.is_ruled_out(
                    coarse[i], kernel.pair(code, fine + rows[i] * m, m),
                    far + self.fine_errors[found.first_row + rows[i]]):
                knnc_prefetch_row(&self.rows[0, 0] + order[rows[i]] * d, d)
                rows[kept] = rows[i]
                kept += 1
        found.counts[q] = <int32_t>kept


cdef void compare_whole(PrunedRows self, Item *item, int n_queries, Stage *stage) noexcept nogil:
    """The exact distances of the rows that are left."""
    cdef const knnc_kernel *kernel = self.coarse.kernel
    cdef int64_t d = self.n_features, k = item.k, query, row, i
    cdef knnc_found *found = &stage.found
    cdef const int64_t *order = &self.order[found.first_row]
    cdef int q
    for q in range(n_queries):
        query = stage.tile * kernel.layout.tile_queries + q
        for i in range(found.counts[q]):
            row = order[found.rows[q * found.room + i]]
            if row != item.first_self + query:
                heap_push(item.dist + query * k, item.ind + query * k, k, kernel.pair(
                    item.queries + query * d, &self.rows[0, 0] + row * d, d), row)


# ------------------------------------------------------------------------------------------------
# A chunk of queries, divided among threads

cdef class Chunk:
    """The arrays of one chunk, and how it is cut: blocks of queries, or parts of the rows."""
    cdef PrunedRows rows
    cdef Item whole
    cdef int64_t block, n_blocks, n_parts, panel_step
    cdef int n_threads
    cdef object _kept
    cdef int64_t *part_dist
    cdef int64_t *part_ind

    def __cinit__(self, PrunedRows rows, const uint8_t[:, ::1] queries, int64_t first_self,
                  int64_t[:, ::1] dist, int64_t[:, ::1] ind, int n_threads):
        cdef int64_t n = queries.shape[0], k = dist.shape[1]
        cdef int64_t tile = rows.coarse.kernel.layout.tile_queries
        cdef const uint8_t[:, ::1] codes
        cdef const double[:, ::1] errors
        cdef int64_t[::1] best = np.empty(n, np.int64)
        cdef int64_t[:, :, ::1] parts
        codes, errors = rows.coder.encode(queries, n_threads)
        self.rows, self.n_threads = rows, n_threads
        self.block = tile * max(1, min(QUERY_TILES, n // (tile * n_threads * 4)))
        self.n_blocks = (n + self.block - 1) // self.block
        self.n_parts = 1 if self.n_blocks >= n_threads else count_parts(
            n, k, rows.coarse.n_panels, n_threads)
        self.panel_step = rows.coarse.n_panels
        self.whole.queries, self.whole.codes = &queries[0, 0], &codes[0, 0]
        self.whole.errors, self.whole.best = &errors[0, 0], &best[0]
        self.whole.n_queries, self.whole.first_self, self.whole.k = n, first_self, k
        self.whole.dist, self.whole.ind = &dist[0, 0], &ind[0, 0]
        heap_clear(self.whole.dist, self.whole.ind, n * k)
        self._kept = [queries, codes, errors, best]
        if self.n_parts > 1:
            parts = np.empty((2, (self.n_parts - 1) * n, k), np.int64)
            self._kept.append(parts)
            self.part_dist, self.part_ind = &parts[0, 0, 0], &parts[1, 0, 0]
            heap_clear(self.part_dist, self.part_ind, (self.n_parts - 1) * n * k)

    cdef int seed(self) except -1:
        cdef int64_t i, height = self.rows.coarse.kernel.layout.panel_rows
        cdef int64_t n_panels = self.rows.coarse.n_panels
        cdef int failed = 0
        self.whole.first_panel = 0
        self.whole.last_panel = max(1, min(n_panels // SEED_SHARE, MAX_SEED_ROWS // height))
        if self.whole.last_panel * height < self.whole.k:
            for i in range(self.whole.n_queries):
                self.whole.best[i] = INT64_MAX
            self.panel_step = max(self.n_parts, self.whole.last_panel // SEED_SHARE)
            return 0
        started = perf_counter()
        for i in prange(self.n_blocks, nogil=True, num_threads=self.n_threads, schedule="dynamic",
                        chunksize=1):
            failed += self.run(i, 0)
        if failed:
            raise MemoryError("no memory to seed a search.")
        # A scan of that many panels takes as long, or with more to refine some times longer.
        self.panel_step = max(self.n_parts, <int64_t>(
            self.whole.last_panel * CHUNK_SECONDS / 2 / max(1e-6, perf_counter() - started)))
        return 0

    cdef int scan(self, int64_t first_panel, int64_t last_panel) except -1:
        cdef int64_t i
        cdef int failed = 0
        self.whole.first_panel, self.whole.last_panel = first_panel, last_panel
        for i in prange(self.n_blocks * self.n_parts, nogil=True, num_threads=self.n_threads,
                        schedule="dynamic", chunksize=1):
            failed += self.run(i, 1)
        if failed:
            raise MemoryError("no memory for the lists of a search.")
        return 0

    cdef int run(self, int64_t i, bint scanning) noexcept nogil:
        """Item i: a block of queries, times a part of the panels when scanning."""
        cdef Item item = self.whole
        cdef int64_t n_parts = self.n_parts if scanning else 1
        cdef int64_t first = i // n_parts * self.block, part = i % n_parts
        cdef int64_t n_panels = item.last_panel - item.first_panel
        item.queries += first * self.rows.n_features
        item.codes += first * (self.rows.coder.n_coarse + self.rows.coder.n_fine)
        item.errors += 2 * first
        item.best += first
        item.first_self += first
        item.n_queries = min(self.block, item.n_queries - first)
        item.last_panel = item.first_panel + n_panels * (part + 1) // n_parts
        item.first_panel += n_panels * part // n_parts
        if part:
            item.dist = self.part_dist + (part - 1) * self.whole.n_queries * item.k
            item.ind = self.part_ind + (part - 1) * self.whole.n_queries * item.k
        item.dist += first * item.k
        item.ind += first * item.k
        if scanning:
            return scan_item(self.rows, &item)
        return seed_item(self.rows, &item)

    cdef void finish(self):
        """Merge the heaps of the parts, and sort."""
        cdef int64_t q, part, at, k = self.whole.k, n = self.whole.n_queries
        with nogil:
            for q in range(n):
                for part in range(self.n_parts - 1):
                    at = (part * n + q) * k
                    heap_merge(self.whole.dist + q * k, self.whole.ind + q * k, k,
                               self.part_dist + at, self.part_ind + at)
                heap_sort(self.whole.dist + q * k, self.whole.ind + q * k, k)


def search(PrunedRows rows, const uint8_t[:, ::1] queries, int64_t k, int n_threads,
           int64_t first_self, progress):
    """The answers of `search.search`; the arguments are the same too."""
    cdef int64_t n_queries = queries.shape[0], done = 0, n, first, last, unit
    cdef Chunk chunk
    dist, ind = np.empty((n_queries, k), np.int64), np.empty((n_queries, k), np.int64)
    cdef int64_t[:, ::1] dist_of = dist, ind_of = ind
    unit = rows.coarse.kernel.layout.tile_queries * n_threads
    while done < n_queries:
        n = max(4 * unit, min(64 * unit, <int64_t>(rows._pace * CHUNK_SECONDS)))
        n = min(min(n, queries_to_sort(k, n_threads)), n_queries - done)
        started = perf_counter()
        chunk = Chunk(rows, queries[done:done + n], first_self + done, dist_of[done:done + n],
                      ind_of[done:done + n], n_threads)
        chunk.seed()
        last = 0
        while last < rows.coarse.n_panels:
            first = last
            last = min(rows.coarse.n_panels, first + chunk.panel_step)
            before = perf_counter()
            chunk.scan(first, last)
            chunk.panel_step = max(chunk.n_parts, <int64_t>(
                (last - first) * CHUNK_SECONDS / max(1e-6, perf_counter() - before)))
            PyErr_CheckSignals()
        chunk.finish()
        rows._pace = n / max(1e-6, perf_counter() - started)
        done += n
        if progress is not None:
            progress(done, n_queries)
    return dist, ind
