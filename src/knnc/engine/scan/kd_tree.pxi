# A k-d tree over rows of few features.
#
# Rows are sorted by halving ranges of them along the feature of the largest variance (Bentley,
# Communications of the ACM 1975). The range of a feature, which one outlier stretches, is a worse
# choice: a search of 316,000 flights takes a third less time by the variance. A node has eight
# children, whose boxes are looked at together. The rows of a leaf lie side by side, a vector of
# rows for each feature. The bound of a box is a key, computed in the same way as the keys of rows.
# Rounding is monotonic, so the bound is never above the key of a row in the box. So no row that
# ties is left out.

# Rows of a leaf, at most.
cdef int64_t LEAF_ROWS = 24
# Queries of an item of work.
cdef int64_t TREE_QUERIES = 32
# Rows that the choice of a feature looks at, and rows that a pivot is chosen from, at most.
cdef int64_t VARIANCE_ROWS = 32
cdef enum:
    PIVOT_ROWS = 31
# From so many queries on, those of one leaf are answered one after the other: what they read is in
# the cache then.
cdef int64_t LEAST_SORTED = 256


cdef struct Waiting:
    # A node still to be visited, and its bound.
    int64_t key
    int64_t level
    int64_t node


cdef struct Visit:
    # One query on its way through the tree.
    const double *values
    int64_t query  # its number in `found`
    int64_t own  # the row that it is itself, or a negative number
    Collector *found
    const int64_t *order  # the index of each row of a leaf; -1 beyond the last row
    bint failed  # there was no memory for a list


cdef inline int64_t limit_of(const Visit *visit) noexcept nogil:
    """Rows below this key count. It is above the worst key: a tie may have a smaller row index."""
    cdef int64_t most = worst(visit.found, visit.query)
    return most if most == INT64_MAX else most + 1


cdef int64_t take(void *context, int query, int64_t row, int64_t key) noexcept nogil:
    cdef Visit *visit = <Visit *>context
    row = visit.order[row]
    if row >= 0 and row != visit.own and collect(visit.found, visit.query, key, row):
        visit.failed = True
    return limit_of(visit)


cdef inline double value_at(FloatRows rows, int64_t at) noexcept nogil:
    """One value of rows that are not bytes."""
    if rows.type_of == KNNC_FLOAT_ROWS_F32:
        return (<const float *>rows.data.values)[at]
    return (<const double *>rows.data.values)[at]


cdef double pivot_of(
    const double *keys, int64_t first, int64_t last, int64_t middle, uint64_t *seed
) noexcept nogil:
    """A value near that at `middle`, if the values from `first` to `last` were sorted.

    It is taken from some values, a little nearer to the middle of these. So `middle` is more often
    in the smaller part (Floyd and Rivest, Communications of the ACM 1975).
    """
    cdef double[PIVOT_ROWS] some
    cdef int64_t n = min(PIVOT_ROWS, (last - first + 15) // 16), i, at
    cdef double key
    for i in range(n):
        seed[0] = seed[0] * 6364136223846793005ULL + 1442695040888963407ULL
        key = keys[first + <int64_t>((seed[0] >> 33) % <uint64_t>(last - first))]
        at = i
        while at > 0 and some[at - 1] > key:
            some[at] = some[at - 1]
            at -= 1
        some[at] = key
    at = (middle - first) * n // (last - first)
    return some[min(max(at + (1 if 2 * at < n - 1 else -1), 0), n - 1)]


cdef void halve(double *keys, int64_t *order, int64_t n, int64_t middle) noexcept nogil:
    """Put the smaller keys before `middle`, the larger ones from it on, and the order with them.

    Quickselect with Lomuto's partition: no branch depends on a key.
    """
    cdef int64_t first = 0, last = n, cut, i, row
    cdef uint64_t seed = 1  # pivots are of random rows, so that no order of rows is slow
    cdef double pivot, key
    cdef bint equal = False  # whether keys equal to the pivot count as smaller
    while first < middle:
        if not equal:
            pivot = pivot_of(keys, first, last, middle, &seed)
        cut = first
        for i in range(first, last):
            key, row = keys[i], order[i]
            keys[i], order[i] = keys[cut], order[cut]
            keys[cut], order[cut] = key, row
            cut += key <= pivot if equal else key < pivot
        if middle >= cut:
            equal = cut == first  # none is smaller: the equal ones come first then
            first = cut
        elif equal:
            return
        else:
            last = cut


cdef class KDTree:
    """Rows sorted into boxes.

    Parameters
    ----------
    rows : FloatRows
        Of any metric but "cosine", float32 or float64. The tree has a copy as float64.
    n_threads : int
    """
    cdef FloatRows rows
    cdef int64_t n_levels, n_vectors
    cdef int64_t[24] n_nodes, n_before  # nodes of each level; of all levels above it
    cdef double[::1] boxes  # the eight of a parent side by side
    cdef double[::1] values
    cdef int64_t[::1] order
    cdef double pace  # queries a second and thread, as last seen

    def __init__(self, FloatRows rows, int n_threads):
        cdef int64_t lanes = rows.kernel_of.tile_queries, d = rows.n_features, n = rows.n_rows
        cdef int64_t children = (n + LEAF_ROWS - 1) // LEAF_ROWS, level
        self.rows, self.pace, self.n_levels = rows, 2e4, 0
        while children > KNNC_TREE_ARITY:
            children = (children + KNNC_TREE_ARITY - 1) // KNNC_TREE_ARITY
            self.n_levels += 1
        self.n_levels += children > 1
        self.n_nodes[0], self.n_before[0] = 1, 0
        for level in range(self.n_levels):
            self.n_before[level + 1] = self.n_before[level] + self.n_nodes[level]
            self.n_nodes[level + 1] = children if level == 0 else (
                self.n_nodes[level] * KNNC_TREE_ARITY)
        self.n_vectors = (n + lanes - 1) // lanes
        order = np.full(self.n_vectors * lanes, -1, np.int64)
        order[:n] = np.arange(n)
        self.order = order
        self.sort(n_threads)
        self.values = np.zeros(self.n_vectors * lanes * d)
        self.boxes = np.zeros(self.n_before[self.n_levels] * 2 * d * KNNC_TREE_ARITY)
        self.arrange(n_threads)

    @property
    def nbytes(self):
        """Bytes of the sorted rows and of the boxes."""
        return 8 * (len(self.values) + len(self.order) + len(self.boxes))

    cdef inline double *boxes_of(self, int64_t level, int64_t node) noexcept nogil:
        """The boxes of a node's children."""
        return &self.boxes[0] + (
            (self.n_before[level] + node) * 2 * self.rows.n_features * KNNC_TREE_ARITY)

    cdef inline int64_t start_of(self, int64_t level, int64_t node) noexcept nogil:
        """A node's first vector of rows; the node ends where the next one starts."""
        return node * self.n_vectors // self.n_nodes[level]

    # ---- sorting

    cdef int sort(self, int n_threads) except -1:
        """Sort the order of the rows, a level after the other.

        The children of a node are made by halving: two parts of its rows, then four, then eight.
        A float mode that takes small numbers for zero does no harm here: any order is right.
        """
        cdef int64_t level, part, arity, parts
        cdef double[::1] keys = np.empty(self.rows.n_rows)
        for level in range(self.n_levels):
            arity, parts = self.n_nodes[level + 1] // self.n_nodes[level], 1
            while parts < arity:
                for part in prange(self.n_nodes[level] * parts, nogil=True,
                                   num_threads=n_threads, schedule="dynamic"):
                    self.split(&keys[0], level + 1, part, parts, arity)
                parts *= 2
            PyErr_CheckSignals()
        return 0

    cdef void split(
        self, double *keys, int64_t level, int64_t part, int64_t parts, int64_t arity
    ) noexcept nogil:
        """Halve a part of the rows of a node, along the feature of the largest variance.

        Each node of the level above has so many parts. The variance is that of some rows. One
        that overflows is no number; its feature is not chosen.
        """
        cdef int64_t lanes = self.rows.kernel_of.tile_queries, d = self.rows.n_features
        cdef int64_t eldest = part // parts * arity, of_node = part % parts
        cdef int64_t first = eldest + of_node * arity // parts
        cdef int64_t last = eldest + (of_node + 1) * arity // parts
        cdef int64_t middle = eldest + (2 * of_node + 1) * arity // (2 * parts)
        cdef int64_t start = self.start_of(level, first) * lanes
        cdef int64_t n = min(self.start_of(level, last) * lanes, self.rows.n_rows) - start
        cdef int64_t at = self.start_of(level, middle) * lanes - start
        cdef int64_t some = min(n, VARIANCE_ROWS), j, i, widest = 0
        cdef int64_t *order = &self.order[0] + start
        cdef double most = -1, base, value, total, square
        if not (first < middle < last and 0 < at < n):
            return
        for j in range(d):
            total = square = 0
            base = value_at(self.rows, order[0] * d + j)
            for i in range(some):
                value = value_at(self.rows, order[i * n // some] * d + j) - base
                total += value
                square += value * value
            square -= total * total / some
            if square > most:
                most, widest = square, j
        keys += start
        for i in range(n):
            keys[i] = value_at(self.rows, order[i] * d + widest)
        halve(keys, order, n, at)

    cdef int arrange(self, int n_threads) except -1:
        """Copy the rows in their order, and find all boxes, those of the leaves first."""
        cdef int64_t vector, level, node, arity
        for vector in prange(self.n_vectors, nogil=True, num_threads=n_threads):
            self.copy(vector)
        for level in range(self.n_levels, 0, -1):
            arity = self.n_nodes[level] // self.n_nodes[level - 1]
            for node in prange(self.n_nodes[level], nogil=True, num_threads=n_threads):
                self.enclose(level, node,
                             self.boxes_of(level - 1, node // arity) + node % arity)
        return 0

    cdef void copy(self, int64_t vector) noexcept nogil:
        """Copy the rows of a vector, a feature after the other."""
        cdef knnc_float_mode before = enter_float_mode()  # so that small numbers are not zero
        cdef int64_t lanes = self.rows.kernel_of.tile_queries, d = self.rows.n_features, j, r
        cdef double *values = &self.values[0] + vector * lanes * d
        for r in range(lanes):
            if self.order[vector * lanes + r] >= 0:
                for j in range(d):
                    values[j * lanes + r] = value_at(
                        self.rows, self.order[vector * lanes + r] * d + j)
        leave_float_mode(before)

    cdef void enclose(self, int64_t level, int64_t node, double *box) noexcept nogil:
        """Write the least and the largest values of a node: of its rows, or of its children."""
        cdef knnc_float_mode before = enter_float_mode()
        cdef int64_t lanes = self.rows.kernel_of.tile_queries, d = self.rows.n_features, j, i
        cdef int64_t first = self.start_of(level, node) * lanes
        cdef int64_t last = min(self.start_of(level, node + 1) * lanes, self.rows.n_rows)
        cdef const double *parts
        cdef double low, high
        for j in range(d):
            low, high = INFINITY, -INFINITY
            if level == self.n_levels:
                for i in range(first, last):
                    parts = &self.values[0] + (i // lanes * d + j) * lanes + i % lanes
                    low, high = min(low, parts[0]), max(high, parts[0])
            else:
                parts = self.boxes_of(level, node) + j * 2 * KNNC_TREE_ARITY
                for i in range(self.n_nodes[level + 1] // self.n_nodes[level]):
                    low = min(low, parts[i])
                    high = max(high, parts[KNNC_TREE_ARITY + i])
            box[0], box[KNNC_TREE_ARITY] = low, high
            box += 2 * KNNC_TREE_ARITY
        leave_float_mode(before)

    # ---- searching

    cdef int visit(self, Visit *visit) noexcept nogil:
        """Collect the rows of one query; -1 when there is no memory for them."""
        cdef const knnc_float_kernel *kernel = self.rows.kernel_of
        cdef int64_t d = self.rows.n_features, lanes = kernel.tile_queries, start, arity
        cdef int metric = <int>self.rows.metric_of
        cdef int64_t[8] keys
        # At each level, all children of a node but the visited one may wait.
        cdef Waiting[192] waiting
        cdef Waiting node
        cdef int n = 1, first, at, i
        waiting[0].key, waiting[0].level, waiting[0].node = 0, 0, 0
        while n > 0:
            n -= 1
            node = waiting[n]
            if node.key > worst(visit.found, visit.query):
                continue
            if node.level == self.n_levels:
                start = self.start_of(node.level, node.node)
                visit.order = &self.order[0] + start * lanes
                kernel.leaf[metric](
                    &self.values[0] + start * lanes * d,
                    self.start_of(node.level, node.node + 1) - start, d, visit.values,
                    limit_of(visit), take, visit)
                if visit.failed:
                    return -1
                continue
            kernel.boxes[metric](self.boxes_of(node.level, node.node), d, visit.values, keys)
            arity = self.n_nodes[node.level + 1] // self.n_nodes[node.level]
            first = n
            for i in range(<int>arity):
                if keys[i] > worst(visit.found, visit.query):
                    continue
                at = n
                while at > first and waiting[at - 1].key < keys[i]:
                    waiting[at] = waiting[at - 1]
                    at -= 1
                waiting[at].key, waiting[at].level = keys[i], node.level + 1
                waiting[at].node = node.node * arity + i
                n += 1
        return 0

    cdef int64_t leaf_of(self, const double *query) noexcept nogil:
        """A leaf near a query: that of the nearest box at each level."""
        cdef int64_t[8] keys
        cdef int64_t level, node = 0, arity, i, best
        for level in range(self.n_levels):
            self.rows.kernel_of.boxes[<int>self.rows.metric_of](
                self.boxes_of(level, node), self.rows.n_features, query, keys)
            arity, best = self.n_nodes[level + 1] // self.n_nodes[level], 0
            for i in range(1, arity):
                if keys[i] < keys[best]:
                    best = i
            node = node * arity + best
        return node

    cdef int64_t *order_of(self, const double *queries, int64_t n, int n_threads) noexcept nogil:
        """The numbers of n queries, by leaf; NULL if there is no memory."""
        cdef int64_t n_leaves = self.n_nodes[self.n_levels] if n >= LEAST_SORTED else 0, i
        cdef int64_t *order = <int64_t *>calloc(2 * n + n_leaves + 1, sizeof(int64_t))
        cdef int64_t *leaves = order + n
        cdef int64_t *starts = leaves + n
        if order == NULL:
            return NULL
        if n < LEAST_SORTED:
            for i in range(n):
                order[i] = i
            return order
        for i in prange(n, num_threads=n_threads):
            leaves[i] = self.leaf_of(queries + i * self.rows.n_features)
        for i in range(n):
            starts[leaves[i] + 1] += 1
        for i in range(n_leaves):
            starts[i + 1] += starts[i]
        for i in range(n):
            order[starts[leaves[i]]] = i
            starts[leaves[i]] += 1
        return order

    cdef int visit_some(
        self, const double *queries, const int64_t *order, int64_t n, int64_t first_self,
        Collector found,
    ) noexcept nogil:
        """Answer n queries of a step, in this order; the k nearest are sorted."""
        cdef knnc_float_mode before = enter_float_mode()
        cdef Visit visit
        cdef int failed = 0
        cdef int64_t i, q
        visit.found, visit.failed = &found, False
        for i in range(n):
            q = order[i]
            visit.values, visit.query = queries + q * self.rows.n_features, q
            visit.own = first_self + q
            failed |= self.visit(&visit)
            if not found.lists:
                heap_sort_part(found.dist + q * found.k, found.ind + q * found.k, found.k, 1)
        leave_float_mode(before)
        return failed

    cdef int run(
        self, const double *queries, Steps *steps, int64_t first_self, Collector found
    ) except -1:
        """Answer the queries of a step."""
        cdef int64_t n = steps.last - steps.first, n_items = (n + TREE_QUERIES - 1) // TREE_QUERIES
        cdef int64_t i
        cdef int failed = 0, n_threads = steps.n_threads
        queries += steps.first * self.rows.n_features
        first_self += steps.first
        cdef int64_t *order = self.order_of(queries, n, n_threads)
        if order == NULL:
            raise MemoryError("no memory for the order of queries.")
        if n_items == 1:
            with nogil:
                failed = self.visit_some(queries, order, n, first_self, found)
        else:
            for i in prange(n_items, nogil=True, num_threads=n_threads, schedule="dynamic"):
                failed += self.visit_some(
                    queries, order + i * TREE_QUERIES, min(TREE_QUERIES, n - i * TREE_QUERIES),
                    first_self, found)
        free(order)
        if failed:
            raise MemoryError("no memory for the neighbours of a search.")
        return look(steps, &self.pace)


def tree_search(
    KDTree tree, const double[:, ::1] queries, int64_t k, int n_threads, int64_t first_self,
    progress,
):
    """The answers of `search`; the arguments are the same too."""
    cdef int64_t n_queries = queries.shape[0]
    cdef Collector found
    cdef Steps steps = steps_of(n_queries, TREE_QUERIES * n_threads, 1, n_threads)
    keys, ind = np.empty((n_queries, k), np.int64), np.empty((n_queries, k), np.int64)
    cdef int64_t[:, ::1] keys_of = keys, ind_of = ind
    found.k, found.lists = k, NULL
    steps.most = MAX_CHUNK
    while next_step(&steps, tree.pace):
        found.dist, found.ind = &keys_of[steps.first, 0], &ind_of[steps.first, 0]
        heap_clear(found.dist, found.ind, (steps.last - steps.first) * k)
        tree.run(&queries[0, 0], &steps, first_self, found)
        if progress is not None:
            progress(steps.last, n_queries)
    return keys, ind


def tree_within(
    KDTree tree, const double[:, ::1] queries, int64_t limit_key, int n_threads,
    int64_t first_self, bint return_distance, bint sort, progress,
):
    """The answers of `within`; the arguments are the same too."""
    cdef int64_t n_queries = queries.shape[0], n
    cdef Collector found
    cdef Steps steps = steps_of(n_queries, TREE_QUERIES * n_threads, 1, n_threads)
    cdef Lists lists
    cdef int64_t[::1] each = np.arange(n_queries)
    indptr = np.zeros(n_queries + 1, np.int64)
    cdef int64_t[::1] ends = indptr
    key_parts, ind_parts = [], []
    found.limit, found.with_dist = limit_key, return_distance
    # As many queries as memory for their lists allows; at first as if all rows were within.
    steps.most = max(1, min(MAX_CHUNK, CHUNK_PAIRS // (1 + tree.rows.n_rows)))
    while next_step(&steps, tree.pace):
        n = steps.last - steps.first
        lists = Lists(n)
        found.lists = lists.at
        tree.run(&queries[0, 0], &steps, first_self, found)
        ind, keys = collect_lists(
            lists, n, ends[steps.first:steps.last + 1], return_distance, sort, n_threads,
            &each[0])
        ind_parts.append(ind)
        key_parts.append(keys)
        steps.most = max(1, min(MAX_CHUNK, CHUNK_PAIRS // (1 + ends[steps.last] // steps.last)))
        if progress is not None:
            progress(steps.last, n_queries)
    ind = keys = None  # so that `joined` can free the last chunk too
    return indptr, joined(key_parts) if return_distance else None, joined(ind_parts)
