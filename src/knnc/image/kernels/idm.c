/* Gradients of an image, in the layout that the kernels read. */
#include "idm.h"

#include <math.h>
#include <string.h>

/* Columns up to which kernels read, if they write `columns` from a register: 30 of 32 lanes, or 14
 * of 16. */
static int64_t reach(int64_t width, int64_t columns) {
    return (width + columns - 1) / columns * columns + 2;
}

void knnc_idm_layout(knnc_idm_shape *shape, int64_t height, int64_t width, int64_t warp, int root) {
    const int64_t wide = reach(width, 30), narrow = reach(width, 14);
    shape->height = height;
    shape->width = width;
    shape->warp = warp;
    shape->root = root;
    shape->stride = (wide > narrow ? wide : narrow) + 2 * warp;
    shape->n_strips = (height + KNNC_IDM_ROWS - 1) / KNNC_IDM_ROWS;
    shape->n_rows = shape->n_strips * KNNC_IDM_ROWS + 2 * (warp + 1);
    shape->n_bytes = (2 * shape->stride * shape->n_rows + 63) / 64 * 64;
}

/* Rounded to the nearest.  The step is odd, so no gradient is half way. */
static int8_t quantised(int32_t gradient) {
    const int32_t half = KNNC_IDM_STEP / 2;
    return (int8_t)((gradient + (gradient < 0 ? -half : half)) / KNNC_IDM_STEP);
}

/* The gradient (x, y), scaled to the square root of its length.  A length of 1,020 stays 60 steps,
 * and no component is above 60, because none is above 1,020 or above the length.  A gradient
 * shorter than a grey level and a half is noise.  The sum of squares is exact, and square root,
 * quotient and product are rounded once each, so the bytes are the same everywhere. */
static void rooted(int32_t x, int32_t y, int8_t *out) {
    const int32_t square = x * x + y * y;
    if (square < KNNC_IDM_NOISE * KNNC_IDM_NOISE) {
        out[0] = out[1] = 0;
        return;
    }
    const double scale = KNNC_IDM_MOST / sqrt(KNNC_IDM_LONGEST * sqrt((double)square));
    out[0] = (int8_t)rint(x * scale);
    out[1] = (int8_t)rint(y * scale);
}

/* Sobel's operator; pixels of the edge are repeated beyond it. */
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
            if (shape->root) {
                rooted(across, along, out + 2 * x);
            } else {
                out[2 * x] = quantised(across);
                out[2 * x + 1] = quantised(along);
            }
        }
    }
}
