/* Squared Euclidean distance of bytes, NEON with dot products: 16 multiply-adds an instruction.
 *
 * instruction       latency  a cycle, Neoverse N1  Neoverse V1, Apple M1   per step of 4 features
 * udot, by element    3-4      2                     4                        24
 * ldr q               -        2                     3                         5
 *
 * Register tile: 8 queries x 12 rows = 24 accumulators, 3 vectors of rows, 2 vectors of 4 queries
 * each.  udot takes one query of a vector by its number, so nothing has to be broadcast.  Both
 * factors of udot are unsigned; the queries are stored as 255 - q, so that the sum has the sign
 * that tile.h tests.
 */
#include "kernels.h"

#if KNNC_WITH_NEONDOTPROD

#include "neon.h"
#include "pair_u8.h"

#define TARGET KNNC_TARGET_DOTPROD
#define LANE 4
#define QUERIES 8
#define VECTOR uint32x4_t
#define VECTOR_ROWS 4
#define VECTORS 3

#define ADD_QUERY(q, four, lane)                                                                   \
    KNNC_DOT_LANE(acc[q][0], row[0], four, lane);                                                  \
    KNNC_DOT_LANE(acc[q][1], row[1], four, lane);                                                  \
    KNNC_DOT_LANE(acc[q][2], row[2], four, lane)

TARGET KNNC_INLINE void add_products(const int used, VECTOR (*acc)[VECTORS], const uint8_t *x,
                                     const uint8_t *y, int64_t n_steps) {
    for (int64_t s = 0; s < n_steps; s++, x += VECTOR_ROWS * VECTORS * LANE, y += QUERIES * LANE) {
        uint8x16_t row[VECTORS];
        KNNC_UNROLL
        for (int v = 0; v < VECTORS; v++) row[v] = vld1q_u8(x + 16 * v);
        if (used == 1) {
            const uint8x16_t query = vreinterpretq_u8_u32(vld1q_dup_u32((const uint32_t *)y));
            ADD_QUERY(0, query, 0);
        } else {
            const uint8x16_t low = vld1q_u8(y), high = vld1q_u8(y + 16);
            ADD_QUERY(0, low, 0);
            ADD_QUERY(1, low, 1);
            ADD_QUERY(2, low, 2);
            ADD_QUERY(3, low, 3);
            ADD_QUERY(4, high, 0);
            ADD_QUERY(5, high, 1);
            ADD_QUERY(6, high, 2);
            ADD_QUERY(7, high, 3);
        }
    }
}

#include "sqeuclidean_u8_128.h"

TARGET static int32_t pair(const uint8_t *x, const uint8_t *y, int64_t n_features) {
    uint32x4_t sum = vdupq_n_u32(0);
    int64_t f = 0;
    for (; f + 16 <= n_features; f += 16) {
        const uint8x16_t diff = vabdq_u8(vld1q_u8(x + f), vld1q_u8(y + f));
        KNNC_DOT(sum, diff, diff);
    }
    uint32_t total = vaddvq_u32(sum);
    return (int32_t)total + knnc_sqeuclidean(x + f, y + f, n_features - f);
}

KNNC_KERNEL(KNNC_SQEUCLIDEAN, sqeuclidean_u8_neondotprod, KNNC_CPU_NEON | KNNC_CPU_NEONDOTPROD,
            KNNC_BIASED_8, 255);

#endif
