/* Squared Euclidean distance of bytes, AVX2: 16 multiply-adds of 16-bit numbers an instruction.
 *
 * instruction       latency  a cycle, Skylake  Zen 4/5   per step of 2 features
 * vpmaddwd ymm         5     2 (p0, p1)        2          12
 * vpaddd ymm           1     3 (p0, p1, p5)    4          12
 * vpmovzxbw mem        -     1 (p5)            2           2
 * vpbroadcastd mem     -     2                 2           6
 *
 * Register tile: 6 queries x 16 rows = 12 accumulators, 2 vectors of rows, 1 query, 1 product.
 * vpmaddubsw would multiply bytes, but it saturates at 16 bits: 2 * 255 * 127 is above 2^15.  So
 * rows are widened as they are loaded: 2 instructions in 26, which saves a scratch panel of twice
 * the bytes.  The queries are stored as -q, so that the sum has the sign that tile.h tests.
 */
#if defined(__x86_64__) || defined(_M_X64)

#include <immintrin.h>

#include "cpu.h"
#include "pair_u8.h"

#define TARGET KNNC_TARGET("avx2")
#define WIDTH 256
#define LANE 2

TARGET KNNC_INLINE __m256i load_row(const uint8_t *x) {
    return _mm256_cvtepu8_epi16(_mm_load_si128((const __m128i *)x));
}

TARGET KNNC_INLINE __m256i multiply_add(__m256i acc, __m256i rows, __m256i query) {
    return _mm256_add_epi32(acc, _mm256_madd_epi16(rows, query));
}

#include "sqeuclidean_u8_x86.h"

TARGET static int32_t pair(const uint8_t *x, const uint8_t *y, int64_t n_features) {
    __m256i sum = _mm256_setzero_si256();
    int64_t f = 0;
    for (; f + 16 <= n_features; f += 16) {
        const __m256i a = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(x + f)));
        const __m256i b = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(y + f)));
        const __m256i diff = _mm256_sub_epi16(a, b);
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(diff, diff));
    }
    KNNC_ALIGNED uint32_t sums[8];
    _mm256_store_si256((__m256i *)sums, sum);
    uint32_t total = 0;
    for (int i = 0; i < 8; i++) total += sums[i];
    return (int32_t)total + knnc_sqeuclidean(x + f, y + f, n_features - f);
}

KNNC_KERNEL(KNNC_SQEUCLIDEAN, sqeuclidean_u8_avx2, KNNC_CPU_AVX2, KNNC_BIASED_16, 0);

#endif
