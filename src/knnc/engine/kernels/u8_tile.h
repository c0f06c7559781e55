/* The tile function of Manhattan, Hamming and Chebyshev distance, on registers of any width.
 *
 * A kernel's file defines TARGET, QUERIES, LANE (bytes of a row that one step reads), MAX_STEPS,
 * LARGEST (1 if a distance is the largest of its parts, 0 if it is their sum), and
 *     add(to, row, query)      an accumulator after a step, or a counter.
 * Counters are for steps that cannot add to accumulators; they hold MAX_STEPS steps.  They need
 *     COUNTER                  their type, defined before the header of the registers;
 *     collect(acc, counts, n)  the accumulator with the counters of n steps added.
 * The header of the registers, u8_256.h, u8_512.h or u8_neon.h, includes this one and defines
 *     VECTOR, VECTOR_ROWS, VECTORS  an accumulator, its rows, and the accumulators of a query;
 *     SUM                           one row's part of it, if that is a sum;
 *     BYTES, v_load, v_query        a register of bytes: of rows, or those of a query repeated;
 *     v_start(start), v_no_counts   the first value of accumulators and counters;
 *     ANY, v_none, v_any(any, acc, bound), v_passes(any)   whether some row of some query passes;
 *     v_mask(acc, bound)            which rows pass, a bit each.
 *
 * Accumulators never get smaller.  So a panel is left after any MAX_STEPS steps when none of its
 * rows passes.
 */
#define ROWS (VECTOR_ROWS * VECTORS)

#if LARGEST
/* Each row has LANE bytes, the largest of which is its distance.  It passes when none of them is
 * above `largest`, a byte repeated four times.  Padding slots start above theirs. */
typedef struct {
    int32_t start, largest;
} BOUND;

KNNC_INLINE BOUND bound_of(const knnc_queries *queries, int q) {
    const int32_t limit = queries->limits[q];
    const int is_padding = q >= queries->n_queries;
    const int largest = is_padding ? 254 : limit > 255 ? 255 : limit < 1 ? 0 : limit - 1;
    return (BOUND){-is_padding, (int32_t)(0x01010101u * (uint32_t)largest)};
}

KNNC_INLINE int32_t distance_of(const VECTOR *acc, int r, int32_t limit) {
    const uint8_t *each = (const uint8_t *)acc + LANE * r;
    int32_t dist = 0;
    (void)limit;
    for (int l = 0; l < LANE; l++) dist = each[l] > dist ? each[l] : dist;
    return dist;
}
#else
/* Sums start at minus the limit, so that the sum of a row that passes is negative. */
typedef struct {
    SUM start;
} BOUND;

KNNC_INLINE BOUND bound_of(const knnc_queries *queries, int q) {
    return (BOUND){q < queries->n_queries ? -(SUM)queries->limits[q] : KNNC_PAD_BOUND};
}

KNNC_INLINE int32_t distance_of(const VECTOR *acc, int r, int32_t limit) {
    return (int32_t)(((const SUM *)acc)[r] + limit);
}
#endif

/* Pass on the rows of a panel that are within a limit.  Padding rows, which have a term, may get
 * here too, and so may padding slots, whose bounds only save time.  Both are left out. */
TARGET KNNC_NOINLINE void emit(const VECTOR (*acc)[VECTORS], const uint64_t *masks, unsigned hits,
                               const int32_t *terms, int64_t first_row, BOUND *bounds,
                               knnc_queries *queries, knnc_push push, void *context) {
    for (hits &= (1u << queries->n_queries) - 1; hits; hits &= hits - 1) {
        const int q = knnc_lowest_bit(hits);
        const int32_t start = queries->limits[q];
        int32_t limit = start, none = 0;
        int32_t *const count = knnc_count(q, push, context, &none);
        for (uint64_t mask = masks[q]; mask; mask &= mask - 1) {
            const int r = knnc_lowest_bit(mask);
            if (terms[r] == 0)
                knnc_emit(first_row + r, distance_of(acc[q], r, start), q, &limit, count, push,
                          context);
        }
        queries->limits[q] = limit;
        bounds[q] = bound_of(queries, q);
    }
}

#ifdef COUNTER
#define v_counts(acc) v_no_counts
#else
#define COUNTER VECTOR
#define v_counts(acc) (acc)
#define collect(acc, counts, n_steps) (counts)
#endif

/* Rows or queries, whichever take fewer registers, are loaded first; the others one at a time. */
TARGET KNNC_INLINE void add_step(const int used, COUNTER (*counts)[VECTORS], const uint8_t *x,
                                 const uint8_t *y) {
#if VECTORS < QUERIES
    BYTES row[VECTORS];
    KNNC_UNROLL
    for (int v = 0; v < VECTORS; v++) row[v] = v_load(x + VECTOR_ROWS * LANE * v);
    KNNC_UNROLL
    for (int q = 0; q < used; q++) {
        const BYTES query = v_query(y + LANE * q);
        KNNC_UNROLL
        for (int v = 0; v < VECTORS; v++) counts[q][v] = add(counts[q][v], row[v], query);
    }
#else
    BYTES query[QUERIES];
    KNNC_UNROLL
    for (int q = 0; q < used; q++) query[q] = v_query(y + LANE * q);
    KNNC_UNROLL
    for (int v = 0; v < VECTORS; v++) {
        const BYTES row = v_load(x + VECTOR_ROWS * LANE * v);
        KNNC_UNROLL
        for (int q = 0; q < used; q++) counts[q][v] = add(counts[q][v], row, query[q]);
    }
#endif
}

/* With the first `used` queries of a tile; `used` is a constant where this is inlined. */
TARGET KNNC_INLINE void scan(const int used, const knnc_rows *rows, int64_t first_panel,
                             int64_t last_panel, knnc_queries *queries, knnc_push push,
                             void *context) {
    BOUND bounds[QUERIES];
    for (int q = 0; q < QUERIES; q++) bounds[q] = bound_of(queries, q);
    for (int64_t p = first_panel; p < last_panel; p++) {
        const uint8_t *x = rows->panels + p * rows->n_steps * (ROWS * LANE);
        const uint8_t *y = queries->values;
        int passes = 1;
        VECTOR acc[QUERIES][VECTORS];
        KNNC_UNROLL
        for (int q = 0; q < used; q++) {
            KNNC_UNROLL
            for (int v = 0; v < VECTORS; v++) acc[q][v] = v_start(bounds[q].start);
        }
        for (int64_t s = 0; s < rows->n_steps && passes;) {
            const int64_t left = rows->n_steps - s, n_steps = left < MAX_STEPS ? left : MAX_STEPS;
            COUNTER counts[QUERIES][VECTORS];
            KNNC_UNROLL
            for (int q = 0; q < used; q++) {
                KNNC_UNROLL
                for (int v = 0; v < VECTORS; v++) counts[q][v] = v_counts(acc[q][v]);
            }
            for (const int64_t stop = s + n_steps; s < stop; s++) {
                add_step(used, counts, x, y);
                x += ROWS * LANE;
                y += QUERIES * LANE;
            }
            KNNC_UNROLL
            for (int q = 0; q < used; q++) {
                KNNC_UNROLL
                for (int v = 0; v < VECTORS; v++)
                    acc[q][v] = collect(acc[q][v], counts[q][v], n_steps);
            }
            ANY any = v_none;
            KNNC_UNROLL
            for (int q = 0; q < used; q++) any = v_any(any, acc[q], bounds[q]);
            passes = v_passes(any);
        }
        if (passes) {
            KNNC_ALIGNED VECTOR kept[QUERIES][VECTORS];
            uint64_t masks[QUERIES];
            unsigned hits = 0;
            KNNC_UNROLL
            for (int q = 0; q < used; q++) {
                masks[q] = 0;
                KNNC_UNROLL
                for (int v = 0; v < VECTORS; v++) {
                    kept[q][v] = acc[q][v];
                    masks[q] |= (uint64_t)v_mask(acc[q][v], bounds[q]) << (VECTOR_ROWS * v);
                }
                hits |= (unsigned)(masks[q] != 0) << q;
            }
            emit((const VECTOR(*)[VECTORS])kept, masks, hits, rows->terms + p * ROWS, p * ROWS,
                 bounds, queries, push, context);
        }
    }
}
