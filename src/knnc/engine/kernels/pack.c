/* Rows into panels, queries into tiles: see knnc_layout.  One function serves every kernel. */
#include <string.h>

#include "kernels.h"

/* A panel is [step][row][lane]; features past n_features and rows past n_rows are 0. */
static void pack_panel(const knnc_layout *layout, const uint8_t *rows, int64_t row_stride,
                       int64_t n_rows, int64_t n_features, uint8_t *panel) {
    const int64_t lane = layout->lane, height = layout->panel_rows;
    const int64_t full_steps = n_features / lane, rest = n_features % lane;
    const int64_t n_steps = full_steps + (rest != 0);
    for (int64_t r = 0; r < height; r++) {
        uint8_t *out = panel + r * lane;
        if (r >= n_rows) {
            for (int64_t s = 0; s < n_steps; s++, out += height * lane)
                memset(out, 0, (size_t)lane);
            continue;
        }
        const uint8_t *in = rows + r * row_stride;
        switch (lane) { /* a copy of constant length is one instruction */
        case 2:
            for (int64_t s = 0; s < full_steps; s++, out += height * 2, in += 2) memcpy(out, in, 2);
            break;
        case 4:
            for (int64_t s = 0; s < full_steps; s++, out += height * 4, in += 4) memcpy(out, in, 4);
            break;
        case 8:
            for (int64_t s = 0; s < full_steps; s++, out += height * 8, in += 8) memcpy(out, in, 8);
            break;
        default:
            for (int64_t s = 0; s < full_steps; s++, out += height * lane, in += lane)
                memcpy(out, in, (size_t)lane);
        }
        if (rest) {
            memcpy(out, in, (size_t)rest);
            memset(out + rest, 0, (size_t)(lane - rest));
        }
    }
}

/* Unsigned intermediate sums may wrap.  The term of a whole row fits 32 bits, so it is exact. */
static int32_t row_term(const uint8_t *row, int64_t n_features, uint32_t bias) {
    uint32_t squares = 0, sum = 0;
    for (int64_t i = 0; i < n_features; i++) {
        const uint32_t x = row[i];
        squares += x * x;
        sum += x;
    }
    return (int32_t)(squares - 2u * bias * sum);
}

void knnc_pack_rows(const knnc_kernel *kernel, const uint8_t *rows, int64_t row_stride,
                    int64_t n_rows, int64_t n_features, int64_t first_panel, int64_t last_panel,
                    uint8_t *panels, int32_t *terms) {
    const knnc_layout *layout = &kernel->layout;
    const int64_t height = layout->panel_rows;
    const int64_t n_steps = (n_features + layout->lane - 1) / layout->lane;
    const int64_t panel_bytes = n_steps * height * layout->lane;
    for (int64_t p = first_panel; p < last_panel; p++) {
        const int64_t first = p * height;
        const uint8_t *in = rows + first * row_stride;
        pack_panel(layout, in, row_stride, n_rows - first, n_features, panels + p * panel_bytes);
        for (int64_t r = 0; r < height; r++) {
            int32_t term = KNNC_PAD_TERM;
            if (first + r < n_rows)
                term = kernel->metric == KNNC_SQEUCLIDEAN
                           ? row_term(in + r * row_stride, n_features, (uint32_t)layout->bias)
                           : 0;
            terms[first + r] = term;
        }
    }
}

/* bias - q, modulo 256, at bias 127 or 255: q with the bits flipped that are set in the bias. */
static void pack_biased_bytes(const uint8_t *query, int64_t n, int64_t lane, int64_t stride,
                              unsigned bias, uint8_t *out) {
    const uint32_t turned = 0x01010101u * bias;
    int64_t f = 0;
    for (; lane == 4 && f + 4 <= n; f += 4, out += stride) {
        uint32_t four;
        memcpy(&four, query + f, 4);
        four ^= turned;
        memcpy(out, &four, 4);
    }
    for (; f < n; f += lane, out += stride)
        for (int64_t l = 0; l < lane && f + l < n; l++) out[l] = (uint8_t)(query[f + l] ^ bias);
}

static void pack_query(const knnc_layout *layout, const uint8_t *query, int64_t n_features,
                       int slot, void *values) {
    const int64_t lane = layout->lane, stride = layout->tile_queries * lane;
    const int bias = layout->bias;
    uint8_t *bytes = (uint8_t *)values + slot * lane;
    int16_t *words = (int16_t *)values + slot * lane;
    if (layout->query_form == KNNC_BIASED_8) {
        pack_biased_bytes(query, n_features, lane, stride, (unsigned)bias, bytes);
        return;
    }
    for (int64_t f = 0, at = 0; f < n_features; at += stride)
        for (int64_t l = 0; l < lane && f < n_features; l++, f++)
            if (layout->query_form == KNNC_RAW_U8)
                bytes[at + l] = query[f];
            else
                words[at + l] = (int16_t)(bias - query[f]);
}

int64_t knnc_tile_bytes(const knnc_kernel *kernel, int64_t n_features) {
    const knnc_layout *layout = &kernel->layout;
    const int64_t n_steps = (n_features + layout->lane - 1) / layout->lane;
    return n_steps * layout->lane * layout->tile_queries *
           (layout->query_form == KNNC_BIASED_16 ? 2 : 1);
}

void knnc_pack_queries(const knnc_kernel *kernel, const uint8_t *rows, int64_t row_stride,
                       int n_queries, int64_t n_features, void *values, knnc_queries *queries) {
    memset(values, 0, (size_t)knnc_tile_bytes(kernel, n_features));
    queries->values = values;
    queries->n_queries = n_queries;
    for (int q = 0; q < n_queries; q++) {
        const uint8_t *query = rows + q * row_stride;
        pack_query(&kernel->layout, query, n_features, q, values);
        queries->norms[q] = kernel->metric == KNNC_SQEUCLIDEAN ? row_term(query, n_features, 0) : 0;
        queries->limits[q] = KNNC_LIMIT_NONE;
    }
}

/* So large that no sum of it and a bound is negative after any shift.  Half of it is 2^30 - 1, or
 * 2^30 >> s if all shifts together are s bits. */
int32_t knnc_pad_term(const knnc_rows *stages) {
    const int shift = knnc_later_shift(stages);
    return shift ? 2 * ((1 << 30) >> shift) : KNNC_PAD_TERM;
}

/* Up to stage g the test is D = 2 S + t + n < L.  The sums S, terms t and norms n are shifted from
 * stage to stage; L is the limit in units of that stage, rounded up.  As in tile.h the accumulator
 * is S + floor(t / 2) + floor((n - L) / 2).  A stored term is twice what stage g adds to
 * floor(t / 2); the one of the last stage has the odd bit of t too. */
void knnc_chain_terms(const knnc_kernel *kernel, const knnc_rows *stages, int64_t n_rows,
                      int64_t first, int64_t last) {
    if (kernel->metric != KNNC_SQEUCLIDEAN) return;
    const int32_t pad = knnc_pad_term(stages);
    for (int64_t r = first; r < last; r++) {
        int32_t total = 0;
        for (const knnc_rows *stage = stages; stage; stage = stage->next) {
            int32_t *term = (int32_t *)stage->terms + r;
            if (r >= n_rows) {
                *term = stage == stages ? pad : 0;
                continue;
            }
            const int32_t before = (total >> 1) * (1 << stage->shift);
            total = total * (1 << stage->shift) + *term;
            *term = 2 * ((total >> 1) - before) + (stage->next ? 0 : total & 1);
        }
    }
}

void knnc_pack_staged(const knnc_kernel *kernel, const knnc_rows *stages, const uint8_t *rows,
                      int64_t row_stride, int n_queries, int64_t n_features, void *values,
                      knnc_queries *queries) {
    knnc_pack_queries(kernel, rows, row_stride, n_queries, n_features, values, queries);
    if (kernel->metric != KNNC_SQEUCLIDEAN || stages->next == NULL) return;
    for (int q = 0; q < n_queries; q++) {
        const uint8_t *query = rows + q * row_stride, *end = query + n_features;
        int32_t norm = 0;
        int g = 0;
        for (const knnc_rows *stage = stages; stage; stage = stage->next, g++) {
            const int64_t wide = stage->n_steps * kernel->layout.lane;
            const int64_t n = wide < end - query ? wide : end - query;
            norm = norm * (1 << stage->shift) + row_term(query, n, 0);
            query += n;
            *(stage->next ? &queries->early_norms[g][q] : &queries->norms[q]) = norm;
        }
    }
}

void knnc_add_differences(const uint8_t *rows, int64_t n_features, int64_t first, int64_t last,
                          uint8_t *differs) {
    for (int64_t r = first; r < last; r++) {
        const uint8_t *row = rows + r * n_features;
        for (int64_t f = 0; f < n_features; f++) differs[f] |= (uint8_t)(row[f] ^ rows[f]);
    }
}
