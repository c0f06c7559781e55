/* The loops of quantizer.pyx over the coordinates of one row.  They are in C because `restrict`
 * lets compilers vectorize them. */
#ifndef KNNC_CODE_H
#define KNNC_CODE_H

#include <math.h>
#include <stdint.h>

/* The modules that include this are compiled for size. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("O3")
#endif

typedef struct {
    int64_t square;  /* |x|^2 */
    int64_t total;   /* the sum of x */
    int64_t centred; /* |x - m|^2 */
} knnc_moments;

/* At most 32,768 features, so each sum fits 32 bits.  With these, one loop does the work of two. */
static inline knnc_moments knnc_moments_of(const uint8_t *row, const uint8_t *mean, int64_t n) {
    uint32_t square = 0, total = 0, centred = 0;
    for (int64_t f = 0; f < n; f++) {
        const int32_t x = row[f], diff = x - mean[f];
        square += (uint32_t)(x * x);
        total += (uint32_t)x;
        centred += (uint32_t)(diff * diff);
    }
    const knnc_moments moments = {square, total, centred};
    return moments;
}

/* Four partial sums, because a single one would wait for each addition. */
static inline double knnc_sum_of_squares(const double *values, int64_t n) {
    double sums[4] = {0, 0, 0, 0};
    int64_t j = 0;
    for (; j + 4 <= n; j += 4) {
        for (int i = 0; i < 4; i++) sums[i] += values[j + i] * values[j + i];
    }
    for (; j < n; j++) sums[0] += values[j] * values[j];
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/* A float row minus the mean, scaled and clipped; returns its squared norm. */
static inline double knnc_centre(const double *restrict row, const double *restrict mean,
                                 double scale, double clip, int64_t n, double *restrict centred) {
    for (int64_t j = 0; j < n; j++) {
        /* Scaled first: row - mean may overflow for one of two rows that are near each other. */
        const double value = row[j] * scale - mean[j] * scale, cut = value > -clip ? value : -clip;
        centred[j] = cut < clip ? cut : clip;
    }
    return knnc_sum_of_squares(centred, n);
}

static inline void knnc_to_floats(const double *restrict values, int64_t n,
                                  float *restrict floats) {
    for (int64_t j = 0; j < n; j++) floats[j] = (float)values[j];
}

static inline void knnc_to_doubles(const float *restrict floats, int64_t n,
                                   double *restrict values) {
    for (int64_t j = 0; j < n; j++) values[j] = floats[j];
}

/* 64 high + low - origin, with a row's products with the two planes of each axis.  |x - a|^2 =
 * |x|^2 + |a|^2 - 2 x.a, so `of_row` and `of_planes` have 32 + 1/2 times the squares, and the
 * products with the 128 that is added to each number of a.  All are halves of whole numbers below
 * 2^38, so the result is exact. */
static inline void knnc_project(const int32_t *restrict high, const int32_t *restrict low,
                                double of_row, const double *restrict of_planes,
                                const double *restrict origin, int64_t n, double *restrict points) {
    for (int64_t j = 0; j < n; j++)
        points[j] = of_row + of_planes[j] - 32.0 * high[j] - 0.5 * low[j] - origin[j];
}

/* Clip values to 127 steps, round them to a code (plus 128), and leave the rounding errors in
 * `values`.  Two loops, because in one gcc 12 makes branches of the two comparisons. */
static inline void knnc_to_code(double *restrict values, const double *restrict steps,
                                int64_t stride, int64_t n, uint8_t *restrict code) {
    for (int64_t j = 0; j < n; j++) {
        const double value = values[j] / steps[j * stride], cut = value > -127 ? value : -127;
        values[j] = cut < 127 ? cut : 127;
    }
    for (int64_t j = 0; j < n; j++) {
        const int32_t rounded = (int32_t)(values[j] + 128.5);
        code[j] = (uint8_t)rounded;
        values[j] = steps[j * stride] * (values[j] - (rounded - 128));
    }
}

/* The fast Walsh-Hadamard transform of n numbers, n a power of two, scaled to be orthogonal.  All
 * rounds are alike: each pairs the two halves, and lays sums and differences by turns. */
static inline void knnc_hadamard(float *values, float *scratch, int64_t n) {
    const float norm = 1 / sqrtf((float)n);
    float *from = values, *to = scratch;
    for (int64_t round = 1; round < n; round *= 2) {
        const float *restrict a = from, *restrict b = from + n / 2;
        float *restrict out = to;
        for (int64_t j = 0; j < n / 2; j++) {
            out[2 * j] = a[j] + b[j];
            out[2 * j + 1] = a[j] - b[j];
        }
        to = from;
        from = out;
    }
    for (int64_t j = 0; j < n; j++) values[j] = norm * from[j];
}

/* An orthogonal map of n numbers that spreads each of them over nearly all.  It changes signs and
 * transforms the first numbers, as many as the largest power of two up to n, then the last ones.
 * `scratch` is for n numbers. */
static inline void knnc_turn(float *restrict values, const double *restrict signs, int64_t n,
                             float *scratch) {
    int64_t size = 1;
    while (2 * size <= n) size *= 2;
    for (int64_t j = 0; j < n; j++) values[j] *= (float)signs[j];
    knnc_hadamard(values, scratch, size);
    if (size == n) return;
    float *restrict last = values + n - size;
    for (int64_t j = 0; j < size; j++) last[j] *= (float)signs[j];
    knnc_hadamard(last, scratch, size);
}

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif

#endif
