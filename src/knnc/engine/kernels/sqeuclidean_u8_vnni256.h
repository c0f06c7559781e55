/* Squared Euclidean distance of bytes, VNNI on 256 bits: 32 multiply-adds an instruction.
 *
 * One source for two encodings of the same instruction: sqeuclidean_u8_avxvnni.c (VEX) and
 * sqeuclidean_u8_avx512vl.c (EVEX), which define TARGET, multiply_add, KERNEL, NAME and NEEDS.
 *
 * instruction        latency  a cycle, Alder Lake P / E  Zen 5    per step of 4 features
 * vpdpbusd ymm       5 / 4    2 (p0, p1) / 2             2        12
 * vpbroadcastd mem   -        3 / 2                      2         6
 * vmovdqa load       -        3 / 2                      2         2
 *
 * Register tile: 6 queries x 16 rows = 12 accumulators, 2 vectors of rows, 1 query: 15 of the 16
 * registers of VEX, and more accumulators than the 10 that cover the latency.  Rows and queries
 * are stored as in sqeuclidean_u8_avx512vnni.c.
 */
#define QUERIES 6
#define VECTORS 2
#define ROWS (8 * VECTORS)

TARGET KNNC_NOINLINE void emit(const __m256i (*acc)[VECTORS], const uint64_t *masks, unsigned hits,
                               const int32_t *terms, int64_t first_row, int32_t *bounds,
                               knnc_queries *queries, knnc_push push, void *context) {
    for (; hits; hits &= hits - 1) {
        const int q = knnc_lowest_bit(hits);
        knnc_emit_sqeuclidean(masks[q], (const int32_t *)acc[q], terms, first_row, q, &bounds[q],
                              queries, push, context);
    }
}

/* The first `used` queries of a tile; a constant where this is inlined. */
TARGET KNNC_INLINE void scan(const int used, const knnc_rows *rows, int64_t first_panel,
                             int64_t last_panel, knnc_queries *queries, knnc_push push,
                             void *context) {
    int32_t bounds[QUERIES];
    knnc_half_bounds(queries, QUERIES, bounds);
    for (int64_t p = first_panel; p < last_panel; p++) {
        const int32_t *terms = rows->terms + p * ROWS;
        const uint8_t *x = rows->panels + p * rows->n_steps * (ROWS * 4);
        const int32_t *y = queries->values; /* four features a query */
        __m256i acc[QUERIES][VECTORS];
        KNNC_UNROLL
        for (int v = 0; v < VECTORS; v++) {
            const __m256i half =
                _mm256_srai_epi32(_mm256_load_si256((const __m256i *)(terms + 8 * v)), 1);
            KNNC_UNROLL
            for (int q = 0; q < used; q++)
                acc[q][v] = _mm256_add_epi32(half, _mm256_set1_epi32(bounds[q]));
        }
        for (int64_t s = 0; s < rows->n_steps; s++, x += ROWS * 4, y += QUERIES) {
            __m256i row[VECTORS];
            KNNC_UNROLL
            for (int v = 0; v < VECTORS; v++)
                row[v] = _mm256_load_si256((const __m256i *)(x + 32 * v));
            KNNC_UNROLL
            for (int q = 0; q < used; q++) {
                const __m256i query = _mm256_set1_epi32(y[q]);
                KNNC_UNROLL
                for (int v = 0; v < VECTORS; v++)
                    acc[q][v] = multiply_add(acc[q][v], row[v], query);
            }
        }
        __m256i any = _mm256_or_si256(acc[0][0], acc[0][1]);
        KNNC_UNROLL
        for (int q = 1; q < used; q++)
            any = _mm256_or_si256(any, _mm256_or_si256(acc[q][0], acc[q][1]));
        if (_mm256_movemask_ps(_mm256_castsi256_ps(any))) {
            KNNC_ALIGNED __m256i kept[QUERIES][VECTORS];
            uint64_t masks[QUERIES];
            unsigned hits = 0;
            KNNC_UNROLL
            for (int q = 0; q < used; q++) {
                masks[q] = 0;
                KNNC_UNROLL
                for (int v = 0; v < VECTORS; v++) {
                    kept[q][v] = acc[q][v];
                    masks[q] |= (uint64_t)_mm256_movemask_ps(_mm256_castsi256_ps(acc[q][v]))
                                << (8 * v);
                }
                hits |= (unsigned)(masks[q] != 0) << q;
            }
            emit((const __m256i(*)[VECTORS])kept, masks, hits, terms, p * ROWS, bounds, queries,
                 push, context);
        }
    }
}

/* A query alone is not multiplied with padding. */
TARGET static void tile(const knnc_rows *rows, int64_t first_panel, int64_t last_panel,
                        knnc_queries *queries, knnc_push push, void *context) {
    if (queries->n_queries == 1)
        scan(1, rows, first_panel, last_panel, queries, push, context);
    else
        scan(QUERIES, rows, first_panel, last_panel, queries, push, context);
}

/* d = |x - y| as in sqeuclidean_u8_avx512vnni.c: d * (d - 128) + 128 d = d^2. */
TARGET KNNC_INLINE void add_squares(__m256i a, __m256i b, __m256i *squares, __m256i *sum) {
    const __m256i diff = _mm256_sub_epi8(_mm256_max_epu8(a, b), _mm256_min_epu8(a, b));
    *squares = multiply_add(*squares, diff, _mm256_xor_si256(diff, _mm256_set1_epi8(-128)));
    *sum = multiply_add(*sum, diff, _mm256_set1_epi8(1));
}

TARGET static int32_t pair(const uint8_t *x, const uint8_t *y, int64_t n_features) {
    __m256i squares = _mm256_setzero_si256(), sum = _mm256_setzero_si256();
    int64_t f = 0;
    for (; f + 32 <= n_features; f += 32)
        add_squares(_mm256_loadu_si256((const __m256i *)(x + f)),
                    _mm256_loadu_si256((const __m256i *)(y + f)), &squares, &sum);
    if (f + 16 <= n_features) {
        const __m128i a = _mm_loadu_si128((const __m128i *)(x + f));
        const __m128i b = _mm_loadu_si128((const __m128i *)(y + f));
        const __m256i zero = _mm256_setzero_si256();
        add_squares(_mm256_inserti128_si256(zero, a, 0), _mm256_inserti128_si256(zero, b, 0),
                    &squares, &sum);
        f += 16;
    }
    KNNC_ALIGNED uint32_t sums[8];
    _mm256_store_si256((__m256i *)sums, _mm256_add_epi32(squares, _mm256_slli_epi32(sum, 7)));
    uint32_t total = 0;
    for (int i = 0; i < 8; i++) total += sums[i];
    for (; f < n_features; f++) {
        const int32_t diff = (int32_t)x[f] - (int32_t)y[f];
        total += (uint32_t)(diff * diff);
    }
    return (int32_t)total;
}

const knnc_kernel KERNEL = {
    .name = NAME,
    .metric = KNNC_SQEUCLIDEAN,
    .needs = NEEDS,
    .layout = {.panel_rows = ROWS,
               .lane = 4,
               .tile_queries = QUERIES,
               .query_form = KNNC_BIASED_8,
               .bias = 127},
    .tile = tile,
    .pair = pair,
};
