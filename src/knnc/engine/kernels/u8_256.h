/* u8_tile.h on registers of 256 bits, and `pair`.
 *
 * For `pair`, a kernel's file also defines add_pair(to, x, y), which is `to` after 32 features of
 * two rows, and PAIR, the function of pair_u8.h for the metric.
 */
#include "pair_u8.h"

#define VECTOR __m256i
#define VECTORS 2
#define BYTES __m256i
#define v_load(x) _mm256_load_si256((const __m256i *)(x))
#define v_start v_repeat
#define v_no_counts _mm256_setzero_si256()
#define ANY __m256i
#define v_none _mm256_setzero_si256()

#if LARGEST
#define VECTOR_ROWS 8
#define v_repeat _mm256_set1_epi32
#define v_query(y) _mm256_set1_epi32(*(const int32_t *)(y))
#define v_within(acc, bound)                                                                       \
    _mm256_cmpeq_epi32(_mm256_subs_epu8(acc, v_repeat((bound).largest)), v_none)
#define v_any(any, acc, bound)                                                                     \
    _mm256_or_si256(_mm256_or_si256(any, v_within((acc)[0], bound)), v_within((acc)[1], bound))
#define v_passes(any) (_mm256_movemask_epi8(any) != 0)
#define v_mask(acc, bound) ((unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(v_within(acc, bound))))
#else
#define VECTOR_ROWS 4
#define SUM int64_t
#define v_repeat _mm256_set1_epi64x
#define v_query(y) _mm256_set1_epi64x(*(const int64_t *)(y))
#define v_any(any, acc, bound) _mm256_or_si256(any, _mm256_or_si256((acc)[0], (acc)[1]))
#define v_mask(acc, bound) ((unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(acc)))
#define v_passes(any) (v_mask(any, ) != 0)
#endif

#include "u8_tile.h"

TARGET static int32_t pair(const uint8_t *x, const uint8_t *y, int64_t n_features) {
    __m256i total = _mm256_setzero_si256();
    int64_t f = 0;
    for (; f + 32 <= n_features; f += 32)
        total = add_pair(total, _mm256_loadu_si256((const __m256i *)(x + f)),
                         _mm256_loadu_si256((const __m256i *)(y + f)));
    const int32_t rest = PAIR(x + f, y + f, n_features - f);
#if LARGEST
    KNNC_ALIGNED uint8_t each[32];
    _mm256_store_si256((__m256i *)each, total);
    int32_t dist = rest;
    for (int i = 0; i < 32; i++) dist = each[i] > dist ? each[i] : dist;
    return dist;
#else
    KNNC_ALIGNED int64_t sums[4];
    _mm256_store_si256((__m256i *)sums, total);
    return (int32_t)(sums[0] + sums[1] + sums[2] + sums[3]) + rest;
#endif
}
