/* sqeuclidean_u8_tile.h on registers of 128 bits, for the two NEON kernels.
 *
 * Their files define TARGET, LANE, QUERIES, VECTORS (of four rows each) and add_products, and state
 * what a step costs.
 */
#define QUERY_BYTES LANE
#define v_start(terms, bound) knnc_neon_start(terms, bound)
#define v_add vaddq_u32
#define v_shift(x, bits) vshlq_u32(x, vdupq_n_s32(bits))
#define v_any knnc_any_sign
#define v_signs knnc_signs

TARGET KNNC_INLINE VECTOR v_or(const VECTOR *of) {
    VECTOR any = of[0];
    KNNC_UNROLL
    for (int v = 1; v < VECTORS; v++) any = vorrq_u32(any, of[v]);
    return any;
}

#include "sqeuclidean_u8_tile.h"
