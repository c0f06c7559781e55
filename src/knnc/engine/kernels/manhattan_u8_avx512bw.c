/* Manhattan distance of bytes, AVX-512BW: 64 absolute differences an instruction.
 *
 * instruction      latency  a cycle, Cascade Lake  Zen 5    per step of 8 features
 * vpsadbw zmm         3     1 (p5)                 2        24
 * vpaddq zmm          1     2 (p0, p5)             4        24
 * vpbroadcastq mem    -     2                      2         8
 *
 * Register tile: 8 queries x 24 rows = 24 accumulators, 3 vectors of rows, 1 query, 1 difference.
 * 8 features of a row are side by side, so that vpsadbw makes one sum for each row, and nothing has
 * to be added across a register.
 */
#if defined(__x86_64__) || defined(_M_X64)

#include <immintrin.h>

#include "cpu.h"
#include "tile.h"

#define TARGET KNNC_TARGET("avx512f,avx512bw,avx512dq,avx512vl")
#define QUERIES 8
#define LANE 8
#define LARGEST 0
#define MAX_STEPS KNNC_BLOCK_FEATURES

TARGET KNNC_INLINE __m512i add(__m512i sums, __m512i row, __m512i query) {
    return _mm512_add_epi64(sums, _mm512_sad_epu8(row, query));
}

#define add_pair add
#include "u8_512.h"

KNNC_KERNEL(KNNC_MANHATTAN, manhattan_u8_avx512bw, KNNC_CPU_AVX2 | KNNC_CPU_AVX512BW, KNNC_RAW_U8,
            0);

#endif
