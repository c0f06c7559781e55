/* All metrics in plain C, for any processor.
 *
 * They are an oracle for the other kernels, so they compute the definition, not an expansion of it.
 * A panel is one row and a tile is one query, in their original order of features.
 */
#include "pair_u8.h"

/* Row r's distance; or the limit, as soon as the row cannot be within it. */
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

#define SERIAL(METRIC, operation)                                                                  \
    static void tile_##operation(const knnc_rows *rows, int64_t first_panel, int64_t last_panel,   \
                                 knnc_queries *queries, knnc_push push, void *context) {           \
        scan(knnc_##operation, rows, first_panel, last_panel, queries, push, context);             \
    }                                                                                              \
    static int32_t pair_##operation(const uint8_t *x, const uint8_t *y, int64_t n_features) {      \
        return knnc_##operation(x, y, n_features);                                                 \
    }                                                                                              \
    const knnc_kernel knnc_##operation##_u8_serial = {                                             \
        .name = #operation "_u8_serial",                                                           \
        .metric = METRIC,                                                                          \
        .needs = 0,                                                                                \
        .layout = {.panel_rows = 1, .lane = 1, .tile_queries = 1, .query_form = KNNC_RAW_U8},      \
        .tile = tile_##operation,                                                                  \
        .pair = pair_##operation,                                                                  \
    }

SERIAL(KNNC_SQEUCLIDEAN, sqeuclidean);
SERIAL(KNNC_MANHATTAN, manhattan);
SERIAL(KNNC_CHEBYSHEV, chebyshev);
SERIAL(KNNC_HAMMING, hamming);
