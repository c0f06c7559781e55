/* All metrics in plain C: what the compiler makes of them, on any processor.
 *
 * They are an oracle of the other kernels, so they compute the definition, not an expansion of it.
 * A panel is one row as it came, a tile is one query as it came.
 */
#include "tile.h"

static int32_t sqeuclidean(const uint8_t *x, const uint8_t *y, int64_t n_features) {
    uint32_t sum = 0;
    for (int64_t f = 0; f < n_features; f++) {
        const int32_t diff = (int32_t)x[f] - (int32_t)y[f];
        sum += (uint32_t)(diff * diff);
    }
    return (int32_t)sum;
}

static int32_t manhattan(const uint8_t *x, const uint8_t *y, int64_t n_features) {
    uint32_t sum = 0;
    for (int64_t f = 0; f < n_features; f++) {
        const int32_t diff = (int32_t)x[f] - (int32_t)y[f];
        sum += (uint32_t)(diff < 0 ? -diff : diff);
    }
    return (int32_t)sum;
}

static int32_t chebyshev(const uint8_t *x, const uint8_t *y, int64_t n_features) {
    uint8_t largest = 0; /* a byte, so that the compiler compares many at a time */
    for (int64_t f = 0; f < n_features; f++) {
        const uint8_t diff = (uint8_t)(x[f] < y[f] ? y[f] - x[f] : x[f] - y[f]);
        largest = diff > largest ? diff : largest;
    }
    return largest;
}

static int32_t hamming(const uint8_t *x, const uint8_t *y, int64_t n_features) {
    uint32_t count = 0;
    for (int64_t f = 0; f < n_features; f++) count += x[f] != y[f];
    return (int32_t)count;
}

/* Row r's distance, or the limit as soon as it cannot be within it. */
KNNC_INLINE int32_t staged(knnc_pair measure, const knnc_rows *stage, int64_t r,
                           const uint8_t *query, int32_t limit) {
    int shift = knnc_later_shift(stage);
    int32_t dist = measure(stage->panels + r * stage->n_steps, query, stage->n_steps);
    while (stage->next && (int64_t)dist << shift < limit) {
        query += stage->n_steps;
        stage = stage->next;
        shift -= stage->shift;
        dist = dist << stage->shift;
        dist += measure(stage->panels + r * stage->n_steps, query, stage->n_steps);
    }
    return stage->next ? limit : dist;
}

KNNC_INLINE void scan(knnc_pair measure, const knnc_rows *rows, int64_t first, int64_t last,
                      knnc_queries *queries, knnc_push push, void *context) {
    int32_t none = 0;
    for (int64_t r = first; r < last; r++) {
        const int32_t dist = staged(measure, rows, r, queries->values, queries->limits[0]);
        if (dist < queries->limits[0])
            knnc_emit(r, dist, 0, &queries->limits[0], knnc_count(0, push, context, &none), push,
                      context);
    }
}

static void tile_sqeuclidean(const knnc_rows *rows, int64_t first_panel, int64_t last_panel,
                             knnc_queries *queries, knnc_push push, void *context) {
    scan(sqeuclidean, rows, first_panel, last_panel, queries, push, context);
}

static void tile_manhattan(const knnc_rows *rows, int64_t first_panel, int64_t last_panel,
                           knnc_queries *queries, knnc_push push, void *context) {
    scan(manhattan, rows, first_panel, last_panel, queries, push, context);
}

static void tile_chebyshev(const knnc_rows *rows, int64_t first_panel, int64_t last_panel,
                           knnc_queries *queries, knnc_push push, void *context) {
    scan(chebyshev, rows, first_panel, last_panel, queries, push, context);
}

static void tile_hamming(const knnc_rows *rows, int64_t first_panel, int64_t last_panel,
                         knnc_queries *queries, knnc_push push, void *context) {
    scan(hamming, rows, first_panel, last_panel, queries, push, context);
}

#define LAYOUT {.panel_rows = 1, .lane = 1, .tile_queries = 1, .query_form = KNNC_RAW_U8, .bias = 0}

const knnc_kernel knnc_sqeuclidean_u8_serial = {
    .name = "sqeuclidean_u8_serial",
    .metric = KNNC_SQEUCLIDEAN,
    .needs = 0,
    .layout = LAYOUT,
    .tile = tile_sqeuclidean,
    .pair = sqeuclidean,
};

const knnc_kernel knnc_manhattan_u8_serial = {
    .name = "manhattan_u8_serial",
    .metric = KNNC_MANHATTAN,
    .needs = 0,
    .layout = LAYOUT,
    .tile = tile_manhattan,
    .pair = manhattan,
};

const knnc_kernel knnc_chebyshev_u8_serial = {
    .name = "chebyshev_u8_serial",
    .metric = KNNC_CHEBYSHEV,
    .needs = 0,
    .layout = LAYOUT,
    .tile = tile_chebyshev,
    .pair = chebyshev,
};

const knnc_kernel knnc_hamming_u8_serial = {
    .name = "hamming_u8_serial",
    .metric = KNNC_HAMMING,
    .needs = 0,
    .layout = LAYOUT,
    .tile = tile_hamming,
    .pair = hamming,
};
