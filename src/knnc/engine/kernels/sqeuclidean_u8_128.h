/* The tile function of squared Euclidean distance on registers of 128 bits.
 *
 * One source for the two sets of NEON, which define TARGET, LANE (bytes of a row that a step
 * reads), QUERIES, SUMS (accumulators of a query, of four rows each) and add_products, which adds
 * the products of some steps to the accumulators.
 */
#define ROWS (4 * SUMS)

/* Whether a row of panel p is within a limit after this stage. */
TARGET KNNC_INLINE int add_stage(const int used, uint32x4_t (*acc)[SUMS], const knnc_rows *stage,
                                 int64_t p, const uint8_t *y) {
    add_products(used, acc, stage->panels + p * stage->n_steps * (ROWS * LANE), y, stage->n_steps);
    uint32x4_t any = acc[0][0];
    KNNC_UNROLL
    for (int q = 0; q < used; q++) {
        KNNC_UNROLL
        for (int v = 0; v < SUMS; v++) any = vorrq_u32(any, acc[q][v]);
    }
    return knnc_any_sign(any);
}

/* The stages of panel p after the first; whether some row is within a limit after the last. The
 * accumulators go through memory between two stages, so that they are registers within one. */
TARGET KNNC_INLINE int go_on(const int used, const knnc_rows *stage, int64_t p, const uint8_t *y,
                             const int32_t *bounds, int32_t (*kept)[ROWS]) {
    do {
        y += stage->n_steps * (QUERIES * LANE);
        bounds += QUERIES;
        stage = stage->next;
        const int32_t *terms = stage->terms + p * ROWS;
        const int32x4_t shift = vdupq_n_s32(stage->shift);
        uint32x4_t acc[QUERIES][SUMS];
        KNNC_UNROLL
        for (int q = 0; q < used; q++) {
            KNNC_UNROLL
            for (int v = 0; v < SUMS; v++) {
                const uint32x4_t before = vreinterpretq_u32_s32(vld1q_s32(&kept[q][4 * v]));
                acc[q][v] =
                    vaddq_u32(vshlq_u32(before, shift), knnc_neon_start(terms + 4 * v, bounds[q]));
            }
        }
        if (!add_stage(used, acc, stage, p, y)) return 0;
        KNNC_UNROLL
        for (int q = 0; q < used; q++) {
            KNNC_UNROLL
            for (int v = 0; v < SUMS; v++)
                vst1q_s32(&kept[q][4 * v], vreinterpretq_s32_u32(acc[q][v]));
        }
    } while (stage->next);
    return 1;
}

TARGET KNNC_NOINLINE int go_on_alone(const knnc_rows *rows, int64_t p, const uint8_t *y,
                                     const int32_t *bounds, int32_t (*kept)[ROWS]) {
    return go_on(1, rows, p, y, bounds, kept);
}

TARGET KNNC_NOINLINE int go_on_together(const knnc_rows *rows, int64_t p, const uint8_t *y,
                                        const int32_t *bounds, int32_t (*kept)[ROWS]) {
    return go_on(QUERIES, rows, p, y, bounds, kept);
}

/* The first `used` queries of a tile; a constant where this is inlined. */
TARGET KNNC_INLINE void scan(const int used, const knnc_rows *rows, int64_t first_panel,
                             int64_t last_panel, knnc_queries *queries, knnc_push push,
                             void *context) {
    int32_t bounds[KNNC_MAX_STAGES * QUERIES];
    const int32_t *last_terms = knnc_last_stage(rows)->terms;
    const uint8_t *y = queries->values;
    for (int q = 0; q < used; q++) knnc_half_bound(queries, rows, QUERIES, q, bounds);
    for (int64_t p = first_panel; p < last_panel; p++) {
        const int32_t *terms = rows->terms + p * ROWS;
        uint32x4_t acc[QUERIES][SUMS];
        KNNC_UNROLL
        for (int q = 0; q < used; q++) {
            KNNC_UNROLL
            for (int v = 0; v < SUMS; v++) acc[q][v] = knnc_neon_start(terms + 4 * v, bounds[q]);
        }
        if (add_stage(used, acc, rows, p, y)) {
            int32_t kept[QUERIES][ROWS];
            KNNC_UNROLL
            for (int q = 0; q < used; q++) {
                KNNC_UNROLL
                for (int v = 0; v < SUMS; v++)
                    vst1q_s32(&kept[q][4 * v], vreinterpretq_s32_u32(acc[q][v]));
            }
            if (rows->next && !(used == 1 ? go_on_alone(rows, p, y, bounds, kept)
                                          : go_on_together(rows, p, y, bounds, kept)))
                continue;
            /* Never slots that pad, whatever terms of rows may come from a file. */
            for (int q = 0; q < used && q < queries->n_queries; q++) {
                const uint64_t mask = knnc_neon_signs(kept[q], ROWS);
                if (mask == 0) continue;
                knnc_emit_sqeuclidean(mask, kept[q], last_terms + p * ROWS, p * ROWS, q, queries,
                                      push, context);
                if (push) knnc_half_bound(queries, rows, QUERIES, q, bounds);
            }
        }
    }
}

/* A query alone is not multiplied with padding. */
TARGET static void tile(const knnc_rows *rows, int64_t first_panel, int64_t last_panel,
                        knnc_queries *queries, knnc_push push, void *context) {
    if (queries->n_queries == 1)
        scan(1, rows, first_panel, last_panel, queries, push, context);
    else
        scan(QUERIES, rows, first_panel, last_panel, queries, push, context);
}
