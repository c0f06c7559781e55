/* Chebyshev distance of bytes, NEON: 16 absolute differences an instruction, and another for the
 * largest.
 *
 * instruction   latency  a cycle, Cortex-A72  Neoverse N1   per step of 4 features
 * uabd            3        2 (F0, F1)           2              20
 * umax 16b        3        2                    2              20
 * ld1r 4s         -        1                    2               4
 * ldr q           -        1                    2               5
 *
 * 4 features of a row lie side by side, and its distance is the largest of their 4 bytes.  Every
 * MAX_STEPS steps the tile is left if none of its rows can pass any more.
 */
#if defined(__aarch64__) || defined(_M_ARM64)

#include "neon.h"
#include "pair_u8.h"

#define TARGET
#define LARGEST 1
#define MAX_STEPS 16

KNNC_INLINE uint8x16_t add(uint8x16_t largest, uint8x16_t row, uint8x16_t query) {
    return vmaxq_u8(largest, vabdq_u8(row, query));
}

#include "u8_neon.h"

static int32_t pair(const uint8_t *x, const uint8_t *y, int64_t n_features) {
    uint8x16_t largest = vdupq_n_u8(0);
    int64_t f = 0;
    for (; f + 16 <= n_features; f += 16) largest = add(largest, vld1q_u8(x + f), vld1q_u8(y + f));
    const int32_t dist = vmaxvq_u8(largest), rest = knnc_chebyshev(x + f, y + f, n_features - f);
    return rest > dist ? rest : dist;
}

KNNC_KERNEL(KNNC_CHEBYSHEV, chebyshev_u8_neon, KNNC_CPU_NEON, KNNC_RAW_U8, 0);

#endif
