/* Squared Euclidean distance of bytes, NEON with dot products: 16 multiply-adds an instruction.
 *
 * instruction       latency  a cycle, Neoverse N1  Neoverse V1, Apple M1   per step of 4 features
 * udot, by element    3-4      2                     4                        24
 * ldr q               -        2                     3                         5
 *
 * Register tile: 8 queries x 12 rows = 24 accumulators, 3 vectors of rows, 2 vectors of 4 queries
 * each, of which udot takes one by its number: nothing has to be broadcast.  Both factors of udot
 * are unsigned; the queries are stored as 255 - q, so that the sum has the sign tile.h tests.
 */
#if defined(__aarch64__) || defined(_M_ARM64)

#include "neon.h"

#define TARGET KNNC_TARGET_DOTPROD
#define QUERIES 8
#define VECTORS 3
#define ROWS (4 * VECTORS)

#define ADD_QUERY(q, four, lane)                                                                   \
    KNNC_DOT_LANE(acc[q][0], row[0], four, lane);                                                  \
    KNNC_DOT_LANE(acc[q][1], row[1], four, lane);                                                  \
    KNNC_DOT_LANE(acc[q][2], row[2], four, lane)

/* The first `used` queries of a tile; a constant where this is inlined. */
TARGET KNNC_INLINE void scan(const int used, const knnc_rows *rows, int64_t first_panel,
                             int64_t last_panel, knnc_queries *queries, knnc_push push,
                             void *context) {
    int32_t bounds[QUERIES];
    knnc_half_bounds(queries, QUERIES, bounds);
    for (int64_t p = first_panel; p < last_panel; p++) {
        const int32_t *terms = rows->terms + p * ROWS;
        const uint8_t *x = rows->panels + p * rows->n_steps * (ROWS * 4);
        const uint8_t *y = queries->values;
        uint32x4_t acc[QUERIES][VECTORS];
        KNNC_UNROLL
        for (int q = 0; q < used; q++) {
            KNNC_UNROLL
            for (int v = 0; v < VECTORS; v++) acc[q][v] = knnc_neon_start(terms + 4 * v, bounds[q]);
        }
        for (int64_t s = 0; s < rows->n_steps; s++, x += ROWS * 4, y += QUERIES * 4) {
            const uint8x16_t row[VECTORS] = {vld1q_u8(x), vld1q_u8(x + 16), vld1q_u8(x + 32)};
            const uint8x16_t low = vld1q_u8(y);
            ADD_QUERY(0, low, 0);
            if (used > 1) {
                const uint8x16_t high = vld1q_u8(y + 16);
                ADD_QUERY(1, low, 1);
                ADD_QUERY(2, low, 2);
                ADD_QUERY(3, low, 3);
                ADD_QUERY(4, high, 0);
                ADD_QUERY(5, high, 1);
                ADD_QUERY(6, high, 2);
                ADD_QUERY(7, high, 3);
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
            knnc_neon_emit(&sums[0][0], used, ROWS, terms, p * ROWS, bounds, queries, push,
                           context);
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
    uint32x4_t sum = vdupq_n_u32(0);
    int64_t f = 0;
    for (; f + 16 <= n_features; f += 16) {
        const uint8x16_t diff = vabdq_u8(vld1q_u8(x + f), vld1q_u8(y + f));
        KNNC_DOT(sum, diff, diff);
    }
    uint32_t total = vaddvq_u32(sum);
    for (; f < n_features; f++) {
        const int32_t diff = (int32_t)x[f] - (int32_t)y[f];
        total += (uint32_t)(diff * diff);
    }
    return (int32_t)total;
}

const knnc_kernel knnc_sqeuclidean_u8_neondotprod = {
    .name = "sqeuclidean_u8_neondotprod",
    .metric = KNNC_SQEUCLIDEAN,
    .needs = KNNC_CPU_NEON | KNNC_CPU_NEONDOTPROD,
    .layout = {.panel_rows = ROWS,
               .lane = 4,
               .tile_queries = QUERIES,
               .query_form = KNNC_BIASED_8,
               .bias = 255},
    .tile = tile,
    .pair = pair,
};

#endif
