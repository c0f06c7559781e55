/* In place of the compiler's <immintrin.h>: AVX-512 in plain C, by SIMDe, and what it lacks. */
#ifndef KNNC_EMULATED_IMMINTRIN_H
#define KNNC_EMULATED_IMMINTRIN_H

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#include <stdint.h>
#include <string.h>

#ifndef __mmask16
#define __mmask8 simde__mmask8
#define __mmask16 simde__mmask16
#define __mmask64 simde__mmask64
#endif

/* Newer versions of SIMDe have some of these. */
#undef _mm256_dpbusd_avx_epi32
#undef _mm512_cmpneq_epi8_mask
#undef _mm512_cvtepu8_epi16
#undef _mm512_madd_epi16 /* of 0.7.4, an alias with the arguments of the masked one */
#undef _mm512_maskz_loadu_epi8
#undef _mm512_reduce_add_epi32
#undef _mm512_reduce_add_epi64
#undef _mm512_srai_epi32
#undef _mm512_testn_epi32_mask
#undef _mm_popcnt_u32

#define _mm256_dpbusd_avx_epi32 _mm256_dpbusd_epi32
#define _mm512_madd_epi16 simde_mm512_madd_epi16
#define _mm512_cmpneq_epi8_mask(a, b) ((__mmask64)~_mm512_cmpeq_epi8_mask(a, b))
#define _mm512_testn_epi32_mask(a, b) ((__mmask16)~_mm512_test_epi32_mask(a, b))
#define _mm_popcnt_u32 __builtin_popcount

static inline __m512i _mm512_cvtepu8_epi16(__m256i bytes) {
    uint8_t in[32];
    uint16_t out[32];
    memcpy(in, &bytes, sizeof in);
    for (int i = 0; i < 32; i++) out[i] = in[i];
    return _mm512_loadu_si512(out);
}

static inline __m512i _mm512_maskz_loadu_epi8(__mmask64 mask, const void *address) {
    uint8_t bytes[64] = {0};
    for (int i = 0; i < 64; i++)
        if (mask >> i & 1) bytes[i] = ((const uint8_t *)address)[i];
    return _mm512_loadu_si512(bytes);
}

static inline __m512i _mm512_srai_epi32(__m512i numbers, unsigned bits) {
    int32_t each[16];
    memcpy(each, &numbers, sizeof each);
    for (int i = 0; i < 16; i++) each[i] >>= bits;
    return _mm512_loadu_si512(each);
}

static inline int _mm512_reduce_add_epi32(__m512i numbers) {
    uint32_t each[16], sum = 0;
    memcpy(each, &numbers, sizeof each);
    for (int i = 0; i < 16; i++) sum += each[i];
    return (int)sum;
}

static inline long long _mm512_reduce_add_epi64(__m512i numbers) {
    uint64_t each[8], sum = 0;
    memcpy(each, &numbers, sizeof each);
    for (int i = 0; i < 8; i++) sum += each[i];
    return (long long)sum;
}

#endif
