/* What the tile functions share: bounds, the slow path of a tile with rows that pass, and the
 * macros that keep one compiler command for every instruction set.
 *
 * The test of a tile.  For squared Euclidean, with h = floor(term / 2) of the row and
 * b = floor((norm - limit) / 2) of the query, the kernel starts its accumulator at h + b and adds
 * acc = sum of x * (bias - q), so that distance = 2 acc + term + norm.  Then
 *     distance < limit  =>  acc + h + b < 0,
 * for 2 (acc + h + b) <= distance - limit < 0.  The other direction can fail by the two halves
 * rounded down, so the slow path works the distance out and tests it again.  The sign bits of all
 * accumulators are or-ed together: a tile in which nothing passes costs one instruction or less an
 * accumulator.  Sums wrap modulo 2^32, and the final value, |distance - limit| / 2, is within
 * 2^30 + 1, so its sign is right.  The other metrics have no terms and need no halves: u8_tile.h.
 */
#ifndef KNNC_TILE_H
#define KNNC_TILE_H

#include "kernels.h"

/* KNNC_EMULATED: intrinsics are plain C, for any processor (tests/engine/emulated). */
#if defined(__GNUC__) && !defined(KNNC_EMULATED)
#define KNNC_ASSEMBLY 1
#else
#define KNNC_ASSEMBLY 0
#endif

#if defined(__GNUC__) || defined(__clang__)
#if defined(KNNC_EMULATED)
#define KNNC_TARGET(isa)
#else
#define KNNC_TARGET(isa) __attribute__((target(isa)))
#endif
#define KNNC_INLINE static inline __attribute__((always_inline))
#define KNNC_NOINLINE static __attribute__((noinline, unused))
#define KNNC_ALIGNED __attribute__((aligned(KNNC_ALIGNMENT)))
#define KNNC_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define KNNC_UNROLL KNNC_PRAGMA(clang loop unroll(full))
#else
#define KNNC_UNROLL KNNC_PRAGMA(GCC unroll 64)
#endif
#else /* MSVC */
#define KNNC_TARGET(isa)
#define KNNC_INLINE static __forceinline
#define KNNC_NOINLINE static __declspec(noinline)
#define KNNC_ALIGNED __declspec(align(64))
#define KNNC_UNROLL
#endif

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
KNNC_INLINE int knnc_lowest_bit(uint64_t mask) {
    unsigned long at;
    _BitScanForward64(&at, mask);
    return (int)at;
}
#else
KNNC_INLINE int knnc_lowest_bit(uint64_t mask) { return __builtin_ctzll(mask); }
#endif

KNNC_INLINE const knnc_rows *knnc_last_stage(const knnc_rows *stage) {
    while (stage->next) stage = stage->next;
    return stage;
}

/* The bounds of query q of a tile: what each stage adds, tile_queries apart.  No row passes those
 * of a padding slot. */
KNNC_INLINE void knnc_half_bound(const knnc_queries *queries, const knnc_rows *stage,
                                 int tile_queries, int q, int32_t *bounds) {
    const int later = knnc_later_shift(stage);
    int shift = later;
    int32_t before = 0;
    if (q >= queries->n_queries) {
        bounds[q] = later ? (KNNC_PAD_BOUND >> later) - 1 : KNNC_PAD_BOUND;
        for (int g = 1; (stage = stage->next) != 0; g++) bounds[g * tile_queries + q] = 0;
        return;
    }
    for (int g = 0; stage; stage = stage->next, g++) {
        shift -= g ? stage->shift : 0;
        const int32_t norm = stage->next ? queries->early_norms[g][q] : queries->norms[q];
        /* The limit in units of this stage, rounded up: a row that is not within it cannot pass. */
        const int32_t limit =
            (int32_t)(((uint32_t)queries->limits[q] + (1u << shift) - 1) >> shift);
        const int32_t bound = (norm - limit) >> 1; /* neither number is negative */
        const uint32_t shifted = (uint32_t)before << stage->shift;
        bounds[g * tile_queries + q] = (int32_t)((uint32_t)bound - shifted);
        before = bound;
    }
}

/* Pass on a row whose accumulator is negative, to its query's list or to `push`.  The list entry is
 * written before the exact test, which decides only whether it counts.  Only forged terms of a file
 * make a distance negative; such a row is dropped. */
KNNC_INLINE void knnc_emit(int64_t row, int32_t dist, int query, int32_t *limit, int32_t *count,
                           knnc_push push, void *context) {
    if (push) {
        if (dist >= 0 && dist < *limit) *limit = push(context, query, row, dist);
    } else {
        const knnc_found *found = context;
        const int64_t at = query * found->room + *count;
        found->rows[at] = (int32_t)(row - found->first_row);
        found->dist[at] = dist;
        *count += dist >= 0 && dist < *limit;
    }
}

KNNC_INLINE int32_t *knnc_count(int query, knnc_push push, void *context, int32_t *none) {
    return push ? none : &((knnc_found *)context)->counts[query];
}

/* List all rows of a panel but the padding, for a query without a limit.  Compilers vectorize the
 * loop. */
KNNC_INLINE void knnc_list_all(int n_rows, uint32_t start, const int32_t *acc, const int32_t *terms,
                               int64_t first_row, int query, knnc_found *found) {
    const int64_t at = query * found->room + found->counts[query];
    int32_t *const rows = found->rows + at, *const dist = found->dist + at;
    for (int r = 0; r < n_rows; r++) {
        rows[r] = (int32_t)(first_row - found->first_row) + r;
        /* The sign bit is 0, unless a file has forged terms. */
        dist[r] = (start + 2u * (uint32_t)acc[r] + ((uint32_t)terms[r] & 1u)) & INT32_MAX;
    }
    found->counts[query] += n_rows;
}

/* Pass on the rows of one panel that passed for one query.  `mask`: bit r for row r; `acc`: the
 * accumulators; `terms`: those of the last stage.  When the limit falls, the caller has to find the
 * query's bounds anew. */
KNNC_INLINE void knnc_emit_sqeuclidean(uint64_t mask, const int32_t *acc, const int32_t *terms,
                                       int64_t first_row, int query, knnc_queries *queries,
                                       knnc_push push, void *context) {
    const int32_t norm = queries->norms[query];
    int32_t limit = queries->limits[query], none = 0;
    int32_t *const count = knnc_count(query, push, context, &none);
    const uint32_t start = (uint32_t)limit + (((uint32_t)norm - (uint32_t)limit) & 1u);
    if (!push && limit == KNNC_LIMIT_NONE) {
        knnc_list_all(knnc_lowest_bit(~mask), start, acc, terms, first_row, query, context);
        return;
    }
    for (; mask; mask &= mask - 1) {
        const int r = knnc_lowest_bit(mask);
        const uint32_t dist = start + 2u * (uint32_t)acc[r] + ((uint32_t)terms[r] & 1u);
        knnc_emit(first_row + r, (int32_t)dist, query, &limit, count, push, context);
    }
    queries->limits[query] = limit;
}

/* The tile function and the table entry of a kernel, from `scan`, `pair` and the sizes of its tile.
 * A single query has a scan of its own: most of a full tile would be padding (codes of MNIST: half
 * the time). */
#define KNNC_KERNEL(METRIC, NAME, NEEDS, QUERY_FORM, BIAS)                                         \
    TARGET static void tile(const knnc_rows *rows, int64_t first_panel, int64_t last_panel,        \
                            knnc_queries *queries, knnc_push push, void *context) {                \
        if (queries->n_queries == 1)                                                               \
            scan(1, rows, first_panel, last_panel, queries, push, context);                        \
        else                                                                                       \
            scan(QUERIES, rows, first_panel, last_panel, queries, push, context);                  \
    }                                                                                              \
    const knnc_kernel knnc_##NAME = {                                                              \
        .name = #NAME,                                                                             \
        .metric = METRIC,                                                                          \
        .needs = NEEDS,                                                                            \
        .layout = {ROWS, LANE, QUERIES, QUERY_FORM, BIAS},                                         \
        .tile = tile,                                                                              \
        .pair = pair,                                                                              \
    }

#endif
