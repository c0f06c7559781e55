/* The tile function of squared Euclidean distance on registers of 512 or 256 bits.
 *
 * One source for the instruction sets that multiply and add differently: they define TARGET, WIDTH,
 * LANE (bytes of a row that a step reads), load_row and multiply_add, and say what a step costs.
 *
 * Register tile: 8 queries x 48 rows = 24 accumulators, 3 vectors of rows, 1 query; in 256 bits
 * 6 x 16 = 12, 2 and 1, which are 15 of the 16 registers of VEX.  Stages after the first are for
 * those queries of a tile that have a row within their limit, PART at a time: with 12 accumulators
 * the latency is still covered, and a third of the work saved (codes of MNIST).
 */
#if WIDTH == 512
#define VECTOR __m512i
#define VECTOR_ROWS 16
#define VECTORS 3
#define QUERIES 8
#define PART 4
#define v_set1 _mm512_set1_epi32
#define v_add _mm512_add_epi32
#define v_shift _mm512_sll_epi32
#define v_half(terms) _mm512_srai_epi32(_mm512_load_si512(terms), 1)
#define v_signs(x) ((unsigned)_mm512_movepi32_mask(x))
#define v_or(any, of)                                                                              \
    _mm512_ternarylogic_epi32(_mm512_or_si512(any, (of)[0]), (of)[1], (of)[2], 0xfe)
#else
#define VECTOR __m256i
#define VECTOR_ROWS 8
#define VECTORS 2
#define QUERIES 6
#define PART 6
#define v_set1 _mm256_set1_epi32
#define v_add _mm256_add_epi32
#define v_shift _mm256_sll_epi32
#define v_half(terms) _mm256_srai_epi32(_mm256_load_si256((const __m256i *)(terms)), 1)
#define v_signs(x) ((unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(x)))
#define v_or(any, of) _mm256_or_si256(any, _mm256_or_si256((of)[0], (of)[1]))
#endif
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

/* Adds the products of one stage of panel p to the accumulators. */
TARGET KNNC_INLINE void add_products(const int used, VECTOR (*acc)[VECTORS], const knnc_rows *stage,
                                     int64_t p, const int32_t *y) {
    const uint8_t *x = stage->panels + p * stage->n_steps * (ROWS * LANE);
    for (int64_t s = 0; s < stage->n_steps; s++, x += ROWS * LANE, y += QUERIES) {
        VECTOR row[VECTORS];
        KNNC_UNROLL
        for (int v = 0; v < VECTORS; v++) row[v] = load_row(x + VECTOR_ROWS * LANE * v);
        KNNC_UNROLL
        for (int q = 0; q < used; q++) {
            const VECTOR query = v_set1(y[q]);
            KNNC_UNROLL
            for (int v = 0; v < VECTORS; v++) acc[q][v] = multiply_add(acc[q][v], row[v], query);
        }
    }
}

/* Whether a row is within the limit of one of some queries. */
TARGET KNNC_INLINE int any_within(const int used, VECTOR (*acc)[VECTORS]) {
    VECTOR any = acc[0][0];
    KNNC_UNROLL
    for (int q = 0; q < used; q++) any = v_or(any, acc[q]);
    return v_signs(any) != 0;
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
TARGET KNNC_INLINE int go_on(const int used, const knnc_rows *stage, int64_t p, const int32_t *y,
                             const int32_t *bounds, VECTOR (*kept)[VECTORS]) {
    while (stage->next) {
        y += stage->n_steps * QUERIES;
        bounds += QUERIES;
        stage = stage->next;
        const int32_t *terms = stage->terms + p * ROWS;
        const __m128i shift = _mm_cvtsi32_si128(stage->shift);
        VECTOR acc[QUERIES][VECTORS];
        KNNC_UNROLL
        for (int v = 0; v < VECTORS; v++) {
            const VECTOR half = v_half(terms + VECTOR_ROWS * v);
            KNNC_UNROLL
            for (int q = 0; q < used; q++)
                acc[q][v] = v_add(v_shift(kept[q][v], shift), v_add(half, v_set1(bounds[q])));
        }
        add_products(used, acc, stage, p, y);
        if (!any_within(used, acc)) return 0;
        keep(used, kept, acc);
    }
    return 1;
}

TARGET KNNC_NOINLINE int go_on_alone(const knnc_rows *rows, int64_t p, const int32_t *y,
                                     const int32_t *bounds, VECTOR (*kept)[VECTORS]) {
    return go_on(1, rows, p, y, bounds, kept);
}

TARGET KNNC_NOINLINE int go_on_part(const knnc_rows *rows, int64_t p, const int32_t *y,
                                    const int32_t *bounds, VECTOR (*kept)[VECTORS]) {
    return go_on(PART, rows, p, y, bounds, kept);
}

/* The first `used` queries of a tile; a constant where this is inlined. */
TARGET KNNC_INLINE void scan(const int used, const knnc_rows *rows, int64_t first_panel,
                             int64_t last_panel, knnc_queries *queries, knnc_push push,
                             void *context) {
    const int part = used == 1 ? 1 : PART;
    const int32_t *last_terms = knnc_last_stage(rows)->terms, *y = queries->values;
    int32_t bounds[KNNC_MAX_STAGES * QUERIES];
    for (int q = 0; q < used; q++) knnc_half_bound(queries, rows, QUERIES, q, bounds);
    for (int64_t p = first_panel; p < last_panel; p++) {
        VECTOR acc[QUERIES][VECTORS];
        KNNC_UNROLL
        for (int v = 0; v < VECTORS; v++) {
            const VECTOR half = v_half(rows->terms + p * ROWS + VECTOR_ROWS * v);
            KNNC_UNROLL
            for (int q = 0; q < used; q++) acc[q][v] = v_add(half, v_set1(bounds[q]));
        }
        add_products(used, acc, rows, p, y);
        int within[QUERIES / PART], some = 0;
        KNNC_UNROLL
        for (int q = 0; q < used; q += part) some |= within[q / PART] = any_within(part, acc + q);
        if (some) {
            KNNC_ALIGNED VECTOR kept[QUERIES][VECTORS];
            keep(used, kept, acc);
            KNNC_UNROLL
            for (int q = 0; q < used; q += part) {
                if (!within[q / PART]) continue;
                if (rows->next == NULL ||
                    (used == 1 ? go_on_alone : go_on_part)(rows, p, y + q, bounds + q, kept + q))
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
