/* Chebyshev distance of bytes, AVX2: 32 absolute differences in three instructions.
 *
 * instruction            latency  a cycle, Skylake  Zen 4/5   per step of 4 features
 * vpmaxub, vpminub ymm      1     2 (p0, p1)        4          10 + 10 + 10
 * vpsubb ymm                1     3 (p0, p1, p5)    4          10
 * vpbroadcastd mem          -     2                 2           5
 *
 * Register tile: 5 queries x 16 rows = 10 accumulators, 2 vectors of rows, 1 query, 2 differences.
 * 4 features of a row lie side by side, and its distance is the largest of their 4 bytes.  Every
 * CHECK steps the tile is left if none of its rows can pass any more, which saves 5 to 17 % of the
 * time on images and on random bytes; 8 or 64 steps do as well within 5 %.
 */
#if defined(__x86_64__) || defined(_M_X64)

#include <immintrin.h>

#include "cpu.h"
#include "tile.h"

#define TARGET KNNC_TARGET("avx2")
#define QUERIES 5
#define VECTORS 2
#define ROWS (8 * VECTORS)
#define CHECK 16

TARGET KNNC_INLINE __m256i absolute(__m256i a, __m256i b) {
    return _mm256_sub_epi8(_mm256_max_epu8(a, b), _mm256_min_epu8(a, b));
}

/* gcc 12, given the intrinsics, keeps accumulators in memory and takes 10 % longer. */
TARGET KNNC_INLINE __m256i max_absolute(__m256i acc, __m256i row, __m256i query) {
#if defined(__GNUC__)
    __m256i high, low;
    __asm__("vpmaxub %3, %4, %1\n\tvpminub %3, %4, %2\n\t"
            "vpsubb %2, %1, %1\n\tvpmaxub %1, %0, %0"
            : "+x"(acc), "=&x"(high), "=&x"(low)
            : "x"(row), "x"(query));
    return acc;
#else
    return _mm256_max_epu8(acc, absolute(row, query));
#endif
}

TARGET KNNC_NOINLINE void emit(const __m256i (*acc)[VECTORS], int used, const int32_t *terms,
                               int64_t first_row, int32_t *bounds, knnc_queries *queries,
                               knnc_push push, void *context) {
    for (int q = 0; q < used; q++) {
        uint64_t mask = 0;
        for (int v = 0; v < VECTORS; v++) {
            const __m256i above = _mm256_subs_epu8(acc[q][v], _mm256_set1_epi32(bounds[q]));
            const __m256i passes = _mm256_cmpeq_epi32(above, _mm256_setzero_si256());
            mask |= (uint64_t)_mm256_movemask_ps(_mm256_castsi256_ps(passes)) << (8 * v);
        }
        if (mask)
            knnc_emit_chebyshev(mask, (const uint8_t *)acc[q], terms, first_row, q, &bounds[q],
                                queries, push, context);
    }
}

/* The first `used` queries of a tile; a constant where this is inlined. */
TARGET KNNC_INLINE void scan(const int used, const knnc_rows *rows, int64_t first_panel,
                             int64_t last_panel, knnc_queries *queries, knnc_push push,
                             void *context) {
    int32_t bounds[QUERIES], starts[QUERIES];
    knnc_byte_bounds(queries, QUERIES, bounds, starts);
    for (int64_t p = first_panel; p < last_panel; p++) {
        const int32_t *terms = rows->terms + p * ROWS;
        const uint8_t *x = rows->panels + p * rows->n_steps * (ROWS * 4);
        const int32_t *y = queries->values; /* four features a query */
        int passes = 1;
        __m256i acc[QUERIES][VECTORS];
        KNNC_UNROLL
        for (int v = 0; v < VECTORS; v++) {
            const __m256i term = _mm256_load_si256((const __m256i *)(terms + 8 * v));
            const __m256i pad = _mm256_cmpgt_epi32(term, _mm256_setzero_si256());
            KNNC_UNROLL
            for (int q = 0; q < used; q++)
                acc[q][v] = _mm256_or_si256(pad, _mm256_set1_epi32(starts[q]));
        }
        for (int64_t s = 0; s < rows->n_steps && passes;) {
            const int64_t stop = s + CHECK < rows->n_steps ? s + CHECK : rows->n_steps;
            for (; s < stop; s++, x += ROWS * 4, y += QUERIES) {
                __m256i row[VECTORS];
                KNNC_UNROLL
                for (int v = 0; v < VECTORS; v++)
                    row[v] = _mm256_load_si256((const __m256i *)(x + 32 * v));
                KNNC_UNROLL
                for (int q = 0; q < used; q++) {
                    const __m256i query = _mm256_set1_epi32(y[q]);
                    KNNC_UNROLL
                    for (int v = 0; v < VECTORS; v++)
                        acc[q][v] = max_absolute(acc[q][v], row[v], query);
                }
            }
            __m256i any = _mm256_setzero_si256();
            KNNC_UNROLL
            for (int q = 0; q < used; q++) {
                const __m256i bound = _mm256_set1_epi32(bounds[q]);
                KNNC_UNROLL
                for (int v = 0; v < VECTORS; v++) {
                    const __m256i above = _mm256_subs_epu8(acc[q][v], bound);
                    any = _mm256_or_si256(any, _mm256_cmpeq_epi32(above, _mm256_setzero_si256()));
                }
            }
            passes = _mm256_movemask_epi8(any) != 0;
        }
        if (passes) {
            KNNC_ALIGNED __m256i kept[QUERIES][VECTORS];
            KNNC_UNROLL
            for (int q = 0; q < used; q++) {
                KNNC_UNROLL
                for (int v = 0; v < VECTORS; v++) kept[q][v] = acc[q][v];
            }
            emit((const __m256i(*)[VECTORS])kept, queries->n_queries, terms, p * ROWS, bounds,
                 queries, push, context);
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
    __m256i largest = _mm256_setzero_si256();
    int64_t f = 0;
    for (; f + 32 <= n_features; f += 32)
        largest = _mm256_max_epu8(largest, absolute(_mm256_loadu_si256((const __m256i *)(x + f)),
                                                    _mm256_loadu_si256((const __m256i *)(y + f))));
    KNNC_ALIGNED uint8_t each[32];
    _mm256_store_si256((__m256i *)each, largest);
    int32_t dist = 0;
    for (int i = 0; i < 32; i++) dist = each[i] > dist ? each[i] : dist;
    for (; f < n_features; f++) {
        const int32_t diff = x[f] < y[f] ? y[f] - x[f] : x[f] - y[f];
        dist = diff > dist ? diff : dist;
    }
    return dist;
}

const knnc_kernel knnc_chebyshev_u8_avx2 = {
    .name = "chebyshev_u8_avx2",
    .metric = KNNC_CHEBYSHEV,
    .needs = KNNC_CPU_AVX2,
    .layout = {.panel_rows = ROWS,
               .lane = 4,
               .tile_queries = QUERIES,
               .query_form = KNNC_RAW_U8,
               .bias = 0},
    .tile = tile,
    .pair = pair,
};

#endif
