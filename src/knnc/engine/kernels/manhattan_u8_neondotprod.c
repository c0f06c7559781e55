/* Manhattan distance of bytes, NEON with dot products: 16 absolute differences an instruction, and
 * another that adds them up.
 *
 * instruction   latency  a cycle, Neoverse N1  Neoverse V1, Apple M1   per step of 4 features
 * uabd            2-3      2                     4                        20
 * udot            3-4      2                     4                        20
 * ld1r 4s         -        2                     3                         4
 * ldr q           -        2                     3                         5
 *
 * Another register holds the ones with which udot sums the four features of a row.  With 24
 * accumulators gcc 12 and clang 14 keep some of them in memory.
 */
#include "kernels.h"

#if KNNC_WITH_NEONDOTPROD

#include "neon.h"
#include "pair_u8.h"

#define TARGET KNNC_TARGET_DOTPROD
#define LARGEST 0
#define MAX_STEPS KNNC_BLOCK_FEATURES

TARGET KNNC_INLINE uint32x4_t add(uint32x4_t sums, uint8x16_t row, uint8x16_t query) {
    const uint8x16_t diff = vabdq_u8(row, query), ones = vdupq_n_u8(1);
    KNNC_DOT(sums, diff, ones);
    return sums;
}

#include "u8_neon.h"

TARGET static int32_t pair(const uint8_t *x, const uint8_t *y, int64_t n_features) {
    uint32x4_t sum = vdupq_n_u32(0);
    int64_t f = 0;
    for (; f + 16 <= n_features; f += 16) sum = add(sum, vld1q_u8(x + f), vld1q_u8(y + f));
    return (int32_t)vaddvq_u32(sum) + knnc_manhattan(x + f, y + f, n_features - f);
}

KNNC_KERNEL(KNNC_MANHATTAN, manhattan_u8_neondotprod, KNNC_CPU_NEON | KNNC_CPU_NEONDOTPROD,
            KNNC_RAW_U8, 0);

#endif
