/* The distance of two rows by its definition.  Serial kernels use it for whole rows, the others for
 * the last features. */
#ifndef KNNC_PAIR_U8_H
#define KNNC_PAIR_U8_H

#include "tile.h"

KNNC_INLINE int32_t knnc_sqeuclidean(const uint8_t *x, const uint8_t *y, int64_t n_features) {
    uint32_t sum = 0;
    for (int64_t f = 0; f < n_features; f++) {
        const int32_t diff = (int32_t)x[f] - (int32_t)y[f];
        sum += (uint32_t)(diff * diff);
    }
    return (int32_t)sum;
}

KNNC_INLINE int32_t knnc_manhattan(const uint8_t *x, const uint8_t *y, int64_t n_features) {
    uint32_t sum = 0;
    for (int64_t f = 0; f < n_features; f++) {
        const int32_t diff = (int32_t)x[f] - (int32_t)y[f];
        sum += (uint32_t)(diff < 0 ? -diff : diff);
    }
    return (int32_t)sum;
}

KNNC_INLINE int32_t knnc_chebyshev(const uint8_t *x, const uint8_t *y, int64_t n_features) {
    uint8_t largest = 0; /* a byte, so that the compiler compares many at a time */
    for (int64_t f = 0; f < n_features; f++) {
        const uint8_t diff = (uint8_t)(x[f] < y[f] ? y[f] - x[f] : x[f] - y[f]);
        largest = diff > largest ? diff : largest;
    }
    return largest;
}

KNNC_INLINE int32_t knnc_hamming(const uint8_t *x, const uint8_t *y, int64_t n_features) {
    uint32_t count = 0;
    for (int64_t f = 0; f < n_features; f++) count += x[f] != y[f];
    return (int32_t)count;
}

#endif
