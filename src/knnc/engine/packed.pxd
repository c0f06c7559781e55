from libc.stdint cimport int32_t, int64_t, uint8_t

from knnc.engine._kernels cimport knnc_kernel, knnc_pair, knnc_rows
from knnc.engine.system._pace cimport Steps


cdef struct Run:
    # Columns side by side.
    int64_t start
    int64_t length


cdef class Columns:
    cdef readonly int64_t n_kept, n_dropped
    cdef Run *kept
    cdef Run *dropped
    cdef int64_t n_kept_runs, n_dropped_runs
    cdef object _runs
    cdef const uint8_t[::1] constants

    cdef void keep(self, const uint8_t *row, uint8_t *out) noexcept nogil
    cdef int32_t offset(self, const uint8_t *query, knnc_pair pair, uint8_t *scratch) noexcept nogil


cdef class PackedRows:
    cdef const knnc_kernel *kernel
    cdef knnc_rows *blocks
    cdef int n_blocks
    cdef readonly int64_t n_rows, n_features, n_panels
    cdef readonly Columns columns  # None: all are kept
    cdef int64_t n_kept
    cdef readonly bint is_staged
    cdef const int64_t[::1] block_ends
    cdef object _panels, _terms
    cdef double _pace  # multiply-adds per second and thread, last measured

    cdef int64_t block_start(self, int b) noexcept nogil
    cdef int64_t block_end(self, int b) noexcept nogil
    cdef int64_t block_bytes(self, int b) noexcept nogil
    cdef void point_blocks(self)
    cdef Steps panel_steps(self, int n_threads) noexcept nogil
    cdef int pack(self, const uint8_t[:, ::1] rows, parts, int n_threads) except -1
    cdef int chain_all_terms(self, int n_threads) except -1
    cdef int pack_panel(
        self, const uint8_t[:, ::1] rows, int64_t start, int b, int64_t p
    ) noexcept nogil
