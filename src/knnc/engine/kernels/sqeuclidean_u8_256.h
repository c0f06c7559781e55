/* The tile function of squared Euclidean distance on registers of 256 bits.
 *
 * One source for the instruction sets that multiply and add differently: they define TARGET, LANE
 * (bytes of a row that a step reads), load_row and multiply_add, and say what a step costs.
 *
 * Register tile: 6 queries x 16 rows = 12 accumulators, 2 vectors of rows, 1 query.
 */
#define QUERIES 6
#define VECTORS 2
#define VECTOR_ROWS 8
#define ROWS (VECTOR_ROWS * VECTORS)

TARGET KNNC_NOINLINE void emit(__m256i (*kept)[VECTORS], int used, const int32_t *terms,
                               int64_t first_row, const knnc_rows *rows, int32_t *bounds,
                               knnc_queries *queries, knnc_push push, void *context) {
    for (int q = 0; q < used; q++) {
        uint64_t mask = 0;
        KNNC_UNROLL
        for (int v = 0; v < VECTORS; v++)
            mask |= (uint64_t)(unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(kept[q][v]))
                    << (VECTOR_ROWS * v);
        if (mask == 0) continue;
        knnc_emit_sqeuclidean(mask, (const int32_t *)kept[q], terms, first_row, q, queries, push,
                              context);
        if (push) knnc_half_bound(queries, rows, QUERIES, q, bounds);
    }
}

/* Adds the products of one stage of panel p to the accumulators; returns the or of them. */
TARGET KNNC_INLINE __m256i add_products(const int used, __m256i (*acc)[VECTORS],
                                        const knnc_rows *stage, int64_t p, const int32_t *y) {
    const uint8_t *x = stage->panels + p * stage->n_steps * (ROWS * LANE);
    for (int64_t s = 0; s < stage->n_steps; s++, x += ROWS * LANE, y += QUERIES) {
        __m256i row[VECTORS];
        KNNC_UNROLL
        for (int v = 0; v < VECTORS; v++) row[v] = load_row(x + VECTOR_ROWS * LANE * v);
        KNNC_UNROLL
        for (int q = 0; q < used; q++) {
            const __m256i query = _mm256_set1_epi32(y[q]);
            KNNC_UNROLL
            for (int v = 0; v < VECTORS; v++) acc[q][v] = multiply_add(acc[q][v], row[v], query);
        }
    }
    __m256i any = acc[0][0];
    KNNC_UNROLL
    for (int q = 0; q < used; q++) {
        any = _mm256_or_si256(any, _mm256_or_si256(acc[q][0], acc[q][1]));
    }
    return any;
}

/* The stages of panel p after the first; whether some row is within a limit after the last. The
 * accumulators go through memory between two stages, so that they are registers within one. */
TARGET KNNC_INLINE int go_on(const int used, const knnc_rows *stage, int64_t p, const int32_t *y,
                             const int32_t *bounds, __m256i (*kept)[VECTORS]) {
    do {
        y += stage->n_steps * QUERIES;
        bounds += QUERIES;
        stage = stage->next;
        const int32_t *terms = stage->terms + p * ROWS;
        const __m128i shift = _mm_cvtsi32_si128(stage->shift);
        __m256i acc[QUERIES][VECTORS];
        KNNC_UNROLL
        for (int v = 0; v < VECTORS; v++) {
            const __m256i half =
                _mm256_srai_epi32(_mm256_load_si256((const __m256i *)(terms + 8 * v)), 1);
            KNNC_UNROLL
            for (int q = 0; q < used; q++) {
                const __m256i start = _mm256_add_epi32(half, _mm256_set1_epi32(bounds[q]));
                acc[q][v] = _mm256_add_epi32(_mm256_sll_epi32(kept[q][v], shift), start);
            }
        }
        if (!_mm256_movemask_ps(_mm256_castsi256_ps(add_products(used, acc, stage, p, y))))
            return 0;
        KNNC_UNROLL
        for (int q = 0; q < used; q++) {
            KNNC_UNROLL
            for (int v = 0; v < VECTORS; v++) kept[q][v] = acc[q][v];
        }
    } while (stage->next);
    return 1;
}

TARGET KNNC_NOINLINE int go_on_alone(const knnc_rows *rows, int64_t p, const int32_t *y,
                                     const int32_t *bounds, __m256i (*kept)[VECTORS]) {
    return go_on(1, rows, p, y, bounds, kept);
}

TARGET KNNC_NOINLINE int go_on_together(const knnc_rows *rows, int64_t p, const int32_t *y,
                                        const int32_t *bounds, __m256i (*kept)[VECTORS]) {
    return go_on(QUERIES, rows, p, y, bounds, kept);
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
        __m256i acc[QUERIES][VECTORS];
        KNNC_UNROLL
        for (int v = 0; v < VECTORS; v++) {
            const __m256i half =
                _mm256_srai_epi32(_mm256_load_si256((const __m256i *)(terms + 8 * v)), 1);
            KNNC_UNROLL
            for (int q = 0; q < used; q++)
                acc[q][v] = _mm256_add_epi32(half, _mm256_set1_epi32(bounds[q]));
        }
        if (_mm256_movemask_ps(_mm256_castsi256_ps(add_products(used, acc, rows, p, y)))) {
            KNNC_ALIGNED __m256i kept[QUERIES][VECTORS];
            KNNC_UNROLL
            for (int q = 0; q < used; q++) {
                KNNC_UNROLL
                for (int v = 0; v < VECTORS; v++) kept[q][v] = acc[q][v];
            }
            if (rows->next == NULL || (used == 1 ? go_on_alone(rows, p, y, bounds, kept)
                                                 : go_on_together(rows, p, y, bounds, kept)))
                emit(kept, used, last_terms + p * ROWS, p * ROWS, rows, bounds, queries, push,
                     context);
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
