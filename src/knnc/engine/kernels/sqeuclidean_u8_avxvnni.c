/* Squared Euclidean distance of bytes, AVX-VNNI: processors that have VNNI without AVX-512. */
#include "cpu.h"
#include "pair_u8.h"

#if KNNC_WITH_AVXVNNI

#include <immintrin.h>

#define TARGET KNNC_TARGET("avx2,avxvnni")

/* As inline assembly for the reason given in sqeuclidean_u8_avx512vnni.c. */
TARGET KNNC_INLINE __m256i multiply_add(__m256i acc, __m256i rows, __m256i query) {
#if KNNC_ASSEMBLY
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(acc) : "x"(rows), "x"(query));
    return acc;
#else
    return _mm256_dpbusd_avx_epi32(acc, rows, query);
#endif
}

#include "sqeuclidean_u8_vnni256.h"

KNNC_KERNEL(KNNC_SQEUCLIDEAN, sqeuclidean_u8_avxvnni, KNNC_CPU_AVX2 | KNNC_CPU_AVXVNNI,
            KNNC_BIASED_8, 127);

#endif
