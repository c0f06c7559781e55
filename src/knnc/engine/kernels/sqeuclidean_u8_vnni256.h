/* Squared Euclidean distance of bytes, VNNI on 256 bits: 32 multiply-adds an instruction.
 *
 * One source for two encodings of one instruction.  sqeuclidean_u8_avxvnni.c (VEX) and
 * sqeuclidean_u8_avx512vl.c (EVEX) define TARGET and multiply_add.
 *
 * instruction        latency  a cycle, Alder Lake P / E  Zen 5    per step of 4 features
 * vpdpbusd ymm       5 / 4    2 (p0, p1) / 2             2        12
 * vpbroadcastd mem   -        3 / 2                      2         6
 * vmovdqa load       -        3 / 2                      2         2
 *
 * Register tile: 6 queries x 16 rows = 12 accumulators, 2 vectors of rows, 1 query: 15 of the 16
 * registers of VEX, and more accumulators than the 10 that cover the latency.  Rows and queries
 * are stored as in sqeuclidean_u8_avx512vnni.c.
 */
#define WIDTH 256
#define LANE 4

TARGET KNNC_INLINE __m256i load_row(const uint8_t *x) {
    return _mm256_load_si256((const __m256i *)x);
}

#include "sqeuclidean_u8_x86.h"

/* d = |x - y| as in sqeuclidean_u8_avx512vnni.c: d * (d - 128) + 128 d = d^2. */
TARGET KNNC_INLINE void add_squares(__m256i a, __m256i b, __m256i *squares, __m256i *sum) {
    const __m256i diff = _mm256_sub_epi8(_mm256_max_epu8(a, b), _mm256_min_epu8(a, b));
    *squares = multiply_add(*squares, diff, _mm256_xor_si256(diff, _mm256_set1_epi8(-128)));
    *sum = multiply_add(*sum, diff, _mm256_set1_epi8(1));
}

TARGET static int32_t pair(const uint8_t *x, const uint8_t *y, int64_t n_features) {
    __m256i squares = _mm256_setzero_si256(), sum = _mm256_setzero_si256();
    int64_t f = 0;
    for (; f + 32 <= n_features; f += 32)
        add_squares(_mm256_loadu_si256((const __m256i *)(x + f)),
                    _mm256_loadu_si256((const __m256i *)(y + f)), &squares, &sum);
    if (f + 16 <= n_features) {
        const __m128i a = _mm_loadu_si128((const __m128i *)(x + f));
        const __m128i b = _mm_loadu_si128((const __m128i *)(y + f));
        const __m256i zero = _mm256_setzero_si256();
        add_squares(_mm256_inserti128_si256(zero, a, 0), _mm256_inserti128_si256(zero, b, 0),
                    &squares, &sum);
        f += 16;
    }
    KNNC_ALIGNED uint32_t sums[8];
    _mm256_store_si256((__m256i *)sums, _mm256_add_epi32(squares, _mm256_slli_epi32(sum, 7)));
    uint32_t total = 0;
    for (int i = 0; i < 8; i++) total += sums[i];
    return (int32_t)total + knnc_sqeuclidean(x + f, y + f, n_features - f);
}
