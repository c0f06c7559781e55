/* `cost` of a kernel whose file defines before it
 *
 *     TARGET                                                  its instruction set
 *     COLUMNS                                                 of a strip
 *     strip(a, b, row_bytes, warp, n_rows, n_columns)         the cost of one
 */
TARGET static int64_t cost(const knnc_idm_shape *shape, const int8_t *a, const int8_t *b,
                           int64_t limit) {
    int64_t sum = 0;
    for (int64_t i = 0; i < shape->n_strips && sum <= limit; i++) {
        const int64_t s = knnc_idm_strip(shape, i);
        for (int64_t x = 0; x < shape->width; x += COLUMNS) {
            const int64_t left = shape->width - x;
            sum += strip(knnc_idm_a(shape, a, s, x), knnc_idm_b(shape, b, s, x), 2 * shape->stride,
                         shape->warp, knnc_idm_rows(shape, s), left < COLUMNS ? left : COLUMNS);
        }
    }
    return sum;
}
