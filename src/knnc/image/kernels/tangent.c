#include "tangent.h"

#include <math.h>

#define LANES 8

/* Eight partial sums, in an order that does not depend on the batch or the number of threads. */
static double dot(const double *a, const double *b, int64_t n) {
    double sums[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++) sums[j] += a[i + j] * b[i + j];
    for (int j = 0; i < n; i++, j++) sums[j] += a[i] * b[i];
    return ((sums[0] + sums[1]) + (sums[2] + sums[3])) +
           ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

static double dot_difference(const double *a, const uint8_t *x, const uint8_t *y, int64_t n) {
    double sums[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++) sums[j] += a[i + j] * (x[i + j] - y[i + j]);
    for (int j = 0; i < n; i++, j++) sums[j] += a[i] * (x[i] - y[i]);
    return ((sums[0] + sums[1]) + (sums[2] + sums[3])) +
           ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

static void subtract(double *row, const double *other, double factor, int64_t n) {
    for (int64_t i = 0; i < n; i++) row[i] -= factor * other[i];
}

/* The directions, not yet orthonormal, from gradients by central differences.  Pixels of the edge
 * are repeated beyond it. */
static void directions(const uint8_t *image, int64_t h, int64_t w, double *out) {
    const int64_t n = h * w;
    for (int64_t y = 0; y < h; y++)
        for (int64_t x = 0; x < w; x++) {
            const int64_t i = y * w + x;
            const int64_t l = x > 0 ? i - 1 : i, r = x < w - 1 ? i + 1 : i;
            const int64_t u = y > 0 ? i - w : i, d = y < h - 1 ? i + w : i;
            const double across = (image[r] - image[l]) / 2.0, along = (image[d] - image[u]) / 2.0;
            const double right = (double)x - (double)(w - 1) / 2,
                         down = (double)y - (double)(h - 1) / 2;
            out[i] = across;                                  /* moved sideways */
            out[n + i] = along;                               /* moved down */
            out[2 * n + i] = right * across + down * along;   /* larger */
            out[3 * n + i] = down * across - right * along;   /* turned */
            out[4 * n + i] = right * across - down * along;   /* wider and lower */
            out[5 * n + i] = down * across + right * along;   /* stretched along a diagonal */
            out[6 * n + i] = across * across + along * along; /* thicker */
        }
}

/* Gram-Schmidt, each row twice: a row may be nearly a sum of the others, and what rounding leaves
 * of them after one pass may then be large beside the rest. */
void knnc_tangents(const uint8_t *image, int64_t height, int64_t width, double *basis) {
    const int64_t n = height * width;
    directions(image, height, width, basis);
    for (int t = 0; t < KNNC_TANGENTS; t++) {
        double *row = basis + t * n;
        const double before = dot(row, row, n);
        for (int pass = 0; pass < 2; pass++)
            for (int s = 0; s < t; s++) subtract(row, basis + s * n, dot(row, basis + s * n, n), n);
        const double after = dot(row, row, n);
        const double scale = after > 1e-16 * before ? 1 / sqrt(after) : 0;
        for (int64_t i = 0; i < n; i++) row[i] *= scale;
    }
}

/* What the directions of b that a lacks make up for: with M = A B', G = I - M'M and
 * e = B d - M'A d this is e' G^-1 e, by the Cholesky factor of G.  Directions that both have
 * leave a pivot of rounding errors only, and are skipped. */
static double more_of(const double *mixed, const double *of_a, const double *of_b) {
    double factor[KNNC_TANGENTS][KNNC_TANGENTS] = {{0}}, solved[KNNC_TANGENTS], total = 0;
    for (int i = 0; i < KNNC_TANGENTS; i++) {
        double rest = of_b[i];
        for (int t = 0; t < KNNC_TANGENTS; t++) rest -= mixed[t * KNNC_TANGENTS + i] * of_a[t];
        for (int j = 0; j <= i; j++) {
            double entry = i == j;
            for (int t = 0; t < KNNC_TANGENTS; t++)
                entry -= mixed[t * KNNC_TANGENTS + i] * mixed[t * KNNC_TANGENTS + j];
            for (int t = 0; t < j; t++) entry -= factor[i][t] * factor[j][t];
            if (j < i)
                factor[i][j] = factor[j][j] > 0 ? entry / factor[j][j] : 0;
            else
                factor[i][i] = entry > 1e-9 ? sqrt(entry) : 0;
        }
        for (int t = 0; t < i; t++) rest -= factor[i][t] * solved[t];
        solved[i] = factor[i][i] > 0 ? rest / factor[i][i] : 0;
        total += solved[i] * solved[i];
    }
    return total;
}

double knnc_tangent_distance(const uint8_t *x, const uint8_t *y, int64_t n_pixels, const double *a,
                             const double *b) {
    double of_a[KNNC_TANGENTS], of_b[KNNC_TANGENTS], mixed[KNNC_TANGENTS * KNNC_TANGENTS];
    int64_t squares = 0;
    for (int64_t i = 0; i < n_pixels; i++) squares += (x[i] - y[i]) * (x[i] - y[i]);
    double left = (double)squares;
    for (int t = 0; t < KNNC_TANGENTS; t++) {
        of_a[t] = dot_difference(a + t * n_pixels, x, y, n_pixels);
        left -= of_a[t] * of_a[t];
    }
    if (b) {
        for (int t = 0; t < KNNC_TANGENTS; t++) {
            of_b[t] = dot_difference(b + t * n_pixels, x, y, n_pixels);
            for (int s = 0; s < KNNC_TANGENTS; s++)
                mixed[t * KNNC_TANGENTS + s] = dot(a + t * n_pixels, b + s * n_pixels, n_pixels);
        }
        left -= more_of(mixed, of_a, of_b);
    }
    return left > 0 ? left : 0;
}
