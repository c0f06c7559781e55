from libc.stdint cimport int64_t

from knnc.engine.scan._collect cimport List


cdef class Lists:
    cdef List *at
    cdef int64_t n


cdef tuple collect_lists(
    Lists lists, int64_t n_queries, int64_t[::1] ends, bint with_dist, bint sort, int n_threads,
    const int64_t *at,
)
