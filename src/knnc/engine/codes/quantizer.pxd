from libc.stdint cimport int32_t, int64_t, uint8_t


cdef class Quantizer:
    cdef readonly str metric  # of distances of codes
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
