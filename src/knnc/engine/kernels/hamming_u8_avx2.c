/* Hamming distance of bytes, AVX2: 32 comparisons an instruction.
 *
 * instruction      latency  a cycle, Skylake  Zen 4/5   per step of 8 features
 * vpcmpeqb ymm        1     2 (p0, p1)        4          12
 * vpsubb ymm          1     3 (p0, p1, p5)    4          12
 * vpbroadcastq mem    -     2                 2           6
 *
 * Register tile: 6 queries x 8 rows = 12 counters, 2 vectors of rows, 1 query, 1 comparison.
 * A counter of 8 bits counts equal features for at most 255 steps; vpsadbw then adds the 8 counters
 * of a row, and the total is subtracted from sums of 64 bits in memory.
 */
#if defined(__x86_64__) || defined(_M_X64)

#include <immintrin.h>

#include "cpu.h"
#include "tile.h"

#define TARGET KNNC_TARGET("avx2")
#define QUERIES 6
#define LANE 8
#define LARGEST 0
#define MAX_STEPS 255 /* of a counter of 8 bits */
#define COUNTER __m256i
#define PAIR knnc_hamming

/* With the intrinsics, gcc 12 keeps counters in memory and takes twice as long. */
TARGET KNNC_INLINE __m256i add(__m256i equal, __m256i row, __m256i query) {
#if KNNC_ASSEMBLY
    __m256i is_equal;
    __asm__("vpcmpeqb %2, %3, %1\n\tvpsubb %1, %0, %0"
            : "+x"(equal), "=&x"(is_equal)
            : "x"(row), "x"(query));
    return equal;
#else
    return _mm256_sub_epi8(equal, _mm256_cmpeq_epi8(row, query));
#endif
}

TARGET KNNC_INLINE __m256i collect(__m256i sums, __m256i equal, int64_t n_steps) {
    const __m256i n_equal = _mm256_sad_epu8(equal, _mm256_setzero_si256());
    return _mm256_add_epi64(sums, _mm256_sub_epi64(_mm256_set1_epi64x(8 * n_steps), n_equal));
}

TARGET KNNC_INLINE __m256i add_pair(__m256i sums, __m256i x, __m256i y) {
    const __m256i differs = _mm256_andnot_si256(_mm256_cmpeq_epi8(x, y), _mm256_set1_epi8(1));
    return _mm256_add_epi64(sums, _mm256_sad_epu8(differs, _mm256_setzero_si256()));
}

#include "u8_256.h"

KNNC_KERNEL(KNNC_HAMMING, hamming_u8_avx2, KNNC_CPU_AVX2, KNNC_RAW_U8, 0);

#endif
