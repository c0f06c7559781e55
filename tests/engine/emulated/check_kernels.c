/* Every kernel that this processor offers, without Python, against a plain C reference.
 *
 * Rows and queries, random and adversarial, are packed and scanned three ways: with a push that
 * leaves limits as they are, with one that lowers them as a heap of one row does, and into lists.
 * Squared Euclidean is scanned in stages as well. What arrives, in which order and at what
 * distance, must be what the reference says.  Every buffer ends at a page that may not be touched.
 *
 *     check_kernels            check; one line a kernel: its name and the distances compared
 *     check_kernels features   print the names of the CPU features found
 */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cpu.h"
#include "kernels.h"

/* ---- memory, numbers, data */

static void *guarded(int64_t n_bytes) {
    const int64_t page = sysconf(_SC_PAGESIZE), room = (n_bytes + page - 1) / page * page;
    uint8_t *start =
        mmap(0, (size_t)(room + page), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED || mprotect(start + room, (size_t)page, PROT_NONE)) {
        perror("guarded memory");
        exit(2);
    }
    return start + room - n_bytes;
}

static void release(void *buffer, int64_t n_bytes) {
    const int64_t page = sysconf(_SC_PAGESIZE), room = (n_bytes + page - 1) / page * page;
    munmap((uint8_t *)buffer - (room - n_bytes), (size_t)(room + page));
}

static uint64_t state; /* xorshift64 */
static uint32_t draw(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32);
}

typedef enum { UNIFORM, FEW, EXTREMES, FULL, CONSTANT_ROWS, N_PALETTES } palette;

static void fill(uint8_t *bytes, int64_t n, int64_t d, palette p) {
    static const uint8_t edges[] = {0, 1, 127, 128, 254, 255};
    for (int64_t i = 0; i < n; i++) {
        const uint8_t constant = edges[draw() % 6];
        for (int64_t f = 0; f < d; f++)
            bytes[i * d + f] = p == UNIFORM         ? (uint8_t)draw()
                               : p == FEW           ? (uint8_t)(draw() % 4)
                               : p == EXTREMES      ? (uint8_t)-(int)(draw() % 2)
                               : p == CONSTANT_ROWS ? constant
                                                    : 255;
    }
}

/* ---- the reference */

static int64_t distance(knnc_metric metric, const uint8_t *x, const uint8_t *y, int64_t d) {
    int64_t total = 0;
    for (int64_t f = 0; f < d; f++) {
        const int64_t diff = x[f] > y[f] ? x[f] - y[f] : y[f] - x[f];
        total = metric == KNNC_SQEUCLIDEAN ? total + diff * diff
                : metric == KNNC_MANHATTAN ? total + diff
                : metric == KNNC_HAMMING   ? total + (diff != 0)
                : diff > total             ? diff
                                           : total;
    }
    return total;
}

/* ---- one case */

typedef struct {
    const knnc_kernel *kernel;
    int64_t n_rows, n_features, n_queries;
    const uint8_t *rows, *queries;
    const int32_t *expected; /* n_queries x n_rows */
    int n_stages;
    int64_t ends[KNNC_MAX_STAGES]; /* the feature after each stage's last */
    int shifts[KNNC_MAX_STAGES];
} data;

static int64_t compared;

static void fail(const data *in, const char *what, int64_t query, int64_t row, int64_t got,
                 int64_t wanted) {
    printf("%s: %s: rows %lld, features %lld, query %lld, row %lld: got %lld, not %lld\n",
           in->kernel->name, what, (long long)in->n_rows, (long long)in->n_features,
           (long long)query, (long long)row, (long long)got, (long long)wanted);
    exit(1);
}

typedef struct {
    const data *in;
    const char *what;
    int64_t first_query;
    int n_queries;
    int64_t next[KNNC_MAX_TILE_QUERIES]; /* the first row that has not been judged */
    int32_t limits[KNNC_MAX_TILE_QUERIES];
    int lowers;
} watch;

/* Rows before `row` that were not pushed must be at the limit or beyond. */
static void pass_over(watch *w, int query, int64_t row) {
    const int32_t *expected = w->in->expected + (w->first_query + query) * w->in->n_rows;
    for (; w->next[query] < row; w->next[query]++)
        if (expected[w->next[query]] < w->limits[query])
            fail(w->in, w->what, w->first_query + query, w->next[query], -1,
                 expected[w->next[query]]);
}

static int32_t take(void *context, int query, int64_t row, int32_t dist) {
    watch *w = context;
    if (query >= w->n_queries) fail(w->in, "a query that pads", query, row, dist, -1);
    if (row < w->next[query] || row >= w->in->n_rows)
        fail(w->in, "a row out of order", w->first_query + query, row, row, w->next[query]);
    pass_over(w, query, row);
    const int32_t wanted = w->in->expected[(w->first_query + query) * w->in->n_rows + row];
    if (dist != wanted || dist >= w->limits[query])
        fail(w->in, w->what, w->first_query + query, row, dist, wanted);
    w->next[query] = row + 1;
    compared++;
    if (w->lowers) w->limits[query] = dist;
    return w->limits[query];
}

static void scan_with_push(const data *in, const knnc_rows *packed, int64_t n_panels, int lowers,
                           knnc_queries *tile, watch *w) {
    w->in = in;
    w->what = lowers ? "push, falling limits" : "push";
    w->lowers = lowers;
    w->n_queries = tile->n_queries;
    memset(w->next, 0, sizeof w->next);
    memcpy(w->limits, tile->limits, sizeof w->limits);
    /* Two ranges of panels, as a search has them. */
    in->kernel->tile(packed, 0, n_panels / 2, tile, take, w);
    in->kernel->tile(packed, n_panels / 2, n_panels, tile, take, w);
    for (int q = 0; q < tile->n_queries; q++) {
        pass_over(w, q, in->n_rows);
        if (tile->limits[q] != w->limits[q])
            fail(in, "the limit left behind", w->first_query + q, -1, tile->limits[q],
                 w->limits[q]);
    }
}

static void scan_into_lists(const data *in, const knnc_rows *packed, int64_t n_panels,
                            knnc_queries *tile, int64_t first_query) {
    const knnc_layout *layout = &in->kernel->layout;
    const int64_t first = n_panels / 2;
    knnc_found found = {0};
    found.first_row = first * layout->panel_rows;
    found.room = (n_panels - first) * layout->panel_rows + 1;
    const int64_t n_bytes = found.room * layout->tile_queries * (int64_t)sizeof(int32_t);
    found.rows = guarded(n_bytes);
    found.dist = guarded(n_bytes);
    in->kernel->tile(packed, first, n_panels, tile, 0, &found);
    for (int q = 0; q < tile->n_queries; q++) {
        const int32_t *expected = in->expected + (first_query + q) * in->n_rows;
        int64_t at = q * found.room;
        for (int64_t r = found.first_row; r < in->n_rows; r++) {
            if (expected[r] >= tile->limits[q]) continue;
            if (at - q * found.room >= found.counts[q])
                fail(in, "list: a row is missing", first_query + q, r, -1, expected[r]);
            if (found.rows[at] != r - found.first_row || found.dist[at] != expected[r])
                fail(in, "list", first_query + q, found.rows[at] + found.first_row, found.dist[at],
                     expected[r]);
            at++;
            compared++;
        }
        if (at != q * found.room + found.counts[q])
            fail(in, "list: too long", first_query + q, -1, found.counts[q], at - q * found.room);
    }
    release(found.rows, n_bytes);
    release(found.dist, n_bytes);
}

/* Limits to try: every row, no row, some row's distance, one more, half as far. Wide rows have the
 * first and the fourth only: they are here for their sums, and take long under emulation. */
enum { WAYS = 5, WIDE = 1024 };
static int32_t limit(const data *in, int64_t query, int way) {
    const int32_t some = in->expected[query * in->n_rows + in->n_rows / 2];
    const int32_t limits[WAYS] = {KNNC_LIMIT_NONE, 0, some, some + 1, some / 2};
    return limits[way];
}

typedef struct {
    knnc_rows stages[KNNC_MAX_STAGES];
    int64_t panel_bytes[KNNC_MAX_STAGES], term_bytes;
} packed_rows;

static void pack(const data *in, packed_rows *out) {
    const knnc_layout *layout = &in->kernel->layout;
    const int64_t height = layout->panel_rows, n_panels = (in->n_rows + height - 1) / height;
    out->term_bytes = n_panels * height * (int64_t)sizeof(int32_t);
    for (int g = 0; g < in->n_stages; g++) {
        const int64_t first = g ? in->ends[g - 1] : 0, wide = in->ends[g] - first;
        const int64_t n_steps = (wide + layout->lane - 1) / layout->lane;
        out->panel_bytes[g] = n_panels * n_steps * height * layout->lane;
        uint8_t *panels = guarded(out->panel_bytes[g]);
        int32_t *terms = guarded(out->term_bytes);
        knnc_pack_rows(in->kernel, in->rows + first, in->n_features, in->n_rows, wide, 0, n_panels,
                       panels, terms);
        const knnc_rows *next = g + 1 < in->n_stages ? &out->stages[g + 1] : 0;
        out->stages[g] = (knnc_rows){panels, terms, n_steps, next, in->shifts[g]};
    }
    if (in->n_stages > 1)
        knnc_chain_terms(in->kernel, out->stages, in->n_rows, 0, n_panels * height);
}

static void unpack(const data *in, packed_rows *out) {
    for (int g = 0; g < in->n_stages; g++) {
        release((void *)out->stages[g].panels, out->panel_bytes[g]);
        release((void *)out->stages[g].terms, out->term_bytes);
    }
}

static void check(const data *in) {
    const knnc_kernel *kernel = in->kernel;
    const knnc_layout *layout = &kernel->layout;
    const int64_t height = layout->panel_rows, d = in->n_features;
    const int64_t n_panels = (in->n_rows + height - 1) / height;
    packed_rows packed;
    pack(in, &packed);
    void *values = guarded(knnc_tile_bytes(kernel, d));
    const int next = d <= WIDE ? 1 : 3;
    for (int64_t first = 0; first < in->n_queries; first += layout->tile_queries) {
        const int64_t left = in->n_queries - first;
        const int n = (int)(left < layout->tile_queries ? left : layout->tile_queries);
        for (int way = 0; way < WAYS; way += next) {
            knnc_queries tile;
            knnc_pack_staged(kernel, packed.stages, in->queries + first * d, d, n, d, values,
                             &tile);
            for (int q = 0; q < n; q++) tile.limits[q] = limit(in, first + q, way);
            knnc_queries again = tile, lists = tile;
            watch w = {.first_query = first};
            scan_with_push(in, packed.stages, n_panels, 0, &tile, &w);
            scan_with_push(in, packed.stages, n_panels, 1, &again, &w);
            scan_into_lists(in, packed.stages, n_panels, &lists, first);
        }
    }
    /* The last row and the last query end at the forbidden page. */
    for (int64_t q = 0; in->n_stages == 1 && q < in->n_queries; q++) {
        const int64_t r = in->n_rows - 1 - q % in->n_rows;
        const int32_t got = kernel->pair(in->rows + r * d, in->queries + q * d, d);
        if (got != in->expected[q * in->n_rows + r])
            fail(in, "pair", q, r, got, in->expected[q * in->n_rows + r]);
        compared++;
    }
    unpack(in, &packed);
    release(values, knnc_tile_bytes(kernel, d));
}

/* Two stages or more, of some lanes each, with shifts and without. */
static void check_stages(data *in, int32_t *expected) {
    static const int shifts[][KNNC_MAX_STAGES] = {{0, 0, 0, 0}, {0, 2, 2, 4}, {0, 8, 0, 0}};
    const int64_t lane = in->kernel->layout.lane;
    for (size_t way = 0; way < sizeof shifts / sizeof *shifts; way++) {
        in->n_stages = 0;
        int64_t end = lane * (1 + draw() % 3);
        for (; end < in->n_features && in->n_stages < KNNC_MAX_STAGES - 1; end += lane)
            in->ends[in->n_stages++] = end;
        if (in->n_stages == 0) return;
        in->ends[in->n_stages++] = in->n_features;
        memcpy(in->shifts, shifts[way], sizeof in->shifts);
        for (int64_t q = 0; q < in->n_queries; q++)
            for (int64_t r = 0; r < in->n_rows; r++) {
                const uint8_t *x = in->rows + r * in->n_features;
                const uint8_t *y = in->queries + q * in->n_features;
                int64_t total = 0, first = 0;
                for (int g = 0; g < in->n_stages; first = in->ends[g++])
                    total = (total << in->shifts[g]) +
                            distance(KNNC_SQEUCLIDEAN, x + first, y + first, in->ends[g] - first);
                expected[q * in->n_rows + r] = (int32_t)total;
            }
        check(in);
    }
}

/* ---- all cases */

static void check_shape(const knnc_kernel *kernel, int64_t n_rows, int64_t d, int64_t n_queries,
                        palette of_rows, palette of_queries) {
    uint8_t *rows = guarded(n_rows * d), *queries = guarded(n_queries * d);
    int32_t *expected = malloc((size_t)(n_queries * n_rows) * sizeof(int32_t));
    fill(rows, n_rows, d, of_rows);
    fill(queries, n_queries, d, of_queries);
    memcpy(queries, rows, (size_t)d); /* a distance of 0 */
    for (int64_t q = 0; q < n_queries; q++)
        for (int64_t r = 0; r < n_rows; r++)
            expected[q * n_rows + r] =
                (int32_t)distance(kernel->metric, rows + r * d, queries + q * d, d);
    data in = {kernel, n_rows, d, n_queries, rows, queries, expected, 1, {d}, {0}};
    check(&in);
    if (kernel->metric == KNNC_SQEUCLIDEAN && d <= 70) check_stages(&in, expected);
    free(expected);
    release(rows, n_rows * d);
    release(queries, n_queries * d);
}

/* ---- terms that no packing makes */

typedef struct {
    const data *in;
    int n_queries;
    int64_t pushed;
} bystander;

static int32_t look(void *context, int query, int64_t row, int32_t dist) {
    bystander *b = context;
    if (query >= b->n_queries || row < 0 || row >= b->in->n_rows || dist < 0)
        fail(b->in, "made-up terms", query, row, dist, -1);
    b->pushed++;
    return draw() % 2 ? dist : KNNC_LIMIT_NONE;
}

/* Whatever the terms of rows are, only queries that there are get only rows that there are, at
 * distances that are not negative. */
static void check_made_up_terms(const knnc_kernel *kernel, int n_stages) {
    static const int32_t odd[] = {INT32_MIN, -(1 << 30), -1, 1, 1 << 30, INT32_MAX};
    const int64_t n_rows = 53, lane = kernel->layout.lane, d = lane * n_stages;
    const int64_t height = kernel->layout.panel_rows, n_panels = (n_rows + height - 1) / height;
    uint8_t *rows = guarded(n_rows * d);
    fill(rows, n_rows, d, UNIFORM);
    data in = {kernel, n_rows, d, 1, rows, rows, 0, n_stages, {lane, 2 * lane}, {0, 2}};
    packed_rows packed;
    pack(&in, &packed);
    void *values = guarded(knnc_tile_bytes(kernel, d));
    for (int trial = 0; trial < 200; trial++) {
        for (int g = 0; g < n_stages; g++)
            for (int64_t r = 0; r < n_rows; r++)
                ((int32_t *)packed.stages[g].terms)[r] =
                    draw() % 2 ? odd[draw() % 6] : (int32_t)draw();
        const int n = 1 + (int)(draw() % (uint32_t)kernel->layout.tile_queries);
        bystander b = {&in, n, 0};
        knnc_queries tile;
        knnc_pack_staged(kernel, packed.stages, rows, d, n, d, values, &tile);
        for (int q = 0; q < n; q++)
            tile.limits[q] = draw() % 2 ? KNNC_LIMIT_NONE : (int32_t)(draw() % 100000);
        knnc_queries lists = tile;
        kernel->tile(packed.stages, 0, n_panels, &tile, look, &b);
        knnc_found found = {.room = n_panels * height + 1};
        const int64_t n_bytes = found.room * n * (int64_t)sizeof(int32_t);
        found.rows = guarded(n_bytes);
        found.dist = guarded(n_bytes);
        kernel->tile(packed.stages, 0, n_panels, &lists, 0, &found);
        for (int q = 0; q < kernel->layout.tile_queries; q++)
            for (int32_t i = 0; i < found.counts[q]; i++)
                look(&(bystander){&in, n, 0}, q, found.rows[q * found.room + i],
                     found.dist[q * found.room + i]);
        release(found.rows, n_bytes);
        release(found.dist, n_bytes);
    }
    unpack(&in, &packed);
    release(values, knnc_tile_bytes(kernel, d));
    release(rows, n_rows * d);
}

static void check_kernel(const knnc_kernel *kernel) {
    static const int64_t widths[] = {784, 1020, 1028, 2041, 4100};
    compared = 0;
    state = 88172645463325252u;
    for (int64_t d = 1; d <= 70; d++)
        for (palette p = UNIFORM; p < FULL; p++) check_shape(kernel, 53, d, 5, p, p);
    for (int64_t n_rows = 1; n_rows <= 66; n_rows++)
        check_shape(kernel, n_rows, 9, 1 + n_rows % 17, FEW, FEW);
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
        for (palette p = UNIFORM; p < N_PALETTES; p++)
            check_shape(kernel, 49, widths[i], 9, p, CONSTANT_ROWS);
    /* The largest sums there are, of every sign. */
    for (palette p = UNIFORM; p < N_PALETTES; p++)
        check_shape(kernel, 27, KNNC_BLOCK_FEATURES - (p == FEW), 5, CONSTANT_ROWS, p);
    check_made_up_terms(kernel, 1);
    if (kernel->metric == KNNC_SQEUCLIDEAN) check_made_up_terms(kernel, 2);
    printf("%s %lld\n", kernel->name, (long long)compared);
}

int main(int argc, char **argv) {
#ifdef KNNC_EMULATED
    const uint32_t found = ~0u;
#else
    const uint32_t found = knnc_detect_cpu();
#endif
    if (argc == 2 && strcmp(argv[1], "features") == 0) {
        for (int i = 0; i < knnc_n_cpu_features(); i++)
            if (knnc_cpu_feature_at(i)->bit & found) printf("%s\n", knnc_cpu_feature_at(i)->name);
        return 0;
    }
    for (int i = 0; i < knnc_n_kernels(); i++)
        if ((knnc_kernel_at(i)->needs & ~found) == 0) check_kernel(knnc_kernel_at(i));
    return 0;
}
