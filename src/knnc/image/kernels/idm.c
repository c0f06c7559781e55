/* Gradients of an image, in the layout that the kernels read. */
#include "idm.h"

#include <string.h>

/* Columns that a kernel writes out of one register: 30 of 32 lanes, or 14 of 16. */
static int64_t reach(int64_t width, int64_t columns) {
    return (width + columns - 1) / columns * columns + 2;
}

void knnc_idm_layout(knnc_idm_shape *shape, int64_t height, int64_t width, int64_t warp) {
    const int64_t wide = reach(width, 30), narrow = reach(width, 14);
    shape->height = height;
    shape->width = width;
    shape->warp = warp;
    shape->stride = (wide > narrow ? wide : narrow) + 2 * warp;
    shape->n_strips = (height + KNNC_IDM_ROWS - 1) / KNNC_IDM_ROWS;
    shape->n_rows = shape->n_strips * KNNC_IDM_ROWS + 2 * (warp + 1);
    shape->n_bytes = (2 * shape->stride * shape->n_rows + 63) / 64 * 64;
}

/* Rounded to the nearest; no gradient is half way, for the step is odd. */
static int8_t quantised(int32_t gradient) {
    const int32_t half = KNNC_IDM_STEP / 2;
    return (int8_t)((gradient + (gradient < 0 ? -half : half)) / KNNC_IDM_STEP);
}

/* Sobel's operator; beyond its edge an image goes on as it is there. */
void knnc_idm_gradients(const knnc_idm_shape *shape, const uint8_t *image, int8_t *pairs) {
    const int64_t h = shape->height, w = shape->width, margin = shape->warp + 1;
    memset(pairs, 0, (size_t)shape->n_bytes);
    for (int64_t y = 0; y < h; y++) {
        const uint8_t *here = image + y * w;
        const uint8_t *up = y > 0 ? here - w : here, *down = y < h - 1 ? here + w : here;
        int8_t *out = pairs + 2 * ((y + margin) * shape->stride + margin);
        for (int64_t x = 0; x < w; x++) {
            const int64_t l = x > 0 ? x - 1 : x, r = x < w - 1 ? x + 1 : x;
            const int32_t across = (up[r] - up[l]) + 2 * (here[r] - here[l]) + (down[r] - down[l]);
            const int32_t along = (down[l] - up[l]) + 2 * (down[x] - up[x]) + (down[r] - up[r]);
            out[2 * x] = quantised(across);
            out[2 * x + 1] = quantised(along);
        }
    }
}
