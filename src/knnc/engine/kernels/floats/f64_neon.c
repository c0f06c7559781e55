/* Rows of floats with NEON: 2 queries a vector, and 32 registers for the 8 sums of 3 rows. */
#if defined(__aarch64__) || defined(_M_ARM64)
#include <arm_neon.h>

#include "cpu.h"
#include "floats.h"

#define LANES 2
#define TILE_ROWS 3
#define PASS_SUMS 8
#define TARGET
#define KERNEL knnc_f64_neon
#define KERNEL_NAME "f64_neon"
#define NEEDS KNNC_CPU_NEON

typedef float64x2_t vec;
#define LOAD(p) vld1q_f64(p)
#define LOAD_F32(p) vcvt_f64_f32(vld1_f32(p))
#define STORE(p, v) vst1q_f64(p, v)
#define SPREAD(p) vld1q_dup_f64(p)
#define ZERO vdupq_n_f64(0)
#define ADD(a, b) vaddq_f64(a, b)
#define SUB(a, b) vsubq_f64(a, b)
#define MUL(a, b) vmulq_f64(a, b)
#define DIV(a, b) vdivq_f64(a, b)
#define ABS(a) vabsq_f64(a)
#define MAX(a, b) vmaxq_f64(a, b)
#define MIN(a, b) vminq_f64(a, b)
#define DIFFER(a, b)                                                                               \
    vreinterpretq_f64_u64(vbicq_u64(vreinterpretq_u64_f64(vdupq_n_f64(1.0)), vceqq_f64(a, b)))
#define BELOW(key, limits) mask_of(vcltq_s64(vreinterpretq_s64_f64(key), vld1q_s64(limits)))

KNNC_INLINE uint64_t mask_of(uint64x2_t is_below) {
    return (vgetq_lane_u64(is_below, 0) & 1) | (vgetq_lane_u64(is_below, 1) & 2);
}

/* Vectors of float32, for projections, which may round in any way. */
#define FLOATS 4
#define PROJECTED_ROWS 4
typedef float32x4_t floats;
#define LOAD_FLOATS(p) vld1q_f32(p)
#define STORE_FLOATS(p, v) vst1q_f32(p, v)
#define SPREAD_FLOAT(x) vdupq_n_f32(x)
#define ADD_FLOATS(a, b) vaddq_f32(a, b)
#define ADD_PRODUCT(sum, a, b) vfmaq_f32(sum, a, b)

#include "f64_tile.h"
#endif
