from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t

from knnc.engine._floats cimport knnc_float_kernel
from knnc.engine.packed cimport PackedRows


cdef class Quantizer:
    cdef readonly str metric  # by which codes are compared
    cdef readonly int64_t n_features, n_coarse, n_fine
    cdef readonly double step, fine_step  # of the last stage; of the fine code
    cdef readonly tuple stages, shifts
    cdef const double[::1] steps  # of each coordinate, where codes are read in stages

    cdef int64_t tile_rows(self) noexcept nogil
    cdef int encode_onto(
        self, rows, uint8_t *codes, double *errors, int n_threads
    ) except -1
    cdef int encode_rows(
        self, const uint8_t *rows, int64_t n, uint8_t *codes, double *errors, int n_threads
    ) noexcept nogil
    cdef int encode_tile(
        self, const uint8_t *rows, int n, uint8_t *codes, double *errors
    ) noexcept nogil
    cdef int32_t coarse_limit(self, double error, int64_t best) noexcept nogil
    cdef double reach(self, int64_t best) noexcept nogil
    cdef double far_in_steps(self, double far) noexcept nogil
    cdef bint is_ruled_out(self, int32_t fine, double reach_and_errors) noexcept nogil


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


cdef class GroupQuantizer(Quantizer):
    # The number of fine groups, the one of each feature, its sign, the coarse group of each.
    cdef int64_t n_groups
    cdef const int32_t[::1] group
    cdef const int8_t[::1] sign
    cdef const int32_t[::1] parent
    cdef const int64_t[::1] lowest, lowest_coarse


cdef class FloatQuantizer(Quantizer):
    cdef readonly int64_t n_axes, tail_at  # tail_at is -1 where there is no t
    cdef readonly double scale, norm, tail_origin, far_length
    cdef double key_margin, gamma  # of a key's rounding; of the rounding of a projection
    cdef const knnc_float_kernel *kernel
    cdef const double[::1] mean, signs
    # The bytes of float32 numbers, by blocks of axes (making.py). A view of another type would add
    # some kB to a wheel.
    cdef const uint8_t[::1] axes

    cdef int encode_block(
        self, const double *rows, int64_t width, int64_t n, uint8_t *codes, double *errors
    ) noexcept nogil
    cdef void code_row(
        self, const float *projected, double *points, double square, uint8_t *code, double *error
    ) noexcept nogil
    cdef double code_turned(
        self, float *centred, float *scratch, double *turned, double square, uint8_t *code
    ) noexcept nogil
