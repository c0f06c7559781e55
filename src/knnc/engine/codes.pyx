"""Short codes of rows, and why a distance of codes can rule a row out.

Each row becomes a coarse code, compared with every query, and for Manhattan a fine one, read for
the rows that are left. A code is a vector of bytes: coordinates of a map that no distance grows
under, rounded to whole steps. With P the map, s the factor it may grow by, |.| the norm of the
metric (on code vectors times their steps), and e(x) = |P(x) - code(x)|, rounded up, the triangle
inequality gives

    |code(q) - code(x)| > s dist + e(q) + e(x)   =>   |q - x| > dist.

With `dist` the k-th smallest found so far the row can be left out; a row that ties with it cannot,
for the test is strict.

Squared Euclidean. A is a matrix of whole numbers (summaries.principal_axes), s^2 at least the
square of its largest singular value, m the byte vector nearest the mean, and

    P(x) = (A (x - m), t(x)),   t(x) = sqrt(s^2 |x - m|^2 - |A (x - m)|^2).

With R the root of s^2 I - A'A, which is positive semidefinite, s^2 |q - x|^2 = |A (q - x)|^2 +
|R (q - x)|^2, and t(x) = |R (x - m)|, so that |t(q) - t(x)| <= |R (q - x)|, and |P(q) - P(x)| <=
s |q - x|. Each coordinate is cut off at 127 steps, under which no difference grows either: what is
lost there is power, not truth, and no part of e.

The coordinates come in stages, the axes along which rows vary most first, and a scan leaves a panel
of rows as soon as what it has added up is beyond every query's limit, which no further coordinate
can mend (kernels.h). Later coordinates are smaller, so a stage's step is that of the stage before
or a half, a quarter... of it: exactly, so that distances of stages add up as whole numbers.

Manhattan. P(x) is the sums of x over groups of features, each feature with a sign: the sum of some
numbers is at most the sum of their absolute values, so s = 1. The fine code has smaller groups
than the coarse one, and stands by itself.

What is rounded. A (x - m) and the sums are exact: whole numbers below 2^53. s, t, e, the reach and
the limits are doubles; each is rounded away from danger by more than its error, which is a few
units in the last place (relative 1e-15) against margins of 1e-12, and for t and for what rounding
to a code takes away, where differences cancel, at most sqrt(1e-13 s^2 |x - m|^2), which is added to
e. Distances of codes are the exact integers of the kernels that search by brute force.
"""
from cpython.exc cimport PyErr_CheckSignals
from cython.parallel cimport prange
from libc.math cimport fabs, floor, sqrt
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from knnc.engine._kernels cimport (
    KNNC_LIMIT_NONE,
    KNNC_MAX_SHIFT,
    knnc_found,
    knnc_kernel,
    knnc_pack_queries,
    knnc_queries,
    knnc_tile_bytes,
)

cdef extern from "code.h" nogil:
    double knnc_sum_of_squares(const double *values, int64_t n)
    void knnc_project(
        const int32_t *high, const int32_t *low, double of_row, const double *of_planes,
        const double *origin, int64_t n, double *points)
    void knnc_to_code(double *values, const double *steps, int64_t n, uint8_t *code)

from time import perf_counter

import numpy as np

from knnc.engine import summaries
from knnc.engine.packed import PackedRows as _PackedRows
from knnc.engine.state import array_of, count_of, number_of, part_of

cdef double MARGIN = 1 + 1e-12
# The part of the sample's range that a code covers: what lies outside counts as at its end. Between
# half and all of it a search takes much the same time, below that more (benchmarks/pruning.py).
COARSE_RANGE = 0.6
# Distances of codes stay below this, for the kernels' sums of 32 bits; a code is within +-127.
LARGEST_SUM = 2**30
# Rows of a sample that are projected at a time.
SLAB_ROWS = 512
# Rows coded together: a tile of any kernel, and what scratch memory on one thread is made for.
cdef int64_t TILE = 16
# Bytes of rows coded before the first look at signals, and seconds between two looks.
cdef int64_t FIRST_BYTES = 1 << 20
cdef double CHUNK_SECONDS = 0.05


def timed_chunks(int64_t n, int64_t first_size):
    """Bounds of chunks that take CHUNK_SECONDS each, in multiples of `first_size`.

    Signals are checked after each.
    """
    cdef int64_t first = 0, last, size = first_size
    while first < n:
        last = min(n, first + size)
        started = perf_counter()
        yield first, last
        PyErr_CheckSignals()
        size = first_size * max(1, min(
            8 * (size // first_size),
            <int64_t>((last - first) * CHUNK_SECONDS / first_size
                      / max(1e-6, perf_counter() - started))))
        first = last


cdef class Codes:
    """How rows are coded, learnt from a sample of them.

    Parameters
    ----------
    sample : ndarray of shape (n_rows, n_features), uint8
    metric : {"sqeuclidean", "manhattan"}
    sizes : tuple of int
        Squared Euclidean: the coordinates of each stage, at most n_features + 1 in all; the last
        one of the second stage, or of the only one, is t.
        Manhattan: the features of a group, powers of 2, of the coarse code and of the fine one.
    kernel : str or None
        Of the metric; for squared Euclidean distance it projects, for Manhattan it is not needed.
    n_threads : int
    """

    def __init__(self, sample, str metric, sizes, kernel, int n_threads):
        self.squared = metric == "sqeuclidean"
        self.n_features = sample.shape[1]
        if self.squared:
            self.learn_axes(sample, sizes, kernel, n_threads)
        else:
            self.learn_groups(sample, sizes)

    def learn_axes(self, sample, sizes, kernel, int n_threads):
        self.stages = sizes
        axes_a_stage = list(sizes)
        axes_a_stage[min(1, len(sizes) - 1)] -= 1
        axes = summaries.principal_axes(sample, tuple(axes_a_stage))
        planes = summaries.as_planes(axes)
        self.n_axes = len(axes)
        self.n_coarse, self.n_fine, self.tail_at = sum(sizes), 0, sum(sizes[:2]) - 1
        self.norm = summaries.squared_norm_bound(axes)
        self.planes = _PackedRows(planes, "sqeuclidean", kernel, n_threads)
        self.set_plane_squares((planes.astype(np.int64) ** 2).sum(axis=1))
        self.mean = np.rint(sample.mean(axis=0)).astype(np.uint8)
        # Whole numbers, which NumPy multiplies without BLAS: see clusters._chain.
        self.origin = (axes.astype(np.int64) @ np.asarray(self.mean, np.int64)).astype(np.float64)
        self.choose_steps(self.look_at(sample, axes_a_stage, n_threads))

    def look_at(self, sample, axes_a_stage, int n_threads):
        """The largest coordinate of a sample along the axes of each stage; and where t's middle is.

        A slab at a time: as doubles they are ten times the sample's bytes.
        """
        ends = np.cumsum(axes_a_stage)[:len(axes_a_stage) - 1]
        largest, tails = np.zeros(len(axes_a_stage)), []
        for start in range(0, len(sample), SLAB_ROWS):
            points, t = self.points_of(sample[start:start + SLAB_ROWS], n_threads)
            tails += [t.min(), t.max()]
            parts = np.split(np.abs(points, out=points), ends, axis=1)
            largest = np.maximum(largest, [part.max(initial=0) for part in parts])
        self.tail_origin = (max(tails) + min(tails)) / 2
        return largest

    def choose_steps(self, largest):
        """The step of each coordinate, from the largest of the sample along each stage's axes."""
        most = 0
        while self.largest_sum(2 * most + 2) < LARGEST_SUM:
            most += 1
        wanted = np.maximum(COARSE_RANGE * largest / 127, 1e-9)
        wanted[0] = max(wanted[0], 1)
        halvings = np.clip(np.floor(np.log2(wanted[0] / wanted)), 0, most)
        halvings = np.maximum.accumulate(halvings).astype(np.int64)
        most = halvings.max()
        self.step = np.ceil(max(wanted[0] / 2.0**most, 1))
        self.shifts = tuple((2 * np.diff(halvings, prepend=0)).tolist())
        self.set_steps()

    def largest_sum(self, shift):
        """A bound of distances of codes if the first ones are shifted so far."""
        return self.n_coarse * 254**2 << shift

    def set_steps(self):
        """Of each coordinate: the last stage's step, doubled for each two bits that come later."""
        later = sum(self.shifts) - np.cumsum(self.shifts)
        self.steps = np.repeat(self.step * 2.0 ** (later // 2), self.stages)

    def set_plane_squares(self, squares):
        """|a|^2 of each plane, and of the two of an axis the sum that `project` needs."""
        self.plane_squares = squares
        self.plane_sums = 32.0 * squares[:self.n_axes] + 0.5 * squares[self.n_axes:]

    def learn_groups(self, sample, sizes):
        levels = tuple(int(size).bit_length() - 1 for size in sizes)
        groups, sign = summaries.feature_groups(sample, tuple(sorted(levels)))
        coarse = groups[1]
        self.n_fine, self.n_coarse = groups[0].max() + 1, coarse.max() + 1
        parent = np.empty(self.n_fine, np.int32)
        parent[groups[0]] = coarse
        self.set_groups(groups[0], sign, parent)

    def set_groups(self, group, sign, parent):
        """The groups of features and of groups, and what follows from them."""
        self.group, self.sign, self.parent = group, sign, parent
        lowest = np.bincount(group, weights=np.minimum(sign, 0), minlength=self.n_fine)
        self.lowest = 255 * lowest.astype(np.int64)
        self.lowest_coarse = np.bincount(
            parent, weights=np.asarray(self.lowest), minlength=self.n_coarse).astype(np.int64)
        self.stages, self.shifts = (self.n_coarse,), (0,)
        # A sum of at most `step` bytes, above its lowest value, fits a byte in whole steps.
        self.fine_step, self.step = np.bincount(group).max(), np.bincount(parent[group]).max()

    # ---- saved, and had again

    def state(self):
        """All that is needed to have these again, see state.py."""
        saved = {"n_coarse": self.n_coarse, "step": self.step}
        if self.squared:
            return saved | {
                "stages": np.array(self.stages), "shifts": np.array(self.shifts),
                "norm": self.norm, "tail_origin": self.tail_origin, "planes": self.planes.state(),
                "plane_squares": np.asarray(self.plane_squares), "mean": np.asarray(self.mean),
                "origin": np.asarray(self.origin)}
        return saved | {
            "n_fine": self.n_fine, "fine_step": self.fine_step,
            "group": np.asarray(self.group), "sign": np.asarray(self.sign),
            "parent": np.asarray(self.parent), "lowest": np.asarray(self.lowest),
            "lowest_coarse": np.asarray(self.lowest_coarse)}

    @staticmethod
    def restored(saved, int64_t n_features, str metric, kernel):
        """The codes of which `state` said this."""
        cdef Codes self = Codes.__new__(Codes)
        self.squared, self.n_features = metric == "sqeuclidean", n_features
        self.n_coarse = count_of(saved, "n_coarse", 1, n_features + 1)
        if not self.squared:
            self.restore_groups(saved)
            return self
        self.step = number_of(saved, "step", positive=True)
        self.restore_stages(saved)
        self.n_fine, self.n_axes = 0, self.n_coarse - 1
        self.norm = number_of(saved, "norm", positive=True)
        self.tail_origin = number_of(saved, "tail_origin")
        self.planes = _PackedRows(
            None, "sqeuclidean", kernel, 1, saved=part_of(saved, "planes"))
        if (self.planes.n_rows, self.planes.n_features) != (2 * self.n_axes, n_features):
            raise ValueError("planes are not two for each axis")
        if self.planes.columns is not None:
            raise ValueError("planes lack columns")
        self.set_plane_squares(array_of(saved, "plane_squares", np.int64, (2 * self.n_axes,)))
        self.mean = array_of(saved, "mean", np.uint8, (n_features,))
        self.origin = array_of(saved, "origin", np.float64, (self.n_axes,))
        return self

    def restore_groups(self, saved):
        """What follows from the groups is not read, but has to be what the file says."""
        self.n_fine = count_of(saved, "n_fine", 1, self.n_features)
        sign = array_of(saved, "sign", np.int8, (self.n_features,))
        if sign.min() < -1 or sign.max() > 1:
            raise ValueError("sign holds what is no sign")
        self.set_groups(
            array_of(saved, "group", np.int32, (self.n_features,), self.n_fine), sign,
            array_of(saved, "parent", np.int32, (self.n_fine,), self.n_coarse))
        steps = number_of(saved, "step"), number_of(saved, "fine_step")
        lowest = array_of(saved, "lowest", np.int64, (self.n_fine,))
        lowest_coarse = array_of(saved, "lowest_coarse", np.int64, (self.n_coarse,))
        if (steps != (self.step, self.fine_step) or (lowest != np.asarray(self.lowest)).any()
                or (lowest_coarse != np.asarray(self.lowest_coarse)).any()):
            raise ValueError("sums of groups are not those of these groups")

    def restore_stages(self, saved):
        stages, shifts = saved.get("stages"), saved.get("shifts")
        n_stages = len(stages) if isinstance(stages, np.ndarray) and stages.ndim else 0
        stages = array_of(saved, "stages", np.int64, (n_stages,), self.n_coarse + 1).tolist()
        shifts = array_of(saved, "shifts", np.int64, (n_stages,), KNNC_MAX_SHIFT + 1).tolist()
        if sum(stages) != self.n_coarse or min(stages) < 1 or self.n_coarse < 2 or shifts[0]:
            raise ValueError("stages are not parts of the coarse code")
        if any(shift % 2 for shift in shifts) or self.largest_sum(sum(shifts)) >= LARGEST_SUM:
            raise ValueError("shifts are not those of these stages")
        self.stages, self.shifts, self.tail_at = tuple(stages), tuple(shifts), sum(stages[:2]) - 1
        self.set_steps()

    # ---- coding

    def points_of(self, const uint8_t[:, ::1] rows, int n_threads):
        """A (x - m) of rows, ndarray (n, n_axes), and t, ndarray (n,)."""
        cdef int64_t n = rows.shape[0], first, last
        cdef int failed
        points, tails, errors = np.empty((n, self.n_axes)), np.empty(n), np.empty(n)
        cdef double[:, ::1] points_view = points
        cdef double[::1] tails_view = tails, errors_view = errors
        for first, last in timed_chunks(n, self.first_chunk(n_threads)):
            with nogil:
                failed = self.project_rows(&rows[first, 0], last - first, &points_view[first, 0],
                                           &tails_view[first], &errors_view[first], n_threads)
            if failed:
                raise MemoryError("no memory to project rows.")
        return points, tails

    def encode(self, const uint8_t[:, ::1] rows, int n_threads):
        """Codes of rows, ndarray (n, n_coarse + n_fine), uint8, and their errors, ndarray (n, 2).

        The errors are those of the coarse code and of the fine one, 0 where there is none.
        """
        cdef int64_t n = rows.shape[0]
        codes, errors = np.empty((n, self.n_coarse + self.n_fine), np.uint8), np.empty((n, 2))
        cdef uint8_t[:, ::1] codes_view = codes
        cdef double[:, ::1] errors_view = errors
        self.encode_onto(&rows[0, 0], n, &codes_view[0, 0], &errors_view[0, 0], n_threads)
        return codes, errors

    cdef int encode_onto(
        self, const uint8_t *rows, int64_t n, uint8_t *codes, double *errors, int n_threads
    ) except -1:
        """Codes of rows and their errors, as `encode` returns them."""
        cdef int64_t d = self.n_features, m = self.n_coarse + self.n_fine, first, last
        cdef int failed
        if n <= self.tile_rows():
            with nogil:
                failed = self.encode_tile(rows, <int>n, codes, errors)
            if failed:
                raise MemoryError("no memory to code rows.")
            return 0
        for first, last in timed_chunks(n, self.first_chunk(n_threads)):
            with nogil:
                failed = self.encode_rows(rows + first * d, last - first, codes + first * m,
                                          errors + 2 * first, n_threads)
            if failed:
                raise MemoryError("no memory to code rows.")
        return 0

    def first_chunk(self, int n_threads):
        """Rows, whole tiles for each thread, that are coded in a few milliseconds."""
        return self.tile_rows() * max(
            n_threads, FIRST_BYTES // (self.tile_rows() * self.n_features))

    cdef int64_t tile_rows(self) noexcept nogil:
        return self.planes.kernel.layout.tile_queries if self.squared else TILE

    cdef int project_rows(
        self, const uint8_t *rows, int64_t n, double *points, double *tails, double *tail_errors,
        int n_threads,
    ) noexcept nogil:
        cdef int64_t tile = self.tile_rows(), i
        cdef int failed = 0
        for i in prange((n + tile - 1) // tile, num_threads=n_threads):
            failed += self.project(
                rows + i * tile * self.n_features, <int>min(tile, n - i * tile),
                points + i * tile * self.n_axes, tails + i * tile, tail_errors + i * tile)
        return failed

    cdef int encode_rows(
        self, const uint8_t *rows, int64_t n, uint8_t *codes, double *errors, int n_threads
    ) noexcept nogil:
        cdef int64_t tile = self.tile_rows(), m = self.n_coarse + self.n_fine, i
        cdef int failed = 0
        for i in prange((n + tile - 1) // tile, num_threads=n_threads):
            failed += self.encode_tile(
                rows + i * tile * self.n_features, <int>min(tile, n - i * tile),
                codes + i * tile * m, errors + 2 * i * tile)
        return failed

    def coarse_limits(self, const double[::1] errors, const int64_t[::1] best):
        """The limits of coarse distances, int64, for errors of both rows and distances `best`."""
        cdef int64_t i
        limits = [self.coarse_limit(errors[i], best[i]) for i in range(len(errors))]
        return np.array(limits, np.int64)

    cdef int encode_tile(
        self, const uint8_t *rows, int n, uint8_t *codes, double *errors
    ) noexcept nogil:
        if self.squared:
            return self.encode_projected(rows, n, codes, errors)
        return self.encode_summed(rows, n, codes, errors)

    # ---- squared Euclidean

    cdef int project(
        self, const uint8_t *rows, int n, double *points, double *tails, double *tail_errors
    ) noexcept nogil:
        """A (x - m) and t of a tile of rows, from their exact distances to the planes of A.

        |x - a|^2 = |x|^2 + |a|^2 - 2 x.a, so x.a follows exactly; a has 128 added to each number.
        """
        cdef const knnc_kernel *kernel = self.planes.kernel
        cdef int64_t d = self.n_features, n_axes = self.n_axes
        cdef int q
        cdef double *point
        cdef Moments moments
        cdef knnc_found found
        cdef knnc_queries queries
        cdef void *values = malloc(knnc_tile_bytes(kernel, d))
        cdef const int32_t *dist
        # One more than rows: a list is written before its length is known.
        found.room = 2 * n_axes + 1
        found.first_row = 0
        found.rows = <int32_t *>malloc(2 * n * found.room * sizeof(int32_t))
        found.dist = found.rows + n * found.room
        if values == NULL or found.rows == NULL:
            free(values)
            free(found.rows)
            return -1
        knnc_pack_queries(kernel, rows, d, n, d, values, &queries)
        for q in range(n):
            found.counts[q] = 0
            queries.limits[q] = KNNC_LIMIT_NONE
        # Without a limit all planes are listed, in their order.
        kernel.tile(&self.planes.blocks[0], 0, self.planes.n_panels, &queries, NULL, &found)
        for q in range(n):
            dist = found.dist + q * found.room
            moments = moments_of(rows + q * d, &self.mean[0], d)
            point = points + q * n_axes
            knnc_project(dist, dist + n_axes, 32.5 * moments.square - 65.0 * 128 * moments.total,
                         &self.plane_sums[0], &self.origin[0], n_axes, point)
            tails[q] = sqrt(max(
                0.0, self.norm * moments.centred - knnc_sum_of_squares(point, n_axes)))
            tail_errors[q] = sqrt(1e-13 * self.norm * moments.centred)
        free(values)
        free(found.rows)
        return 0

    cdef int encode_projected(
        self, const uint8_t *rows, int n, uint8_t *codes, double *errors
    ) noexcept nogil:
        cdef int64_t n_axes = self.n_axes, n_coarse = self.n_coarse, before = self.tail_at
        cdef int q, status
        cdef double *points = <double *>malloc((n * (n_axes + 2) + n_coarse) * sizeof(double))
        cdef double *tails = points + n * n_axes
        cdef double *values = tails + 2 * n
        cdef const double *point
        if points == NULL:
            return -1
        status = self.project(rows, n, points, tails, tails + n)
        if status == 0:
            for q in range(n):
                point = points + q * n_axes
                memcpy(values, point, before * sizeof(double))
                values[before] = tails[q] - self.tail_origin
                memcpy(values + before + 1, point + before, (n_axes - before) * sizeof(double))
                knnc_to_code(values, &self.steps[0], n_coarse, codes + q * n_coarse)
                errors[2 * q] = sqrt(knnc_sum_of_squares(values, n_coarse)) * MARGIN + tails[n + q]
                errors[2 * q + 1] = 0
        free(points)
        return status

    # ---- Manhattan

    cdef int encode_summed(
        self, const uint8_t *rows, int n, uint8_t *codes, double *errors
    ) noexcept nogil:
        cdef int64_t n_coarse = self.n_coarse, n_fine = self.n_fine, f, g
        cdef int q
        cdef uint8_t *code
        cdef int64_t *coarse = <int64_t *>malloc((n_coarse + n_fine) * sizeof(int64_t))
        cdef int64_t *fine = coarse + n_coarse
        if coarse == NULL:
            return -1
        for q in range(n):
            code = codes + q * (n_coarse + n_fine)
            for g in range(n_coarse):
                coarse[g] = -self.lowest_coarse[g]
            for g in range(n_fine):
                fine[g] = -self.lowest[g]
            for f in range(self.n_features):
                fine[self.group[f]] += self.sign[f] * <int64_t>rows[q * self.n_features + f]
            for g in range(n_fine):
                coarse[self.parent[g]] += fine[g] + self.lowest[g]
            errors[2 * q] = errors[2 * q + 1] = 0
            for g in range(n_coarse):
                code[g] = <uint8_t>floor(coarse[g] / self.step + 0.5)
                errors[2 * q] += fabs(coarse[g] - self.step * code[g])
            for g in range(n_fine):
                code[n_coarse + g] = <uint8_t>floor(fine[g] / self.fine_step + 0.5)
                errors[2 * q + 1] += fabs(fine[g] - self.fine_step * code[n_coarse + g])
        free(coarse)
        return 0

    # ---- what a distance of codes says

    cdef double reach(self, int64_t best) noexcept nogil:
        """s dist, for the k-th smallest distance so far as the engine counts it."""
        if self.squared:
            return sqrt(self.norm * best) * MARGIN
        return <double>best

    cdef int32_t coarse_limit(self, double error, int64_t best) noexcept nogil:
        """Rows at this coarse distance or more are farther than `best`; error: of both rows."""
        cdef double far
        if best == INT64_MAX:
            return KNNC_LIMIT_NONE
        far = (self.reach(best) + error) / self.step * MARGIN
        if self.squared:
            far = far * far * MARGIN
        # Numbers of a file that was made up come here as well: errors below 0, no numbers.
        if not far < KNNC_LIMIT_NONE - 1:
            return KNNC_LIMIT_NONE
        return <int32_t>floor(max(far, 0.0)) + 1

    cdef bint is_ruled_out(self, int32_t fine, double reach_and_errors) noexcept nogil:
        """Whether a row at this fine distance is farther than what the reach is given of."""
        return self.fine_step * fine > reach_and_errors * MARGIN


cdef struct Moments:
    int64_t square   # |x|^2
    int64_t total    # the sum of x
    int64_t centred  # |x - m|^2


cdef inline Moments moments_of(const uint8_t *row, const uint8_t *mean, int64_t d) noexcept nogil:
    """At most 32,768 features: each sum is below 2^32, and 32 bits make two loops into one."""
    cdef Moments moments
    cdef uint32_t square = 0, total = 0, centred = 0
    cdef int64_t f
    cdef int32_t x, diff
    for f in range(d):
        x = row[f]
        diff = x - <int32_t>mean[f]
        square += <uint32_t>(x * x)
        total += <uint32_t>x
        centred += <uint32_t>(diff * diff)
    moments.square, moments.total, moments.centred = square, total, centred
    return moments
