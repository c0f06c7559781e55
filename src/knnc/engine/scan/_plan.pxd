"""How a search is divided: into chunks of queries, blocks of queries or parts of the rows, steps.

Many queries are divided among threads. If there are few, the rows are divided instead. The parts
stay the same for a whole chunk, and each part is scanned in ascending order of its rows.
"""
from libc.math cimport log2
from libc.stdint cimport int64_t

from knnc.engine.system._pace cimport KNNC_STEP_SECONDS, Steps, steps_of


cdef extern from *:
    """
    /* One step of a push to a heap, or of its sort, when the heaps are large. */
    #define KNNC_PUSH_SECONDS 1e-8
    """
    const double KNNC_PUSH_SECONDS

cdef enum:
    # The queries of an item take a quarter of a 1 MiB L2 cache.
    QUERY_BLOCK_BYTES = 256 * 1024
    # Items for each thread, so that none waits long for another.
    ITEMS_A_THREAD = 4
    # Queries of a chunk, at most. Each costs some 100 ns, however few rows there are.
    MAX_CHUNK = 1 << 18
    # Queries times rows of a chunk of a radius search; one tile of queries may have more. If all
    # rows pass, the lists take 96 MB.
    CHUNK_PAIRS = 1 << 22
    # Bytes for the heaps of all parts of the rows together.
    PART_BYTES = 64 << 20


cdef struct Rows:
    int64_t n_rows
    int64_t n_features
    int64_t n_panels  # units of a step: panels, or single rows
    int64_t panel_rows  # of a panel
    int64_t tile_bytes  # of a tile of queries
    int64_t tile_queries
    double serial_work  # below this, one thread is faster than two


cdef struct Plan:
    int64_t n_queries  # of the chunk
    int64_t block  # queries of an item
    int64_t n_parts  # of the rows
    Steps steps  # the panels of each part


cdef inline int64_t count_parts(
    int64_t n_queries, int64_t k, int64_t n_panels, int n_threads
) noexcept nogil:
    """Parts of the rows for `n_threads` threads; fewer if their heaps need too much memory."""
    return max(<int64_t>1, min(min(<int64_t>n_threads, n_panels),
                               1 + PART_BYTES // (16 * k * n_queries)))


cdef inline int64_t queries_to_sort(int64_t k, int n_threads) noexcept nogil:
    """How many queries can have their k neighbours sorted in the time of a step."""
    return max(<int64_t>1, <int64_t>(
        KNNC_STEP_SECONDS * n_threads / (KNNC_PUSH_SECONDS * k * log2(k + 1.0))))


cdef inline Plan plan_chunk(
    const Rows *rows, int64_t remaining, int64_t k, int n_threads, double pace, double seconds
) noexcept nogil:
    """Plan the next chunk, at the pace seen so far; k is 0 for a radius search."""
    cdef double row_work = rows.n_features + 16.0, pushes
    cdef int64_t tile = rows.tile_queries, n, fit, n_tiles
    cdef Plan plan
    if row_work * rows.n_rows * remaining < rows.serial_work:
        n_threads = 1
    # As many tiles as the cache holds, so that one pass over the rows serves many queries.
    fit = max(<int64_t>1, min(<int64_t>32, QUERY_BLOCK_BYTES // rows.tile_bytes))
    # Preparing a query costs about as much as comparing 8 rows.
    n = max(ITEMS_A_THREAD * n_threads * fit * tile,
            <int64_t>(pace * n_threads * seconds / (row_work * (rows.n_rows + 8.0))))
    n = min(min(n, remaining), MAX_CHUNK)
    n = min(n, queries_to_sort(k, n_threads) if k else max(tile, CHUNK_PAIRS // rows.n_rows))
    n_tiles = (n + tile - 1) // tile
    plan.n_parts, plan.block = 1, tile * min(fit, n_tiles)
    if n_tiles >= 2 * ITEMS_A_THREAD * n_threads:
        plan.block = tile * max(<int64_t>1, min(fit, n_tiles // (ITEMS_A_THREAD * n_threads)))
    elif n_threads > 1:
        plan.n_parts = min(<int64_t>n_threads, rows.n_panels)
        if k and plan.n_parts > 1:
            # Heaps have to fit into memory: take fewer queries rather than fewer threads.
            n = max(<int64_t>1, min(n, PART_BYTES // (16 * k * (plan.n_parts - 1))))
            plan.n_parts = count_parts(n, k, rows.n_panels, n_threads)
        plan.block = n
    plan.n_queries = n
    plan.steps = steps_of((rows.n_panels + plan.n_parts - 1) // plan.n_parts, 1,
                          row_work * rows.panel_rows * n * plan.n_parts, n_threads)
    plan.steps.seconds = seconds
    if k:  # every row is pushed while heaps fill up, so the pace seen does not apply
        pushes = seconds * n_threads / (KNNC_PUSH_SECONDS * log2(k + 1.0))
        if pushes < <double>n * plan.n_parts * min(k, plan.steps.n * rows.panel_rows):
            plan.steps.most = max(
                <int64_t>1, <int64_t>(pushes / (n * plan.n_parts * rows.panel_rows)))
    return plan
