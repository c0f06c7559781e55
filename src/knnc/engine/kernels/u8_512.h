/* u8_tile.h on registers of 512 bits, and `pair`.
 *
 * For `pair`, a kernel's file also defines add_pair(to, x, y), which is `to` after 64 features of
 * two rows.
 */
#define VECTOR __m512i
#define VECTORS 3
#define BYTES __m512i
#define v_load(x) _mm512_load_si512(x)
#define v_no_counts _mm512_setzero_si512()

#if LARGEST
#define VECTOR_ROWS 16
#define v_start _mm512_set1_epi32
#define v_query(y) _mm512_set1_epi32(*(const int32_t *)(y))
#define ANY __mmask16
#define v_none 0

TARGET KNNC_INLINE __mmask16 mask_below(__m512i acc, int32_t largest) {
    const __m512i above = _mm512_subs_epu8(acc, _mm512_set1_epi32(largest));
    return _mm512_testn_epi32_mask(above, above);
}

#define v_mask(acc, bound) ((unsigned)mask_below(acc, (bound).largest))
#define v_any(any, acc, bound)                                                                     \
    ((__mmask16)((any) | v_mask((acc)[0], bound) | v_mask((acc)[1], bound) |                       \
                 v_mask((acc)[2], bound)))
#define v_passes(any) ((any) != 0)
#else
#define VECTOR_ROWS 8
#define SUM int64_t
#define v_start _mm512_set1_epi64
#define v_query(y) _mm512_set1_epi64(*(const int64_t *)(y))
#define ANY __m512i
#define v_none _mm512_setzero_si512()
#define v_any(any, acc, bound)                                                                     \
    _mm512_ternarylogic_epi64(_mm512_or_si512(any, (acc)[0]), (acc)[1], (acc)[2], 0xfe)
#define v_mask(acc, bound) ((unsigned)_mm512_movepi64_mask(acc))
#define v_passes(any) (v_mask(any, ) != 0)
#endif

#include "u8_tile.h"

TARGET static int32_t pair(const uint8_t *x, const uint8_t *y, int64_t n_features) {
    __m512i total = _mm512_setzero_si512();
    int64_t f = 0;
    for (; f + 64 <= n_features; f += 64)
        total = add_pair(total, _mm512_loadu_si512(x + f), _mm512_loadu_si512(y + f));
    if (f < n_features) {
        const __mmask64 mask = (UINT64_C(1) << (n_features - f)) - 1;
        total = add_pair(total, _mm512_maskz_loadu_epi8(mask, x + f),
                         _mm512_maskz_loadu_epi8(mask, y + f));
    }
#if LARGEST
    KNNC_ALIGNED uint8_t each[64];
    _mm512_store_si512(each, total);
    int32_t dist = 0;
    for (int i = 0; i < 64; i++) dist = each[i] > dist ? each[i] : dist;
    return dist;
#else
    return (int32_t)_mm512_reduce_add_epi64(total);
#endif
}
