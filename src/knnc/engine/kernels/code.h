/* The loops of quantizer.pyx over the coordinates of one row, for compilers to make vectors of: here
 * the arrays of a loop can be said not to overlap. */
#ifndef KNNC_CODE_H
#define KNNC_CODE_H

#include <stdint.h>

/* In four sums side by side, for one would wait for each addition. */
static inline double knnc_sum_of_squares(const double *values, int64_t n) {
    double sums[4] = {0, 0, 0, 0};
    int64_t j = 0;
    for (; j + 4 <= n; j += 4) {
        for (int i = 0; i < 4; i++) sums[i] += values[j + i] * values[j + i];
    }
    for (; j < n; j++) sums[0] += values[j] * values[j];
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/* 64 high + low - origin, of a row's products with the two planes of each axis.  |x - a|^2 =
 * |x|^2 + |a|^2 - 2 x.a, so `of_row` and `of_planes` are 32 + 1/2 squares, and products with the
 * 128 that is added to each number of a; halves of whole numbers below 2^38, so exact. */
static inline void knnc_project(const int32_t *restrict high, const int32_t *restrict low,
                                double of_row, const double *restrict of_planes,
                                const double *restrict origin, int64_t n, double *restrict points) {
    for (int64_t j = 0; j < n; j++)
        points[j] = of_row + of_planes[j] - 32.0 * high[j] - 0.5 * low[j] - origin[j];
}

/* Cut values off at 127 steps, round them to a code, 128 added, and leave what rounding took. In
 * one loop, gcc 12 makes branches of the two comparisons. */
static inline void knnc_to_code(double *restrict values, const double *restrict steps, int64_t n,
                                uint8_t *restrict code) {
    for (int64_t j = 0; j < n; j++) {
        const double value = values[j] / steps[j], cut = value > -127 ? value : -127;
        values[j] = cut < 127 ? cut : 127;
    }
    for (int64_t j = 0; j < n; j++) {
        const int32_t rounded = (int32_t)(values[j] + 128.5);
        code[j] = (uint8_t)rounded;
        values[j] = steps[j] * (values[j] - (rounded - 128));
    }
}

#endif
