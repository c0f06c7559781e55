/* Manhattan distance of bytes, AVX2: 32 absolute differences an instruction.
 *
 * instruction      latency  a cycle, Skylake  Zen 4/5   per step of 8 features
 * vpsadbw ymm         3     1 (p5)            2          12
 * vpaddq ymm          1     3                 4          12
 * vpbroadcastq mem    -     2                 2           6
 *
 * Register tile: 6 queries x 8 rows = 12 accumulators, 2 vectors of rows, 1 query, 1 difference.
 */
#if defined(__x86_64__) || defined(_M_X64)

#include <immintrin.h>

#include "cpu.h"
#include "tile.h"

#define TARGET KNNC_TARGET("avx2")
#define QUERIES 6
#define LANE 8
#define LARGEST 0
#define MAX_STEPS KNNC_BLOCK_FEATURES
#define PAIR knnc_manhattan

TARGET KNNC_INLINE __m256i add(__m256i sums, __m256i row, __m256i query) {
    return _mm256_add_epi64(sums, _mm256_sad_epu8(row, query));
}

#define add_pair add
#include "u8_256.h"

KNNC_KERNEL(KNNC_MANHATTAN, manhattan_u8_avx2, KNNC_CPU_AVX2, KNNC_RAW_U8, 0);

#endif
