/* The loops over rows of floats, for one instruction set.  The file that includes this defines
 * LANES, the float64 values of a vector, and the operations on vectors.  Apart from -0 and equal
 * arguments, each operation gives the same bits everywhere.
 *
 * `tile`: a vector holds one partial sum of LANES queries and one row.  So nothing is summed across
 * a vector, and no number of features is worse than another.  The sums of TILE_ROWS rows are in
 * registers, PASS_SUMS of the eight at a time.
 * `pair`: vectors hold the eight sums of one query and one row.
 */
#include <string.h>

#define FUNCTION static TARGET
#define INLINE KNNC_INLINE TARGET
#define SHARED KNNC_NOINLINE TARGET /* used by all metrics */
#define PAIR_VECTORS (KNNC_FLOAT_SUMS / LANES)

KNNC_INLINE int64_t bits_of(double key) {
    int64_t bits;
    memcpy(&bits, &key, sizeof bits);
    return bits;
}

INLINE vec step(knnc_float_metric metric, vec sum, vec query, vec row) {
    if (metric == KNNC_FLOAT_HAMMING) return ADD(sum, DIFFER(query, row));
    const vec diff = SUB(query, row);
    if (metric == KNNC_FLOAT_MANHATTAN) return ADD(sum, ABS(diff));
    if (metric == KNNC_FLOAT_CHEBYSHEV) return MAX(sum, ABS(diff));
    return ADD(sum, MUL(diff, diff));
}

/* The same for one feature of one pair. */
INLINE double step_one(knnc_float_metric metric, double sum, double query, double row) {
    if (metric == KNNC_FLOAT_HAMMING) return sum + (query != row);
    const double diff = query - row, size = diff < 0 ? -diff : diff;
    if (metric == KNNC_FLOAT_MANHATTAN) return sum + size;
    if (metric == KNNC_FLOAT_CHEBYSHEV) return size > sum ? size : sum;
    return sum + diff * diff;
}

INLINE vec merge(knnc_float_metric metric, vec a, vec b) {
    return metric == KNNC_FLOAT_CHEBYSHEV ? MAX(a, b) : ADD(a, b);
}

INLINE vec total(knnc_float_metric metric, const vec *s) {
    const vec even = merge(metric, merge(metric, s[0], s[4]), merge(metric, s[2], s[6]));
    const vec odd = merge(metric, merge(metric, s[1], s[5]), merge(metric, s[3], s[7]));
    return merge(metric, even, odd);
}

/* ---------------------------------------------------------------------------------------------- */
/* A tile of queries */

/* PASS_SUMS of the eight sums of some rows, from sum first_sum on. */
INLINE void add_up(knnc_float_metric metric, const double *rows, int64_t n_features, int n_rows,
                   const double *queries, int first_sum, vec (*sums)[KNNC_FLOAT_SUMS]) {
    const int64_t whole = n_features - n_features % KNNC_FLOAT_SUMS;
    vec acc[TILE_ROWS][PASS_SUMS];
    KNNC_UNROLL
    for (int r = 0; r < n_rows; r++) {
        KNNC_UNROLL
        for (int s = 0; s < PASS_SUMS; s++) acc[r][s] = ZERO;
    }
    rows += first_sum;
    queries += first_sum * LANES;
    for (int64_t j = 0; j < whole; j += KNNC_FLOAT_SUMS) {
        KNNC_UNROLL
        for (int s = 0; s < PASS_SUMS; s++) {
            const vec query = LOAD(queries + (j + s) * LANES);
            KNNC_UNROLL
            for (int r = 0; r < n_rows; r++)
                acc[r][s] = step(metric, acc[r][s], query, SPREAD(rows + r * n_features + j + s));
        }
    }
    KNNC_UNROLL
    for (int s = 0; s < PASS_SUMS; s++) {
        if (whole + first_sum + s >= n_features) break;
        const vec query = LOAD(queries + (whole + s) * LANES);
        KNNC_UNROLL
        for (int r = 0; r < n_rows; r++)
            acc[r][s] = step(metric, acc[r][s], query, SPREAD(rows + r * n_features + whole + s));
    }
    KNNC_UNROLL
    for (int r = 0; r < n_rows; r++) {
        KNNC_UNROLL
        for (int s = 0; s < PASS_SUMS; s++) sums[r][first_sum + s] = acc[r][s];
    }
}

/* The keys of some rows, those of a row side by side. */
INLINE void find_keys(knnc_float_metric metric, int n_rows, const double *rows, int64_t n_features,
                      const double *queries, double *keys) {
    vec sums[TILE_ROWS][KNNC_FLOAT_SUMS];
    for (int first_sum = 0; first_sum < KNNC_FLOAT_SUMS; first_sum += PASS_SUMS)
        add_up(metric, rows, n_features, n_rows, queries, first_sum, sums);
    KNNC_UNROLL
    for (int r = 0; r < n_rows; r++) STORE(keys + r * LANES, total(metric, sums[r]));
}

/* For one metric: TILE_ROWS rows, and one row.  The code that calls them is compiled once. */
typedef void find_keys_function(const double *rows, int64_t n_features, const double *queries,
                                double *keys);
typedef struct {
    find_keys_function *of_many, *of_one;
} key_finder;

/* Push a row for each query for which it passed. */
KNNC_NOINLINE void emit(uint64_t mask, const double *keys, int64_t row, knnc_float_queries *queries,
                        knnc_float_push push, void *context) {
    for (; mask; mask &= mask - 1) {
        const int q = knnc_lowest_bit(mask);
        queries->limits[q] = push(context, q, row, bits_of(keys[q]));
    }
}

SHARED void scan(const key_finder *find, int is_unit, const double *values, const double *norms,
                 int64_t n_rows, int64_t n_features, int64_t first_row, knnc_float_queries *queries,
                 knnc_float_push push, void *context) {
    const double two = 2.0;
    double keys[TILE_ROWS * LANES];
    for (int64_t r = 0; r < n_rows;) {
        const int n = r + TILE_ROWS <= n_rows ? TILE_ROWS : 1;
        (n == 1 ? find->of_one : find->of_many)(values + r * n_features, n_features,
                                                queries->values, keys);
        for (int i = 0; i < n; i++, r++) {
            vec key = LOAD(keys + i * LANES);
            if (is_unit) {
                key = MAX(MIN(key, LOAD(queries->highest)), LOAD(queries->lowest));
                if (norms[r] == 0) key = SPREAD(&two);
                STORE(keys + i * LANES, key);
            }
            const uint64_t mask = BELOW(key, queries->limits);
            if (mask) emit(mask, keys + i * LANES, first_row + r, queries, push, context);
        }
    }
}

/* ---------------------------------------------------------------------------------------------- */
/* A k-d tree: one query, and vectors of LANES rows or of LANES boxes */

SHARED void leaf(find_keys_function *find, const double *values, int64_t n_vectors,
                 int64_t n_features, const double *query, int64_t limit, knnc_float_push push,
                 void *context) {
    int64_t limits[LANES];
    double keys[LANES];
    for (int i = 0; i < LANES; i++) limits[i] = limit;
    for (int64_t v = 0; v < n_vectors; v++, values += n_features * LANES) {
        find(query, n_features, values, keys);
        uint64_t mask = BELOW(LOAD(keys), limits);
        if (!mask) continue;
        for (; mask; mask &= mask - 1) {
            const int i = knnc_lowest_bit(mask);
            limit = push(context, 0, v * LANES + i, bits_of(keys[i]));
        }
        for (int i = 0; i < LANES; i++) limits[i] = limit;
    }
}

/* Rounding is monotonic.  So the sum over the nearest point of a box, in the order of `leaf`, is
 * at most that of any row in it. */
INLINE void boxes(knnc_float_metric metric, const double *values, int64_t n_features,
                  const double *query, int64_t *keys) {
    for (int first = 0; first < KNNC_TREE_ARITY; first += LANES) {
        vec sums[KNNC_FLOAT_SUMS];
        KNNC_UNROLL
        for (int s = 0; s < KNNC_FLOAT_SUMS; s++) sums[s] = ZERO;
        for (int64_t j = 0; j < n_features; j += KNNC_FLOAT_SUMS) {
            KNNC_UNROLL
            for (int s = 0; s < KNNC_FLOAT_SUMS; s++) {
                if (j + s >= n_features) break;
                const double *low = values + (j + s) * 2 * KNNC_TREE_ARITY + first;
                const vec at = SPREAD(query + j + s);
                const vec below = SUB(LOAD(low), at);
                const vec above = SUB(at, LOAD(low + KNNC_TREE_ARITY));
                sums[s] = step(metric, sums[s], MAX(MAX(below, above), ZERO), ZERO);
            }
        }
        double found[LANES];
        STORE(found, total(metric, sums));
        for (int i = 0; i < LANES; i++) keys[first + i] = bits_of(found[i]);
    }
}

/* ---------------------------------------------------------------------------------------------- */
/* One pair of rows */

INLINE double value_at(knnc_float_row_type type, const knnc_float_rows *rows, int64_t at) {
    if (type == KNNC_FLOAT_ROWS_F64) return ((const double *)rows->values)[at];
    if (type == KNNC_FLOAT_ROWS_F32) return (double)((const float *)rows->values)[at];
    return rows->table[((const uint8_t *)rows->values)[at]];
}

INLINE vec values_at(knnc_float_row_type type, const knnc_float_rows *rows, int64_t at) {
    double values[LANES];
    if (type == KNNC_FLOAT_ROWS_F64) return LOAD((const double *)rows->values + at);
    if (type == KNNC_FLOAT_ROWS_F32) return LOAD_F32((const float *)rows->values + at);
    for (int i = 0; i < LANES; i++) values[i] = value_at(type, rows, at + i);
    return LOAD(values);
}

INLINE int64_t pair_key(knnc_float_metric metric, knnc_float_row_type type,
                        const knnc_float_rows *rows, int64_t row, const double *query,
                        double query_norm) {
    const int is_unit = metric == KNNC_FLOAT_COSINE;
    const int64_t d = rows->n_features, whole = d - d % KNNC_FLOAT_SUMS, start = row * d;
    knnc_float_scale scale = {1, 1};
    double norm = 1;
    vec sums[PAIR_VECTORS];
    if (is_unit) {
        norm = rows->norms[row];
        if (norm == 0 || query_norm == 0) return bits_of(2.0);
        scale = knnc_scale_of(rows->exponents[row]);
    }
    KNNC_UNROLL
    for (int i = 0; i < PAIR_VECTORS; i++) sums[i] = ZERO;
    for (int64_t j = 0; j < whole; j += KNNC_FLOAT_SUMS) {
        KNNC_UNROLL
        for (int i = 0; i < PAIR_VECTORS; i++) {
            vec value = values_at(type, rows, start + j + i * LANES);
            if (is_unit)
                value = DIV(MUL(MUL(value, SPREAD(&scale.first)), SPREAD(&scale.second)),
                            SPREAD(&norm));
            sums[i] = step(metric, sums[i], LOAD(query + j + i * LANES), value);
        }
    }
    double s[KNNC_FLOAT_SUMS];
    KNNC_UNROLL
    for (int i = 0; i < PAIR_VECTORS; i++) STORE(s + i * LANES, sums[i]);
    for (int64_t j = whole; j < d; j++) {
        double value = value_at(type, rows, start + j);
        if (is_unit) value = value * scale.first * scale.second / norm;
        s[j - whole] = step_one(metric, s[j - whole], query[j], value);
    }
    if (metric == KNNC_FLOAT_CHEBYSHEV) {
        for (int i = 1; i < KNNC_FLOAT_SUMS; i++) s[0] = s[i] > s[0] ? s[i] : s[0];
        return bits_of(s[0]);
    }
    const double key = ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
    return bits_of(is_unit && key > 4 ? 4.0 : key);
}

/* ---------------------------------------------------------------------------------------------- */
/* Rows as float64 */

INLINE void decode(int is_unit, knnc_float_row_type type, const knnc_float_rows *rows,
                   int64_t first, int64_t last, double *values) {
    const int64_t d = rows->n_features;
    for (int64_t r = first; r < last; r++, values += d) {
        /* Vectors by hand: the compiler has to assume that `values` overlaps the rows. */
        int64_t j = 0;
        for (; j + LANES <= d; j += LANES) STORE(values + j, values_at(type, rows, r * d + j));
        for (; j < d; j++) values[j] = value_at(type, rows, r * d + j);
        if (!is_unit) continue;
        if (rows->norms[r] == 0) {
            memset(values, 0, (size_t)d * sizeof(double));
            continue;
        }
        const knnc_float_scale scale = knnc_scale_of(rows->exponents[r]);
        const double norm = rows->norms[r];
        for (j = 0; j + LANES <= d; j += LANES)
            STORE(values + j,
                  DIV(MUL(MUL(LOAD(values + j), SPREAD(&scale.first)), SPREAD(&scale.second)),
                      SPREAD(&norm)));
        for (; j < d; j++) values[j] = values[j] * scale.first * scale.second / norm;
    }
}

/* ---------------------------------------------------------------------------------------------- */
/* Projection: LANES rows times a block of axes are in registers */

#define AXES_VECTORS (KNNC_AXES_A_BLOCK / FLOATS)

INLINE void project_rows(const float *rows, int n_rows, int64_t n_features, const float *axes,
                         float *points, int64_t stride) {
    for (int r = 0; r < n_rows; r++) {
        for (int a = 0; a < KNNC_AXES_A_BLOCK; a++) points[r * stride + a] = 0;
    }
    for (int64_t first = 0; first < n_features; first += KNNC_FEATURES_A_SUM) {
        const int64_t rest = n_features - first;
        const int64_t n = rest < KNNC_FEATURES_A_SUM ? rest : KNNC_FEATURES_A_SUM;
        floats acc[PROJECTED_ROWS][AXES_VECTORS];
        KNNC_UNROLL
        for (int r = 0; r < n_rows; r++) {
            KNNC_UNROLL
            for (int a = 0; a < AXES_VECTORS; a++) acc[r][a] = SPREAD_FLOAT(0);
        }
        for (int64_t j = first; j < first + n; j++, axes += KNNC_AXES_A_BLOCK) {
            KNNC_UNROLL
            for (int r = 0; r < n_rows; r++) {
                const floats value = SPREAD_FLOAT(rows[r * n_features + j]);
                KNNC_UNROLL
                for (int a = 0; a < AXES_VECTORS; a++)
                    acc[r][a] = ADD_PRODUCT(acc[r][a], value, LOAD_FLOATS(axes + a * FLOATS));
            }
        }
        KNNC_UNROLL
        for (int r = 0; r < n_rows; r++) {
            KNNC_UNROLL
            for (int a = 0; a < AXES_VECTORS; a++) {
                float *at = points + r * stride + a * FLOATS;
                STORE_FLOATS(at, ADD_FLOATS(LOAD_FLOATS(at), acc[r][a]));
            }
        }
    }
}

FUNCTION void project(const float *rows, int64_t n_rows, int64_t n_features, const float *axes,
                      int64_t n_blocks, float *points) {
    const int64_t stride = n_blocks * KNNC_AXES_A_BLOCK;
    for (int64_t b = 0; b < n_blocks; b++, points += KNNC_AXES_A_BLOCK) {
        int64_t r = 0;
        for (; r + PROJECTED_ROWS <= n_rows; r += PROJECTED_ROWS)
            project_rows(rows + r * n_features, PROJECTED_ROWS, n_features, axes,
                         points + r * stride, stride);
        for (; r < n_rows; r++)
            project_rows(rows + r * n_features, 1, n_features, axes, points + r * stride, stride);
        axes += n_features * KNNC_AXES_A_BLOCK;
    }
}

/* ---------------------------------------------------------------------------------------------- */
/* All of these, for each metric and type of rows */

#define FINDER(name, metric)                                                                       \
    SHARED void many_##name(const double *rows, int64_t n_features, const double *queries,         \
                            double *keys) {                                                        \
        find_keys(metric, TILE_ROWS, rows, n_features, queries, keys);                             \
    }                                                                                              \
    SHARED void one_##name(const double *rows, int64_t n_features, const double *queries,          \
                           double *keys) {                                                         \
        find_keys(metric, 1, rows, n_features, queries, keys);                                     \
    }                                                                                              \
    static const key_finder keys_##name = {many_##name, one_##name};
#define TILE(name, find, is_unit)                                                                  \
    FUNCTION void tile_##name(const double *values, const double *norms, int64_t n_rows,           \
                              int64_t n_features, int64_t first_row, knnc_float_queries *queries,  \
                              knnc_float_push push, void *context) {                               \
        scan(&find, is_unit, values, norms, n_rows, n_features, first_row, queries, push,          \
             context);                                                                             \
    }
#define TREE(name, metric)                                                                         \
    FUNCTION void leaf_##name(const double *values, int64_t n_vectors, int64_t n_features,         \
                              const double *query, int64_t limit, knnc_float_push push,            \
                              void *context) {                                                     \
        leaf(one_##name, values, n_vectors, n_features, query, limit, push, context);              \
    }                                                                                              \
    FUNCTION void boxes_##name(const double *values, int64_t n_features, const double *query,      \
                               int64_t *keys) {                                                    \
        boxes(metric, values, n_features, query, keys);                                            \
    }
#define PAIR(name, metric, suffix, type)                                                           \
    FUNCTION int64_t pair_##name##_##suffix(const knnc_float_rows *rows, int64_t row,              \
                                            const double *query, double query_norm) {              \
        return pair_key(metric, type, rows, row, query, query_norm);                               \
    }
#define METRIC(name, metric)                                                                       \
    PAIR(name, metric, f64, KNNC_FLOAT_ROWS_F64)                                                   \
    PAIR(name, metric, f32, KNNC_FLOAT_ROWS_F32)                                                   \
    PAIR(name, metric, u8, KNNC_FLOAT_ROWS_U8)
#define DECODE(name, is_unit, type)                                                                \
    FUNCTION void name(const knnc_float_rows *rows, int64_t first, int64_t last, double *values) { \
        decode(is_unit, type, rows, first, last, values);                                          \
    }

METRIC(sqeuclidean, KNNC_FLOAT_SQEUCLIDEAN)
METRIC(manhattan, KNNC_FLOAT_MANHATTAN)
METRIC(chebyshev, KNNC_FLOAT_CHEBYSHEV)
METRIC(hamming, KNNC_FLOAT_HAMMING)
METRIC(cosine, KNNC_FLOAT_COSINE)
FINDER(sqeuclidean, KNNC_FLOAT_SQEUCLIDEAN)
FINDER(manhattan, KNNC_FLOAT_MANHATTAN)
FINDER(chebyshev, KNNC_FLOAT_CHEBYSHEV)
FINDER(hamming, KNNC_FLOAT_HAMMING)
TILE(sqeuclidean, keys_sqeuclidean, 0)
TILE(manhattan, keys_manhattan, 0)
TILE(chebyshev, keys_chebyshev, 0)
TILE(hamming, keys_hamming, 0)
TILE(cosine, keys_sqeuclidean, 1)
TREE(sqeuclidean, KNNC_FLOAT_SQEUCLIDEAN)
TREE(manhattan, KNNC_FLOAT_MANHATTAN)
TREE(chebyshev, KNNC_FLOAT_CHEBYSHEV)
TREE(hamming, KNNC_FLOAT_HAMMING)
DECODE(decode_f64, 0, KNNC_FLOAT_ROWS_F64)
DECODE(decode_f32, 0, KNNC_FLOAT_ROWS_F32)
DECODE(decode_u8, 0, KNNC_FLOAT_ROWS_U8)
DECODE(unit_f64, 1, KNNC_FLOAT_ROWS_F64)
DECODE(unit_f32, 1, KNNC_FLOAT_ROWS_F32)
DECODE(unit_u8, 1, KNNC_FLOAT_ROWS_U8)

#define PAIRS(name) {pair_##name##_f64, pair_##name##_f32, pair_##name##_u8}
const knnc_float_kernel KERNEL = {
    .name = KERNEL_NAME,
    .needs = NEEDS,
    .tile_queries = LANES,
    .project = project,
    .tile = {tile_sqeuclidean, tile_manhattan, tile_chebyshev, tile_hamming, tile_cosine},
    .leaf = {leaf_sqeuclidean, leaf_manhattan, leaf_chebyshev, leaf_hamming},
    .boxes = {boxes_sqeuclidean, boxes_manhattan, boxes_chebyshev, boxes_hamming},
    .pair = {PAIRS(sqeuclidean), PAIRS(manhattan), PAIRS(chebyshev), PAIRS(hamming), PAIRS(cosine)},
    .decode = {{decode_f64, decode_f32, decode_u8}, {unit_f64, unit_f32, unit_u8}},
};
