from libc.stdint cimport int32_t, int64_t

from knnc.engine._floats cimport (
    knnc_float_kernel,
    knnc_float_metric,
    knnc_float_mode,
    knnc_float_pair,
    knnc_float_row_type,
    knnc_float_rows,
)


cdef struct FloatPair:
    knnc_float_pair pair
    const knnc_float_rows *rows
    int64_t norm_at  # index of the query's norm among its values; -1 if it has none


cdef class FloatRows:
    cdef const knnc_float_kernel *kernel_of
    cdef knnc_float_metric metric_of
    cdef knnc_float_row_type type_of
    cdef knnc_float_rows data
    cdef readonly int64_t n_rows, n_features
    cdef readonly str metric
    cdef readonly object rows  # as given
    cdef object _table, _exponents, _norms  # own the memory that the pointers refer to
    cdef FloatPair exact  # what `key_of_floats` needs
    cdef double pace  # features compared per second and thread, last measured

    cdef int64_t pair(self, const double *query, double query_norm, int64_t row) noexcept nogil


cdef const knnc_float_kernel *find_float_kernel(name) except NULL


cdef inline int64_t key_of_floats(
    const void *context, const void *query, int64_t row
) noexcept nogil:
    """The key of a row, for a query as `prepare` returns it, with its norm after its values."""
    cdef const FloatPair *of = <const FloatPair *>context
    cdef const double *values = <const double *>query
    return of.pair(of.rows, row, values, values[of.norm_at] if of.norm_at >= 0 else 1.0)


# Every thread calls these around its calls of `pair`.
cdef knnc_float_mode enter_float_mode() noexcept nogil
cdef void leave_float_mode(knnc_float_mode before) noexcept nogil
