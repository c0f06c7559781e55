# One item of work: a block of queries against a range of panels, on one thread.

cdef struct Item:
    const char *queries  # the whole queries of the chunk
    const int64_t *source  # the position of each query among these
    const int64_t *taken  # and among all queries
    const uint8_t *codes
    const double *errors  # two per query
    const int64_t *clusters  # those near each query, n_near of them
    int64_t *best  # an upper bound on the k-th key, until the heap has one
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
    """Compare the rows with the nearest coarse codes whole, for the heap or for `best` alone."""
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
    """Put the k nearest seeds, by whole distance, into a heap."""
    cdef const Exact *exact = &self.exact
    cdef int64_t k = item.found.k, j, row
    cdef const char *own = item.queries + item.source[query] * exact.query_bytes
    heap_clear(dist, ind, k)
    for j in range(n_seeds):
        if seeds[j] != INT64_MAX:
            knnc_prefetch_row(
                exact.rows + self.order[seeds[j]] * exact.row_bytes, exact.row_bytes)
    for j in range(n_seeds):
        if seeds[j] == INT64_MAX:
            continue
        row = self.order[seeds[j]]
        if row != item.first_self + item.taken[query]:
            heap_push(dist, ind, k, exact.key(exact.context, own, row), row)


cdef struct Stage:
    # The lists of one tile of queries in one block of panels, on their way through three steps.
    knnc_found found
    int64_t tile


cdef int scan_item(CodedRows self, Item *item) noexcept nogil:
    """List rows and compare them, a block of panels at a time; -1 if there is no memory.

    Listed rows lie anywhere in memory. Each step therefore prefetches what the next step reads, and
    the scan of another tile comes in between (MNIST: 7 % less time).
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
    """List the rows of a block of panels whose coarse codes are within the limits."""
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
                knnc_prefetch_row(
                    self.exact.rows + row * self.exact.row_bytes, self.exact.row_bytes)
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
    cdef const Exact *exact = &self.exact
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
                knnc_prefetch_row(exact.rows + order[rows[i]] * exact.row_bytes, exact.row_bytes)
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
