from libc.stdint cimport int64_t

cdef int64_t queries_to_sort(int64_t k, int n_threads) noexcept nogil
