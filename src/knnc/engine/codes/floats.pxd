from libc.stdint cimport int64_t, uint8_t

from knnc.engine._floats cimport knnc_float_kernel
from knnc.engine.codes.quantizer cimport Quantizer


cdef class FloatQuantizer(Quantizer):
    cdef readonly int64_t n_axes, tail_at  # tail_at is -1 where there is no t
    cdef readonly double scale, norm, tail_origin
    cdef double key_margin, gamma  # of a key's rounding; of the rounding of a projection
    cdef const knnc_float_kernel *kernel
    cdef const double[::1] mean
    cdef const double[:, :, ::1] axes  # by blocks of axes, see `pack_axes`

    cdef int encode_block(
        self, const double *rows, int64_t width, int64_t n, uint8_t *codes, double *errors
    ) noexcept nogil
    cdef double centre(self, const double *row, double *centred) noexcept nogil
    cdef void code_row(
        self, double *points, double square, uint8_t *code, double *error
    ) noexcept nogil
