/* The image distortion model, AVX2: 16 columns of 16 bits a register.
 *
 * instruction               a cycle, Skylake  Zen 3    per row and offset, 14 columns
 * vpsubb, vpabsb ymm              3           3        2 x 9/7
 * vpmaddubsw ymm                  2           2        9/7
 * vpsrlw ymm                      2           2        9/7
 * vpaddw, vpminuw ymm             3           3        5
 * vperm2i128, vpalignr ymm        1 (p5)      2        3
 *
 * The least costs so far stay in registers, 7 of 16; the rows of A are read for each offset.
 */
#if defined(__x86_64__) || defined(_M_X64)

#include <immintrin.h>

#include "cpu.h"
#include "idm.h"
#include "tile.h"

#define TARGET KNNC_TARGET("avx2")
#define ROWS KNNC_IDM_ROWS
#define COLUMNS 14

/* A quarter of the squared differences, 16 pixels. */
TARGET KNNC_INLINE __m256i differences(const int8_t *a, const int8_t *b) {
    const __m256i d = _mm256_abs_epi8(_mm256_sub_epi8(_mm256_loadu_si256((const __m256i *)a),
                                                      _mm256_loadu_si256((const __m256i *)b)));
    return _mm256_srli_epi16(_mm256_maddubs_epi16(d, d), 2);
}

/* Lane j: the sum of lanes j, j + 1 and j + 2, for j < COLUMNS. */
TARGET KNNC_INLINE __m256i three(__m256i sum) {
    const __m256i upper = _mm256_permute2x128_si256(sum, sum, 0x81);
    const __m256i next = _mm256_alignr_epi8(upper, sum, 2);
    const __m256i after = _mm256_alignr_epi8(upper, sum, 4);
    return _mm256_add_epi16(sum, _mm256_add_epi16(next, after));
}

TARGET static int64_t strip(const int8_t *a, const int8_t *b, int64_t row_bytes, int64_t warp,
                            int64_t n_rows, int64_t n_columns) {
    __m256i best[ROWS];
    KNNC_UNROLL
    for (int y = 0; y < ROWS; y++) best[y] = _mm256_set1_epi16(-1);
    for (int64_t down = 0; down <= 2 * warp; down++)
        for (int64_t right = 0; right <= 2 * warp; right++) {
            const int8_t *from = b + down * row_bytes + 2 * right;
            __m256i above = differences(a, from);
            __m256i here = differences(a + row_bytes, from + row_bytes);
            KNNC_UNROLL
            for (int y = 0; y < ROWS; y++) {
                const __m256i below =
                    differences(a + (y + 2) * row_bytes, from + (y + 2) * row_bytes);
                const __m256i sum = _mm256_add_epi16(_mm256_add_epi16(above, here), below);
                best[y] = _mm256_min_epu16(best[y], three(sum));
                above = here;
                here = below;
            }
        }
    uint16_t costs[ROWS][16];
    int64_t total = 0;
    KNNC_UNROLL
    for (int y = 0; y < ROWS; y++) _mm256_storeu_si256((__m256i *)costs[y], best[y]);
    for (int64_t y = 0; y < n_rows; y++)
        for (int64_t x = 0; x < n_columns; x++) total += costs[y][x];
    return total;
}

#include "idm_cost.h"

const knnc_idm_kernel knnc_idm_i8_avx2 = {
    .name = "idm_i8_avx2", .needs = KNNC_CPU_AVX2, .cost = cost};

#endif
