/* The contract between the search over rows of floats (Cython) and its leaf loops (C).
 *
 * A distance of float rows is a float64 with the same bits on every machine:
 *   - every difference, square and sum is rounded once, to nearest; no multiply-add is fused;
 *   - eight partial sums: feature j is added to sum j mod 8, in ascending j;
 *   - the total is ((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 + s7)).
 * Vectors therefore hold eight sums of one pair of rows, or one sum of several pairs.
 *
 * The key of a distance is the bits of that non-negative float64 as an int64.  Keys sort as the
 * distances do.  No row holds NaN, so no key does: differences are finite or infinite, and sums of
 * non-negative numbers are never inf - inf.  No key is negative: a sum starts at +0, and a
 * square or an absolute value is never -0.
 */
#ifndef KNNC_FLOATS_H
#define KNNC_FLOATS_H

#include <float.h>
#include <stdint.h>

#include "tile.h"

#if defined(__FAST_MATH__) || defined(_M_FP_FAST)
#error "knnc promises the same bits everywhere; remove -ffast-math (or /fp:fast)."
#endif
#if defined(FLT_EVAL_METHOD)
#if FLT_EVAL_METHOD != 0
#error "knnc needs float64 arithmetic without extra precision; with gcc, add -mfpmath=sse -msse2."
#endif
#endif
/* gcc takes -ffp-contract=off in place of this pragma; setup.py passes it. */
#if defined(_MSC_VER) && !defined(__clang__)
#pragma fp_contract(off)
#elif defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

#define KNNC_FLOAT_SUMS 8        /* partial sums of a distance */
#define KNNC_MAX_FLOAT_QUERIES 8 /* of a tile */

typedef enum {
    KNNC_FLOAT_SQEUCLIDEAN = 0,
    KNNC_FLOAT_MANHATTAN = 1,
    KNNC_FLOAT_CHEBYSHEV = 2, /* the largest absolute difference */
    KNNC_FLOAT_HAMMING = 3,   /* the number of features that differ */
    KNNC_FLOAT_COSINE = 4,    /* squared Euclidean of unit rows, at most 4; 2 for a row of zeros */
    KNNC_N_FLOAT_METRICS = 5
} knnc_float_metric;

typedef enum {
    KNNC_FLOAT_ROWS_F64 = 0,
    KNNC_FLOAT_ROWS_F32 = 1,
    KNNC_FLOAT_ROWS_U8 = 2, /* table[byte] is the value */
    KNNC_N_FLOAT_ROWS = 3
} knnc_float_row_type;

/* Rows as given.  For cosine, row r is made a unit row whenever it is read:
 * values * 2^-exponents[r] has its largest magnitude in [1, 2), and norms[r] is the norm of that.
 * A row of zeros has norm 0. */
typedef struct {
    const void *values;
    int64_t n_features;
    const double *table;
    const int32_t *exponents;
    const double *norms;
} knnc_float_rows;

/* A tile of queries: feature j of query q is at values[j * tile_queries + q]; features are padded
 * with zeros to a multiple of KNNC_FLOAT_SUMS, queries with zeros and a limit of 0. */
typedef struct {
    const double *values;
    int64_t limits[KNNC_MAX_FLOAT_QUERIES]; /* a row passes when its key is below */
    /* For cosine, keys are clipped to these: 0 and 4, or 2 and 2 for a query of zeros. */
    double lowest[KNNC_MAX_FLOAT_QUERIES], highest[KNNC_MAX_FLOAT_QUERIES];
} knnc_float_queries;

/* Take row `row` at `key` for query `query` of the tile; return the query's new limit.  Rows of a
 * query arrive in ascending order. */
typedef int64_t (*knnc_float_push)(void *context, int query, int64_t row, int64_t key);

/* The key of one row.  For cosine `query` is a unit row, or zeros with query_norm 0. */
typedef int64_t (*knnc_float_pair)(const knnc_float_rows *rows, int64_t row, const double *query,
                                   double query_norm);

/* Rows as float64, and for cosine as unit rows. */
typedef void (*knnc_float_decode)(const knnc_float_rows *rows, int64_t first, int64_t last,
                                  double *values);

/* Compare n_rows decoded rows, the first of which is row first_row, with a tile of queries.
 * `norms`, of the same rows, is read for cosine only. */
typedef void (*knnc_float_tile)(const double *values, const double *norms, int64_t n_rows,
                                int64_t n_features, int64_t first_row, knnc_float_queries *queries,
                                knnc_float_push push, void *context);

/* Compare the leaf of a k-d tree, vectors of tile_queries rows, feature by feature, with one query.
 * `push` gets row numbers counted from 0. */
typedef void (*knnc_float_leaf)(const double *values, int64_t n_vectors, int64_t n_features,
                                const double *query, int64_t limit, knnc_float_push push,
                                void *context);

/* Lower bounds of the keys of all rows in each of some boxes: feature by feature the lowest values
 * of all boxes, then the highest ones. */
#define KNNC_TREE_ARITY 8
typedef void (*knnc_float_boxes)(const double *values, int64_t n_features, const double *query,
                                 int64_t *keys);

/* Products of rows with axes in float32, for codes; their error bound allows for any rounding.
 * KNNC_FEATURES_A_SUM products are added up, and then these sums.  Axes are in blocks of
 * KNNC_AXES_A_BLOCK, with those of a block side by side for each feature.  The products of row r
 * are at points + r * n_blocks * KNNC_AXES_A_BLOCK. */
#define KNNC_AXES_A_BLOCK 16
#define KNNC_FEATURES_A_SUM 64
typedef void (*knnc_float_project)(const float *rows, int64_t n_rows, int64_t n_features,
                                   const float *axes, int64_t n_blocks, float *points);

typedef struct {
    const char *name;
    uint32_t needs; /* CPU features, see cpu.h */
    int tile_queries;
    knnc_float_project project;
    knnc_float_tile tile[KNNC_N_FLOAT_METRICS];
    /* For all metrics but cosine. */
    knnc_float_leaf leaf[KNNC_FLOAT_COSINE];
    knnc_float_boxes boxes[KNNC_FLOAT_COSINE];
    knnc_float_pair pair[KNNC_N_FLOAT_METRICS][KNNC_N_FLOAT_ROWS];
    /* [0]: the values, [1]: unit rows */
    knnc_float_decode decode[2][KNNC_N_FLOAT_ROWS];
} knnc_float_kernel;

/* 2^-exponent as a product of two powers of two: 2^1074, for subnormal rows, is no float64.
 * Where the second is not 1, products with both are exact. */
typedef struct {
    double first, second;
} knnc_float_scale;

static inline double knnc_power_of_two(int32_t exponent) { /* -1023 to 1023 */
    union {
        uint64_t bits;
        double value;
    } power;
    power.bits = exponent > -1023 ? (uint64_t)(exponent + 1023) << 52 : (uint64_t)1 << 51;
    return power.value;
}

static inline knnc_float_scale knnc_scale_of(int32_t exponent) { /* -1074 to 1023 */
    const int32_t first = exponent < -1023 ? 1023 : -exponent;
    const knnc_float_scale scale = {knnc_power_of_two(first), knnc_power_of_two(-exponent - first)};
    return scale;
}

/* float_measure.c: the exponent and the norm of one row of float64, see knnc_float_rows. */
void knnc_float_measure(const double *values, int64_t n_features, int32_t *exponent, double *norm);

/* float_mode.c: make the calling thread round to nearest and keep subnormal numbers, and go back to
 * what it did before.  Everything above is called between the two. */
typedef struct {
    uint64_t control;
} knnc_float_mode;

knnc_float_mode knnc_float_mode_enter(void);
void knnc_float_mode_leave(knnc_float_mode before);

/* float_select.c: every kernel compiled in, best first. */
int knnc_n_float_kernels(void);
const knnc_float_kernel *knnc_float_kernel_at(int i);

#endif
