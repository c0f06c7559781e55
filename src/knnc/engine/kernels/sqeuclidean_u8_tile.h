/* The tile function of squared Euclidean distance, on registers of any width.
 *
 * sqeuclidean_u8_x86.h and sqeuclidean_u8_128.h include this file and define, for their registers:
 * TARGET, VECTOR (a register of VECTOR_ROWS accumulators), VECTORS (of a query), QUERIES, LANE
 * (bytes of a row that a step reads), QUERY_BYTES (and of a query), v_start(terms, bound), v_add,
 * v_shift(x, bits), v_or(vectors of a query), v_any and v_signs of sign bits, and
 * add_products(used, acc, x, y, n_steps), which adds the products of some steps.  They also define
 * v_each_within if there is anything better than a test for each query.
 *
 * Stages after the first are computed for one query at a time, and only for queries that have a row
 * within their limit.  On MNIST these are an eighth of the queries in a panel, but a third of the
 * tiles have some (benchmarks/pruning.py).  On a Xeon of 2023, groups of 4 queries take 12 % more
 * time, and pairs of the remaining queries 3 %.  GROUP panels go through one stage before any of
 * them goes through the next: what is left is then a list that grows by 0 or 1, in place of a
 * branch that the processor cannot predict (codes of MNIST: 4 % less time, with AVX-VNNI 9 %).
 * Where more than MANY_OF_8 in 8 queries are left, the whole tile goes through the next stage.
 */
#define ROWS (VECTOR_ROWS * VECTORS)
#define GROUP 8
#define MANY_OF_8 5

/* Pass on the rows of one panel that pass for one query.  Padding slots are left out, whatever
 * terms a file may bring. */
TARGET KNNC_NOINLINE void emit(const VECTOR *acc, int q, const int32_t *terms, int64_t first_row,
                               const knnc_rows *rows, int32_t *bounds, knnc_queries *queries,
                               knnc_push push, void *context) {
    uint64_t mask = 0;
    KNNC_UNROLL
    for (int v = 0; v < VECTORS; v++) mask |= (uint64_t)v_signs(acc[v]) << (VECTOR_ROWS * v);
    if (mask == 0 || q >= queries->n_queries) return;
    knnc_emit_sqeuclidean(mask, (const int32_t *)acc, terms, first_row, q, queries, push, context);
    if (push) knnc_half_bound(queries, rows, QUERIES, q, bounds);
}

/* Whether a row is within the limit of a query. */
TARGET KNNC_INLINE int any_within(const VECTOR *acc) { return v_any(v_or(acc)); }

/* The queries, by number, that have a row within their limit: `first` plus each, to `who`. */
TARGET KNNC_INLINE int all_within(const int used, VECTOR (*acc)[VECTORS], int first, int *who) {
#ifdef v_each_within
    if (used == QUERIES) return v_each_within(acc, first, who);
#endif
    int n = 0;
    KNNC_UNROLL
    for (int q = 0; q < used; q++) {
        who[n] = first + q;
        n += any_within(acc[q]);
    }
    return n;
}

/* A stage after the first, for all queries of a tile in some panels.  Their accumulators are where
 * the first stage left them.  Returns how many are left, as go_on does. */
TARGET KNNC_NOINLINE int go_on_all(const knnc_rows *stage, int64_t first, int64_t last,
                                   const uint8_t *y, const int32_t *bounds, VECTOR (*kept)[VECTORS],
                                   int *at, int *who) {
    int n = 0;
    for (int64_t p = first; p < last; p++) {
        const int slot = (int)(p - first) * QUERIES;
        const int32_t *terms = stage->terms + p * ROWS;
        VECTOR acc[QUERIES][VECTORS];
        KNNC_UNROLL
        for (int q = 0; q < QUERIES; q++) {
            KNNC_UNROLL
            for (int v = 0; v < VECTORS; v++)
                acc[q][v] = v_add(v_shift(kept[slot + q][v], stage->shift),
                                  v_start(terms + VECTOR_ROWS * v, bounds[q]));
        }
        add_products(QUERIES, acc, stage->panels + p * stage->n_steps * (ROWS * LANE), y,
                     stage->n_steps);
        KNNC_UNROLL
        for (int q = 0; q < QUERIES; q++) {
            KNNC_UNROLL
            for (int v = 0; v < VECTORS; v++) kept[slot + q][v] = acc[q][v];
        }
        n += all_within(QUERIES, acc, slot, who + n);
    }
    for (int i = 0; i < n; i++) at[i] = who[i];
    return n;
}

/* A stage after the first, for the queries that are left.  Returns how many are left after it.
 * `who`: for each the panel, counted from `first`, times QUERIES, plus the query.  `at`: where its
 * accumulators are.  Between two stages they are in memory. */
TARGET KNNC_NOINLINE int go_on(const knnc_rows *stage, int64_t first, const uint8_t *y,
                               const int32_t *bounds, VECTOR (*kept)[VECTORS], int *at, int *who,
                               int n_left) {
    int n = 0;
    for (int i = 0; i < n_left; i++) {
        const int64_t p = first + who[i] / QUERIES;
        const int q = who[i] % QUERIES;
        const int32_t *terms = stage->terms + p * ROWS;
        VECTOR acc[1][VECTORS];
        KNNC_UNROLL
        for (int v = 0; v < VECTORS; v++)
            acc[0][v] = v_add(v_shift(kept[at[i]][v], stage->shift),
                              v_start(terms + VECTOR_ROWS * v, bounds[q]));
        add_products(1, acc, stage->panels + p * stage->n_steps * (ROWS * LANE),
                     y + q * QUERY_BYTES, stage->n_steps);
        KNNC_UNROLL
        for (int v = 0; v < VECTORS; v++) kept[n][v] = acc[0][v];
        at[n] = n;
        who[n] = who[i];
        n += any_within(acc[0]);
    }
    return n;
}

/* With the first `used` queries of a tile; `used` is a constant where this is inlined. */
TARGET KNNC_INLINE void scan(const int used, const knnc_rows *rows, int64_t first_panel,
                             int64_t last_panel, knnc_queries *queries, knnc_push push,
                             void *context) {
    const int32_t *last_terms = knnc_last_stage(rows)->terms;
    int32_t bounds[KNNC_MAX_STAGES * QUERIES];
    KNNC_ALIGNED VECTOR kept[GROUP * QUERIES][VECTORS];
    int who[GROUP * QUERIES], at[GROUP * QUERIES];
    const int at_once = push ? 1 : GROUP; /* a push changes the bounds */
    for (int q = 0; q < used; q++) knnc_half_bound(queries, rows, QUERIES, q, bounds);
    for (int64_t first = first_panel; first < last_panel; first += at_once) {
        const int64_t last = first + at_once < last_panel ? first + at_once : last_panel;
        int n = 0;
        for (int64_t p = first; p < last; p++) {
            const int32_t *terms = rows->terms + p * ROWS;
            VECTOR acc[QUERIES][VECTORS];
            KNNC_UNROLL
            for (int q = 0; q < used; q++) {
                KNNC_UNROLL
                for (int v = 0; v < VECTORS; v++)
                    acc[q][v] = v_start(terms + VECTOR_ROWS * v, bounds[q]);
            }
            add_products(used, acc, rows->panels + p * rows->n_steps * (ROWS * LANE),
                         queries->values, rows->n_steps);
            const int slot = (int)(p - first) * QUERIES;
            KNNC_UNROLL
            for (int q = 0; q < used; q++) {
                KNNC_UNROLL
                for (int v = 0; v < VECTORS; v++) kept[slot + q][v] = acc[q][v];
            }
            n += all_within(used, acc, slot, who + n);
        }
        const uint8_t *y = queries->values;
        const int32_t *later = bounds;
        const int many = (int)(last - first) * QUERIES * MANY_OF_8 / 8;
        int in_place = used == QUERIES;
        for (int i = 0; i < n; i++) at[i] = who[i];
        for (const knnc_rows *stage = rows; n && stage->next;) {
            y += stage->n_steps * (QUERIES * QUERY_BYTES);
            later += QUERIES;
            stage = stage->next;
            in_place &= n > many;
            n = in_place ? go_on_all(stage, first, last, y, later, kept, at, who)
                         : go_on(stage, first, y, later, kept, at, who, n);
        }
        for (int i = 0; i < n; i++) {
            const int64_t row = (first + who[i] / QUERIES) * ROWS;
            emit(kept[at[i]], who[i] % QUERIES, last_terms + row, row, rows, bounds, queries, push,
                 context);
        }
    }
}
