from libc.stdint cimport int64_t, uint8_t

from knnc.engine.codes.quantizer cimport Quantizer
from knnc.engine.packed cimport PackedRows


cdef class AxisQuantizer(Quantizer):
    # A, the mean m, A m, and the middle of t.
    cdef readonly int64_t n_axes, tail_at
    cdef readonly double norm, tail_origin
    cdef PackedRows planes
    cdef const int64_t[::1] plane_squares
    cdef const double[::1] plane_sums
    cdef const uint8_t[::1] mean
    cdef const double[::1] origin

    cdef int project_rows(
        self, const uint8_t *rows, int64_t n, double *points, double *tails, double *tail_errors,
        int n_threads,
    ) noexcept nogil
    cdef int project(
        self, const uint8_t *rows, int n, double *points, double *tails, double *tail_errors
    ) noexcept nogil
