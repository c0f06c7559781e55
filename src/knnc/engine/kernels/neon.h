/* What the NEON kernels share.  Include it on AArch64 only. */
#ifndef KNNC_NEON_H
#define KNNC_NEON_H

#include <arm_neon.h>

#include "cpu.h"
#include "tile.h"

/* Dot products are Armv8.2's. */
#if defined(__ARM_FEATURE_DOTPROD)
#define KNNC_TARGET_DOTPROD
#elif defined(__clang__)
#define KNNC_TARGET_DOTPROD KNNC_TARGET("dotprod")
#else
#define KNNC_TARGET_DOTPROD KNNC_TARGET("arch=armv8.2-a+dotprod")
#endif

/* acc[i] += sum over l < 4 of a[4 i + l] * b[4 i + l]; with a lane: * b[4 lane + l].  With
 * inline assembly gcc 12 spills one accumulator less; <arm_neon.h> of clang before 16 has the
 * intrinsics only if the whole file is compiled for them. */
#if defined(__clang__) ? __clang_major__ < 16 && !defined(__ARM_FEATURE_DOTPROD) : defined(__GNUC__)
#define KNNC_DOT(acc, a, b) __asm__("udot %0.4s, %1.16b, %2.16b" : "+w"(acc) : "w"(a), "w"(b))
#define KNNC_DOT_LANE(acc, a, b, lane)                                                             \
    __asm__("udot %0.4s, %1.16b, %2.4b[" #lane "]" : "+w"(acc) : "w"(a), "w"(b))
#else
#define KNNC_DOT(acc, a, b) ((acc) = vdotq_u32(acc, a, b))
#define KNNC_DOT_LANE(acc, a, b, lane) ((acc) = vdotq_laneq_u32(acc, a, b, lane))
#endif

/* Bit i is the sign of number i, of four. */
KNNC_INLINE uint64_t knnc_signs(uint32x4_t numbers) {
    const int32_t places[4] = {0, 1, 2, 3};
    return vaddvq_u32(vshlq_u32(vshrq_n_u32(numbers, 31), vld1q_s32(places)));
}

/* Whether any of the accumulators or-ed together is negative. */
KNNC_INLINE int knnc_any_sign(uint32x4_t any) { return vmaxvq_u32(any) >> 31 != 0; }

/* The start of the accumulators of four rows and a query. */
KNNC_INLINE uint32x4_t knnc_neon_start(const int32_t *terms, int32_t bound) {
    return vreinterpretq_u32_s32(vaddq_s32(vshrq_n_s32(vld1q_s32(terms), 1), vdupq_n_s32(bound)));
}

#endif
