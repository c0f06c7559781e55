"""Blocking, threads and selection around the kernels: from packed rows to the k nearest.

    search
      chunks of queries (and of rows, when they are many): at most about 0.05 s each; between
      two of them signals are checked and progress is told, with the GIL held
        items, one an OpenMP iteration: a block of queries x a part of the rows
          a panel block that fits the L2 cache, times each tile of queries
            kernel.tile: distances in registers, a push for each row within a query's limit

Queries are divided among threads when they are many; when they are few, rows are, and each part
keeps heaps of its own, which are merged at the end. Either way a heap meets its rows in ascending
order, so a row at the limit itself can be left out: its index is larger than those that are in.
"""
from cpython.exc cimport PyErr_CheckSignals
from cython.parallel cimport prange
from libc.math cimport log2
from libc.stdint cimport INT64_MIN, int32_t, int64_t, uint8_t, uint32_t, uintptr_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from knnc.engine._heap cimport heap_clear, heap_merge, heap_push, heap_sort, sift_down
from knnc.engine._kernels cimport (
    KNNC_ALIGNMENT,
    KNNC_BLOCK_FEATURES,
    KNNC_LIMIT_NONE,
    KNNC_MANHATTAN,
    KNNC_SQEUCLIDEAN,
    knnc_best_kernel,
    knnc_cpu_feature_at,
    knnc_detect_cpu,
    knnc_kernel,
    knnc_kernel_at,
    knnc_n_cpu_features,
    knnc_n_kernels,
    knnc_pack_queries,
    knnc_pack_rows,
    knnc_queries,
    knnc_rows,
    knnc_tile_bytes,
)
from knnc.engine._openmp cimport knnc_max_threads, knnc_openmp_version

from time import perf_counter

import numpy as np

# Rows of one panel block: about half of a 1 MiB L2 cache; the queries of an item take a quarter.
cdef int64_t PANEL_BLOCK_BYTES = 384 * 1024
cdef int64_t QUERY_BLOCK_BYTES = 256 * 1024
# Seconds of work between two looks at signals.
cdef double CHUNK_SECONDS = 0.05
# Queries of a chunk, each of which costs some 100 ns whatever the rows.
cdef int64_t MAX_CHUNK = 1 << 18
# Below this many multiply-adds, waking a second thread costs more than it brings.
# Of one step of a heap sort, when the heaps are large.
cdef double SORT_SECONDS = 5e-9
cdef double SERIAL_WORK = 4e6
# What `first_self` is when the queries are no rows: so low that no query counts up to a row.
NO_SELF = INT64_MIN // 2

# Features that one accumulator of 32 bits holds.
BLOCK_FEATURES = KNNC_BLOCK_FEATURES

cdef uint32_t cpu_features = knnc_detect_cpu()
cdef uint32_t enabled_features = cpu_features


# ------------------------------------------------------------------------------------------------
# What runs here

def openmp_version():
    """The OpenMP specification's date, 201511 and the like; 0 for a build without OpenMP."""
    return knnc_openmp_version


def openmp_max_threads():
    """omp_get_max_threads() of the calling thread; 1 without OpenMP."""
    return knnc_max_threads()


def known_cpu_features():
    """Names of the CPU features that this build's kernels distinguish."""
    return [knnc_cpu_feature_at(i).name.decode() for i in range(knnc_n_cpu_features())]


def detected_cpu_features():
    """Names of those that this processor and operating system have."""
    return [
        knnc_cpu_feature_at(i).name.decode()
        for i in range(knnc_n_cpu_features())
        if knnc_cpu_feature_at(i).bit & cpu_features
    ]


def disable_cpu_features(names):
    """Leave out CPU features, and those that make no sense without them, from now on."""
    global enabled_features
    cdef uint32_t off = 0
    for i in range(knnc_n_cpu_features()):
        if knnc_cpu_feature_at(i).name.decode() in names:
            off |= knnc_cpu_feature_at(i).bit | knnc_cpu_feature_at(i).implies
    enabled_features = cpu_features & ~off


def all_kernels():
    """Names of the kernels compiled in, best first within a metric."""
    return [knnc_kernel_at(i).name.decode() for i in range(knnc_n_kernels())]


def available_kernels():
    """Names of the kernels that can run here."""
    return [
        knnc_kernel_at(i).name.decode()
        for i in range(knnc_n_kernels())
        if not knnc_kernel_at(i).needs & ~enabled_features
    ]


cdef const knnc_kernel *find_kernel(str metric, str name) except NULL:
    cdef int i
    wanted = {"sqeuclidean": KNNC_SQEUCLIDEAN, "manhattan": KNNC_MANHATTAN}[metric]
    if name is None:
        return knnc_best_kernel(wanted, enabled_features)
    for i in range(knnc_n_kernels()):
        if knnc_kernel_at(i).name.decode() == name:
            if knnc_kernel_at(i).metric != wanted:
                raise ValueError(f"kernel {name!r} does not compute metric {metric!r}.")
            if knnc_kernel_at(i).needs & ~enabled_features:
                raise ValueError(
                    f"kernel {name!r} cannot run here; these can: {available_kernels()}."
                )
            return knnc_kernel_at(i)
    raise ValueError(f"Unknown kernel {name!r}; the kernels are {all_kernels()}.")


def kernel_for(str metric, name):
    """The name of the kernel that `name` stands for: None is the best that runs here.

    Raises
    ------
    ValueError
        If there is no such kernel, it cannot run here, or it computes another metric.
    """
    return find_kernel(metric, name).name.decode()


# ------------------------------------------------------------------------------------------------
# Packed rows

def aligned_bytes(int64_t n_bytes):
    """An uninitialised uint8 array that starts at a cache line."""
    raw = np.empty(n_bytes + KNNC_ALIGNMENT, dtype=np.uint8)
    start = -raw.ctypes.data % KNNC_ALIGNMENT
    return raw[start:start + n_bytes]


cdef class PackedRows:
    """Rows as one kernel wants them; more than KNNC_BLOCK_FEATURES features are cut into blocks.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features), uint8, C-contiguous
    metric : {"sqeuclidean", "manhattan"}
    kernel : str or None
        The kernel's name; None for the best that runs here.
    n_threads : int
    """

    def __cinit__(self, const uint8_t[:, ::1] rows, str metric, kernel, int n_threads):
        cdef int b
        cdef int64_t width, panel_bytes = 0, height, lane
        self.kernel = find_kernel(metric, kernel)
        self._pace = 2e9
        height, lane = self.kernel.layout.panel_rows, self.kernel.layout.lane
        self.n_rows = rows.shape[0]
        self.n_features = rows.shape[1]
        self.n_panels = (self.n_rows + height - 1) // height
        self.n_blocks = <int>((self.n_features + KNNC_BLOCK_FEATURES - 1) // KNNC_BLOCK_FEATURES)
        self.blocks = <knnc_rows *>malloc(self.n_blocks * sizeof(knnc_rows))
        if self.blocks == NULL:
            raise MemoryError()
        for b in range(self.n_blocks):
            width = self.block_end(b) - self.block_start(b)
            self.blocks[b].n_steps = (width + lane - 1) // lane
            panel_bytes += self.block_bytes(b)
        self._panels = aligned_bytes(self.n_panels * panel_bytes)
        self._terms = aligned_bytes(self.n_panels * height * self.n_blocks * sizeof(int32_t))
        self.point_blocks()
        self.pack(rows, n_threads)

    def __dealloc__(self):
        free(self.blocks)

    @property
    def kernel_name(self):
        return self.kernel.name.decode()

    @property
    def nbytes(self):
        return self._panels.nbytes + self._terms.nbytes

    cdef int64_t block_start(self, int b) noexcept nogil:
        return <int64_t>b * KNNC_BLOCK_FEATURES

    cdef int64_t block_end(self, int b) noexcept nogil:
        return min(self.n_features, <int64_t>(b + 1) * KNNC_BLOCK_FEATURES)

    cdef int64_t block_bytes(self, int b) noexcept nogil:
        """Bytes of one panel of the block."""
        return self.blocks[b].n_steps * self.kernel.layout.panel_rows * self.kernel.layout.lane

    cdef void point_blocks(self):
        cdef uintptr_t panels = self._panels.ctypes.data, terms = self._terms.ctypes.data
        cdef int b
        for b in range(self.n_blocks):
            self.blocks[b].panels = <const uint8_t *>panels
            self.blocks[b].terms = <const int32_t *>terms
            panels += self.n_panels * self.block_bytes(b)
            terms += self.n_panels * self.kernel.layout.panel_rows * sizeof(int32_t)

    cdef int pack(self, const uint8_t[:, ::1] rows, int n_threads) except -1:
        cdef int64_t first, last, p, step
        cdef int b
        cdef const knnc_kernel *kernel = self.kernel
        cdef const uint8_t *start
        cdef int64_t stride = self.n_features, width, n_rows = self.n_rows
        # 64 MB between two looks at signals: about 0.05 s.
        step = max(1, (64 << 20) // max(1, self.n_features * kernel.layout.panel_rows))
        for b in range(self.n_blocks):
            start = &rows[0, 0] + self.block_start(b)
            width = self.block_end(b) - self.block_start(b)
            last = 0
            while last < self.n_panels:
                first = last
                last = min(self.n_panels, first + step)
                for p in prange(first, last, nogil=True, num_threads=n_threads, schedule="static"):
                    knnc_pack_rows(
                        kernel, start, stride, n_rows, width, p, p + 1,
                        <uint8_t *>self.blocks[b].panels, <int32_t *>self.blocks[b].terms,
                    )
                PyErr_CheckSignals()
        return 0


# ------------------------------------------------------------------------------------------------
# One item of work: a block of queries against a range of panels, on one thread

cdef struct Heaps:
    # What a tile's pushes need: heap q is at dist + q * k, ind + q * k.
    int64_t *dist
    int64_t *ind
    int64_t k
    int64_t first_self  # the row that is the tile's first query itself, or far below 0


cdef struct Sums:
    # Distances of a tile to a panel block, added up over blocks of features.
    int64_t *dist
    int64_t first_row
    int64_t n_rows


cdef struct Item:
    const uint8_t *queries
    int64_t n_queries
    int64_t first_self
    int64_t first_panel
    int64_t last_panel
    int64_t *dist
    int64_t *ind
    int64_t k


cdef inline int32_t limit_of(int64_t worst) noexcept nogil:
    return <int32_t>min(worst, <int64_t>KNNC_LIMIT_NONE)


cdef int32_t push_row(void *context, int query, int64_t row, int32_t dist) noexcept nogil:
    cdef Heaps *heaps = <Heaps *>context
    cdef int64_t *heap = heaps.dist + query * heaps.k
    if row != heaps.first_self + query:
        sift_down(heap, heaps.ind + query * heaps.k, heaps.k, dist, row)
    return limit_of(heap[0])


cdef int32_t add_block(void *context, int query, int64_t row, int32_t dist) noexcept nogil:
    cdef Sums *sums = <Sums *>context
    sums.dist[query * sums.n_rows + row - sums.first_row] += dist
    return KNNC_LIMIT_NONE


cdef void push_sums(Sums *sums, Heaps *heaps, int n_queries, int64_t n_rows) noexcept nogil:
    cdef int q
    cdef int64_t r, row
    for q in range(n_queries):
        for r in range(min(sums.n_rows, n_rows - sums.first_row)):
            row = sums.first_row + r
            if row != heaps.first_self + q:
                heap_push(heaps.dist + q * heaps.k, heaps.ind + q * heaps.k, heaps.k,
                          sums.dist[q * sums.n_rows + r], row)


cdef int run_item(PackedRows rows, Item *item) noexcept nogil:
    """Returns -1 when there is no memory for the packed queries."""
    cdef const knnc_kernel *kernel = rows.kernel
    cdef int tile_queries = kernel.layout.tile_queries, n_blocks = rows.n_blocks, b, q, status = 0
    cdef int64_t n_tiles = (item.n_queries + tile_queries - 1) // tile_queries, t, i
    cdef int64_t bytes_a_tile = 0, panel_bytes = 0, offset
    for b in range(n_blocks):
        bytes_a_tile += knnc_tile_bytes(kernel, rows.block_end(b) - rows.block_start(b))
        panel_bytes += rows.block_bytes(b)
    cdef int64_t step = max(1, PANEL_BLOCK_BYTES // max(1, panel_bytes))
    cdef int64_t width = step * kernel.layout.panel_rows
    cdef uint8_t *values = <uint8_t *>malloc(n_tiles * bytes_a_tile)
    cdef knnc_queries *tiles = <knnc_queries *>malloc(n_tiles * n_blocks * sizeof(knnc_queries))
    cdef int64_t *sums = NULL
    if n_blocks > 1:
        sums = <int64_t *>malloc(tile_queries * width * sizeof(int64_t))
    if values == NULL or tiles == NULL or (n_blocks > 1 and sums == NULL):
        status = -1
    else:
        for t in range(n_tiles):
            offset = t * bytes_a_tile
            for b in range(n_blocks):
                i = t * n_blocks + b
                knnc_pack_queries(
                    kernel, item.queries + t * tile_queries * rows.n_features + rows.block_start(b),
                    rows.n_features, <int>min(tile_queries, item.n_queries - t * tile_queries),
                    rows.block_end(b) - rows.block_start(b), values + offset, &tiles[i],
                )
                offset += knnc_tile_bytes(kernel, rows.block_end(b) - rows.block_start(b))
            if n_blocks == 1:
                for q in range(tiles[t].n_queries):
                    tiles[t].limits[q] = limit_of(item.dist[(t * tile_queries + q) * item.k])
        scan_panels(rows, item, tiles, n_tiles, step, sums)
    free(values)
    free(tiles)
    free(sums)
    return status


cdef void scan_panels(
    PackedRows rows, Item *item, knnc_queries *tiles, int64_t n_tiles, int64_t step,
    int64_t *sums_of,
) noexcept nogil:
    cdef const knnc_kernel *kernel = rows.kernel
    cdef int n_blocks = rows.n_blocks, b
    cdef int64_t first, last, t
    cdef Heaps heaps
    cdef Sums sums
    heaps.k = item.k
    last = item.first_panel
    while last < item.last_panel:
        first = last
        last = min(item.last_panel, first + step)
        for t in range(n_tiles):
            heaps.dist = item.dist + t * kernel.layout.tile_queries * item.k
            heaps.ind = item.ind + t * kernel.layout.tile_queries * item.k
            heaps.first_self = item.first_self + t * kernel.layout.tile_queries
            if n_blocks == 1:
                kernel.tile(&rows.blocks[0], first, last, &tiles[t], push_row, &heaps)
                continue
            sums.dist = sums_of
            sums.first_row = first * kernel.layout.panel_rows
            sums.n_rows = (last - first) * kernel.layout.panel_rows
            memset(sums_of, 0, kernel.layout.tile_queries * sums.n_rows * sizeof(int64_t))
            for b in range(n_blocks):
                kernel.tile(
                    &rows.blocks[b], first, last, &tiles[t * n_blocks + b], add_block, &sums)
            push_sums(&sums, &heaps, tiles[t * n_blocks].n_queries, rows.n_rows)


# ------------------------------------------------------------------------------------------------
# The items of a chunk, divided among threads

cdef int run_chunk(
    PackedRows rows, Item *whole, int64_t block, int64_t n_parts, int64_t *part_dist,
    int64_t *part_ind, int n_threads,
) noexcept nogil:
    """Scan a range of panels for a chunk of queries, in blocks of queries and parts of panels.

    Part 0 keeps its heaps where the result goes, part p > 0 at part_dist[(p - 1) * n_queries * k].
    """
    cdef int64_t n_query_blocks = (whole.n_queries + block - 1) // block
    cdef int64_t n_items = n_query_blocks * n_parts, i
    cdef int failed = 0
    if n_items == 1:
        return run_item(rows, whole)
    for i in prange(n_items, num_threads=n_threads, schedule="dynamic", chunksize=1):
        failed += run_part(rows, whole, block, n_parts, part_dist, part_ind, i)
    return failed


cdef int run_part(
    PackedRows rows, Item *whole, int64_t block, int64_t n_parts, int64_t *part_dist,
    int64_t *part_ind, int64_t i,
) noexcept nogil:
    cdef Item item
    cdef int64_t first = i // n_parts * block, part = i % n_parts, skip = first * whole.k
    cdef int64_t n_panels = whole.last_panel - whole.first_panel
    item.queries = whole.queries + first * rows.n_features
    item.n_queries = min(block, whole.n_queries - first)
    item.first_self = whole.first_self + first
    item.first_panel = whole.first_panel + n_panels * part // n_parts
    item.last_panel = whole.first_panel + n_panels * (part + 1) // n_parts
    item.k = whole.k
    item.dist = whole.dist + skip
    item.ind = whole.ind + skip
    if part:
        item.dist = part_dist + (part - 1) * whole.n_queries * whole.k + skip
        item.ind = part_ind + (part - 1) * whole.n_queries * whole.k + skip
    return run_item(rows, &item)


cdef void finish_queries(
    Item *whole, int64_t n_parts, const int64_t *part_dist, const int64_t *part_ind, int n_threads
) noexcept nogil:
    """Merge the heaps of the parts, and sort."""
    cdef int64_t q
    for q in prange(whole.n_queries, num_threads=n_threads, schedule="static"):
        finish_query(whole, n_parts, part_dist, part_ind, q)


cdef void finish_query(
    Item *whole, int64_t n_parts, const int64_t *part_dist, const int64_t *part_ind, int64_t q
) noexcept nogil:
    cdef int64_t k = whole.k, part, at
    for part in range(1, n_parts):
        at = ((part - 1) * whole.n_queries + q) * k
        heap_merge(whole.dist + q * k, whole.ind + q * k, k, part_dist + at, part_ind + at)
    heap_sort(whole.dist + q * k, whole.ind + q * k, k)


cdef int64_t queries_to_sort(int64_t k, int n_threads) noexcept nogil:
    """As many queries as have their k neighbours sorted in the time of a chunk."""
    return max(1, <int64_t>(CHUNK_SECONDS * n_threads / (SORT_SECONDS * k * log2(k + 1.0))))


cdef class Plan:
    """How a chunk of queries is cut, from the pace seen so far."""
    cdef int64_t n_queries, block, n_parts, panel_step
    cdef int n_threads

    def __cinit__(self, PackedRows rows, int64_t remaining, int64_t k, int n_threads):
        cdef double row_work = rows.n_features + 16.0, budget
        cdef int64_t tile = rows.kernel.layout.tile_queries, fit, n_tiles
        cdef double query_work = row_work * rows.n_rows
        if query_work * remaining < SERIAL_WORK:
            n_threads = 1
        budget = rows._pace * n_threads * CHUNK_SECONDS
        # Queries of one item: what the cache holds, so that a pass over the rows serves many.
        fit = max(1, min(32, QUERY_BLOCK_BYTES // (tile * rows.n_features)))
        self.n_queries = min(remaining, max(n_threads * fit * tile, <int64_t>(budget / query_work)))
        self.n_queries = min(min(self.n_queries, queries_to_sort(k, n_threads)), MAX_CHUNK)
        n_tiles = (self.n_queries + tile - 1) // tile
        self.n_threads = n_threads
        self.n_parts = 1
        if n_tiles >= 8 * n_threads:
            self.block = tile * max(1, min(fit, n_tiles // (4 * n_threads)))
        else:
            self.block = self.n_queries
            self.n_parts = max(1, min(<int64_t>n_threads, rows.n_panels))
        self.panel_step = max(
            self.n_parts,
            <int64_t>(budget / (row_work * rows.kernel.layout.panel_rows * self.n_queries)),
        )


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
        Called with (queries done, queries in all) after each chunk.

    Returns
    -------
    dist, ind : ndarray of shape (n_queries, k), int64
    """
    cdef int64_t n_queries = queries.shape[0], done = 0, first, last
    cdef int failed
    cdef Plan plan
    cdef Item whole
    cdef int64_t[:, ::1] part_dist, part_ind
    cdef int64_t *parts_d
    cdef int64_t *parts_i
    cdef double elapsed, work
    dist, ind = np.empty((n_queries, k), np.int64), np.empty((n_queries, k), np.int64)
    cdef int64_t[:, ::1] dist_of = dist, ind_of = ind
    whole.k = k
    while done < n_queries:
        plan = Plan(rows, n_queries - done, k, n_threads)
        whole.queries = &queries[done, 0]
        whole.n_queries = plan.n_queries
        whole.first_self = first_self + done
        whole.dist, whole.ind = &dist_of[done, 0], &ind_of[done, 0]
        heap_clear(whole.dist, whole.ind, plan.n_queries * k)
        parts_d = parts_i = NULL
        if plan.n_parts > 1:
            part_dist = np.empty(((plan.n_parts - 1) * plan.n_queries, k), np.int64)
            part_ind = np.empty(((plan.n_parts - 1) * plan.n_queries, k), np.int64)
            parts_d, parts_i = &part_dist[0, 0], &part_ind[0, 0]
            heap_clear(parts_d, parts_i, (plan.n_parts - 1) * plan.n_queries * k)
        first = 0
        while first < rows.n_panels:
            last = min(rows.n_panels, first + plan.panel_step)
            if rows.n_panels - last < plan.panel_step // 4:
                last = rows.n_panels
            whole.first_panel, whole.last_panel = first, last
            started = perf_counter()
            with nogil:
                failed = run_chunk(
                    rows, &whole, plan.block, plan.n_parts, parts_d, parts_i, plan.n_threads
                )
            if failed:
                raise MemoryError("no memory for the packed queries of a search.")
            elapsed = perf_counter() - started
            work = <double>(last - first) * rows.kernel.layout.panel_rows * plan.n_queries
            work *= rows.n_features + 16.0
            if elapsed > 1e-4:
                rows._pace = min(8 * rows._pace, work / (elapsed * plan.n_threads))
                plan.panel_step = max(
                    plan.n_parts, <int64_t>(CHUNK_SECONDS / elapsed * (last - first))
                )
            first = last
            PyErr_CheckSignals()
        with nogil:
            finish_queries(&whole, plan.n_parts, parts_d, parts_i, plan.n_threads)
        done += plan.n_queries
        if progress is not None:
            progress(done, n_queries)
    return dist, ind
