/* Manhattan distance of bytes, AVX2: 32 absolute differences an instruction.
 *
 * instruction      latency  a cycle, Skylake  Zen 4/5   per step of 8 features
 * vpsadbw ymm         3     1 (p5)            2          12
 * vpaddq ymm          1     3                 4          12
 * vpbroadcastq mem    -     2                 2           6
 *
 * Register tile: 6 queries x 8 rows = 12 accumulators, 2 vectors of rows, 1 query, 1 difference.
 */
#if defined(__x86_64__) || defined(_M_X64)

#include <immintrin.h>

#include "cpu.h"
#include "tile.h"

#define TARGET KNNC_TARGET("avx2")
#define QUERIES 6
#define VECTORS 2
#define ROWS (4 * VECTORS)

TARGET KNNC_NOINLINE void emit(const __m256i (*acc)[VECTORS], const uint64_t *masks, unsigned hits,
                               int64_t first_row, int64_t *bounds, knnc_queries *queries,
                               knnc_push push, void *context) {
    for (; hits; hits &= hits - 1) {
        const int q = knnc_lowest_bit(hits);
        knnc_emit_wide_sum(masks[q], (const int64_t *)acc[q], first_row, q, &bounds[q], queries,
                           push, context);
    }
}

/* The first `used` queries of a tile; a constant where this is inlined. */
TARGET KNNC_INLINE void scan(const int used, const knnc_rows *rows, int64_t first_panel,
                             int64_t last_panel, knnc_queries *queries, knnc_push push,
                             void *context) {
    int64_t bounds[QUERIES];
    knnc_bounds(queries, QUERIES, bounds);
    for (int64_t p = first_panel; p < last_panel; p++) {
        const int32_t *terms = rows->terms + p * ROWS;
        const uint8_t *x = rows->panels + p * rows->n_steps * (ROWS * 8);
        const int64_t *y = queries->values; /* eight features a query */
        __m256i acc[QUERIES][VECTORS];
        KNNC_UNROLL
        for (int v = 0; v < VECTORS; v++) {
            const __m256i term =
                _mm256_cvtepi32_epi64(_mm_load_si128((const __m128i *)(terms + 4 * v)));
            KNNC_UNROLL
            for (int q = 0; q < used; q++)
                acc[q][v] = _mm256_add_epi64(term, _mm256_set1_epi64x(bounds[q]));
        }
        for (int64_t s = 0; s < rows->n_steps; s++, x += ROWS * 8, y += QUERIES) {
            __m256i row[VECTORS];
            KNNC_UNROLL
            for (int v = 0; v < VECTORS; v++)
                row[v] = _mm256_load_si256((const __m256i *)(x + 32 * v));
            KNNC_UNROLL
            for (int q = 0; q < used; q++) {
                const __m256i query = _mm256_set1_epi64x(y[q]);
                KNNC_UNROLL
                for (int v = 0; v < VECTORS; v++)
                    acc[q][v] = _mm256_add_epi64(acc[q][v], _mm256_sad_epu8(row[v], query));
            }
        }
        __m256i any = _mm256_or_si256(acc[0][0], acc[0][1]);
        KNNC_UNROLL
        for (int q = 1; q < used; q++)
            any = _mm256_or_si256(any, _mm256_or_si256(acc[q][0], acc[q][1]));
        if (_mm256_movemask_pd(_mm256_castsi256_pd(any))) {
            KNNC_ALIGNED __m256i kept[QUERIES][VECTORS];
            uint64_t masks[QUERIES];
            unsigned hits = 0;
            KNNC_UNROLL
            for (int q = 0; q < used; q++) {
                masks[q] = 0;
                KNNC_UNROLL
                for (int v = 0; v < VECTORS; v++) {
                    kept[q][v] = acc[q][v];
                    masks[q] |= (uint64_t)_mm256_movemask_pd(_mm256_castsi256_pd(acc[q][v]))
                                << (4 * v);
                }
                hits |= (unsigned)(masks[q] != 0) << q;
            }
            emit((const __m256i(*)[VECTORS])kept, masks, hits, p * ROWS, bounds, queries, push,
                 context);
        }
    }
}

/* A query alone is not compared with padding. */
TARGET static void tile(const knnc_rows *rows, int64_t first_panel, int64_t last_panel,
                        knnc_queries *queries, knnc_push push, void *context) {
    if (queries->n_queries == 1)
        scan(1, rows, first_panel, last_panel, queries, push, context);
    else
        scan(QUERIES, rows, first_panel, last_panel, queries, push, context);
}

TARGET static int32_t pair(const uint8_t *x, const uint8_t *y, int64_t n_features) {
    __m256i sum = _mm256_setzero_si256();
    int64_t f = 0;
    for (; f + 32 <= n_features; f += 32)
        sum = _mm256_add_epi64(sum, _mm256_sad_epu8(_mm256_loadu_si256((const __m256i *)(x + f)),
                                                    _mm256_loadu_si256((const __m256i *)(y + f))));
    KNNC_ALIGNED int64_t sums[4];
    _mm256_store_si256((__m256i *)sums, sum);
    int64_t total = sums[0] + sums[1] + sums[2] + sums[3];
    for (; f < n_features; f++) total += x[f] < y[f] ? y[f] - x[f] : x[f] - y[f];
    return (int32_t)total;
}

const knnc_kernel knnc_manhattan_u8_avx2 = {
    .name = "manhattan_u8_avx2",
    .metric = KNNC_MANHATTAN,
    .needs = KNNC_CPU_AVX2,
    .layout = {.panel_rows = ROWS,
               .lane = 8,
               .tile_queries = QUERIES,
               .query_form = KNNC_RAW_U8,
               .bias = 0},
    .tile = tile,
    .pair = pair,
};

#endif
