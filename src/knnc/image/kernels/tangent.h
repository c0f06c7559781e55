/* Tangent distance (Simard, LeCun and Denker, 1993): how far an image is, to first order, from
 * whatever small shifts, turns, stretches and changes of thickness make of another. */
#ifndef KNNC_TANGENT_H
#define KNNC_TANGENT_H

#include <stdint.h>

#define KNNC_TANGENTS 7

/* An orthonormal basis of an image's tangent space, KNNC_TANGENTS rows of height * width.  If the
 * image has fewer directions, some rows are zero. */
void knnc_tangents(const uint8_t *image, int64_t height, int64_t width, double *basis);

/* The squared distance of two images, less what the directions in `a` can make up for; those in `b`
 * too, if it is not null. */
double knnc_tangent_distance(const uint8_t *x, const uint8_t *y, int64_t n_pixels, const double *a,
                             const double *b);

#endif
