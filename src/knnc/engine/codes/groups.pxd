from libc.stdint cimport int8_t, int32_t, int64_t

from knnc.engine.codes.quantizer cimport Quantizer


cdef class GroupQuantizer(Quantizer):
    # The fine group of each feature, its sign, the coarse group of each fine one.
    cdef const int32_t[::1] group
    cdef const int8_t[::1] sign
    cdef const int32_t[::1] parent
    cdef const int64_t[::1] lowest, lowest_coarse
