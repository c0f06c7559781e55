from libc.stdint cimport int64_t


cdef struct List:
    # The rows found for one query in one part of all rows, and if asked for their distances.
    int64_t *ind
    int64_t *dist
    int64_t n
    int64_t room


cdef class Lists:
    cdef List *at
    cdef int64_t n


cdef int make_room(List *found, int64_t more, bint with_dist) noexcept nogil
cdef collect(Lists lists, int64_t n_queries, int64_t[::1] ends, bint with_dist, bint sort,
             int n_threads)
