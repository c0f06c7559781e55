/* The tile function of squared Euclidean distance, on registers of any width.
 *
 * One source for all that multiplies with registers; sqeuclidean_u8_x86.h and _128.h define, for
 * theirs: TARGET, VECTOR (a register of VECTOR_ROWS accumulators), VECTORS (of a query), QUERIES,
 * LANE (bytes of a row that a step reads), QUERY_BYTES (and of a query), v_start(terms, bound),
 * v_add, v_shift(x, bits), v_or(any, vectors of a query), v_any and v_signs of sign bits, and
 * add_products(used, acc, x, y, n_steps), which adds the products of some steps.
 *
 * Stages after the first are for those queries of a tile that have a row within their limit, PART
 * at a time.  GROUP panels go through one stage before the first of them goes through the next, so
 * that what is left is a list that grows by 0 or 1, and not a branch that nothing foretells (codes
 * of MNIST: 4 % less time for a search, with AVX-VNNI 9 %).
 */
#define ROWS (VECTOR_ROWS * VECTORS)
#define GROUP 8
#define PARTS (QUERIES / PART)

/* The rows that pass in one panel, of some queries; never of slots that pad the tile, whatever the
 * terms of rows may be that come from a file. */
TARGET KNNC_NOINLINE void emit(VECTOR (*kept)[VECTORS], int first, int used, const int32_t *terms,
                               int64_t first_row, const knnc_rows *rows, int32_t *bounds,
                               knnc_queries *queries, knnc_push push, void *context) {
    for (int q = first; q < first + used && q < queries->n_queries; q++) {
        uint64_t mask = 0;
        KNNC_UNROLL
        for (int v = 0; v < VECTORS; v++)
            mask |= (uint64_t)v_signs(kept[q - first][v]) << (VECTOR_ROWS * v);
        if (mask == 0) continue;
        knnc_emit_sqeuclidean(mask, (const int32_t *)kept[q - first], terms, first_row, q, queries,
                              push, context);
        if (push) knnc_half_bound(queries, rows, QUERIES, q, bounds);
    }
}

/* Whether a row is within the limit of one of some queries. */
TARGET KNNC_INLINE int any_within(const int used, VECTOR (*acc)[VECTORS]) {
    VECTOR any = acc[0][0];
    KNNC_UNROLL
    for (int q = 0; q < used; q++) any = v_or(any, acc[q]);
    return v_any(any);
}

TARGET KNNC_INLINE void keep(const int used, VECTOR (*kept)[VECTORS], VECTOR (*acc)[VECTORS]) {
    KNNC_UNROLL
    for (int q = 0; q < used; q++) {
        KNNC_UNROLL
        for (int v = 0; v < VECTORS; v++) kept[q][v] = acc[q][v];
    }
}

/* A stage after the first, of those parts that are left, and how many are left after it.  `who`
 * they are: the panel, counted from `first`, times QUERIES, plus the first query.  The accumulators
 * go through memory between two stages, so that they are registers within one. */
TARGET KNNC_INLINE int go_on(const int used, const knnc_rows *stage, int64_t first,
                             const uint8_t *y, const int32_t *bounds, VECTOR (*kept)[PART][VECTORS],
                             int *who, int n_left) {
    int n = 0;
    for (int i = 0; i < n_left; i++) {
        const int64_t p = first + who[i] / QUERIES;
        const int slot = who[i] % QUERIES;
        const int32_t *terms = stage->terms + p * ROWS;
        VECTOR acc[PART][VECTORS];
        KNNC_UNROLL
        for (int q = 0; q < used; q++) {
            KNNC_UNROLL
            for (int v = 0; v < VECTORS; v++)
                acc[q][v] = v_add(v_shift(kept[i][q][v], stage->shift),
                                  v_start(terms + VECTOR_ROWS * v, bounds[slot + q]));
        }
        add_products(used, acc, stage->panels + p * stage->n_steps * (ROWS * LANE),
                     y + slot * QUERY_BYTES, stage->n_steps);
        keep(used, kept[n], acc);
        who[n] = who[i];
        n += any_within(used, acc);
    }
    return n;
}

TARGET KNNC_NOINLINE int go_on_alone(const knnc_rows *stage, int64_t first, const uint8_t *y,
                                     const int32_t *bounds, VECTOR (*kept)[PART][VECTORS], int *who,
                                     int n_left) {
    return go_on(1, stage, first, y, bounds, kept, who, n_left);
}

TARGET KNNC_NOINLINE int go_on_part(const knnc_rows *stage, int64_t first, const uint8_t *y,
                                    const int32_t *bounds, VECTOR (*kept)[PART][VECTORS], int *who,
                                    int n_left) {
    return go_on(PART, stage, first, y, bounds, kept, who, n_left);
}

/* The first `used` queries of a tile; a constant where this is inlined. */
TARGET KNNC_INLINE void scan(const int used, const knnc_rows *rows, int64_t first_panel,
                             int64_t last_panel, knnc_queries *queries, knnc_push push,
                             void *context) {
    const int part = used == 1 ? 1 : PART;
    const int32_t *last_terms = knnc_last_stage(rows)->terms;
    int32_t bounds[KNNC_MAX_STAGES * QUERIES];
    KNNC_ALIGNED VECTOR kept[GROUP * PARTS][PART][VECTORS];
    int who[GROUP * PARTS];
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
            KNNC_UNROLL
            for (int q = 0; q < used; q += part) {
                keep(part, kept[n], acc + q);
                who[n] = (int)(p - first) * QUERIES + q;
                n += any_within(part, acc + q);
            }
        }
        const uint8_t *y = queries->values;
        const int32_t *later = bounds;
        for (const knnc_rows *stage = rows; n && stage->next;) {
            y += stage->n_steps * (QUERIES * QUERY_BYTES);
            later += QUERIES;
            stage = stage->next;
            n = (used == 1 ? go_on_alone : go_on_part)(stage, first, y, later, kept, who, n);
        }
        for (int i = 0; i < n; i++) {
            const int64_t row = (first + who[i] / QUERIES) * ROWS;
            emit(kept[i], who[i] % QUERIES, part, last_terms + row, row, rows, bounds, queries,
                 push, context);
        }
    }
}

/* A query alone would leave most multiplications to padding (codes of MNIST: half the time). */
TARGET static void tile(const knnc_rows *rows, int64_t first_panel, int64_t last_panel,
                        knnc_queries *queries, knnc_push push, void *context) {
    if (queries->n_queries == 1)
        scan(1, rows, first_panel, last_panel, queries, push, context);
    else
        scan(QUERIES, rows, first_panel, last_panel, queries, push, context);
}
