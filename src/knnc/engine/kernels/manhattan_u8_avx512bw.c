/* Manhattan distance of bytes, AVX-512BW: 64 absolute differences an instruction.
 *
 * instruction      latency  a cycle, Cascade Lake  Zen 5    per step of 8 features
 * vpsadbw zmm         3     1 (p5)                 2        24
 * vpaddq zmm          1     2 (p0, p5)             4        24
 * vpbroadcastq mem    -     2                      2         8
 *
 * Register tile: 8 queries x 24 rows = 24 accumulators, 3 vectors of rows, 1 query, 1 difference.
 * 8 features of a row lie side by side, so that vpsadbw leaves one sum a row and none has to be
 * added up across a register.
 */
#if defined(__x86_64__) || defined(_M_X64)

#include <immintrin.h>

#include "cpu.h"
#include "tile.h"

#define TARGET KNNC_TARGET("avx512f,avx512bw,avx512dq,avx512vl")
#define QUERIES 8
#define VECTORS 3
#define ROWS (8 * VECTORS)

TARGET KNNC_NOINLINE void emit(const __m512i (*acc)[VECTORS], const uint64_t *masks, unsigned hits,
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
        __m512i acc[QUERIES][VECTORS];
        KNNC_UNROLL
        for (int v = 0; v < VECTORS; v++) {
            const __m512i term =
                _mm512_cvtepi32_epi64(_mm256_load_si256((const __m256i *)(terms + 8 * v)));
            KNNC_UNROLL
            for (int q = 0; q < used; q++)
                acc[q][v] = _mm512_add_epi64(term, _mm512_set1_epi64(bounds[q]));
        }
        for (int64_t s = 0; s < rows->n_steps; s++, x += ROWS * 8, y += QUERIES) {
            __m512i row[VECTORS];
            KNNC_UNROLL
            for (int v = 0; v < VECTORS; v++) row[v] = _mm512_load_si512(x + 64 * v);
            KNNC_UNROLL
            for (int q = 0; q < used; q++) {
                const __m512i query = _mm512_set1_epi64(y[q]);
                KNNC_UNROLL
                for (int v = 0; v < VECTORS; v++)
                    acc[q][v] = _mm512_add_epi64(acc[q][v], _mm512_sad_epu8(row[v], query));
            }
        }
        __m512i any = acc[0][0];
        KNNC_UNROLL
        for (int q = 0; q < used; q++) {
            any = _mm512_or_si512(any, acc[q][0]);
            any = _mm512_ternarylogic_epi64(any, acc[q][1], acc[q][2], 0xfe);
        }
        if (_mm512_movepi64_mask(any)) {
            KNNC_ALIGNED __m512i kept[QUERIES][VECTORS];
            uint64_t masks[QUERIES];
            unsigned hits = 0;
            KNNC_UNROLL
            for (int q = 0; q < used; q++) {
                masks[q] = 0;
                KNNC_UNROLL
                for (int v = 0; v < VECTORS; v++) {
                    kept[q][v] = acc[q][v];
                    masks[q] |= (uint64_t)_mm512_movepi64_mask(acc[q][v]) << (8 * v);
                }
                hits |= (unsigned)(masks[q] != 0) << q;
            }
            emit((const __m512i(*)[VECTORS])kept, masks, hits, p * ROWS, bounds, queries, push,
                 context);
        }
    }
}

/* A query alone would leave 7 of 8 differences to padding (one query, codes of MNIST: half the
 * time). */
TARGET static void tile(const knnc_rows *rows, int64_t first_panel, int64_t last_panel,
                        knnc_queries *queries, knnc_push push, void *context) {
    if (queries->n_queries == 1)
        scan(1, rows, first_panel, last_panel, queries, push, context);
    else
        scan(QUERIES, rows, first_panel, last_panel, queries, push, context);
}

TARGET static int32_t pair(const uint8_t *x, const uint8_t *y, int64_t n_features) {
    __m512i sum = _mm512_setzero_si512();
    int64_t f = 0;
    for (; f + 64 <= n_features; f += 64)
        sum = _mm512_add_epi64(
            sum, _mm512_sad_epu8(_mm512_loadu_si512(x + f), _mm512_loadu_si512(y + f)));
    if (f < n_features) {
        const __mmask64 mask = (UINT64_C(1) << (n_features - f)) - 1;
        sum = _mm512_add_epi64(sum, _mm512_sad_epu8(_mm512_maskz_loadu_epi8(mask, x + f),
                                                    _mm512_maskz_loadu_epi8(mask, y + f)));
    }
    return (int32_t)_mm512_reduce_add_epi64(sum);
}

const knnc_kernel knnc_manhattan_u8_avx512bw = {
    .name = "manhattan_u8_avx512bw",
    .metric = KNNC_MANHATTAN,
    .needs = KNNC_CPU_AVX2 | KNNC_CPU_AVX512BW,
    .layout = {.panel_rows = ROWS,
               .lane = 8,
               .tile_queries = QUERIES,
               .query_form = KNNC_RAW_U8,
               .bias = 0},
    .tile = tile,
    .pair = pair,
};

#endif
