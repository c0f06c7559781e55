/* The contract between the search loops (Cython) and the leaf loops (C).
 *
 * A kernel is one metric on one instruction set.  Training rows are packed once into panels of
 * `panel_rows` rows with `lane` features interleaved, so that a vector register holds the same
 * few features of many rows.  Queries are packed a tile of `tile_queries` at a time and broadcast.
 * `tile` scans a range of panels with one tile of queries and never writes a distance: it compares
 * in registers with each query's limit and calls `push` for the few rows that pass.
 *
 * Every distance is an exact non-negative integer below 2^31, which holds up to
 * KNNC_BLOCK_FEATURES features; the caller adds up blocks of features beyond that.
 */
#ifndef KNNC_KERNELS_H
#define KNNC_KERNELS_H

#include <stdint.h>

/* Compilers that know AVX-VNNI; the kernel is left out of other builds. */
#if defined(__x86_64__) || defined(_M_X64)
#if defined(__clang__)
#define KNNC_WITH_AVXVNNI (__clang_major__ >= 12)
#elif defined(__GNUC__)
#define KNNC_WITH_AVXVNNI (__GNUC__ >= 11)
#else
#define KNNC_WITH_AVXVNNI (_MSC_VER >= 1930)
#endif
#else
#define KNNC_WITH_AVXVNNI 0
#endif

/* Compilers that know ARM's dot products: Microsoft's from Visual Studio 2022 on. */
#if defined(_M_ARM64) && !defined(__clang__)
#define KNNC_WITH_NEONDOTPROD (_MSC_VER >= 1930)
#elif defined(__aarch64__) || defined(_M_ARM64)
#define KNNC_WITH_NEONDOTPROD 1
#else
#define KNNC_WITH_NEONDOTPROD 0
#endif

/* 32,768 * 255^2 = 2,130,739,200 is the largest squared distance of a block: below 2^31. */
#define KNNC_BLOCK_FEATURES 32768

/* The limit of a query that accepts every row.  One less than INT32_MAX, so that padding rows,
 * whose halved term is 2^30 - 1, do not pass: ((0 - limit) >> 1) + 2^30 - 1 = 0. */
#define KNNC_LIMIT_NONE (INT32_MAX - 1)

/* The term of a padding row in the last panel, and the bound of a padding query in a tile.  No sum
 * with either is negative, and none wraps: 2^30 - 1 + 2^30 < 2^31, and a row's own halved term is
 * between +-2^30 (at bias 255, x = 255: -32,768 * 255^2 / 2). */
#define KNNC_PAD_TERM INT32_MAX
#define KNNC_PAD_BOUND (1 << 30)

#define KNNC_MAX_TILE_QUERIES 16
/* The most stages in which a panel is read, and the most bits that their shifts add up to. */
#define KNNC_MAX_STAGES 4
#define KNNC_MAX_SHIFT 8
#define KNNC_ALIGNMENT 64

/* Take row `row` (counted from the first panel) at distance `dist` for query `query` of the tile;
 * return the query's new limit.  Rows of a query arrive in ascending order. */
typedef int32_t (*knnc_push)(void *context, int query, int64_t row, int32_t dist);

/* Where a tile puts the rows that pass when `push` is null: lists in place of calls, for a scan in
 * which many rows pass.  Limits do not change.  A list has space for every row of the panels, and
 * for one more. */
typedef struct {
    int32_t *rows; /* counted from first_row; list q at q * room */
    int32_t *dist;
    int64_t room;
    int64_t first_row;
    int32_t counts[KNNC_MAX_TILE_QUERIES];
} knnc_found;

typedef enum {
    KNNC_SQEUCLIDEAN = 0,
    KNNC_MANHATTAN = 1,
    KNNC_CHEBYSHEV = 2, /* the largest absolute difference: blocks of features by maximum */
    KNNC_HAMMING = 3,   /* the number of features that differ */
    KNNC_N_METRICS = 4
} knnc_metric;

/* The memory layout of rows and queries; `pack.c` writes it, the tile function reads it.
 *   row value:    the byte itself, `lane` features of one row side by side, then the next row
 *   row term:     sum of x * (x - 2 bias) for squared Euclidean, else 0
 *   query value:  the byte itself, or bias - q as a number of 8 bits (signed at bias 127, unsigned
 *                 at 255) or 16 (signed)
 */
typedef enum { KNNC_RAW_U8, KNNC_BIASED_8, KNNC_BIASED_16 } knnc_query_form;

typedef struct {
    int panel_rows;
    int lane;
    int tile_queries;
    knnc_query_form query_form;
    int bias;
} knnc_layout;

typedef struct knnc_rows {
    const uint8_t
        *panels;          /* n_panels * n_steps * panel_rows * lane bytes, KNNC_ALIGNMENT aligned */
    const int32_t *terms; /* n_panels * panel_rows, KNNC_ALIGNMENT aligned */
    int64_t n_steps;      /* ceil(n_features / lane) */
    /* A panel may be read in stages (squared Euclidean).  `next` has the features of the next
     * stage, which are read if some row is still within a limit; it is null in the last stage.
     * Distances so far are shifted left by a stage's `shift` before its own are added. */
    const struct knnc_rows *next;
    int shift;
} knnc_rows;

typedef struct {
    const void *values; /* n_steps * tile_queries * lane values, those of all stages in a row */
    int n_queries;      /* the rest of the tile is padding */
    int32_t norms[KNNC_MAX_TILE_QUERIES];
    /* The norms up to the end of each stage but the last. */
    int32_t early_norms[KNNC_MAX_STAGES - 1][KNNC_MAX_TILE_QUERIES];
    int32_t limits[KNNC_MAX_TILE_QUERIES]; /* a row passes when its distance is below */
} knnc_queries;

typedef void (*knnc_tile)(const knnc_rows *rows, int64_t first_panel, int64_t last_panel,
                          knnc_queries *queries, knnc_push push, void *context);

/* The distance of two rows that are not packed. */
typedef int32_t (*knnc_pair)(const uint8_t *x, const uint8_t *y, int64_t n_features);

typedef struct {
    const char *name; /* operation_dtype_isa */
    knnc_metric metric;
    uint32_t needs; /* CPU features, see cpu.h */
    knnc_layout layout;
    knnc_tile tile;
    knnc_pair pair;
} knnc_kernel;

/* Bits by which later stages shift the distances up to a stage. */
static inline int knnc_later_shift(const knnc_rows *stage) {
    int shift = 0;
    while ((stage = stage->next) != 0) shift += stage->shift;
    return shift;
}

/* pack.c */
void knnc_pack_rows(const knnc_kernel *kernel, const uint8_t *rows, int64_t row_stride,
                    int64_t n_rows, int64_t n_features, int64_t first_panel, int64_t last_panel,
                    uint8_t *panels, int32_t *terms);
int64_t knnc_tile_bytes(const knnc_kernel *kernel, int64_t n_features);
/* The term of a padding row in the first stage; in the others it is 0. */
int32_t knnc_pad_term(const knnc_rows *stages);
/* For stages that were packed one by one: in rows `first` to `last`, padding included, replace the
 * terms that each stage has by itself with what it adds to the sum so far. */
void knnc_chain_terms(const knnc_kernel *kernel, const knnc_rows *stages, int64_t n_rows,
                      int64_t first, int64_t last);
void knnc_pack_queries(const knnc_kernel *kernel, const uint8_t *rows, int64_t row_stride,
                       int n_queries, int64_t n_features, void *values, knnc_queries *queries);
/* The same for rows that are read in stages. */
void knnc_pack_staged(const knnc_kernel *kernel, const knnc_rows *stages, const uint8_t *rows,
                      int64_t row_stride, int n_queries, int64_t n_features, void *values,
                      knnc_queries *queries);
/* Set bits in `differs` for the columns in which rows `first` to `last` differ from row 0. */
void knnc_add_differences(const uint8_t *rows, int64_t n_features, int64_t first, int64_t last,
                          uint8_t *differs);

/* Ask for memory some time before it is read. */
#if defined(__GNUC__)
#define knnc_prefetch(address) __builtin_prefetch(address)
#elif defined(_M_X64)
#include <intrin.h>
#define knnc_prefetch(address) _mm_prefetch((const char *)(address), _MM_HINT_T0)
#else
#define knnc_prefetch(address) ((void)(address))
#endif
/* A macro, because gcc drops calls of a function that only prefetches. */
#define knnc_prefetch_row(row, n_bytes)                                                            \
    for (int64_t knnc_at = 0; knnc_at < (n_bytes); knnc_at += 64)                                  \
    knnc_prefetch((const uint8_t *)(row) + knnc_at)

/* select.c */
int knnc_n_kernels(void);
const knnc_kernel *knnc_kernel_at(int i);
const knnc_kernel *knnc_best_kernel(knnc_metric metric, uint32_t features);

#endif
