/* Rows of floats with AVX-512: 8 queries a vector, and 32 registers for the 8 sums of 3 rows.
 *
 * vsubpd, vmulpd and vaddpd have latency 4 and two ports on server parts, one on others; a row's
 * value comes with vsubpd as a broadcast from memory.
 */
#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>

#include "cpu.h"
#include "floats.h"

#define LANES 8
#define TILE_ROWS 3
#define PASS_SUMS 8
#define TARGET KNNC_TARGET("avx512f,avx512bw,avx512dq,avx512vl")
#define KERNEL knnc_f64_avx512bw
#define KERNEL_NAME "f64_avx512bw"
#define NEEDS KNNC_CPU_AVX512BW

typedef __m512d vec;
#define LOAD(p) _mm512_loadu_pd(p)
#define LOAD_F32(p) _mm512_cvtps_pd(_mm256_loadu_ps(p))
#define STORE(p, v) _mm512_storeu_pd(p, v)
#define SPREAD(p) _mm512_set1_pd(*(p))
#define ZERO _mm512_setzero_pd()
#define ADD(a, b) _mm512_add_pd(a, b)
#define SUB(a, b) _mm512_sub_pd(a, b)
#define MUL(a, b) _mm512_mul_pd(a, b)
#define DIV(a, b) _mm512_div_pd(a, b)
#define ABS(a) _mm512_andnot_pd(_mm512_set1_pd(-0.0), a)
#define MAX(a, b) _mm512_max_pd(a, b)
#define MIN(a, b) _mm512_min_pd(a, b)
#define DIFFER(a, b) _mm512_maskz_mov_pd(_mm512_cmp_pd_mask(a, b, _CMP_NEQ_OQ), _mm512_set1_pd(1.0))
#define BELOW(key, limits)                                                                         \
    (uint64_t)_mm512_cmplt_epi64_mask(_mm512_castpd_si512(key), _mm512_loadu_si512(limits))

/* Vectors of float32, for projections, which may round in any way. */
#define FLOATS 16
#define PROJECTED_ROWS 8
typedef __m512 floats;
#define LOAD_FLOATS(p) _mm512_loadu_ps(p)
#define STORE_FLOATS(p, v) _mm512_storeu_ps(p, v)
#define SPREAD_FLOAT(x) _mm512_set1_ps(x)
#define ADD_FLOATS(a, b) _mm512_add_ps(a, b)
#define ADD_PRODUCT(sum, a, b) _mm512_fmadd_ps(a, b, sum)

#include "f64_tile.h"
#endif
