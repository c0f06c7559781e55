/* The tile function of squared Euclidean distance on registers of 512 bits.
 *
 * One source for the instruction sets that multiply and add differently: they define TARGET, LANE
 * (bytes of a row that a step reads), load_row and multiply_add, and say what a step costs.
 *
 * Register tile: 8 queries x 48 rows = 24 accumulators, 3 vectors of rows, 1 query.  Stages after
 * the first are for the half of the queries that has a row within its limit: 12 accumulators still
 * cover the latency, and a third of the work is saved (codes of MNIST).
 */
#define QUERIES 8
#define HALF (QUERIES / 2)
#define VECTORS 3
#define VECTOR_ROWS 16
#define ROWS (VECTOR_ROWS * VECTORS)

TARGET KNNC_NOINLINE void emit(__m512i (*kept)[VECTORS], int first, int last, const int32_t *terms,
                               int64_t first_row, const knnc_rows *rows, int32_t *bounds,
                               knnc_queries *queries, knnc_push push, void *context) {
    for (int q = first; q < last; q++) {
        uint64_t mask = 0;
        KNNC_UNROLL
        for (int v = 0; v < VECTORS; v++)
            mask |= (uint64_t)(unsigned)_mm512_movepi32_mask(kept[q][v]) << (VECTOR_ROWS * v);
        if (mask == 0) continue;
        knnc_emit_sqeuclidean(mask, (const int32_t *)kept[q], terms, first_row, q, queries, push,
                              context);
        if (push) knnc_half_bound(queries, rows, QUERIES, q, bounds);
    }
}

/* Adds the products of one stage of panel p to the accumulators. */
TARGET KNNC_INLINE void add_products(const int used, __m512i (*acc)[VECTORS],
                                     const knnc_rows *stage, int64_t p, const int32_t *y) {
    const uint8_t *x = stage->panels + p * stage->n_steps * (ROWS * LANE);
    for (int64_t s = 0; s < stage->n_steps; s++, x += ROWS * LANE, y += QUERIES) {
        __m512i row[VECTORS];
        KNNC_UNROLL
        for (int v = 0; v < VECTORS; v++) row[v] = load_row(x + VECTOR_ROWS * LANE * v);
        KNNC_UNROLL
        for (int q = 0; q < used; q++) {
            const __m512i query = _mm512_set1_epi32(y[q]);
            KNNC_UNROLL
            for (int v = 0; v < VECTORS; v++) acc[q][v] = multiply_add(acc[q][v], row[v], query);
        }
    }
}

/* Whether a row is within the limit of one of some queries. */
TARGET KNNC_INLINE int any_within(const int first, const int last, __m512i (*acc)[VECTORS]) {
    __m512i any = acc[first][0];
    KNNC_UNROLL
    for (int q = first; q < last; q++) {
        any = _mm512_or_si512(any, acc[q][0]);
        any = _mm512_ternarylogic_epi32(any, acc[q][1], acc[q][2], 0xfe);
    }
    return _mm512_movepi32_mask(any) != 0;
}

/* The stages of panel p after the first; whether some row is within a limit after the last. The
 * accumulators go through memory between two stages, so that they are registers within one. */
TARGET KNNC_INLINE int go_on(const int used, const knnc_rows *stage, int64_t p, const int32_t *y,
                             const int32_t *bounds, __m512i (*kept)[VECTORS]) {
    do {
        y += stage->n_steps * QUERIES;
        bounds += QUERIES;
        stage = stage->next;
        const int32_t *terms = stage->terms + p * ROWS;
        const __m128i shift = _mm_cvtsi32_si128(stage->shift);
        __m512i acc[QUERIES][VECTORS];
        KNNC_UNROLL
        for (int v = 0; v < VECTORS; v++) {
            const __m512i half = _mm512_srai_epi32(_mm512_load_si512(terms + 16 * v), 1);
            KNNC_UNROLL
            for (int q = 0; q < used; q++) {
                const __m512i start = _mm512_add_epi32(half, _mm512_set1_epi32(bounds[q]));
                acc[q][v] = _mm512_add_epi32(_mm512_sll_epi32(kept[q][v], shift), start);
            }
        }
        add_products(used, acc, stage, p, y);
        if (!any_within(0, used, acc)) return 0;
        KNNC_UNROLL
        for (int q = 0; q < used; q++) {
            KNNC_UNROLL
            for (int v = 0; v < VECTORS; v++) kept[q][v] = acc[q][v];
        }
    } while (stage->next);
    return 1;
}

TARGET KNNC_NOINLINE int go_on_alone(const knnc_rows *rows, int64_t p, const int32_t *y,
                                     const int32_t *bounds, __m512i (*kept)[VECTORS]) {
    return go_on(1, rows, p, y, bounds, kept);
}

TARGET KNNC_NOINLINE int go_on_half(const knnc_rows *rows, int64_t p, const int32_t *y,
                                    const int32_t *bounds, __m512i (*kept)[VECTORS]) {
    return go_on(HALF, rows, p, y, bounds, kept);
}

/* The first `used` queries of a tile; a constant where this is inlined. */
TARGET KNNC_INLINE void scan(const int used, const knnc_rows *rows, int64_t first_panel,
                             int64_t last_panel, knnc_queries *queries, knnc_push push,
                             void *context) {
    int32_t bounds[KNNC_MAX_STAGES * QUERIES];
    const int32_t *last_terms = knnc_last_stage(rows)->terms;
    for (int q = 0; q < used; q++) knnc_half_bound(queries, rows, QUERIES, q, bounds);
    for (int64_t p = first_panel; p < last_panel; p++) {
        const int32_t *terms = rows->terms + p * ROWS, *y = queries->values;
        __m512i acc[QUERIES][VECTORS];
        KNNC_UNROLL
        for (int v = 0; v < VECTORS; v++) {
            const __m512i half = _mm512_srai_epi32(_mm512_load_si512(terms + 16 * v), 1);
            KNNC_UNROLL
            for (int q = 0; q < used; q++)
                acc[q][v] = _mm512_add_epi32(half, _mm512_set1_epi32(bounds[q]));
        }
        add_products(used, acc, rows, p, y);
        const int low = any_within(0, used == 1 ? 1 : HALF, acc);
        const int high = used == 1 ? 0 : any_within(HALF, used, acc);
        if (low | high) {
            KNNC_ALIGNED __m512i kept[QUERIES][VECTORS];
            KNNC_UNROLL
            for (int q = 0; q < used; q++) {
                KNNC_UNROLL
                for (int v = 0; v < VECTORS; v++) kept[q][v] = acc[q][v];
            }
            if (used == 1) {
                if (rows->next == NULL || go_on_alone(rows, p, y, bounds, kept))
                    emit(kept, 0, 1, last_terms + p * ROWS, p * ROWS, rows, bounds, queries, push,
                         context);
                continue;
            }
            if (low && (rows->next == NULL || go_on_half(rows, p, y, bounds, kept)))
                emit(kept, 0, HALF, last_terms + p * ROWS, p * ROWS, rows, bounds, queries, push,
                     context);
            if (high &&
                (rows->next == NULL || go_on_half(rows, p, y + HALF, bounds + HALF, kept + HALF)))
                emit(kept, HALF, QUERIES, last_terms + p * ROWS, p * ROWS, rows, bounds, queries,
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
