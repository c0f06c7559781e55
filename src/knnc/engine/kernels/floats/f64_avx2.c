/* Rows of floats with AVX2: 4 queries a vector.
 *
 * A step of squared Euclidean is vsubpd, vmulpd, vaddpd (latency 4, two a cycle on Intel from
 * Skylake on, and two adds beside two multiplications on AMD).  16 registers hold 4 of the 8
 * sums of 3 rows, so each tile reads the features twice; a query's value is loaded once for 3 rows.
 */
#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>

#include "cpu.h"
#include "floats.h"

#define LANES 4
#define TILE_ROWS 3
#define PASS_SUMS 4
#define TARGET KNNC_TARGET("avx2")
#define KERNEL knnc_f64_avx2
#define KERNEL_NAME "f64_avx2"
#define NEEDS KNNC_CPU_AVX2

typedef __m256d vec;
#define LOAD(p) _mm256_loadu_pd(p)
#define LOAD_F32(p) _mm256_cvtps_pd(_mm_loadu_ps(p))
#define STORE(p, v) _mm256_storeu_pd(p, v)
#define SPREAD(p) _mm256_broadcast_sd(p)
#define ZERO _mm256_setzero_pd()
#define ADD(a, b) _mm256_add_pd(a, b)
#define SUB(a, b) _mm256_sub_pd(a, b)
#define MUL(a, b) _mm256_mul_pd(a, b)
#define DIV(a, b) _mm256_div_pd(a, b)
#define ABS(a) _mm256_andnot_pd(_mm256_set1_pd(-0.0), a)
#define MAX(a, b) _mm256_max_pd(a, b)
#define MIN(a, b) _mm256_min_pd(a, b)
#define DIFFER(a, b) _mm256_and_pd(_mm256_cmp_pd(a, b, _CMP_NEQ_OQ), _mm256_set1_pd(1.0))
#define BELOW(key, limits)                                                                         \
    (uint64_t)_mm256_movemask_pd(_mm256_castsi256_pd(_mm256_cmpgt_epi64(                           \
        _mm256_loadu_si256((const __m256i *)(limits)), _mm256_castpd_si256(key))))

/* Vectors of float32, for projections, which may round in any way. */
#define FLOATS 8
#define PROJECTED_ROWS 4
typedef __m256 floats;
#define LOAD_FLOATS(p) _mm256_loadu_ps(p)
#define STORE_FLOATS(p, v) _mm256_storeu_ps(p, v)
#define SPREAD_FLOAT(x) _mm256_set1_ps(x)
#define ADD_FLOATS(a, b) _mm256_add_ps(a, b)
#define ADD_PRODUCT(sum, a, b) _mm256_add_ps(sum, _mm256_mul_ps(a, b))

#include "f64_tile.h"
#endif
