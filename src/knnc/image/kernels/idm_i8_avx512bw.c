/* The image distortion model, AVX-512BW: 32 columns of 16 bits a register.
 *
 * instruction          latency  a cycle, Cascade Lake  Zen 5    per row and offset
 * vpsubb, vpabsb zmm      1     2 (p0, p5)             4        2 x 9/7
 * vpmaddubsw zmm          5     1 (p0), 2 with p5      2        9/7
 * vpsrlw zmm              1     1 (p0)                 2        9/7
 * vpaddw, vpminuw zmm     1     2 (p0, p5)             4        5
 * vpermw zmm             3-6    1 (p5), or 1/2         2        2
 *
 * The rows of A of a strip and the least costs so far stay in registers, 9 + 7 of 32.
 */
#if defined(__x86_64__) || defined(_M_X64)

#include <immintrin.h>

#include "cpu.h"
#include "idm.h"
#include "tile.h"

#define TARGET KNNC_TARGET("avx512f,avx512bw,avx512dq,avx512vl")
#define ROWS KNNC_IDM_ROWS
#define COLUMNS 30

/* A quarter of the squared differences, 32 pixels. */
TARGET KNNC_INLINE __m512i differences(__m512i a, const int8_t *b) {
    const __m512i d = _mm512_abs_epi8(_mm512_sub_epi8(a, _mm512_loadu_si512(b)));
    return _mm512_srli_epi16(_mm512_maddubs_epi16(d, d), 2);
}

TARGET static int64_t strip(const int8_t *a, const int8_t *b, int64_t row_bytes, int64_t warp,
                            int64_t n_rows, int64_t n_columns) {
    const __mmask32 columns = (1u << n_columns) - 1;
    const __m512i lanes =
        _mm512_set_epi16(31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13,
                         12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i next = _mm512_add_epi16(lanes, _mm512_set1_epi16(1));
    const __m512i after = _mm512_add_epi16(lanes, _mm512_set1_epi16(2));
    __m512i rows[ROWS + 2], best[ROWS];
    KNNC_UNROLL
    for (int y = 0; y < ROWS + 2; y++) rows[y] = _mm512_loadu_si512(a + y * row_bytes);
    KNNC_UNROLL
    for (int y = 0; y < ROWS; y++) best[y] = _mm512_set1_epi16(-1);
    for (int64_t down = 0; down <= 2 * warp; down++)
        for (int64_t right = 0; right <= 2 * warp; right++) {
            const int8_t *from = b + down * row_bytes + 2 * right;
            __m512i above = differences(rows[0], from);
            __m512i here = differences(rows[1], from + row_bytes);
            KNNC_UNROLL
            for (int y = 0; y < ROWS; y++) {
                const __m512i below = differences(rows[y + 2], from + (y + 2) * row_bytes);
                const __m512i sum = _mm512_add_epi16(_mm512_add_epi16(above, here), below);
                const __m512i beside = _mm512_add_epi16(_mm512_permutexvar_epi16(next, sum),
                                                        _mm512_permutexvar_epi16(after, sum));
                best[y] = _mm512_min_epu16(best[y], _mm512_add_epi16(sum, beside));
                above = here;
                here = below;
            }
        }
    __m512i total = _mm512_setzero_si512();
    for (int y = 0; y < n_rows; y++) {
        const __m512i kept = _mm512_maskz_mov_epi16(columns, best[y]);
        total = _mm512_add_epi32(total, _mm512_srli_epi32(kept, 16));
        total = _mm512_add_epi32(total, _mm512_and_si512(kept, _mm512_set1_epi32(0xffff)));
    }
    return _mm512_reduce_add_epi32(total);
}

#include "idm_cost.h"

const knnc_idm_kernel knnc_idm_i8_avx512bw = {
    .name = "idm_i8_avx512bw", .needs = KNNC_CPU_AVX2 | KNNC_CPU_AVX512BW, .cost = cost};

#endif
