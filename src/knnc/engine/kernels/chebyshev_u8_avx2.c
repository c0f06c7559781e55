/* Chebyshev distance of bytes, AVX2: 32 absolute differences in three instructions.
 *
 * instruction            latency  a cycle, Skylake  Zen 4/5   per step of 4 features
 * vpmaxub, vpminub ymm      1     2 (p0, p1)        4          10 + 10 + 10
 * vpsubb ymm                1     3 (p0, p1, p5)    4          10
 * vpbroadcastd mem          -     2                 2           5
 *
 * Register tile: 5 queries x 16 rows = 10 accumulators, 2 vectors of rows, 1 query, 2 differences.
 * 4 features of a row lie side by side, and its distance is the largest of their 4 bytes.  Every
 * MAX_STEPS steps the tile is left if none of its rows can pass any more.  That saves 5 to 17 % of
 * the time on images and on random bytes; with 8 or 64 steps the time is within 5 % of this.
 */
#if defined(__x86_64__) || defined(_M_X64)

#include <immintrin.h>

#include "cpu.h"
#include "tile.h"

#define TARGET KNNC_TARGET("avx2")
#define QUERIES 5
#define LANE 4
#define LARGEST 1
#define MAX_STEPS 16
#define PAIR knnc_chebyshev

TARGET KNNC_INLINE __m256i add_pair(__m256i largest, __m256i x, __m256i y) {
    const __m256i diff = _mm256_sub_epi8(_mm256_max_epu8(x, y), _mm256_min_epu8(x, y));
    return _mm256_max_epu8(largest, diff);
}

/* With the intrinsics, gcc 12 keeps accumulators in memory and takes 10 % longer. */
TARGET KNNC_INLINE __m256i add(__m256i largest, __m256i row, __m256i query) {
#if KNNC_ASSEMBLY
    __m256i high, low;
    __asm__("vpmaxub %3, %4, %1\n\tvpminub %3, %4, %2\n\t"
            "vpsubb %2, %1, %1\n\tvpmaxub %1, %0, %0"
            : "+x"(largest), "=&x"(high), "=&x"(low)
            : "x"(row), "x"(query));
    return largest;
#else
    return add_pair(largest, row, query);
#endif
}

#include "u8_256.h"

KNNC_KERNEL(KNNC_CHEBYSHEV, chebyshev_u8_avx2, KNNC_CPU_AVX2, KNNC_RAW_U8, 0);

#endif
