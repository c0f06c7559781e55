"""Quantizers: how a row becomes a short code, and why a distance of codes can rule a row out.

Each row becomes a coarse code, which is compared with every query. Some quantizers add a fine code,
which is read for the rows that are left. A code is a vector of bytes: coordinates of a map P under
which no distance grows by more than a factor s, rounded to whole steps. Let |.| be the norm of the
metric, on codes times their steps, and e(x) = |P(x) - code(x)|, rounded up. The triangle inequality
gives

    |code(q) - code(x)| > s dist + e(q) + e(x)   =>   |q - x| > dist.

If `dist` is the k-th smallest distance so far, the row can be skipped. A row that ties with it is
not skipped, because the test is strict.

Each kind of map has a file, which this module includes: `axes.pxi` projects bytes onto principal
axes, `groups.pxi` adds up bytes, `floats.pxi` projects float rows. A module for each would add
20 kB to a wheel. This file has what they share.

Rounding. s, e, the reach and the limits are doubles. Each is rounded in the safe direction by more
than its error, which is a few units in the last place (relative 1e-15) against margins of 1e-12.
Distances of codes are the exact integers of the kernels that search by brute force.
"""
from cython.parallel cimport prange
from libc.math cimport INFINITY, fabs, floor, sqrt
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from knnc.engine._floats cimport KNNC_AXES_A_BLOCK, KNNC_FEATURES_A_SUM, knnc_float_mode
from knnc.engine._kernels cimport (
    KNNC_LIMIT_NONE,
    KNNC_MAX_SHIFT,
    knnc_found,
    knnc_kernel,
    knnc_queries,
)
from knnc.engine.dispatch cimport pack_queries, packed_tile_bytes
from knnc.engine.floats cimport enter_float_mode, find_float_kernel, leave_float_mode
from knnc.engine.system._pace cimport Steps, look, next_step, steps_of

cdef extern from "code.h" nogil:
    ctypedef struct knnc_moments:
        int64_t square
        int64_t total
        int64_t centred

    knnc_moments knnc_moments_of(const uint8_t *row, const uint8_t *mean, int64_t n)
    double knnc_sum_of_squares(const double *values, int64_t n)
    double knnc_centre(
        const double *row, const double *mean, double scale, double clip, int64_t n,
        double *centred)
    void knnc_project(
        const int32_t *high, const int32_t *low, double of_row, const double *of_planes,
        const double *origin, int64_t n, double *points)
    void knnc_to_code(
        double *values, const double *steps, int64_t stride, int64_t n, uint8_t *code)
    void knnc_to_floats(const double *values, int64_t n, float *floats)
    void knnc_to_doubles(const float *floats, int64_t n, double *values)
    void knnc_turn(float *values, const double *signs, int64_t n, float *scratch)

import numpy as np

from knnc.engine.codes import learning, making
from knnc.engine.packed import PackedRows as _PackedRows
from knnc.engine.fields import array_of, count_of, number_of, part_of

cdef double MARGIN = 1 + 1e-12
# The share of the sample's range that a code covers; values outside are clipped. From a half to the
# whole range a search takes about the same time, below a half more (benchmarks/pruning.py).
COARSE_RANGE = 0.6
# Rows encoded together: the largest tile of any kernel. A thread has scratch memory for so many.
cdef int64_t TILE = 16
# Features coded a second and thread, as long as it is not known.
cdef double FIRST_PACE = 5e6


cdef class Quantizer:
    """What all quantizers share: the bounds, and encoding a tile at a time on all threads."""

    def set_steps(self):
        """The steps that follow from `step`, `stages` and `shifts`."""
        self.steps = making.steps_of(self.step, self.stages, self.shifts)

    # ---- coding

    def encode(self, rows, int n_threads):
        """Codes of rows, ndarray (n, n_coarse + n_fine), uint8, and their errors, ndarray (n, 2).

        The errors are those of the coarse code and of the fine one, 0 where there is none.
        """
        cdef int64_t n = rows.shape[0]
        codes, errors = np.empty((n, self.n_coarse + self.n_fine), np.uint8), np.empty((n, 2))
        cdef uint8_t[:, ::1] codes_view = codes
        cdef double[:, ::1] errors_view = errors
        self.encode_onto(rows, &codes_view[0, 0], &errors_view[0, 0], n_threads)
        return codes, errors

    cdef int encode_onto(self, rows, uint8_t *codes, double *errors, int n_threads) except -1:
        """Codes of rows and their errors, as `encode` returns them."""
        cdef const uint8_t[:, ::1] bytes_of = rows
        cdef int64_t n = bytes_of.shape[0], m = self.n_coarse + self.n_fine, first
        cdef int failed
        cdef double pace = FIRST_PACE
        cdef Steps steps
        if n <= self.tile_rows():
            with nogil:
                failed = self.encode_tile(&bytes_of[0, 0], <int>n, codes, errors)
            if failed:
                raise MemoryError("no memory to code rows.")
            return 0
        steps = steps_of(n, self.tile_rows() * n_threads, self.n_features, n_threads)
        while next_step(&steps, pace):
            first = steps.first
            with nogil:
                failed = self.encode_rows(&bytes_of[first, 0], steps.last - first,
                                          codes + first * m, errors + 2 * first, n_threads)
            if failed:
                raise MemoryError("no memory to code rows.")
            look(&steps, &pace)
        return 0

    cdef int64_t tile_rows(self) noexcept nogil:
        return TILE

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

    cdef int encode_tile(
        self, const uint8_t *rows, int n, uint8_t *codes, double *errors
    ) noexcept nogil:
        """Codes of at most `tile_rows()` rows; -1 if there is no memory."""
        return -1

    def far(self, rows):
        """Indices of the rows that no code can stand for; there are none among bytes."""
        return []

    # ---- what a distance of codes says

    cdef double reach(self, int64_t best) noexcept nogil:
        """s dist, for the key of the k-th smallest distance so far."""
        return <double>best

    def coarse_limits(self, const double[::1] errors, const int64_t[::1] best):
        """The limits of coarse distances, int64, for errors of both rows and distances `best`."""
        cdef int64_t i
        limits = [self.coarse_limit(errors[i], best[i]) for i in range(len(errors))]
        return np.array(limits, np.int64)

    cdef int32_t coarse_limit(self, double error, int64_t best) noexcept nogil:
        """Rows at this coarse distance or more are farther than `best`. `error`: both rows' sum."""
        cdef double far
        if best == INT64_MAX:
            return KNNC_LIMIT_NONE
        far = self.far_in_steps((self.reach(best) + error) / self.step * MARGIN)
        # A forged file may have errors below 0, and NaN.
        if not far < KNNC_LIMIT_NONE - 1:
            return KNNC_LIMIT_NONE
        return <int32_t>floor(max(far, 0.0)) + 1

    cdef double far_in_steps(self, double far) noexcept nogil:
        """A distance in steps of the last stage, as the kernel of the codes counts it."""
        return far

    cdef bint is_ruled_out(self, int32_t fine, double reach_and_errors) noexcept nogil:
        """Whether a row at this fine distance is farther than the distance of the reach."""
        return self.fine_step * fine > reach_and_errors * MARGIN


include "axes.pxi"
include "groups.pxi"
include "floats.pxi"
