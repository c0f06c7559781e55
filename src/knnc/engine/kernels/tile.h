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
 * 2^30 + 1, so its sign is right.  A plain sum, Manhattan or a count, starts at -limit and needs no
 * halves: of 64 bits, or of 32 with limits cut down to KNNC_SUM_LIMIT.  Chebyshev has no room for a
 * sign in a byte: a row passes when no byte of its accumulator is above limit - 1.
 */
#ifndef KNNC_TILE_H
#define KNNC_TILE_H

#include "kernels.h"

#if defined(__GNUC__) || defined(__clang__)
#define KNNC_TARGET(isa) __attribute__((target(isa)))
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

/* The bound of query q of a tile: what each stage adds to it, tile_queries apart. Padding slots get
 * one that nothing passes. */
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
        /* No row up to here is within the limit if none is within this part of it, rounded up. */
        const int32_t limit =
            (int32_t)(((uint32_t)queries->limits[q] + (1u << shift) - 1) >> shift);
        /* Unsigned: terms made up in a file can make a limit negative. */
        const int32_t bound = (int32_t)((uint32_t)norm - (uint32_t)limit) >> 1;
        const uint32_t shifted = (uint32_t)before << stage->shift;
        bounds[g * tile_queries + q] = (int32_t)((uint32_t)bound - shifted);
        before = bound;
    }
}

/* The same for plain sums of 64 bits. */
KNNC_INLINE void knnc_bounds(const knnc_queries *queries, int tile_queries, int64_t *bounds) {
    for (int q = 0; q < tile_queries; q++)
        bounds[q] = q < queries->n_queries ? -(int64_t)queries->limits[q] : KNNC_PAD_BOUND;
}

/* More than any plain sum of a block, 32,768 * 255.  With terms halved no accumulator wraps:
 * a padding row's is 2^30 - 1 - limit, at least 0, or with a padding query's bound 2^31 - 1. */
#define KNNC_SUM_LIMIT ((1 << 30) - 1)

KNNC_INLINE int32_t knnc_sum_limit(int32_t limit) {
    return limit < KNNC_SUM_LIMIT ? limit : KNNC_SUM_LIMIT;
}

/* The bounds of plain sums of 32 bits. */
KNNC_INLINE void knnc_sum_bounds(const knnc_queries *queries, int tile_queries, int32_t *bounds) {
    for (int q = 0; q < tile_queries; q++)
        bounds[q] = q < queries->n_queries ? -knnc_sum_limit(queries->limits[q]) : KNNC_PAD_BOUND;
}

/* A row whose accumulator is negative: to its query's list, or to `push`.  It is put in the list
 * before the exact test, which only counts it. */
KNNC_INLINE void knnc_emit(int64_t row, int32_t dist, int query, int32_t *limit, int32_t *count,
                           knnc_push push, void *context) {
    if (push) {
        if (dist < *limit) *limit = push(context, query, row, dist);
    } else {
        const knnc_found *found = context;
        const int64_t at = query * found->room + *count;
        found->rows[at] = (int32_t)(row - found->first_row);
        found->dist[at] = dist;
        *count += dist < *limit;
    }
}

KNNC_INLINE int32_t *knnc_count(int query, knnc_push push, void *context, int32_t *none) {
    return push ? none : &((knnc_found *)context)->counts[query];
}

/* The first rows of a panel, all that do not pad it, to a list that has no limit; in a loop that
 * compilers make vectors of. */
KNNC_INLINE void knnc_list_all(int n_rows, uint32_t start, const int32_t *acc, const int32_t *terms,
                               int64_t first_row, int query, knnc_found *found) {
    const int64_t at = query * found->room + found->counts[query];
    int32_t *const rows = found->rows + at, *const dist = found->dist + at;
    for (int r = 0; r < n_rows; r++) {
        rows[r] = (int32_t)(first_row - found->first_row) + r;
        dist[r] = (int32_t)(start + 2u * (uint32_t)acc[r] + ((uint32_t)terms[r] & 1u));
    }
    found->counts[query] += n_rows;
}

/* One query's rows that passed in one panel.  `mask`: bit r for row r; `acc`: its accumulators;
 * `terms`: of the last stage.  A limit that falls changes the query's bounds. */
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

/* The same for plain sums of 64 bits. */
KNNC_INLINE void knnc_emit_wide_sum(uint64_t mask, const int64_t *acc, int64_t first_row, int query,
                                    int64_t *bound, knnc_queries *queries, knnc_push push,
                                    void *context) {
    const int32_t start = queries->limits[query];
    int32_t limit = start, none = 0;
    int32_t *const count = knnc_count(query, push, context, &none);
    for (; mask; mask &= mask - 1) {
        const int r = knnc_lowest_bit(mask);
        knnc_emit(first_row + r, (int32_t)(start + acc[r]), query, &limit, count, push, context);
    }
    queries->limits[query] = limit;
    *bound = -(int64_t)limit;
}

/* And for those of 32. */
KNNC_INLINE void knnc_emit_sum(uint64_t mask, const int32_t *acc, int64_t first_row, int query,
                               int32_t *bound, knnc_queries *queries, knnc_push push,
                               void *context) {
    int32_t limit = queries->limits[query], none = 0;
    const int32_t start = knnc_sum_limit(limit);
    int32_t *const count = knnc_count(query, push, context, &none);
    for (; mask; mask &= mask - 1) {
        const int r = knnc_lowest_bit(mask);
        knnc_emit(first_row + r, start + acc[r], query, &limit, count, push, context);
    }
    queries->limits[query] = limit;
    *bound = -knnc_sum_limit(limit);
}

/* A byte, four times. */
KNNC_INLINE int32_t knnc_four(int32_t byte) { return (int32_t)(0x01010101u * (uint32_t)byte); }

/* Chebyshev: the largest distance that passes, as a byte; padding queries start above theirs. */
#define KNNC_PAD_BYTE 254
KNNC_INLINE int32_t knnc_byte_bound(int32_t limit) {
    return limit > 255 ? 255 : limit < 1 ? 0 : limit - 1;
}

/* `bounds`: a byte, four times; `starts`: the accumulators' first value, 0 or all bits. */
KNNC_INLINE void knnc_byte_bounds(const knnc_queries *queries, int tile_queries, int32_t *bounds,
                                  int32_t *starts) {
    for (int q = 0; q < tile_queries; q++) {
        const int is_padding = q >= queries->n_queries;
        bounds[q] = knnc_four(is_padding ? KNNC_PAD_BYTE : knnc_byte_bound(queries->limits[q]));
        starts[q] = -is_padding;
    }
}

/* `acc`: four bytes a row, the largest of which is its distance.  A limit above 255 lets padding
 * rows come this far. */
KNNC_INLINE void knnc_emit_chebyshev(uint64_t mask, const uint8_t *acc, const int32_t *terms,
                                     int64_t first_row, int query, int32_t *bound,
                                     knnc_queries *queries, knnc_push push, void *context) {
    int32_t limit = queries->limits[query], none = 0;
    int32_t *const count = knnc_count(query, push, context, &none);
    for (; mask; mask &= mask - 1) {
        const int r = knnc_lowest_bit(mask);
        int32_t dist = 0;
        for (int l = 0; l < 4; l++) dist = acc[4 * r + l] > dist ? acc[4 * r + l] : dist;
        if (terms[r] == 0) knnc_emit(first_row + r, dist, query, &limit, count, push, context);
    }
    queries->limits[query] = limit;
    *bound = knnc_four(knnc_byte_bound(limit));
}

#endif
