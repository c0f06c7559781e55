"""How a query is compared with one whole row: what a scan does with the rows that codes leave."""
from libc.stdint cimport int64_t, uint8_t

from knnc.engine._kernels cimport knnc_pair

# The key of a query and a row: an exact integer, or the bits of a non-negative double. Keys of one
# search are of one kind, and both kinds sort as the distances do.
ctypedef int64_t (*key_function)(
    const void *context, const void *query, int64_t row
) noexcept nogil


cdef struct Exact:
    key_function key
    const void *context
    const char *rows
    int64_t row_bytes
    int64_t query_bytes


cdef struct ExactBytes:
    const uint8_t *rows
    int64_t n_features
    knnc_pair pair


cdef inline int64_t key_of_bytes(
    const void *context, const void *query, int64_t row
) noexcept nogil:
    cdef const ExactBytes *of = <const ExactBytes *>context
    return of.pair(<const uint8_t *>query, of.rows + row * of.n_features, of.n_features)
