/* sqeuclidean_u8_tile.h on registers of 512 or 256 bits.
 *
 * The file of an instruction set defines TARGET, WIDTH, LANE (bytes of a row that a step reads),
 * load_row and multiply_add, and states what a step costs.
 *
 * Register tile: 8 queries x 48 rows = 24 accumulators, 3 vectors of rows, 1 query; in 256 bits
 * 6 x 16 = 12, 2 and 1, which are 15 of the 16 registers of VEX.
 */
#if WIDTH == 512
#define VECTOR __m512i
#define VECTOR_ROWS 16
#define VECTORS 3
#define QUERIES 8
#define v_set1 _mm512_set1_epi32
#define v_add _mm512_add_epi32
#define v_shift(x, bits) _mm512_sll_epi32(x, _mm_cvtsi32_si128(bits))
#define v_half(terms) _mm512_srai_epi32(_mm512_load_si512(terms), 1)
#define v_signs(x) ((unsigned)_mm512_movepi32_mask(x))
#define v_or(of) _mm512_ternarylogic_epi32((of)[0], (of)[1], (of)[2], 0xfe)
#define v_each_within each_within

/* The tests of eight queries at once: their signs as bytes, those of four in each 16 bytes. */
TARGET KNNC_INLINE int each_within(VECTOR (*acc)[VECTORS], int first, int *who) {
    const __m512i sign = _mm512_set1_epi8(-128);
    uint32_t found[2];
    KNNC_UNROLL
    for (int h = 0; h < 2; h++) {
        const __m512i a = _mm512_packs_epi32(v_or(acc[4 * h]), v_or(acc[4 * h + 1]));
        const __m512i b = _mm512_packs_epi32(v_or(acc[4 * h + 2]), v_or(acc[4 * h + 3]));
        found[h] = _mm512_test_epi32_mask(_mm512_packs_epi16(a, b), sign);
    }
    /* Bit 4 i + j of each: query j of the four, in 16 bytes of register number i. */
    uint32_t mask = found[0] | found[1] << 16;
    mask |= mask >> 8;
    mask |= mask >> 4;
    mask = (mask & 15) | (mask >> 12 & 240);
    const __m256i slots =
        _mm256_add_epi32(_mm256_set1_epi32(first), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    _mm256_storeu_si256((__m256i *)who, _mm256_maskz_compress_epi32((__mmask8)mask, slots));
    return _mm_popcnt_u32(mask);
}
#else
#define VECTOR __m256i
#define VECTOR_ROWS 8
#define VECTORS 2
#define QUERIES 6
#define v_set1 _mm256_set1_epi32
#define v_add _mm256_add_epi32
#define v_shift(x, bits) _mm256_sll_epi32(x, _mm_cvtsi32_si128(bits))
#define v_half(terms) _mm256_srai_epi32(_mm256_load_si256((const __m256i *)(terms)), 1)
#define v_signs(x) ((unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(x)))
#define v_or(of) _mm256_or_si256((of)[0], (of)[1])
#endif
#define QUERY_BYTES 4
#define v_start(terms, bound) v_add(v_half(terms), v_set1(bound))
#define v_any(x) (v_signs(x) != 0)

#define STEP_BYTES (VECTORS * VECTOR_ROWS * LANE)

TARGET KNNC_INLINE void add_step(VECTOR *acc, const uint8_t *x, int32_t y) {
    const VECTOR query = v_set1(y);
    KNNC_UNROLL
    for (int v = 0; v < VECTORS; v++)
        acc[v] = multiply_add(acc[v], load_row(x + VECTOR_ROWS * LANE * v), query);
}

/* For one query.  With so few accumulators each step would wait for the one before, so even and odd
 * steps have accumulators of their own (a scan of MNIST's codes: 5 % less time, with AVX-VNNI too).
 */
TARGET KNNC_INLINE void add_products_of_one(VECTOR *acc, const uint8_t *x, const int32_t *y,
                                            int64_t n_steps) {
    VECTOR odd[VECTORS];
    KNNC_UNROLL
    for (int v = 0; v < VECTORS; v++) odd[v] = v_set1(0);
    for (; n_steps > 1; n_steps -= 2, x += 2 * STEP_BYTES, y += 2 * QUERIES) {
        add_step(acc, x, y[0]);
        add_step(odd, x + STEP_BYTES, y[QUERIES]);
    }
    if (n_steps) add_step(odd, x, y[0]);
    KNNC_UNROLL
    for (int v = 0; v < VECTORS; v++) acc[v] = v_add(acc[v], odd[v]);
}

TARGET KNNC_INLINE void add_products(const int used, VECTOR (*acc)[VECTORS], const uint8_t *x,
                                     const uint8_t *queries, int64_t n_steps) {
    const int32_t *y = (const int32_t *)queries;
    if (used == 1) {
        add_products_of_one(acc[0], x, y, n_steps);
        return;
    }
    for (int64_t s = 0; s < n_steps; s++, x += STEP_BYTES, y += QUERIES) {
        VECTOR row[VECTORS];
        KNNC_UNROLL
        for (int v = 0; v < VECTORS; v++) row[v] = load_row(x + VECTOR_ROWS * LANE * v);
        KNNC_UNROLL
        for (int q = 0; q < used; q++) {
            const VECTOR query = v_set1(y[q]);
            KNNC_UNROLL
            for (int v = 0; v < VECTORS; v++) acc[q][v] = multiply_add(acc[q][v], row[v], query);
        }
    }
}

#include "sqeuclidean_u8_tile.h"
