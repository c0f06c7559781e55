/* Chebyshev distance of bytes, NEON: 16 absolute differences an instruction, and another for the
 * largest.
 *
 * instruction   latency  a cycle, Cortex-A72  Neoverse N1   per step of 4 features
 * uabd            3        2 (F0, F1)           2              20
 * umax 16b        3        2                    2              20
 * ld1r 4s         -        1                    2               4
 * ldr q           -        1                    2               5
 *
 * Register tile: 4 queries x 20 rows = 20 accumulators, 4 queries, 1 vector of rows, 1 difference.
 * 4 features of a row lie side by side, and its distance is the largest of their 4 bytes.  Every
 * CHECK steps the tile is left if none of its rows can pass any more.
 */
#if defined(__aarch64__) || defined(_M_ARM64)

#include "neon.h"

#define QUERIES 4
#define VECTORS 5
#define ROWS (4 * VECTORS)
#define CHECK 16

/* All bits of a number for each row of which no byte is above the bound. */
KNNC_INLINE uint32x4_t passing(uint8x16_t acc, int32_t bound) {
    const uint8x16_t limit = vreinterpretq_u8_s32(vdupq_n_s32(bound));
    return vceqzq_u32(vreinterpretq_u32_u8(vqsubq_u8(acc, limit)));
}

KNNC_NOINLINE void emit(const uint8x16_t (*acc)[VECTORS], int used, const int32_t *terms,
                        int64_t first_row, int32_t *bounds, knnc_queries *queries, knnc_push push,
                        void *context) {
    for (int q = 0; q < used; q++) {
        uint64_t mask = 0;
        for (int v = 0; v < VECTORS; v++)
            mask |= knnc_signs(vreinterpretq_s32_u32(passing(acc[q][v], bounds[q]))) << (4 * v);
        if (mask)
            knnc_emit_chebyshev(mask, (const uint8_t *)acc[q], terms, first_row, q, &bounds[q],
                                queries, push, context);
    }
}

/* The first `used` queries of a tile; a constant where this is inlined. */
KNNC_INLINE void scan(const int used, const knnc_rows *rows, int64_t first_panel,
                      int64_t last_panel, knnc_queries *queries, knnc_push push, void *context) {
    int32_t bounds[QUERIES], starts[QUERIES];
    knnc_byte_bounds(queries, QUERIES, bounds, starts);
    for (int64_t p = first_panel; p < last_panel; p++) {
        const int32_t *terms = rows->terms + p * ROWS;
        const uint8_t *x = rows->panels + p * rows->n_steps * (ROWS * 4);
        const uint32_t *y = queries->values; /* four features a query */
        int passes = 1;
        uint8x16_t acc[QUERIES][VECTORS];
        KNNC_UNROLL
        for (int v = 0; v < VECTORS; v++) {
            const int32x4_t term = vld1q_s32(terms + 4 * v);
            const uint32x4_t is_padding = vtstq_s32(term, term);
            KNNC_UNROLL
            for (int q = 0; q < used; q++)
                acc[q][v] = vreinterpretq_u8_u32(
                    vorrq_u32(is_padding, vreinterpretq_u32_s32(vdupq_n_s32(starts[q]))));
        }
        for (int64_t s = 0; s < rows->n_steps && passes;) {
            const int64_t stop = s + CHECK < rows->n_steps ? s + CHECK : rows->n_steps;
            for (; s < stop; s++, x += ROWS * 4, y += QUERIES) {
                uint8x16_t query[QUERIES];
                KNNC_UNROLL
                for (int q = 0; q < used; q++)
                    query[q] = vreinterpretq_u8_u32(vld1q_dup_u32(y + q));
                KNNC_UNROLL
                for (int v = 0; v < VECTORS; v++) {
                    const uint8x16_t row = vld1q_u8(x + 16 * v);
                    KNNC_UNROLL
                    for (int q = 0; q < used; q++)
                        acc[q][v] = vmaxq_u8(acc[q][v], vabdq_u8(row, query[q]));
                }
            }
            uint32x4_t any = vdupq_n_u32(0);
            KNNC_UNROLL
            for (int q = 0; q < used; q++) {
                KNNC_UNROLL
                for (int v = 0; v < VECTORS; v++)
                    any = vorrq_u32(any, passing(acc[q][v], bounds[q]));
            }
            passes = knnc_any_sign(any);
        }
        if (passes) {
            uint8x16_t kept[QUERIES][VECTORS];
            KNNC_UNROLL
            for (int q = 0; q < used; q++) {
                KNNC_UNROLL
                for (int v = 0; v < VECTORS; v++) kept[q][v] = acc[q][v];
            }
            emit((const uint8x16_t(*)[VECTORS])kept, queries->n_queries, terms, p * ROWS, bounds,
                 queries, push, context);
        }
    }
}

/* A query alone is not compared with padding. */
static void tile(const knnc_rows *rows, int64_t first_panel, int64_t last_panel,
                 knnc_queries *queries, knnc_push push, void *context) {
    if (queries->n_queries == 1)
        scan(1, rows, first_panel, last_panel, queries, push, context);
    else
        scan(QUERIES, rows, first_panel, last_panel, queries, push, context);
}

static int32_t pair(const uint8_t *x, const uint8_t *y, int64_t n_features) {
    uint8x16_t largest = vdupq_n_u8(0);
    int64_t f = 0;
    for (; f + 16 <= n_features; f += 16)
        largest = vmaxq_u8(largest, vabdq_u8(vld1q_u8(x + f), vld1q_u8(y + f)));
    int32_t dist = vmaxvq_u8(largest);
    for (; f < n_features; f++) {
        const int32_t diff = x[f] < y[f] ? y[f] - x[f] : x[f] - y[f];
        dist = diff > dist ? diff : dist;
    }
    return dist;
}

const knnc_kernel knnc_chebyshev_u8_neon = {
    .name = "chebyshev_u8_neon",
    .metric = KNNC_CHEBYSHEV,
    .needs = KNNC_CPU_NEON,
    .layout = {.panel_rows = ROWS,
               .lane = 4,
               .tile_queries = QUERIES,
               .query_form = KNNC_RAW_U8,
               .bias = 0},
    .tile = tile,
    .pair = pair,
};

#endif
