/* Squared Euclidean distance of bytes, AVX-512BW: 32 multiply-adds of 16-bit numbers an
 * instruction, for processors without VNNI.
 *
 * instruction       latency  a cycle, Skylake-X   Zen 5    per step of 2 features
 * vpmaddwd zmm         5     2 (p0, p5)           2        24
 * vpaddd zmm           1     2 (p0, p5)           4        24
 * vpmovzxbw zmm, mem   -     1 (p5)               2         3
 * vpbroadcastd mem     -     2 (p2, p3)           2         8
 *
 * One more register holds a product.  Rows are widened as they are loaded, which takes 3 of the 51
 * instructions per step that need p0 or p5.  A panel stored at 16 bits would be 7 % faster to scan
 * (Zen 5); a scratch panel widened for each tile of queries would be 23 % slower.  The queries are
 * stored as -q, so that the sum has the sign that tile.h tests.
 */
#if defined(__x86_64__) || defined(_M_X64)

#include <immintrin.h>

#include "cpu.h"
#include "tile.h"

#define TARGET KNNC_TARGET("avx512f,avx512bw,avx512dq,avx512vl,popcnt")
#define WIDTH 512
#define LANE 2

TARGET KNNC_INLINE __m512i load_row(const uint8_t *x) {
    return _mm512_cvtepu8_epi16(_mm256_load_si256((const __m256i *)x));
}

TARGET KNNC_INLINE __m512i multiply_add(__m512i acc, __m512i rows, __m512i query) {
    return _mm512_add_epi32(acc, _mm512_madd_epi16(rows, query));
}

#include "sqeuclidean_u8_x86.h"

TARGET KNNC_INLINE __m512i add_squares(__m512i sum, __m512i a, __m512i b) {
    const __m512i zero = _mm512_setzero_si512();
    const __m512i diff = _mm512_sub_epi8(_mm512_max_epu8(a, b), _mm512_min_epu8(a, b));
    const __m512i low = _mm512_unpacklo_epi8(diff, zero), high = _mm512_unpackhi_epi8(diff, zero);
    return _mm512_add_epi32(
        sum, _mm512_add_epi32(_mm512_madd_epi16(low, low), _mm512_madd_epi16(high, high)));
}

TARGET static int32_t pair(const uint8_t *x, const uint8_t *y, int64_t n_features) {
    __m512i sum = _mm512_setzero_si512();
    int64_t f = 0;
    for (; f + 64 <= n_features; f += 64)
        sum = add_squares(sum, _mm512_loadu_si512(x + f), _mm512_loadu_si512(y + f));
    if (f < n_features) {
        const __mmask64 mask = (UINT64_C(1) << (n_features - f)) - 1;
        sum = add_squares(sum, _mm512_maskz_loadu_epi8(mask, x + f),
                          _mm512_maskz_loadu_epi8(mask, y + f));
    }
    return _mm512_reduce_add_epi32(sum);
}

KNNC_KERNEL(KNNC_SQEUCLIDEAN, sqeuclidean_u8_avx512bw, KNNC_CPU_AVX2 | KNNC_CPU_AVX512BW,
            KNNC_BIASED_16, 0);

#endif
