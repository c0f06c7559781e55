/* Chebyshev distance of bytes, AVX-512BW: 64 absolute differences in three instructions.
 *
 * instruction            latency  a cycle, Cascade Lake  Zen 5    per step of 4 features
 * vpmaxub, vpminub zmm      1     1 (p0)                 2        24 + 24 + 24
 * vpsubb zmm                1     2 (p0, p5)             4        24
 * vpbroadcastd mem          -     2                      2         8
 *
 * Register tile: 8 queries x 48 rows = 24 accumulators, 3 vectors of rows, 1 query, 2 differences.
 * 4 features of a row lie side by side, and its distance is the largest of their 4 bytes.  Every
 * MAX_STEPS steps the tile is left if none of its rows can pass any more.  That saves 5 to 17 % of
 * the time on images and on random bytes; with 8 or 64 steps the time is within 5 % of this.
 */
#if defined(__x86_64__) || defined(_M_X64)

#include <immintrin.h>

#include "cpu.h"
#include "tile.h"

#define TARGET KNNC_TARGET("avx512f,avx512bw,avx512dq,avx512vl")
#define QUERIES 8
#define LANE 4
#define LARGEST 1
#define MAX_STEPS 16

TARGET KNNC_INLINE __m512i add_pair(__m512i largest, __m512i x, __m512i y) {
    const __m512i diff = _mm512_sub_epi8(_mm512_max_epu8(x, y), _mm512_min_epu8(x, y));
    return _mm512_max_epu8(largest, diff);
}

/* With the intrinsics, gcc 12 keeps accumulators in memory and takes 10 % longer. */
TARGET KNNC_INLINE __m512i add(__m512i largest, __m512i row, __m512i query) {
#if KNNC_ASSEMBLY
    __m512i high, low;
    __asm__("vpmaxub %3, %4, %1\n\tvpminub %3, %4, %2\n\t"
            "vpsubb %2, %1, %1\n\tvpmaxub %1, %0, %0"
            : "+v"(largest), "=&v"(high), "=&v"(low)
            : "v"(row), "v"(query));
    return largest;
#else
    return add_pair(largest, row, query);
#endif
}

#include "u8_512.h"

KNNC_KERNEL(KNNC_CHEBYSHEV, chebyshev_u8_avx512bw, KNNC_CPU_AVX2 | KNNC_CPU_AVX512BW, KNNC_RAW_U8,
            0);

#endif
