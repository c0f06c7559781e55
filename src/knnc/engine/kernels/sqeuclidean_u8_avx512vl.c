/* Squared Euclidean distance of bytes, AVX-512VL and VNNI on 256 bits.
 *
 * The source of the AVX-VNNI kernel in the other encoding, so that it is tested on processors
 * without AVX-VNNI.  It is never chosen: wherever it runs, the 512-bit kernel runs too.
 */
#include "cpu.h"
#include "pair_u8.h"

#if defined(__x86_64__) || defined(_M_X64)

#include <immintrin.h>

#define TARGET KNNC_TARGET("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")

/* As inline assembly for the reason given in sqeuclidean_u8_avx512vnni.c. */
TARGET KNNC_INLINE __m256i multiply_add(__m256i acc, __m256i rows, __m256i query) {
#if KNNC_ASSEMBLY
    __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(rows), "v"(query));
    return acc;
#else
    return _mm256_dpbusd_epi32(acc, rows, query);
#endif
}

#include "sqeuclidean_u8_vnni256.h"

KNNC_KERNEL(KNNC_SQEUCLIDEAN, sqeuclidean_u8_avx512vl,
            KNNC_CPU_AVX2 | KNNC_CPU_AVX512BW | KNNC_CPU_AVX512VNNI, KNNC_BIASED_8, 127);

#endif
