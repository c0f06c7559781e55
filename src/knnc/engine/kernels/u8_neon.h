/* u8_tile.h on NEON: 4 features of a row lie side by side.
 *
 * Register tile: 4 queries x 20 rows = 20 accumulators, 5 vectors of rows, 1 query, 1 difference.
 * With 24 accumulators gcc 12 and clang 14 keep some of them in memory.
 */
#define LANE 4
#define QUERIES 4
#define VECTOR_ROWS 4
#define VECTORS 5
#define BYTES uint8x16_t
#define v_load vld1q_u8
#define v_query(y) vreinterpretq_u8_u32(vld1q_dup_u32((const uint32_t *)(y)))
#define ANY uint32x4_t
#define v_none vdupq_n_u32(0)
#define v_passes knnc_any_sign

#if LARGEST
#define VECTOR uint8x16_t
#define v_start(start) vreinterpretq_u8_s32(vdupq_n_s32(start))
/* All bits of a number for each row of which no byte is above the bound. */
#define v_within(acc, bound)                                                                       \
    vceqzq_u32(vreinterpretq_u32_u8(vqsubq_u8(acc, v_start((bound).largest))))
#define v_mask(acc, bound) knnc_signs(v_within(acc, bound))
#else
#define VECTOR uint32x4_t
#define SUM int32_t
#define v_start(start) vreinterpretq_u32_s32(vdupq_n_s32(start))
#define v_within(acc, bound) (acc)
#define v_mask(acc, bound) knnc_signs(acc)
#endif

#define v_any(any, acc, bound)                                                                     \
    vorrq_u32(vorrq_u32(vorrq_u32(any, v_within((acc)[0], bound)),                                 \
                        vorrq_u32(v_within((acc)[1], bound), v_within((acc)[2], bound))),          \
              vorrq_u32(v_within((acc)[3], bound), v_within((acc)[4], bound)))

#include "u8_tile.h"
