from libc.stdint cimport int64_t, uint8_t

from knnc.engine._kernels cimport knnc_kernel, knnc_rows


cdef class PackedRows:
    cdef const knnc_kernel *kernel
    cdef knnc_rows *blocks
    cdef int n_blocks
    cdef readonly int64_t n_rows, n_features, n_panels
    cdef object _panels, _terms
    cdef double _pace  # multiply-adds a second and thread, as last seen

    cdef int64_t block_start(self, int b) noexcept nogil
    cdef int64_t block_end(self, int b) noexcept nogil
    cdef int64_t block_bytes(self, int b) noexcept nogil
    cdef void point_blocks(self)
    cdef int pack(self, const uint8_t[:, ::1] rows, int n_threads) except -1


cdef int64_t queries_to_sort(int64_t k, int n_threads) noexcept nogil
