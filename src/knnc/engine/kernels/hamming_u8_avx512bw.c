/* Hamming distance of bytes, AVX-512BW: 64 comparisons an instruction.
 *
 * instruction          latency  a cycle, Cascade Lake  Zen 5    per step of 8 features
 * vpcmpeqb k, zmm         3     1 (p5)                 2        24
 * vpaddb zmm {k}          1     2 (p0, p5)             4        24
 * vpbroadcastq mem        -     2                      2         8
 *
 * Register tile: 8 queries x 24 rows = 24 counters, 3 vectors of rows, 1 query, and ones.
 * A counter of 8 bits counts equal features for at most 255 steps; vpsadbw then adds the 8 counters
 * of a row, and the total is subtracted from sums of 64 bits in memory.
 */
#if defined(__x86_64__) || defined(_M_X64)

#include <immintrin.h>

#include "cpu.h"
#include "tile.h"

#define TARGET KNNC_TARGET("avx512f,avx512bw,avx512dq,avx512vl")
#define QUERIES 8
#define LANE 8
#define LARGEST 0
#define MAX_STEPS 255 /* of a counter of 8 bits */
#define COUNTER __m512i

/* With the intrinsics, gcc 12 copies counters back and forth and takes half as long again. */
TARGET KNNC_INLINE __m512i add(__m512i equal, __m512i row, __m512i query) {
    const __m512i ones = _mm512_set1_epi8(1);
#if KNNC_ASSEMBLY
    __mmask64 is_equal;
    __asm__("vpcmpeqb %2, %3, %1\n\tvpaddb %4, %0, %0%{%1%}"
            : "+v"(equal), "=&Yk"(is_equal)
            : "v"(row), "v"(query), "v"(ones));
    return equal;
#else
    return _mm512_mask_add_epi8(equal, _mm512_cmpeq_epi8_mask(row, query), equal, ones);
#endif
}

TARGET KNNC_INLINE __m512i collect(__m512i sums, __m512i equal, int64_t n_steps) {
    const __m512i n_equal = _mm512_sad_epu8(equal, _mm512_setzero_si512());
    return _mm512_add_epi64(sums, _mm512_sub_epi64(_mm512_set1_epi64(8 * n_steps), n_equal));
}

TARGET KNNC_INLINE __m512i add_pair(__m512i sums, __m512i x, __m512i y) {
    const __m512i differs = _mm512_maskz_set1_epi8(_mm512_cmpneq_epi8_mask(x, y), 1);
    return _mm512_add_epi64(sums, _mm512_sad_epu8(differs, _mm512_setzero_si512()));
}

#include "u8_512.h"

KNNC_KERNEL(KNNC_HAMMING, hamming_u8_avx512bw, KNNC_CPU_AVX2 | KNNC_CPU_AVX512BW, KNNC_RAW_U8, 0);

#endif
