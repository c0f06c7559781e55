"""Exact search that rules most rows out by their codes (codes/quantizer.pyx) and refines the rest.

    search
      chunks of queries, about 0.1 s each
        encode the queries and find the clusters near each; sort the queries by nearest cluster,
              so that those of a tile are alike
        seed: of the rows in those clusters, take the ones with the nearest coarse codes, and refine
              them with whole rows: an upper bound of each query's k-th distance
        scan: a block of panels times each tile of queries: kernel.tile lists the rows within the
              limit; the fine codes, if there are any, rule out some of these; the rest are refined
              with whole rows. Signals are checked every 0.05 s.

Rows are ordered by cluster, not by index (codes/rows.pyx), so a heap meets indices in any order.
"""
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
from knnc.engine.scan._plan cimport CHUNK_PAIRS, count_parts, queries_to_sort
from knnc.engine.scan.brute cimport Item as HeapItem
from knnc.engine.scan.brute cimport finish
from knnc.engine.scan.radius cimport Lists, collect_lists
from knnc.engine.system._pace cimport Steps, look, next_step, steps_of

import numpy as np

from knnc.engine.scan.far import nearest
from knnc.engine.scan.brute import NO_SELF
from knnc.engine.scan.radius import joined
from knnc.engine.system.progress import shifted

# Rows of a block of panels. Mostly a third or so of their codes is read. That third and the codes
# of a block of queries fit the L2 cache.
cdef int64_t PANEL_BLOCK_ROWS = 4096
cdef int64_t QUERY_TILES = 16
# Where panels are divided among threads, each thread has at least so many blocks of panels.
cdef int64_t PARTS_OF_PANELS = 16
# Seconds of a chunk of queries.
cdef double CHUNK_SECONDS = 0.1
cdef int64_t MAX_CHUNK = 16384
# The clusters that seed a query: at least SEED_CLUSTERS, and with SEED_ROWS rows for each neighbour
# asked for; but at most one in SEED_SHARE of all clusters.
SEED_CLUSTERS = 3
SEED_ROWS = 8
cdef int64_t SEED_SHARE = 4
# Up to so many neighbours, seeds stay in the heap, and the scan skips rows that the heap has. For
# more, looking a row up takes longer than comparing it. benchmarks/pruning.py measures the gain.
MOST_KEPT_SEEDS = 64


include "coded_items.pxi"


# ------------------------------------------------------------------------------------------------
# A chunk of queries, divided among threads

cdef class Chunk:
    """The arrays of one chunk, and how it is cut: blocks of queries, or parts of the rows.

    They share one allocation: NumPy arrays would add 5 us to the search for a single query.
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
        """Allocate the arrays. Heaps of the chunk come first, then those of parts of the rows."""
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

        `start`: the number of the first one among all queries. With `by_cluster`, queries are rows,
        and it is a place in the order of rows by cluster.
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

    cdef int leave_out(self, list queries) except -1:
        """Make the scan find nothing for these queries, given by number."""
        cdef int64_t i
        which = set(queries)
        for i in range(self.whole.n_queries):
            if self.source[i] in which:
                self.whole.best[i] = 0
        return 0

    cdef int scan(self) except -1:
        """Scan all panels, a step of some 0.05 s at a time."""
        cdef double work
        cdef Steps steps
        # Rows that pass add to the work of a scan, by about this many multiplications a row.
        work = <double>self.whole.n_queries * self.whole.block_panels
        work *= self.rows.coarse.kernel.layout.panel_rows * (self.rows.coder.n_coarse + 64.0)
        steps = steps_of(self.n_blocks, self.n_parts, work, self.n_threads)
        while next_step(&steps, self.rows.scan_pace):
            self.scan_blocks(steps.first, steps.last)
            look(&steps, &self.rows.scan_pace)
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
        # For float rows, keys have the right bits and bounds hold in this mode only.
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
        """The end of each query's rows, and the rows as `radius.collect_lists` returns them.

        The scan meets rows by cluster; here they are put in order.
        """
        cdef int64_t n = self.whole.n_queries, q
        cdef int64_t[::1] at = np.empty(n, np.int64), ends = np.zeros(n + 1, np.int64)
        for q in range(n):
            at[self.source[q]] = q
        ind, dist = collect_lists(
            self.lists, n, ends, self.whole.found.with_dist, sort, self.n_threads, &at[0])
        return np.asarray(ends), ind, dist


cdef Steps chunks_of(CodedRows rows, int64_t n_queries, int n_threads):
    """The steps of a search: chunks of queries. Their pace is that of all threads together."""
    cdef Steps chunks = steps_of(
        n_queries, 4 * rows.coarse.kernel.layout.tile_queries * n_threads, 1, 1)
    chunks.seconds = CHUNK_SECONDS
    return chunks


def search(CodedRows rows, queries, int64_t k, int n_threads, int64_t first_self, progress):
    """The answers of `brute.search`; the arguments are the same too."""
    cdef int64_t n_queries = queries.shape[0], done
    cdef Chunk chunk
    cdef Steps chunks = chunks_of(rows, n_queries, n_threads)
    dist, ind = np.empty((n_queries, k), np.int64), np.empty((n_queries, k), np.int64)
    cdef int64_t[:, ::1] dist_of = dist, ind_of = ind
    # If the queries are all rows, they are taken by cluster, so that those of a chunk are alike.
    by_cluster = first_self == 0 and n_queries == rows.n_rows
    all_far, n_far = [], 0
    chunks.most = min(MAX_CHUNK, queries_to_sort(k, n_threads))
    while next_step(&chunks, rows.pace):
        done = chunks.first
        which = slice(done, chunks.last)
        if by_cluster:
            which = np.asarray(rows.order)[which]
        chosen = rows.as_queries(queries[which])
        far = rows.coder.far(chosen)
        chunk = Chunk(rows, chosen, chunks.last - done, first_self, k, 0, True, n_threads)
        chunk.prepare(done, by_cluster)
        chunk.seed()
        if far:
            chunk.leave_out(far)
        chunk.scan()
        chunk.answer(&dist_of[0, 0], &ind_of[0, 0])
        if far:
            all_far.append(which[far] if by_cluster else done + np.array(far))
            n_far += len(far)
        look(&chunks, &rows.pace)
        if progress is not None:
            progress(chunks.last - n_far, n_queries)
    if all_far:  # all at once, because a kernel takes several at a time
        at = np.concatenate(all_far)
        own = None if first_self == NO_SELF else first_self + at
        told = shifted(progress, n_queries - n_far, n_queries)
        dist[at], ind[at] = nearest(rows.floats, queries, at, own, k, n_threads, told)
    return dist, ind


def within(CodedRows rows, queries, int64_t limit, int n_threads, int64_t first_self,
           bint with_dist, bint sort, progress):
    """The answers of `radius.search`; the arguments are the same too."""
    cdef int64_t n_queries = queries.shape[0], done, n, n_found = 0
    cdef int64_t tile = rows.coarse.kernel.layout.tile_queries
    cdef Chunk chunk
    cdef Steps chunks = chunks_of(rows, n_queries, n_threads)
    indptr = np.zeros(n_queries + 1, np.int64)
    dist_parts, ind_parts = [], []
    # As many queries as memory for their lists allows; at first as if all rows were within.
    chunks.most = min(MAX_CHUNK, max(tile, CHUNK_PAIRS // (1 + rows.n_rows)))
    while next_step(&chunks, rows.pace):
        done, n = chunks.first, chunks.last - chunks.first
        chunk = Chunk(rows, rows.as_queries(queries[done:done + n]), n, first_self, 0, limit,
                      with_dist, n_threads)
        chunk.prepare(done, False)
        chunk.scan()
        ends, ind, dist = chunk.lists_of(sort)
        indptr[done + 1:done + n + 1] = n_found + ends[1:]
        n_found += len(ind)
        ind_parts.append(ind)
        dist_parts.append(dist)
        look(&chunks, &rows.pace)
        chunks.most = min(MAX_CHUNK, max(tile, CHUNK_PAIRS // (1 + n_found // chunks.last)))
        if progress is not None:
            progress(chunks.last, n_queries)
    ind = dist = chunk = None  # so that `joined` can free the last chunk too
    return indptr, joined(dist_parts) if with_dist else None, joined(ind_parts)
