/* What makes a row a unit row: a power of two and a norm. */
#include <math.h>
#include <string.h>

#include "floats.h"

/* The exponent e of a positive value: 2^e <= value < 2^(e + 1). */
static int32_t exponent_of(double value) {
    uint64_t bits;
    int32_t below = 0;
    if (value < DBL_MIN) { /* subnormal */
        value *= 0x1p52;
        below = 52;
    }
    memcpy(&bits, &value, sizeof bits);
    return (int32_t)(bits >> 52) - 1023 - below;
}

void knnc_float_measure(const double *values, int64_t n_features, int32_t *exponent, double *norm) {
    double largest = 0, s[KNNC_FLOAT_SUMS] = {0};
    for (int64_t j = 0; j < n_features; j++) {
        const double magnitude = fabs(values[j]);
        largest = magnitude > largest ? magnitude : largest;
    }
    *exponent = 0;
    *norm = 0;
    if (largest == 0) return;
    *exponent = exponent_of(largest);
    const knnc_float_scale scale = knnc_scale_of(*exponent);
    for (int64_t j = 0; j < n_features; j++) {
        const double scaled = values[j] * scale.first * scale.second;
        s[j % KNNC_FLOAT_SUMS] += scaled * scaled;
    }
    *norm = sqrt(((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7])));
}
