from libc.stdint cimport int64_t

cdef int64_t queries_to_sort(int64_t k, int n_threads) noexcept nogil
cdef int64_t count_parts(
    int64_t n_queries, int64_t k, int64_t n_panels, int n_threads
) noexcept nogil
