/* Squared Euclidean distance of bytes, AVX-512 VNNI: 64 multiply-adds an instruction.
 *
 * instruction     latency  a cycle, Cascade Lake  Zen 5    per step of 4 features
 * vpdpbusd zmm       5     2 (p0, p5)             2        24
 * vpbroadcastd mem   -     2 (p2, p3)             2         8
 * vmovdqa64 load     -     2 (p2, p3)             2         3
 *
 * Register tile: 8 queries x 48 rows = 24 accumulators, 3 vectors of rows, 1 query.  The rows are
 * raw unsigned bytes; the queries are stored as 127 - q, which fits a signed byte, so that the sum
 * has the sign with which tile.h tests all accumulators by or-ing them.
 */
#if defined(__x86_64__) || defined(_M_X64)

#include <immintrin.h>

#include "cpu.h"
#include "tile.h"

#define TARGET KNNC_TARGET("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")
#define QUERIES 8
#define VECTORS 3
#define ROWS (16 * VECTORS)

/* gcc 12, given the intrinsic, spills accumulators to the stack; given this it does not. */
TARGET KNNC_INLINE __m512i multiply_add(__m512i acc, __m512i rows, __m512i query) {
#if defined(__GNUC__)
    __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(rows), "v"(query));
    return acc;
#else
    return _mm512_dpbusd_epi32(acc, rows, query);
#endif
}

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
        const uint8_t *x = rows->panels + p * rows->n_steps * (ROWS * 4);
        const int32_t *y = queries->values;
        __m512i acc[QUERIES][VECTORS];
        KNNC_UNROLL
        for (int v = 0; v < VECTORS; v++) {
            const __m512i half = _mm512_srai_epi32(_mm512_load_si512(terms + 16 * v), 1);
            KNNC_UNROLL
            for (int q = 0; q < used; q++)
                acc[q][v] = _mm512_add_epi32(half, _mm512_set1_epi32(bounds[q]));
        }
        for (int64_t s = 0; s < rows->n_steps; s++, x += ROWS * 4, y += QUERIES) {
            __m512i row[VECTORS];
            KNNC_UNROLL
            for (int v = 0; v < VECTORS; v++) row[v] = _mm512_load_si512(x + 64 * v);
            KNNC_UNROLL
            for (int q = 0; q < used; q++) {
                const __m512i query = _mm512_set1_epi32(y[q]);
                KNNC_UNROLL
                for (int v = 0; v < VECTORS; v++)
                    acc[q][v] = multiply_add(acc[q][v], row[v], query);
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

/* A query alone would leave 7 of 8 multiplications to padding (one query, codes of MNIST: half the
 * time). */
TARGET static void tile(const knnc_rows *rows, int64_t first_panel, int64_t last_panel,
                        knnc_queries *queries, knnc_push push, void *context) {
    if (queries->n_queries == 1)
        scan(1, rows, first_panel, last_panel, queries, push, context);
    else
        scan(QUERIES, rows, first_panel, last_panel, queries, push, context);
}

/* d = |x - y| fits a byte but not a signed one: d * (d - 128) + 128 d = d^2, and d - 128 is d with
 * its top bit flipped.  6 instructions for 64 features. */
#define ADD_SQUARES(a, b)                                                                          \
    do {                                                                                           \
        const __m512i diff = _mm512_sub_epi8(_mm512_max_epu8(a, b), _mm512_min_epu8(a, b));        \
        squares = _mm512_dpbusd_epi32(squares, diff, _mm512_xor_si512(diff, top));                 \
        sum = _mm512_dpbusd_epi32(sum, diff, ones);                                                \
    } while (0)

TARGET static int32_t pair(const uint8_t *x, const uint8_t *y, int64_t n_features) {
    const __m512i ones = _mm512_set1_epi8(1), top = _mm512_set1_epi8(-128);
    __m512i squares = _mm512_setzero_si512(), sum = _mm512_setzero_si512();
    int64_t f = 0;
    for (; f + 64 <= n_features; f += 64)
        ADD_SQUARES(_mm512_loadu_si512(x + f), _mm512_loadu_si512(y + f));
    if (f < n_features) {
        const __mmask64 mask = (UINT64_C(1) << (n_features - f)) - 1;
        ADD_SQUARES(_mm512_maskz_loadu_epi8(mask, x + f), _mm512_maskz_loadu_epi8(mask, y + f));
    }
    return _mm512_reduce_add_epi32(_mm512_add_epi32(squares, _mm512_slli_epi32(sum, 7)));
}

const knnc_kernel knnc_sqeuclidean_u8_avx512vnni = {
    .name = "sqeuclidean_u8_avx512vnni",
    .metric = KNNC_SQEUCLIDEAN,
    .needs = KNNC_CPU_AVX2 | KNNC_CPU_AVX512BW | KNNC_CPU_AVX512VNNI,
    .layout = {.panel_rows = ROWS,
               .lane = 4,
               .tile_queries = QUERIES,
               .query_form = KNNC_BIASED_8,
               .bias = 127},
    .tile = tile,
    .pair = pair,
};

#endif
