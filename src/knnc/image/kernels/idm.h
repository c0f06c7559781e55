/* The image distortion model: what it costs to make one image of the pixels of another.
 *
 * Every pixel of image A is matched with one of image B, at most `warp` rows and columns away; a
 * match costs the squared difference of the gradients in the 3 x 3 pixels around both, and the
 * distance is the sum of the cheapest matches,
 *
 *     sum over pixels p of  min over |d| <= warp of
 *         sum over |e| <= 1 of  floor(((ax(p+e) - bx(p+d+e))^2 + (ay(p+e) - by(p+d+e))^2) / 4)
 *
 * with (ax, ay) A's gradients, (bx, by) B's; both are 0 outside of the image.
 *
 * The widths.  A Sobel gradient of bytes is within +-4 * 255 = 1,020; divided by 17 and rounded it
 * is within +-60 (and so it is when scaled to the root of its length, see idm.c).  A difference of
 * two is within +-120, and
 *     the sum of two squares is at most 2 * 120^2 = 28,800 < 2^15: vpmaddubsw, which saturates at
 *         32,767, gives it exactly, and takes 120 for a byte with or without a sign;
 *     a quarter of it is at most 7,200, and nine of these 64,800 < 2^16: a match fits 16 bits.
 * A sum over an image is below 2^16 for each pixel, so below 2^32 for a strip of 7 rows by 30
 * columns, and below 2^63 for any image there is memory for.
 *
 * An image lies in memory as pairs of signed bytes (ax, ay), in rows of `stride` pairs, with
 * warp + 1 pixels of zeros above and to the left, and at least as many below and to the right.  A
 * kernel takes strips of KNNC_IDM_ROWS rows and as many columns as its registers hold, less two:
 * sums of three side by side have no neighbours at the ends.
 */
#ifndef KNNC_IDM_H
#define KNNC_IDM_H

#include <stdint.h>

#define KNNC_IDM_STEP 17
#define KNNC_IDM_MOST 60.0
#define KNNC_IDM_LONGEST 1020.0
#define KNNC_IDM_NOISE 6
#define KNNC_IDM_ROWS 7
#define KNNC_IDM_MAX_WARP 8

typedef struct {
    int64_t height, width;
    int64_t warp;
    int64_t root;     /* scale each gradient to the root of its length */
    int64_t stride;   /* pairs of a row */
    int64_t n_rows;   /* with those above and below */
    int64_t n_strips; /* ceil(height / KNNC_IDM_ROWS) */
    int64_t n_bytes;  /* of an image, a multiple of 64 */
} knnc_idm_shape;

/* The cost if it is at most `limit`; else a number above `limit`, and no more than the cost. */
typedef int64_t (*knnc_idm_cost)(const knnc_idm_shape *shape, const int8_t *a, const int8_t *b,
                                 int64_t limit);

typedef struct {
    const char *name; /* operation_dtype_isa */
    uint32_t needs;   /* CPU features, see cpu.h */
    knnc_idm_cost cost;
} knnc_idm_kernel;

/* idm.c */
void knnc_idm_layout(knnc_idm_shape *shape, int64_t height, int64_t width, int64_t warp, int root);
void knnc_idm_gradients(const knnc_idm_shape *shape, const uint8_t *image, int8_t *pairs);

/* idm_select.c: best first. */
int knnc_n_idm_kernels(void);
const knnc_idm_kernel *knnc_idm_kernel_at(int i);

/* The i-th strip to compare.  The order is from the middle outwards: most of the cost is in the
 * middle, so a limit is passed early. */
static inline int64_t knnc_idm_strip(const knnc_idm_shape *shape, int64_t i) {
    const int64_t middle = shape->n_strips / 2;
    return i % 2 ? middle - (i + 1) / 2 : middle + i / 2;
}

/* Where a strip begins: in A at the row above and the column to the left, in B at the least offset
 * from there. */
static inline const int8_t *knnc_idm_a(const knnc_idm_shape *s, const int8_t *a, int64_t strip,
                                       int64_t column) {
    return a + 2 * ((strip * KNNC_IDM_ROWS + s->warp) * s->stride + column + s->warp);
}

static inline const int8_t *knnc_idm_b(const knnc_idm_shape *s, const int8_t *b, int64_t strip,
                                       int64_t column) {
    return b + 2 * (strip * KNNC_IDM_ROWS * s->stride + column);
}

/* Rows of a strip that are in the image. */
static inline int64_t knnc_idm_rows(const knnc_idm_shape *s, int64_t strip) {
    const int64_t left = s->height - strip * KNNC_IDM_ROWS;
    return left < KNNC_IDM_ROWS ? left : KNNC_IDM_ROWS;
}

#endif
