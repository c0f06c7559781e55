/* Hamming distance of bytes, NEON: 16 comparisons an instruction.
 *
 * instruction   latency  a cycle, Cortex-A72  Neoverse N1   per step of 4 features
 * cmeq 16b        3        2 (F0, F1)           2              20
 * sub 16b         3        2                    2              20
 * ld1r 4s         -        1                    2               4
 * ldr q           -        1                    2               5
 *
 * Register tile: 4 queries x 20 rows = 20 counters, 4 queries, 1 vector of rows, 1 comparison.
 * A counter of 8 bits counts equal features for at most 255 steps; the 4 counters of a row are then
 * added up and taken from sums of 32 bits in memory.
 */
#if defined(__aarch64__) || defined(_M_ARM64)

#include "neon.h"

#define QUERIES 4
#define VECTORS 5
#define ROWS (4 * VECTORS)
#define MAX_STEPS 255 /* of a counter of 8 bits */

/* clang 14, given the intrinsics, makes three instructions of it. */
KNNC_INLINE uint8x16_t add_equal(uint8x16_t counts, uint8x16_t row, uint8x16_t query) {
#if defined(__GNUC__)
    uint8x16_t equal;
    __asm__("cmeq %1.16b, %2.16b, %3.16b\n\tsub %0.16b, %0.16b, %1.16b"
            : "+w"(counts), "=&w"(equal)
            : "w"(row), "w"(query));
    return counts;
#else
    return vsubq_u8(counts, vceqq_u8(row, query));
#endif
}

/* sums -= the equal features of at most MAX_STEPS steps. */
KNNC_INLINE void take_equal(const int used, const uint8_t *x, const uint32_t *y, int64_t n_steps,
                            uint32x4_t (*sums)[VECTORS]) {
    uint8x16_t counts[QUERIES][VECTORS];
    KNNC_UNROLL
    for (int q = 0; q < used; q++) {
        KNNC_UNROLL
        for (int v = 0; v < VECTORS; v++) counts[q][v] = vdupq_n_u8(0);
    }
    for (int64_t s = 0; s < n_steps; s++, x += ROWS * 4, y += QUERIES) {
        uint8x16_t query[QUERIES];
        KNNC_UNROLL
        for (int q = 0; q < used; q++) query[q] = vreinterpretq_u8_u32(vld1q_dup_u32(y + q));
        KNNC_UNROLL
        for (int v = 0; v < VECTORS; v++) {
            const uint8x16_t row = vld1q_u8(x + 16 * v);
            KNNC_UNROLL
            for (int q = 0; q < used; q++) counts[q][v] = add_equal(counts[q][v], row, query[q]);
        }
    }
    KNNC_UNROLL
    for (int q = 0; q < used; q++) {
        KNNC_UNROLL
        for (int v = 0; v < VECTORS; v++)
            sums[q][v] = vsubq_u32(sums[q][v], vpaddlq_u16(vpaddlq_u8(counts[q][v])));
    }
}

/* The first `used` queries of a tile; a constant where this is inlined. */
KNNC_INLINE void scan(const int used, const knnc_rows *rows, int64_t first_panel,
                      int64_t last_panel, knnc_queries *queries, knnc_push push, void *context) {
    const int32_t n_features = 4 * (int32_t)rows->n_steps;
    int32_t bounds[QUERIES];
    knnc_sum_bounds(queries, QUERIES, bounds);
    for (int64_t p = first_panel; p < last_panel; p++) {
        const int32_t *terms = rows->terms + p * ROWS;
        const uint8_t *x = rows->panels + p * rows->n_steps * (ROWS * 4);
        const uint32_t *y = queries->values; /* four features a query */
        uint32x4_t acc[QUERIES][VECTORS];
        KNNC_UNROLL
        for (int q = 0; q < used; q++) {
            KNNC_UNROLL
            for (int v = 0; v < VECTORS; v++)
                acc[q][v] = knnc_neon_start(terms + 4 * v, bounds[q] + n_features);
        }
        for (int64_t left = rows->n_steps; left > 0; left -= MAX_STEPS) {
            const int64_t n_steps = left < MAX_STEPS ? left : MAX_STEPS;
            take_equal(used, x, y, n_steps, acc);
            x += n_steps * (ROWS * 4);
            y += n_steps * QUERIES;
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
static void tile(const knnc_rows *rows, int64_t first_panel, int64_t last_panel,
                 knnc_queries *queries, knnc_push push, void *context) {
    if (queries->n_queries == 1)
        scan(1, rows, first_panel, last_panel, queries, push, context);
    else
        scan(QUERIES, rows, first_panel, last_panel, queries, push, context);
}

static int32_t pair(const uint8_t *x, const uint8_t *y, int64_t n_features) {
    uint32x4_t sum = vdupq_n_u32(0);
    const uint8x16_t ones = vdupq_n_u8(1);
    int64_t f = 0;
    for (; f + 16 <= n_features; f += 16) {
        const uint8x16_t equal = vceqq_u8(vld1q_u8(x + f), vld1q_u8(y + f));
        sum = vpadalq_u16(sum, vpaddlq_u8(vbicq_u8(ones, equal)));
    }
    uint32_t total = vaddvq_u32(sum);
    for (; f < n_features; f++) total += x[f] != y[f];
    return (int32_t)total;
}

const knnc_kernel knnc_hamming_u8_neon = {
    .name = "hamming_u8_neon",
    .metric = KNNC_HAMMING,
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
