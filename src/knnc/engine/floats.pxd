from libc.stdint cimport int32_t, int64_t

from knnc.engine._floats cimport (
    knnc_float_kernel,
    knnc_float_metric,
    knnc_float_mode,
    knnc_float_row_type,
    knnc_float_rows,
)


cdef class FloatRows:
    cdef const knnc_float_kernel *kernel_of
    cdef knnc_float_metric metric_of
    cdef knnc_float_row_type type_of
    cdef knnc_float_rows data
    cdef readonly int64_t n_rows, n_features
    cdef readonly str metric
    cdef object _rows, _table, _exponents, _norms  # what the pointers point into
    cdef double pace  # features compared a second and thread, as last seen

    cdef int64_t pair(self, const double *query, double query_norm, int64_t row) noexcept nogil


# Every thread calls these around its calls of `pair`.
cdef knnc_float_mode enter_float_mode() noexcept nogil
cdef void leave_float_mode(knnc_float_mode before) noexcept nogil
