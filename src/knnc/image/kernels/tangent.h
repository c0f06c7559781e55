/* Tangent distance (Simard, LeCun and Denker, 1993): how far an image is from all that another
 * becomes by small shifts, turns, stretches and changes of thickness, to first order. */
#ifndef KNNC_TANGENT_H
#define KNNC_TANGENT_H

#include <stdint.h>

#define KNNC_TANGENTS 7

/* An orthonormal basis of an image's tangent space, KNNC_TANGENTS rows of height * width; a row is
 * zero where the image has fewer directions. */
void knnc_tangents(const uint8_t *image, int64_t height, int64_t width, double *basis);

/* The squared distance of two images, less what the directions of `a` can make up for: of a alone,
 * or, if `b` is not null, of both. */
double knnc_tangent_distance(const uint8_t *x, const uint8_t *y, int64_t n_pixels, const double *a,
                             const double *b);

#endif
