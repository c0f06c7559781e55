/* Manhattan distance of bytes, NEON: 16 absolute differences an instruction, and another that adds
 * them up in pairs.
 *
 * instruction   latency  a cycle, Cortex-A72   per step of 4 features
 * uabd            3        2 (F0, F1)             20
 * uadalp 8h       4 (1)    1 (F1)                 20
 * ld1r 4s         -        1                       4
 * ldr q           -        1                       5
 *
 * uabal would do both in one instruction for 8 differences, but need twice the accumulators.  A
 * 16-bit accumulator adds two differences per step.  After 128 steps it is at most 65,280, and is
 * added to a 32-bit sum in memory.
 */
#if defined(__aarch64__) || defined(_M_ARM64)

#include "neon.h"
#include "pair_u8.h"

#define TARGET
#define LARGEST 0
#define MAX_STEPS 128
#define COUNTER uint16x8_t
#define v_no_counts vdupq_n_u16(0)

KNNC_INLINE uint16x8_t add(uint16x8_t counts, uint8x16_t row, uint8x16_t query) {
    return vpadalq_u8(counts, vabdq_u8(row, query));
}

KNNC_INLINE uint32x4_t collect(uint32x4_t sums, uint16x8_t counts, int64_t n_steps) {
    (void)n_steps;
    return vpadalq_u16(sums, counts);
}

#include "u8_neon.h"

static int32_t pair(const uint8_t *x, const uint8_t *y, int64_t n_features) {
    uint32x4_t sum = vdupq_n_u32(0);
    int64_t f = 0;
    for (; f + 16 <= n_features; f += 16)
        sum = vpadalq_u16(sum, vpaddlq_u8(vabdq_u8(vld1q_u8(x + f), vld1q_u8(y + f))));
    return (int32_t)vaddvq_u32(sum) + knnc_manhattan(x + f, y + f, n_features - f);
}

KNNC_KERNEL(KNNC_MANHATTAN, manhattan_u8_neon, KNNC_CPU_NEON, KNNC_RAW_U8, 0);

#endif
