/* Squared Euclidean distance of bytes, AVX-512 VNNI: 64 multiply-adds an instruction.
 *
 * instruction     latency  a cycle, Cascade Lake  Zen 5    per step of 4 features
 * vpdpbusd zmm       5     2 (p0, p5)             2        24
 * vpbroadcastd mem   -     2 (p2, p3)             2         8
 * vmovdqa64 load     -     2 (p2, p3)             2         3
 *
 * The rows are raw unsigned bytes; the queries are stored as 127 - q, which fits a signed byte, so
 * that the sum has the sign with which tile.h tests all accumulators by or-ing them.
 */
#if defined(__x86_64__) || defined(_M_X64)

#include <immintrin.h>

#include "cpu.h"
#include "tile.h"

#define TARGET KNNC_TARGET("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,popcnt")
#define WIDTH 512
#define LANE 4

/* With the intrinsic, gcc 12 spills accumulators to the stack; with inline assembly it does not. */
TARGET KNNC_INLINE __m512i multiply_add(__m512i acc, __m512i rows, __m512i query) {
#if KNNC_ASSEMBLY
    __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(rows), "v"(query));
    return acc;
#else
    return _mm512_dpbusd_epi32(acc, rows, query);
#endif
}

TARGET KNNC_INLINE __m512i load_row(const uint8_t *x) { return _mm512_load_si512(x); }

#include "sqeuclidean_u8_x86.h"

/* d = |x - y| fits a byte but not a signed one: d * (d - 128) + 128 d = d^2, and d - 128 is d with
 * its top bit flipped.  6 instructions for 64 features. */
#define ADD_SQUARES(a, b)                                                                          \
    do {                                                                                           \
        const __m512i diff = _mm512_sub_epi8(_mm512_max_epu8(a, b), _mm512_min_epu8(a, b));        \
        squares = _mm512_dpbusd_epi32(squares, diff, _mm512_xor_si512(diff, top));                 \
        sum = _mm512_dpbusd_epi32(sum, diff, ones);                                                \
    } while (0)

TARGET static int32_t pair(const uint8_t *x, const uint8_t *y, int64_t n_features) {
    const __m512i ones = _mm512_set1_epi8(1), top = _mm512_set1_epi8(-128);
    __m512i squares = _mm512_setzero_si512(), sum = _mm512_setzero_si512();
    int64_t f = 0;
    for (; f + 64 <= n_features; f += 64)
        ADD_SQUARES(_mm512_loadu_si512(x + f), _mm512_loadu_si512(y + f));
    if (f < n_features) {
        const __mmask64 mask = (UINT64_C(1) << (n_features - f)) - 1;
        ADD_SQUARES(_mm512_maskz_loadu_epi8(mask, x + f), _mm512_maskz_loadu_epi8(mask, y + f));
    }
    return _mm512_reduce_add_epi32(_mm512_add_epi32(squares, _mm512_slli_epi32(sum, 7)));
}

KNNC_KERNEL(KNNC_SQEUCLIDEAN, sqeuclidean_u8_avx512vnni,
            KNNC_CPU_AVX2 | KNNC_CPU_AVX512BW | KNNC_CPU_AVX512VNNI, KNNC_BIASED_8, 127);

#endif
