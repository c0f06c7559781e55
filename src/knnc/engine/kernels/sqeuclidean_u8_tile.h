/* The tile function of squared Euclidean distance, on registers of any width.
 *
 * One source for all that multiplies with registers; sqeuclidean_u8_x86.h and _128.h define, for
 * theirs: TARGET, VECTOR (a register of VECTOR_ROWS accumulators), VECTORS (of a query), QUERIES,
 * LANE (bytes of a row that a step reads), QUERY_BYTES (and of a query), v_start(terms, bound),
 * v_add, v_shift(x, bits), v_or(any, vectors of a query), v_any and v_signs of sign bits, and
 * add_products(used, acc, x, y, n_steps), which adds the products of some steps.
 *
 * Stages after the first are for those queries of a tile that have a row within their limit, PART
 * at a time.
 */
#define ROWS (VECTOR_ROWS * VECTORS)

/* The rows that pass in one panel, of some queries; never of slots that pad the tile, whatever the
 * terms of rows may be that come from a file. */
TARGET KNNC_NOINLINE void emit(VECTOR (*kept)[VECTORS], int first, int used, const int32_t *terms,
                               int64_t first_row, const knnc_rows *rows, int32_t *bounds,
                               knnc_queries *queries, knnc_push push, void *context) {
    for (int q = first; q < first + used && q < queries->n_queries; q++) {
        uint64_t mask = 0;
        KNNC_UNROLL
        for (int v = 0; v < VECTORS; v++)
            mask |= (uint64_t)v_signs(kept[q][v]) << (VECTOR_ROWS * v);
        if (mask == 0) continue;
        knnc_emit_sqeuclidean(mask, (const int32_t *)kept[q], terms, first_row, q, queries, push,
                              context);
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

/* The stages of panel p after the first; whether some row is within a limit after the last. The
 * accumulators go through memory between two stages, so that they are registers within one. */
TARGET KNNC_INLINE int go_on(const int used, const knnc_rows *stage, int64_t p, const uint8_t *y,
                             const int32_t *bounds, VECTOR (*kept)[VECTORS]) {
    while (stage->next) {
        y += stage->n_steps * (QUERIES * QUERY_BYTES);
        bounds += QUERIES;
        stage = stage->next;
        const int32_t *terms = stage->terms + p * ROWS;
        VECTOR acc[QUERIES][VECTORS];
        KNNC_UNROLL
        for (int q = 0; q < used; q++) {
            KNNC_UNROLL
            for (int v = 0; v < VECTORS; v++)
                acc[q][v] = v_add(v_shift(kept[q][v], stage->shift),
                                  v_start(terms + VECTOR_ROWS * v, bounds[q]));
        }
        add_products(used, acc, stage->panels + p * stage->n_steps * (ROWS * LANE), y,
                     stage->n_steps);
        if (!any_within(used, acc)) return 0;
        keep(used, kept, acc);
    }
    return 1;
}

TARGET KNNC_NOINLINE int go_on_alone(const knnc_rows *rows, int64_t p, const uint8_t *y,
                                     const int32_t *bounds, VECTOR (*kept)[VECTORS]) {
    return go_on(1, rows, p, y, bounds, kept);
}

TARGET KNNC_NOINLINE int go_on_part(const knnc_rows *rows, int64_t p, const uint8_t *y,
                                    const int32_t *bounds, VECTOR (*kept)[VECTORS]) {
    return go_on(PART, rows, p, y, bounds, kept);
}

/* The first `used` queries of a tile; a constant where this is inlined. */
TARGET KNNC_INLINE void scan(const int used, const knnc_rows *rows, int64_t first_panel,
                             int64_t last_panel, knnc_queries *queries, knnc_push push,
                             void *context) {
    const int part = used == 1 ? 1 : PART;
    const int32_t *last_terms = knnc_last_stage(rows)->terms;
    const uint8_t *y = queries->values;
    int32_t bounds[KNNC_MAX_STAGES * QUERIES];
    for (int q = 0; q < used; q++) knnc_half_bound(queries, rows, QUERIES, q, bounds);
    for (int64_t p = first_panel; p < last_panel; p++) {
        const int32_t *terms = rows->terms + p * ROWS;
        VECTOR acc[QUERIES][VECTORS];
        KNNC_UNROLL
        for (int q = 0; q < used; q++) {
            KNNC_UNROLL
            for (int v = 0; v < VECTORS; v++)
                acc[q][v] = v_start(terms + VECTOR_ROWS * v, bounds[q]);
        }
        add_products(used, acc, rows->panels + p * rows->n_steps * (ROWS * LANE), y, rows->n_steps);
        int within[QUERIES / PART], some = 0;
        KNNC_UNROLL
        for (int q = 0; q < used; q += part) some |= within[q / PART] = any_within(part, acc + q);
        if (some) {
            KNNC_ALIGNED VECTOR kept[QUERIES][VECTORS];
            keep(used, kept, acc);
            KNNC_UNROLL
            for (int q = 0; q < used; q += part) {
                if (!within[q / PART]) continue;
                if (!rows->next || (used == 1 ? go_on_alone : go_on_part)(
                                       rows, p, y + q * QUERY_BYTES, bounds + q, kept + q))
                    emit(kept, q, part, last_terms + p * ROWS, p * ROWS, rows, bounds, queries,
                         push, context);
            }
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
