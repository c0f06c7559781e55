/* Squared Euclidean distance of bytes, AVX2: 16 multiply-adds of 16-bit numbers an instruction.
 *
 * instruction       latency  a cycle, Skylake  Zen 4/5   per step of 2 features
 * vpmaddwd ymm         5     2 (p0, p1)        2          12
 * vpaddd ymm           1     3 (p0, p1, p5)    4          12
 * vpmovzxbw mem        -     1 (p5)            2           2
 * vpbroadcastd mem     -     2                 2           6
 *
 * Register tile: 6 queries x 16 rows = 12 accumulators, 2 vectors of rows, 1 query, 1 product.
 * vpmaddubsw would take the bytes as they are, but it saturates at 16 bits: 2 * 255 * 127 passes
 * 2^15.  So rows are widened as they are loaded: 2 instructions in 26, which saves a scratch panel
 * of twice the bytes.  The queries are stored as -q, so that the sum has the sign tile.h tests.
 */
#if defined(__x86_64__) || defined(_M_X64)

#include <immintrin.h>

#include "cpu.h"
#include "tile.h"

#define TARGET KNNC_TARGET("avx2")
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
        const uint8_t *x = rows->panels + p * rows->n_steps * (ROWS * 2);
        const int32_t *y = queries->values; /* two 16-bit features a query */
        __m256i acc[QUERIES][VECTORS];
        KNNC_UNROLL
        for (int v = 0; v < VECTORS; v++) {
            const __m256i half =
                _mm256_srai_epi32(_mm256_load_si256((const __m256i *)(terms + 8 * v)), 1);
            KNNC_UNROLL
            for (int q = 0; q < used; q++)
                acc[q][v] = _mm256_add_epi32(half, _mm256_set1_epi32(bounds[q]));
        }
        for (int64_t s = 0; s < rows->n_steps; s++, x += ROWS * 2, y += QUERIES) {
            __m256i row[VECTORS];
            KNNC_UNROLL
            for (int v = 0; v < VECTORS; v++)
                row[v] = _mm256_cvtepu8_epi16(_mm_load_si128((const __m128i *)(x + 16 * v)));
            KNNC_UNROLL
            for (int q = 0; q < used; q++) {
                const __m256i query = _mm256_set1_epi32(y[q]);
                KNNC_UNROLL
                for (int v = 0; v < VECTORS; v++)
                    acc[q][v] = _mm256_add_epi32(acc[q][v], _mm256_madd_epi16(row[v], query));
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

TARGET static int32_t pair(const uint8_t *x, const uint8_t *y, int64_t n_features) {
    __m256i sum = _mm256_setzero_si256();
    int64_t f = 0;
    for (; f + 16 <= n_features; f += 16) {
        const __m256i a = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(x + f)));
        const __m256i b = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(y + f)));
        const __m256i diff = _mm256_sub_epi16(a, b);
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(diff, diff));
    }
    KNNC_ALIGNED uint32_t sums[8];
    _mm256_store_si256((__m256i *)sums, sum);
    uint32_t total = 0;
    for (int i = 0; i < 8; i++) total += sums[i];
    for (; f < n_features; f++) {
        const int32_t diff = (int32_t)x[f] - (int32_t)y[f];
        total += (uint32_t)(diff * diff);
    }
    return (int32_t)total;
}

const knnc_kernel knnc_sqeuclidean_u8_avx2 = {
    .name = "sqeuclidean_u8_avx2",
    .metric = KNNC_SQEUCLIDEAN,
    .needs = KNNC_CPU_AVX2,
    .layout = {.panel_rows = ROWS,
               .lane = 2,
               .tile_queries = QUERIES,
               .query_form = KNNC_BIASED_16,
               .bias = 0},
    .tile = tile,
    .pair = pair,
};

#endif
