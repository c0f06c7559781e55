/* The image distortion model in plain C, in the order of the other kernels: 32 columns at a time,
 * which compilers can vectorize for any width of registers. */
#include "idm.h"

#define TARGET
#define LANES 32
#define COLUMNS (LANES - 2)
#define ROWS KNNC_IDM_ROWS

static void differences(const int8_t *a, const int8_t *b, uint16_t *out) {
    for (int x = 0; x < LANES; x++) {
        const int32_t across = a[2 * x] - b[2 * x], along = a[2 * x + 1] - b[2 * x + 1];
        out[x] = (uint16_t)((across * across + along * along) >> 2);
    }
}

static void keep_least(const uint16_t *above, const uint16_t *here, const uint16_t *below,
                       uint16_t *best) {
    uint16_t sums[LANES];
    for (int x = 0; x < LANES; x++) sums[x] = (uint16_t)(above[x] + here[x] + below[x]);
    for (int x = 0; x < COLUMNS; x++) {
        const uint16_t match = (uint16_t)(sums[x] + sums[x + 1] + sums[x + 2]);
        best[x] = match < best[x] ? match : best[x];
    }
}

static int64_t strip(const int8_t *a, const int8_t *b, int64_t row_bytes, int64_t warp,
                     int64_t n_rows, int64_t n_columns) {
    uint16_t best[ROWS][COLUMNS], squares[ROWS + 2][LANES];
    int64_t sum = 0;
    for (int y = 0; y < ROWS; y++)
        for (int x = 0; x < COLUMNS; x++) best[y][x] = UINT16_MAX;
    for (int64_t down = 0; down <= 2 * warp; down++)
        for (int64_t right = 0; right <= 2 * warp; right++) {
            const int8_t *from = b + down * row_bytes + 2 * right;
            for (int y = 0; y < ROWS + 2; y++)
                differences(a + y * row_bytes, from + y * row_bytes, squares[y]);
            for (int y = 0; y < ROWS; y++)
                keep_least(squares[y], squares[y + 1], squares[y + 2], best[y]);
        }
    for (int64_t y = 0; y < n_rows; y++)
        for (int64_t x = 0; x < n_columns; x++) sum += best[y][x];
    return sum;
}

#include "idm_cost.h"

const knnc_idm_kernel knnc_idm_i8_serial = {.name = "idm_i8_serial", .needs = 0, .cost = cost};
