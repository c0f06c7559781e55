"""Exact search that rules most rows out by their codes (codes/quantizer.pyx) and refines the rest.

    search
      chunks of queries, about 0.1 s each
        encode the queries, find the clusters near each, sort them by the nearest: a tile's
              queries are alike
        seed: of the rows in those clusters keep the nearest coarse codes, and refine these whole:
              an upper bound of each query's k-th distance
        scan: a block of panels times each tile of queries: kernel.tile lists the rows within the
              limit; of those, the fine codes, if there are any, leave some, which are refined with
              whole rows. Signals are checked every 0.05 s.

Rows lie by cluster, not by index (codes/rows.pyx), so a heap meets them in any order.
"""
from cpython.exc cimport PyErr_CheckSignals
from cython.parallel cimport prange
from libc.math cimport INFINITY
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from knnc.engine.scan._collect cimport Collector, collect, worst
from knnc.engine.scan._heap cimport Nearest, heap_clear, heap_push
from knnc.engine._kernels cimport (
    KNNC_LIMIT_NONE,
    knnc_found,
    knnc_kernel,
    knnc_prefetch_row,
    knnc_queries,
)
from knnc.engine.dispatch cimport pack_staged, packed_tile_bytes
from knnc.engine._exact cimport Exact
from knnc.engine._floats cimport knnc_float_mode
from knnc.engine.codes.rows cimport CodedRows
from knnc.engine.floats cimport enter_float_mode, leave_float_mode
from knnc.engine.scan.brute cimport Item as HeapItem
from knnc.engine.scan.brute cimport count_parts, finish, queries_to_sort
from knnc.engine.scan.radius cimport Lists, collect_lists

from time import perf_counter

import numpy as np

from knnc.engine.scan.radius import joined

# Rows of a block of panels: what is mostly read of their codes, a third or so, and the codes of a
# block of queries fit the L2 cache.
cdef int64_t PANEL_BLOCK_ROWS = 4096
cdef int64_t QUERY_TILES = 16
# Blocks of panels a thread, at least, where panels are divided among threads.
cdef int64_t PARTS_OF_PANELS = 16
# Seconds of work between two looks at signals, and of a chunk of queries.
cdef double STEP_SECONDS = 0.05
cdef double CHUNK_SECONDS = 0.1
cdef int64_t MAX_CHUNK = 16384
cdef int64_t FIRST_CHUNK = 512
# Neighbours within a radius in the lists of a chunk, about.
cdef int64_t LIST_PAIRS = 1 << 22
# Clusters that seed a query, at least; rows in them for each neighbour that is asked for; and the
# part of all clusters that they are at most.
SEED_CLUSTERS = 3
SEED_ROWS = 8
cdef int64_t SEED_SHARE = 4
# Up to so many neighbours seeds stay in the heap, and the scan leaves out what the heap has: of
# more, looking for a row takes longer than comparing it. benchmarks/pruning.py has what it spares.
MOST_KEPT_SEEDS = 64


# ------------------------------------------------------------------------------------------------
# One item of work: a block of queries against a range of panels, on one thread

cdef struct Item:
    const char *queries  # those of the chunk, whole
    const int64_t *source  # where among these each query is
    const int64_t *taken  # and which it is of all queries
    const uint8_t *codes
    const double *errors  # two a query
    const int64_t *clusters  # those near each query, n_near of them
    int64_t *best  # an upper bound of the largest key that counts, where the heap has none
    int64_t n_queries
    int64_t n_near
    int64_t first_self  # query i is row first_self + i; or far below 0
    int64_t block_panels
    int64_t first_block
    int64_t last_block
    Collector found
    bint keeps_seeds  # heaps begin with the seeds, which the scan leaves out


cdef int64_t clusters_to_seed(CodedRows self, int64_t k):
    """How many clusters seed a query; 0 when their rows are too few to help."""
    cdef int64_t n_clusters = self.centres.n_rows, rows = self.n_rows // n_clusters
    cdef int64_t wanted = max(<int64_t>SEED_CLUSTERS, <int64_t>SEED_ROWS * k // rows + 1)
    wanted = min(wanted, n_clusters // SEED_SHARE)
    return wanted if wanted * rows >= k else 0


cdef int seed_item(CodedRows self, Item *item) noexcept nogil:
    """Refine the rows with the nearest coarse codes, k or more: to the heap, or for `best` only."""
    cdef const knnc_kernel *kernel = self.coarse.kernel
    cdef int64_t m = self.coder.n_coarse + self.coder.n_fine, q
    # One more than wanted for the query itself in leave-one-out, and one to spare.
    cdef int64_t k = item.found.k, n_seeds = k + 2
    cdef knnc_queries query
    cdef Nearest nearest
    cdef int32_t limit = KNNC_LIMIT_NONE
    cdef void *values = malloc(packed_tile_bytes(kernel, self.coder.n_coarse))
    cdef int64_t *heaps = <int64_t *>malloc(
        (2 * n_seeds + 2 * k + item.n_near) * sizeof(int64_t))
    cdef int64_t *exact = heaps + 2 * n_seeds
    cdef int64_t *sorted_near = exact + 2 * k
    if values == NULL or heaps == NULL:
        free(values)
        free(heaps)
        return -1
    nearest.dist, nearest.ind, nearest.k = heaps, heaps + n_seeds, n_seeds
    for q in range(item.n_queries):
        pack_staged(kernel, self.coarse.blocks, item.codes + q * m, m, 1,
                         self.coder.n_coarse, values, &query)
        limit = self.find_seeds(item.clusters + q * item.n_near, item.n_near, &query, &nearest,
                                limit, sorted_near)
        if item.keeps_seeds:
            refine_seeds(self, item, q, nearest.ind, n_seeds, item.found.dist + q * k,
                         item.found.ind + q * k)
        else:
            refine_seeds(self, item, q, nearest.ind, n_seeds, exact, exact + k)
            item.best[q] = exact[0]
    free(values)
    free(heaps)
    return 0


cdef void refine_seeds(
    CodedRows self, Item *item, int64_t query, const int64_t *seeds, int64_t n_seeds,
    int64_t *dist, int64_t *ind,
) noexcept nogil:
    """The k nearest of the seeds by whole distance, to a heap."""
    cdef const Exact *exact = &self.exact
    cdef int64_t k = item.found.k, j, row
    cdef const char *own = item.queries + item.source[query] * exact.query_bytes
    heap_clear(dist, ind, k)
    for j in range(n_seeds):
        if seeds[j] != INT64_MAX:
            prefetch_row(self, self.order[seeds[j]])
    for j in range(n_seeds):
        if seeds[j] == INT64_MAX:
            continue
        row = self.order[seeds[j]]
        if row != item.first_self + item.taken[query]:
            heap_push(dist, ind, k, exact.key(exact.context, own, row), row)


cdef inline void prefetch_row(CodedRows self, int64_t row) noexcept nogil:
    knnc_prefetch_row(<const uint8_t *>self.exact.rows + row * self.exact.row_bytes,
                      self.exact.row_bytes)


cdef struct Stage:
    # The lists of one tile of queries in one block of panels, on their way through three steps.
    knnc_found found
    int64_t tile


cdef int scan_item(CodedRows self, Item *item) noexcept nogil:
    """List and refine, a block of panels at a time; -1 when there is no memory.

    What a list names lies anywhere in memory, so each step asks for what the next one reads, and
    that one comes after the scan of another tile: by then it is there (MNIST: 7 % less time).
    """
    cdef const knnc_kernel *kernel = self.coarse.kernel
    cdef int64_t tile = kernel.layout.tile_queries, t, s, i, last
    cdef int64_t m = self.coder.n_coarse + self.coder.n_fine
    cdef double error = 0
    cdef int failed = 0
    cdef int64_t n_tiles = (item.n_queries + tile - 1) // tile
    cdef int64_t n_lists = (item.last_block - item.first_block) * n_tiles
    cdef int64_t bytes_a_tile = packed_tile_bytes(kernel, self.coder.n_coarse)
    cdef int64_t room = item.block_panels * kernel.layout.panel_rows + 1
    cdef Stage stages[3]
    cdef uint8_t *values = <uint8_t *>malloc(n_tiles * bytes_a_tile)
    cdef knnc_queries *tiles = <knnc_queries *>malloc(n_tiles * sizeof(knnc_queries))
    cdef int64_t n_listed = min(tile, item.n_queries) * room
    cdef int32_t *lists = <int32_t *>malloc(3 * 2 * n_listed * sizeof(int32_t))
    if values == NULL or tiles == NULL or lists == NULL:
        free(values)
        free(tiles)
        free(lists)
        return -1
    for i in range(3):
        stages[i].found.room = room
        stages[i].found.rows = lists + 2 * i * n_listed
        stages[i].found.dist = lists + (2 * i + 1) * n_listed
    for t in range(n_tiles):
        pack_staged(kernel, self.coarse.blocks, item.codes + t * tile * m, m,
                         <int>min(tile, item.n_queries - t * tile), self.coder.n_coarse,
                         values + t * bytes_a_tile, &tiles[t])
    for s in range(n_lists + 2):
        if s < n_lists:
            t = s % n_tiles
            i = (item.first_block + s // n_tiles) * item.block_panels
            stages[s % 3].tile = t
            last = min(i + item.block_panels, self.coarse.n_panels)
            if t == 0:
                error = largest_error(self, i, last)
            list_rows(self, item, &tiles[t], i, last, error, &stages[s % 3])
        if 0 < s <= n_lists:
            t = stages[(s - 1) % 3].tile
            compare_fine(self, item, tiles[t].n_queries, &stages[(s - 1) % 3])
        if s > 1:
            t = stages[(s - 2) % 3].tile
            failed |= compare_whole(self, item, tiles[t].n_queries, &stages[(s - 2) % 3])
    free(values)
    free(tiles)
    free(lists)
    return failed


cdef double largest_error(CodedRows self, int64_t first, int64_t last) noexcept nogil:
    """The largest error of a code in a block of panels."""
    cdef double error = 0
    cdef int64_t p
    for p in range(first, last):
        error = max(error, self.worst[p])
    return error


cdef void list_rows(
    CodedRows self, Item *item, knnc_queries *queries, int64_t first, int64_t last, double error,
    Stage *stage,
) noexcept nogil:
    """Scan a block of panels: the rows whose coarse codes are within the limits."""
    cdef const knnc_kernel *kernel = self.coarse.kernel
    cdef int64_t m = self.coder.n_fine, query = stage.tile * kernel.layout.tile_queries, p
    cdef knnc_found *found = &stage.found
    cdef int32_t *rows
    cdef int64_t row, k = item.found.k
    cdef int q
    cdef int32_t kept
    for q in range(queries.n_queries):
        queries.limits[q] = self.coder.coarse_limit(
            item.errors[2 * (query + q)] + error,
            min(item.best[query + q], worst(&item.found, query + q)))
        found.counts[q] = 0
    found.first_row = first * kernel.layout.panel_rows
    kernel.tile(&self.coarse.blocks[0], first, last, queries, NULL, found)
    for q in range(queries.n_queries):
        rows = found.rows + q * found.room
        kept = 0
        for p in range(found.counts[q]):
            row = self.order[found.first_row + rows[p]]
            if item.keeps_seeds and is_among(row, item.found.ind + (query + q) * k, k):
                continue
            if m:
                knnc_prefetch_row(&self.fine[found.first_row + rows[p], 0], m)
            else:
                prefetch_row(self, row)
            rows[kept] = rows[p]
            kept += 1
        found.counts[q] = kept


cdef inline bint is_among(int64_t row, const int64_t *rows, int64_t n) noexcept nogil:
    cdef int64_t i
    for i in range(n):
        if rows[i] == row:
            return True
    return False


cdef void compare_fine(CodedRows self, Item *item, int n_queries, Stage *stage) noexcept nogil:
    """Of the rows listed, keep those that their fine codes do not rule out."""
    cdef const knnc_kernel *kernel = self.coarse.kernel
    cdef int64_t m = self.coder.n_fine, best, query, i, kept
    cdef knnc_found *found = &stage.found
    cdef const uint8_t *fine
    cdef const int64_t *order = &self.order[found.first_row]
    cdef const uint8_t *code
    cdef int32_t *rows
    cdef double far
    cdef int q
    if m == 0:
        return
    fine = &self.fine[found.first_row, 0]
    for q in range(n_queries):
        if found.counts[q] == 0:
            continue
        query = stage.tile * kernel.layout.tile_queries + q
        best = min(item.best[query], worst(&item.found, query))
        far = INFINITY
        if best != INT64_MAX:
            far = self.coder.reach(best) + item.errors[2 * query + 1]
        code = item.codes + query * (self.coder.n_coarse + m) + self.coder.n_coarse
        rows = found.rows + q * found.room
        kept = 0
        for i in range(found.counts[q]):
            if not self.coder.is_ruled_out(
                    kernel.pair(code, fine + rows[i] * m, m),
                    far + self.fine_errors[found.first_row + rows[i]]):
                prefetch_row(self, order[rows[i]])
                rows[kept] = rows[i]
                kept += 1
        found.counts[q] = <int32_t>kept


cdef int compare_whole(CodedRows self, Item *item, int n_queries, Stage *stage) noexcept nogil:
    """Collect the rows that are left by their keys; -1 when there is no memory."""
    cdef const knnc_kernel *kernel = self.coarse.kernel
    cdef const Exact *exact = &self.exact
    cdef int64_t query, row, i
    cdef knnc_found *found = &stage.found
    cdef const int64_t *order = &self.order[found.first_row]
    cdef const char *own
    cdef int q, failed = 0
    for q in range(n_queries):
        query = stage.tile * kernel.layout.tile_queries + q
        own = item.queries + item.source[query] * exact.query_bytes
        for i in range(found.counts[q]):
            row = order[found.rows[q * found.room + i]]
            if row != item.first_self + item.taken[query]:
                failed |= collect(&item.found, query, exact.key(exact.context, own, row), row)
    return failed


# ------------------------------------------------------------------------------------------------
# A chunk of queries, divided among threads

cdef class Chunk:
    """The arrays of one chunk, and how it is cut: blocks of queries, or parts of the rows.

    They are one piece of memory, not arrays of NumPy, which take a query alone 5 us.
    """
    cdef CodedRows rows
    cdef Item whole
    cdef Lists lists
    cdef object chosen  # the queries, as they are compared
    cdef int64_t block, n_query_blocks, n_parts, n_blocks, n_seeding
    cdef int n_threads
    cdef int64_t *clusters  # of Item; the first of them
    cdef int64_t *taken
    cdef int64_t *source
    cdef double *errors
    cdef uint8_t *codes

    def __cinit__(self, CodedRows rows, chosen, int64_t n, int64_t first_self, int64_t k,
                  int64_t limit, bint with_dist, int n_threads):
        """`chosen`: n queries. `k`: how many rows to find; 0 for all with keys up to `limit`."""
        cdef int64_t tile = rows.coarse.kernel.layout.tile_queries
        cdef int64_t panels = PANEL_BLOCK_ROWS // rows.coarse.kernel.layout.panel_rows
        self.rows, self.chosen, self.n_threads = rows, chosen, n_threads
        self.block = tile * max(1, min(QUERY_TILES, n // (tile * n_threads * 4)))
        self.n_query_blocks = (n + self.block - 1) // self.block
        self.n_parts = 1 if self.n_query_blocks >= n_threads else count_parts(
            n, max(k, <int64_t>1), rows.coarse.n_panels, n_threads)
        panels = max(1, min(panels, rows.coarse.n_panels // (PARTS_OF_PANELS * self.n_parts)))
        self.whole.block_panels = panels
        self.n_blocks = (rows.coarse.n_panels + panels - 1) // panels
        self.whole.queries, self.whole.n_queries = rows.start_of(chosen), n
        self.whole.first_self, self.whole.found.k = first_self, k
        self.n_seeding = clusters_to_seed(rows, k) if k else 0
        self.whole.n_near = max(1, self.n_seeding)
        # Parts of the rows have heaps of their own, and would find the seeds again.
        self.whole.keeps_seeds = (
            self.n_seeding > 0 and self.n_parts == 1 and k <= <int64_t>MOST_KEPT_SEEDS)
        self.allocate(INT64_MAX if k else limit)
        if k == 0:
            self.lists = Lists(self.n_parts * n)
            self.whole.found.lists, self.whole.found.limit = self.lists.at, limit
            self.whole.found.with_dist = with_dist

    def __dealloc__(self):
        free(self.clusters)

    cdef int allocate(self, int64_t best) except -1:
        """The arrays; heaps are those of the chunk, after them those of parts of the rows."""
        cdef int64_t n = self.whole.n_queries, heaps = self.n_parts * n * self.whole.found.k
        cdef int64_t m = self.rows.coder.n_coarse + self.rows.coder.n_fine
        cdef int64_t n_numbers = n * (self.whole.n_near + 3) + 2 * heaps, i
        self.clusters = <int64_t *>malloc(
            n_numbers * sizeof(int64_t) + n * (2 * sizeof(double) + m))
        if self.clusters == NULL:
            raise MemoryError("no memory for a chunk of queries.")
        self.taken = self.clusters + n * self.whole.n_near
        self.source = self.taken + n
        self.whole.best = self.source + n
        self.whole.found.dist = self.whole.best + n
        self.whole.found.ind = self.whole.found.dist + heaps
        self.errors = <double *>(self.whole.found.ind + heaps)
        self.codes = <uint8_t *>(self.errors + 2 * n)
        self.whole.clusters, self.whole.taken = self.clusters, self.taken
        self.whole.source = self.source
        self.whole.errors, self.whole.codes = self.errors, self.codes
        heap_clear(self.whole.found.dist, self.whole.found.ind, heaps)
        for i in range(n):
            self.whole.best[i] = best
        return 0

    cdef int prepare(self, int64_t start, bint by_cluster) except -1:
        """Encode the queries, and put those of one nearest cluster side by side.

        `start`: which of all queries the first one is, or of all rows in their order by cluster.
        """
        cdef int64_t n = self.whole.n_queries, n_near = self.whole.n_near, i, at
        cdef int64_t m = self.rows.coder.n_coarse + self.rows.coder.n_fine
        if n == 1:
            self.encode(self.codes, self.errors, self.clusters)
            self.source[0] = 0
            self.taken[0] = self.rows.order[start] if by_cluster else start
            return 0
        near = np.empty((n, n_near), np.int64)
        cdef int64_t[:, ::1] near_of = near
        cdef uint8_t[:, ::1] codes_of = np.empty((n, m), np.uint8)
        cdef double[:, ::1] errors_of = np.empty((n, 2))
        self.encode(&codes_of[0, 0], &errors_of[0, 0], &near_of[0, 0])
        cdef const int64_t[::1] order = np.argsort(near[:, 0], kind="stable")
        for i in range(n):
            at = order[i]
            memcpy(self.codes + i * m, &codes_of[at, 0], m)
            memcpy(self.errors + 2 * i, &errors_of[at, 0], 2 * sizeof(double))
            memcpy(self.clusters + i * n_near, &near_of[at, 0], n_near * sizeof(int64_t))
            self.source[i] = at
            self.taken[i] = self.rows.order[start + at] if by_cluster else start + at
        return 0

    cdef int encode(self, uint8_t *codes, double *errors, int64_t *near) except -1:
        """The codes of queries, their errors, and the clusters near them."""
        cdef CodedRows rows = self.rows
        cdef int64_t n = self.whole.n_queries, n_near = self.whole.n_near, i
        cdef int64_t tile = rows.coarse.kernel.layout.tile_queries
        cdef int64_t m = rows.coder.n_coarse + rows.coder.n_fine
        cdef int failed = 0
        rows.coder.encode_onto(self.chosen, codes, errors, self.n_threads)
        if n <= tile:
            failed = rows.find_near(codes, n, n_near, near)
        else:
            for i in prange((n + tile - 1) // tile, nogil=True, num_threads=self.n_threads):
                failed += rows.find_near(codes + i * tile * m, min(tile, n - i * tile), n_near,
                                         near + i * tile * n_near)
        if failed:
            raise MemoryError("no memory to sort queries.")
        return 0

    cdef int seed(self) except -1:
        cdef int64_t i
        cdef int failed = 0
        if self.n_seeding == 0:
            return 0
        if self.n_query_blocks == 1:
            with nogil:
                failed = self.run(0, 0)
        else:
            for i in prange(self.n_query_blocks, nogil=True, num_threads=self.n_threads,
                            schedule="dynamic", chunksize=1):
                failed += self.run(i, 0)
        if failed:
            raise MemoryError("no memory to seed a search.")
        return 0

    cdef int scan(self) except -1:
        """Scan all panels, a step of some 0.05 s at a time, by the pace seen so far."""
        cdef int64_t first, last = 0, n_blocks = self.n_blocks
        cdef double work, seconds
        # Rows that pass add to the work of a scan, by about this many multiplications a row.
        work = <double>self.whole.n_queries * self.whole.block_panels
        work *= self.rows.coarse.kernel.layout.panel_rows * (self.rows.coder.n_coarse + 64.0)
        while last < n_blocks:
            first = last
            last += max(self.n_parts, <int64_t>(
                self.rows.scan_pace * self.n_threads * STEP_SECONDS / work))
            last = n_blocks if n_blocks - last < self.n_parts else last
            started = perf_counter()
            self.scan_blocks(first, last)
            seconds = perf_counter() - started
            if seconds > 1e-4:
                self.rows.scan_pace = min(
                    8 * self.rows.scan_pace, work * (last - first) / (seconds * self.n_threads))
            PyErr_CheckSignals()
        return 0

    cdef int scan_blocks(self, int64_t first, int64_t last) except -1:
        cdef int64_t i
        cdef int failed = 0
        self.whole.first_block, self.whole.last_block = first, last
        for i in prange(self.n_query_blocks * self.n_parts, nogil=True, num_threads=self.n_threads,
                        schedule="dynamic", chunksize=1):
            failed += self.run(i, 1)
        if failed:
            raise MemoryError("no memory for the lists of a search.")
        return 0

    cdef int run(self, int64_t i, bint scanning) noexcept nogil:
        """Item i: a block of queries, times a part of the blocks of panels when scanning."""
        cdef Item item = self.whole
        cdef Collector *found = &item.found
        cdef int64_t n_parts = self.n_parts if scanning else 1
        cdef int64_t first = i // n_parts * self.block, part = i % n_parts
        cdef int64_t n_blocks = item.last_block - item.first_block
        cdef int64_t skip = part * item.n_queries + first
        cdef knnc_float_mode before
        cdef int failed
        item.taken += first
        item.source += first
        item.codes += first * (self.rows.coder.n_coarse + self.rows.coder.n_fine)
        item.errors += 2 * first
        item.clusters += first * item.n_near
        item.best += first
        item.n_queries = min(self.block, item.n_queries - first)
        item.last_block = item.first_block + n_blocks * (part + 1) // n_parts
        item.first_block += n_blocks * part // n_parts
        if found.lists:
            found.lists += skip
        else:
            found.dist += skip * found.k
            found.ind += skip * found.k
        # Where rows are floats, the key of a pair has its bits, and a bound its margin, in this mode.
        before = enter_float_mode()
        failed = scan_item(self.rows, &item) if scanning else seed_item(self.rows, &item)
        leave_float_mode(before)
        return failed

    cdef int answer(self, int64_t *dist, int64_t *ind) except -1:
        """Merge the heaps of the parts, sort, and put each query's where it belongs."""
        cdef int64_t q, at, k = self.whole.found.k, n = self.whole.n_queries
        cdef HeapItem heaps
        heaps.dist, heaps.ind = self.whole.found.dist, self.whole.found.ind
        heaps.n_queries, heaps.k = n, k
        finish(&heaps, self.n_parts, heaps.dist + n * k, heaps.ind + n * k, self.n_threads)
        with nogil:
            for q in range(n):
                at = self.taken[q] * k
                memcpy(dist + at, heaps.dist + q * k, k * sizeof(int64_t))
                memcpy(ind + at, heaps.ind + q * k, k * sizeof(int64_t))
        return 0

    def lists_of(self, bint sort):
        """The rows within the limit, as `radius.collect` returns them, and the ends of each query.

        Rows were met by cluster: they are put in order.
        """
        cdef int64_t n = self.whole.n_queries, q
        cdef int64_t[::1] at = np.empty(n, np.int64), ends = np.zeros(n + 1, np.int64)
        for q in range(n):
            at[self.source[q]] = q
        ind, dist = collect_lists(
            self.lists, n, ends, self.whole.found.with_dist, sort, self.n_threads, &at[0])
        return np.asarray(ends), ind, dist


cdef class Pace:
    """How many queries make a chunk, by what the one before took."""
    cdef CodedRows rows
    cdef int64_t unit, most
    cdef double started

    def __cinit__(self, CodedRows rows, int64_t most, int n_threads):
        self.rows, self.most = rows, most
        self.unit = 4 * rows.coarse.kernel.layout.tile_queries * n_threads

    cdef int64_t next(self, int64_t remaining):
        cdef int64_t n = FIRST_CHUNK // self.rows.width
        if self.rows.pace > 0:
            n = <int64_t>(self.rows.pace * CHUNK_SECONDS)
        self.started = perf_counter()
        return min(min(max(self.unit, min(n, MAX_CHUNK)), self.most), remaining)

    cdef void done(self, int64_t n):
        self.rows.pace = n / max(1e-6, perf_counter() - self.started)


def search(CodedRows rows, queries, int64_t k, int n_threads, int64_t first_self, progress):
    """The answers of `brute.search`; the arguments are the same too."""
    cdef int64_t n_queries = queries.shape[0], done = 0, n
    cdef Chunk chunk
    cdef Pace pace = Pace(rows, queries_to_sort(k, n_threads), n_threads)
    dist, ind = np.empty((n_queries, k), np.int64), np.empty((n_queries, k), np.int64)
    cdef int64_t[:, ::1] dist_of = dist, ind_of = ind
    # The rows themselves come by cluster, so that all of a chunk are alike.
    by_cluster = first_self == 0 and n_queries == rows.n_rows
    while done < n_queries:
        n = pace.next(n_queries - done)
        which = slice(done, done + n)
        if by_cluster:
            which = np.asarray(rows.order)[which]
        chunk = Chunk(rows, rows.as_queries(queries[which]), n, first_self, k, 0, True, n_threads)
        chunk.prepare(done, by_cluster)
        chunk.seed()
        chunk.scan()
        chunk.answer(&dist_of[0, 0], &ind_of[0, 0])
        pace.done(n)
        done += n
        if progress is not None:
            progress(done, n_queries)
    return dist, ind


def within(CodedRows rows, queries, int64_t limit, int n_threads, int64_t first_self,
           bint with_dist, bint sort, progress):
    """The answers of `radius.search`; the arguments are the same too."""
    cdef int64_t n_queries = queries.shape[0], done = 0, n, n_found = 0
    cdef Chunk chunk
    cdef Pace pace
    indptr = np.zeros(n_queries + 1, np.int64)
    dist_parts, ind_parts = [], []
    while done < n_queries:
        # As many as their lists take so much memory; until it is known, as if all rows were in.
        n = LIST_PAIRS // (1 + (n_found // done if done else rows.n_rows))
        pace = Pace(rows, max(rows.coarse.kernel.layout.tile_queries, n), n_threads)
        n = pace.next(n_queries - done)
        chunk = Chunk(rows, rows.as_queries(queries[done:done + n]), n, first_self, 0, limit,
                      with_dist, n_threads)
        chunk.prepare(done, False)
        chunk.scan()
        ends, ind, dist = chunk.lists_of(sort)
        indptr[done + 1:done + n + 1] = n_found + ends[1:]
        n_found += len(ind)
        ind_parts.append(ind)
        dist_parts.append(dist)
        pace.done(n)
        done += n
        if progress is not None:
            progress(done, n_queries)
    if not ind_parts:
        empty = np.empty(0, np.int64)
        return indptr, empty if with_dist else None, empty
    ind = dist = chunk = None  # so that the last chunk can be let go of too
    return indptr, joined(dist_parts) if with_dist else None, joined(ind_parts)
