/* Hamming distance of bytes, NEON: 16 comparisons an instruction.
 *
 * instruction   latency  a cycle, Cortex-A72  Neoverse N1   per step of 4 features
 * cmeq 16b        3        2 (F0, F1)           2              20
 * sub 16b         3        2                    2              20
 * ld1r 4s         -        1                    2               4
 * ldr q           -        1                    2               5
 *
 * A counter of 8 bits counts equal features for at most 255 steps; the 4 counters of a row are then
 * added up and subtracted from sums of 32 bits in memory.
 */
#if defined(__aarch64__) || defined(_M_ARM64)

#include "neon.h"
#include "pair_u8.h"

#define TARGET
#define LARGEST 0
#define MAX_STEPS 255 /* of a counter of 8 bits */
#define COUNTER uint8x16_t
#define v_no_counts vdupq_n_u8(0)

/* With the intrinsics, clang 14 makes three instructions of it. */
KNNC_INLINE uint8x16_t add(uint8x16_t equal, uint8x16_t row, uint8x16_t query) {
#if KNNC_ASSEMBLY
    uint8x16_t is_equal;
    __asm__("cmeq %1.16b, %2.16b, %3.16b\n\tsub %0.16b, %0.16b, %1.16b"
            : "+w"(equal), "=&w"(is_equal)
            : "w"(row), "w"(query));
    return equal;
#else
    return vsubq_u8(equal, vceqq_u8(row, query));
#endif
}

KNNC_INLINE uint32x4_t collect(uint32x4_t sums, uint8x16_t equal, int64_t n_steps) {
    const uint32x4_t n_equal = vpaddlq_u16(vpaddlq_u8(equal));
    return vaddq_u32(sums, vsubq_u32(vdupq_n_u32(4 * (uint32_t)n_steps), n_equal));
}

#include "u8_neon.h"

static int32_t pair(const uint8_t *x, const uint8_t *y, int64_t n_features) {
    uint32x4_t sum = vdupq_n_u32(0);
    const uint8x16_t ones = vdupq_n_u8(1);
    int64_t f = 0;
    for (; f + 16 <= n_features; f += 16) {
        const uint8x16_t equal = vceqq_u8(vld1q_u8(x + f), vld1q_u8(y + f));
        sum = vpadalq_u16(sum, vpaddlq_u8(vbicq_u8(ones, equal)));
    }
    return (int32_t)vaddvq_u32(sum) + knnc_hamming(x + f, y + f, n_features - f);
}

KNNC_KERNEL(KNNC_HAMMING, hamming_u8_neon, KNNC_CPU_NEON, KNNC_RAW_U8, 0);

#endif
