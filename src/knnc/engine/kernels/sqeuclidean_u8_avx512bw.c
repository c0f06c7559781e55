/* Squared Euclidean distance of bytes, AVX-512BW: 32 multiply-adds of 16-bit numbers an
 * instruction, for processors without VNNI.
 *
 * instruction       latency  a cycle, Skylake-X   Zen 5    per step of 2 features
 * vpmaddwd zmm         5     2 (p0, p5)           2        24
 * vpaddd zmm           1     2 (p0, p5)           4        24
 * vpmovzxbw zmm, mem   -     1 (p5)               2         3
 * vpbroadcastd mem     -     2 (p2, p3)           2         8
 *
 * Register tile: 8 queries x 48 rows = 24 accumulators, 3 vectors of rows, 1 query, 1 product.
 * Rows are widened as they are loaded: of the 51 instructions a step that want p0 or p5, 3.  A
 * panel that lay ready at 16 bits would be 7 % faster to scan (Zen 5); a scratch panel widened for
 * each tile of queries makes it 23 % slower.  The queries are stored as -q, so that the sum has the
 * sign tile.h tests.
 */
#if defined(__x86_64__) || defined(_M_X64)

#include <immintrin.h>

#include "cpu.h"
#include "tile.h"

#define TARGET KNNC_TARGET("avx512f,avx512bw,avx512dq,avx512vl")
#define QUERIES 8
#define VECTORS 3
#define ROWS (16 * VECTORS)

TARGET KNNC_NOINLINE void emit(const __m512i (*acc)[VECTORS], const uint64_t *masks, unsigned hits,
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
        __m512i acc[QUERIES][VECTORS];
        KNNC_UNROLL
        for (int v = 0; v < VECTORS; v++) {
            const __m512i half = _mm512_srai_epi32(_mm512_load_si512(terms + 16 * v), 1);
            KNNC_UNROLL
            for (int q = 0; q < used; q++)
                acc[q][v] = _mm512_add_epi32(half, _mm512_set1_epi32(bounds[q]));
        }
        for (int64_t s = 0; s < rows->n_steps; s++, x += ROWS * 2, y += QUERIES) {
            __m512i row[VECTORS];
            KNNC_UNROLL
            for (int v = 0; v < VECTORS; v++)
                row[v] = _mm512_cvtepu8_epi16(_mm256_load_si256((const __m256i *)(x + 32 * v)));
            KNNC_UNROLL
            for (int q = 0; q < used; q++) {
                const __m512i query = _mm512_set1_epi32(y[q]);
                KNNC_UNROLL
                for (int v = 0; v < VECTORS; v++)
                    acc[q][v] = _mm512_add_epi32(acc[q][v], _mm512_madd_epi16(row[v], query));
            }
        }
        __m512i any = acc[0][0];
        KNNC_UNROLL
        for (int q = 0; q < used; q++) {
            any = _mm512_or_si512(any, acc[q][0]);
            any = _mm512_ternarylogic_epi32(any, acc[q][1], acc[q][2], 0xfe);
        }
        if (_mm512_movepi32_mask(any)) {
            KNNC_ALIGNED __m512i kept[QUERIES][VECTORS];
            uint64_t masks[QUERIES];
            unsigned hits = 0;
            KNNC_UNROLL
            for (int q = 0; q < used; q++) {
                masks[q] = 0;
                KNNC_UNROLL
                for (int v = 0; v < VECTORS; v++) {
                    kept[q][v] = acc[q][v];
                    masks[q] |= (uint64_t)_mm512_movepi32_mask(acc[q][v]) << (16 * v);
                }
                hits |= (unsigned)(masks[q] != 0) << q;
            }
            emit((const __m512i(*)[VECTORS])kept, masks, hits, terms, p * ROWS, bounds, queries,
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

TARGET KNNC_INLINE __m512i add_squares(__m512i sum, __m512i a, __m512i b) {
    const __m512i zero = _mm512_setzero_si512();
    const __m512i diff = _mm512_sub_epi8(_mm512_max_epu8(a, b), _mm512_min_epu8(a, b));
    const __m512i low = _mm512_unpacklo_epi8(diff, zero), high = _mm512_unpackhi_epi8(diff, zero);
    return _mm512_add_epi32(
        sum, _mm512_add_epi32(_mm512_madd_epi16(low, low), _mm512_madd_epi16(high, high)));
}

TARGET static int32_t pair(const uint8_t *x, const uint8_t *y, int64_t n_features) {
    __m512i sum = _mm512_setzero_si512();
    int64_t f = 0;
    for (; f + 64 <= n_features; f += 64)
        sum = add_squares(sum, _mm512_loadu_si512(x + f), _mm512_loadu_si512(y + f));
    if (f < n_features) {
        const __mmask64 mask = (UINT64_C(1) << (n_features - f)) - 1;
        sum = add_squares(sum, _mm512_maskz_loadu_epi8(mask, x + f),
                          _mm512_maskz_loadu_epi8(mask, y + f));
    }
    return _mm512_reduce_add_epi32(sum);
}

const knnc_kernel knnc_sqeuclidean_u8_avx512bw = {
    .name = "sqeuclidean_u8_avx512bw",
    .metric = KNNC_SQEUCLIDEAN,
    .needs = KNNC_CPU_AVX2 | KNNC_CPU_AVX512BW,
    .layout = {.panel_rows = ROWS,
               .lane = 2,
               .tile_queries = QUERIES,
               .query_form = KNNC_BIASED_16,
               .bias = 0},
    .tile = tile,
    .pair = pair,
};

#endif
