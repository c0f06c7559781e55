/* Manhattan distance of bytes, NEON with dot products: 16 absolute differences an instruction, and
 * another that adds them up.
 *
 * instruction   latency  a cycle, Neoverse N1  Neoverse V1, Apple M1   per step of 4 features
 * uabd            2-3      2                     4                        20
 * udot            3-4      2                     4                        20
 * ld1r 4s         -        2                     3                         4
 * ldr q           -        2                     3                         5
 *
 * Register tile: 4 queries x 20 rows = 20 accumulators, 4 queries, 1 vector of rows, 1 difference,
 * and the ones with which udot sums the four features of a row.  With 24 accumulators gcc 12 and
 * clang 14 keep some of them in memory.
 */
#include "kernels.h"

#if KNNC_WITH_NEONDOTPROD

#include "neon.h"

#define TARGET KNNC_TARGET_DOTPROD
#define QUERIES 4
#define VECTORS 5
#define ROWS (4 * VECTORS)

/* The first `used` queries of a tile; a constant where this is inlined. */
TARGET KNNC_INLINE void scan(const int used, const knnc_rows *rows, int64_t first_panel,
                             int64_t last_panel, knnc_queries *queries, knnc_push push,
                             void *context) {
    int32_t bounds[QUERIES];
    knnc_sum_bounds(queries, QUERIES, bounds);
    for (int64_t p = first_panel; p < last_panel; p++) {
        const int32_t *terms = rows->terms + p * ROWS;
        const uint8_t *x = rows->panels + p * rows->n_steps * (ROWS * 4);
        const uint32_t *y = queries->values; /* four features a query */
        const uint8x16_t ones = vdupq_n_u8(1);
        uint32x4_t acc[QUERIES][VECTORS];
        KNNC_UNROLL
        for (int q = 0; q < used; q++) {
            KNNC_UNROLL
            for (int v = 0; v < VECTORS; v++) acc[q][v] = knnc_neon_start(terms + 4 * v, bounds[q]);
        }
        for (int64_t s = 0; s < rows->n_steps; s++, x += ROWS * 4, y += QUERIES) {
            uint8x16_t query[QUERIES];
            KNNC_UNROLL
            for (int q = 0; q < used; q++) query[q] = vreinterpretq_u8_u32(vld1q_dup_u32(y + q));
            KNNC_UNROLL
            for (int v = 0; v < VECTORS; v++) {
                const uint8x16_t row = vld1q_u8(x + 16 * v);
                KNNC_UNROLL
                for (int q = 0; q < used; q++) {
                    const uint8x16_t diff = vabdq_u8(row, query[q]);
                    KNNC_DOT(acc[q][v], diff, ones);
                }
            }
        }
        uint32x4_t any = acc[0][0];
        KNNC_UNROLL
        for (int q = 0; q < used; q++) {
            KNNC_UNROLL
            for (int v = 0; v < VECTORS; v++) any = vorrq_u32(any, acc[q][v]);
        }
        if (knnc_any_sign(any)) {
            int32_t sums[QUERIES][ROWS];
            KNNC_UNROLL
            for (int q = 0; q < used; q++) {
                KNNC_UNROLL
                for (int v = 0; v < VECTORS; v++)
                    vst1q_s32(&sums[q][4 * v], vreinterpretq_s32_u32(acc[q][v]));
            }
            knnc_neon_emit(&sums[0][0], used, ROWS, p * ROWS, bounds, queries, push, context);
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
    const uint8x16_t ones = vdupq_n_u8(1);
    uint32x4_t sum = vdupq_n_u32(0);
    int64_t f = 0;
    for (; f + 16 <= n_features; f += 16) {
        const uint8x16_t diff = vabdq_u8(vld1q_u8(x + f), vld1q_u8(y + f));
        KNNC_DOT(sum, diff, ones);
    }
    uint32_t total = vaddvq_u32(sum);
    for (; f < n_features; f++) total += x[f] < y[f] ? y[f] - x[f] : x[f] - y[f];
    return (int32_t)total;
}

const knnc_kernel knnc_manhattan_u8_neondotprod = {
    .name = "manhattan_u8_neondotprod",
    .metric = KNNC_MANHATTAN,
    .needs = KNNC_CPU_NEON | KNNC_CPU_NEONDOTPROD,
    .layout = {.panel_rows = ROWS,
               .lane = 4,
               .tile_queries = QUERIES,
               .query_form = KNNC_RAW_U8,
               .bias = 0},
    .tile = tile,
    .pair = pair,
};

#endif
