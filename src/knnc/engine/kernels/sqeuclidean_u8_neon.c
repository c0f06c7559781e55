/* Squared Euclidean distance of bytes, NEON: 8 multiplications an instruction.
 *
 * instruction        latency  a cycle, Cortex-A72   per step of 2 features
 * umull, umull2 8h     4        1 (F0)                 18
 * uadalp 4s            4 (1)    1 (F1)                 18
 * ld1r 8h              -        1                       3
 *
 * Register tile: 3 queries x 24 rows = 18 accumulators, 3 queries, 1 vector of rows, 2 products;
 * with 24 accumulators gcc 12 and clang 14 keep some of them in memory.
 * A product of two bytes fits 16 bits, but a sum of two does not.  So uadalp adds the products of
 * the two features of a row to 32 bits.  umlal on 16-bit numbers takes as many multiplication slots
 * for half the products.  The queries are stored as 255 - q, which is unsigned, so that the sum has
 * the sign that tile.h tests.
 */
#if defined(__aarch64__) || defined(_M_ARM64)

#include "neon.h"
#include "pair_u8.h"

#define TARGET
#define LANE 2
#define QUERIES 3
#define VECTOR uint32x4_t
#define VECTOR_ROWS 4
#define LOADS 3 /* of 8 rows, with two accumulators each */
#define VECTORS (2 * LOADS)

KNNC_INLINE void add_products(const int used, VECTOR (*acc)[VECTORS], const uint8_t *x,
                              const uint8_t *y, int64_t n_steps) {
    for (int64_t s = 0; s < n_steps; s++, x += 8 * LOADS * LANE, y += QUERIES * LANE) {
        uint8x16_t query[QUERIES];
        KNNC_UNROLL
        for (int q = 0; q < used; q++)
            query[q] = vreinterpretq_u8_u16(vld1q_dup_u16((const uint16_t *)y + q));
        KNNC_UNROLL
        for (int v = 0; v < LOADS; v++) {
            const uint8x16_t row = vld1q_u8(x + 16 * v);
            KNNC_UNROLL
            for (int q = 0; q < used; q++) {
                const uint16x8_t low = vmull_u8(vget_low_u8(row), vget_low_u8(query[q]));
                acc[q][2 * v] = vpadalq_u16(acc[q][2 * v], low);
                const uint16x8_t high = vmull_high_u8(row, query[q]);
                acc[q][2 * v + 1] = vpadalq_u16(acc[q][2 * v + 1], high);
            }
        }
    }
}

#include "sqeuclidean_u8_128.h"

static int32_t pair(const uint8_t *x, const uint8_t *y, int64_t n_features) {
    uint32x4_t low = vdupq_n_u32(0), high = vdupq_n_u32(0);
    int64_t f = 0;
    for (; f + 16 <= n_features; f += 16) {
        const uint8x16_t diff = vabdq_u8(vld1q_u8(x + f), vld1q_u8(y + f));
        low = vpadalq_u16(low, vmull_u8(vget_low_u8(diff), vget_low_u8(diff)));
        high = vpadalq_u16(high, vmull_high_u8(diff, diff));
    }
    uint32_t total = vaddvq_u32(vaddq_u32(low, high));
    return (int32_t)total + knnc_sqeuclidean(x + f, y + f, n_features - f);
}

KNNC_KERNEL(KNNC_SQEUCLIDEAN, sqeuclidean_u8_neon, KNNC_CPU_NEON, KNNC_BIASED_8, 255);

#endif
