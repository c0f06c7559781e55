from libc.stdint cimport int32_t, int64_t, uint8_t

from knnc.engine._exact cimport Exact, ExactBytes
from knnc.engine._kernels cimport knnc_queries
from knnc.engine.codes.quantizer cimport Quantizer
from knnc.engine.floats cimport FloatRows
from knnc.engine.packed cimport PackedRows
from knnc.engine.scan._heap cimport Nearest


cdef struct Panels:
    int64_t first
    int64_t last


cdef class CodedRows:
    cdef Quantizer coder
    cdef PackedRows coarse, centres
    cdef readonly object array  # the rows as given
    cdef Exact exact
    cdef ExactBytes exact_bytes
    cdef FloatRows floats  # None where rows are bytes
    cdef const uint8_t[:, ::1] fine
    cdef const float[::1] fine_errors
    cdef const double[::1] worst  # the largest error of the coarse codes of each panel
    cdef const int64_t[::1] order, starts
    cdef readonly int64_t n_rows, n_features
    cdef int64_t n_first  # coordinates of the first stage, by which rows are clustered
    cdef int64_t width  # thousands of features in a row, rounded up
    cdef double pace, scan_pace  # queries per second; multiply-adds per second and thread

    cdef int begin(self) except -1
    cdef int keep(self, rows) except -1
    cdef int find_near(
        self, const uint8_t *codes, int64_t n_queries, int64_t n_near, int64_t *near
    ) noexcept nogil
    cdef Panels panels_of(self, int64_t cluster) noexcept nogil
    cdef const char *start_of(self, queries) except? NULL
    cdef int32_t find_seeds(
        self, const int64_t *near, int64_t n_near, knnc_queries *query, Nearest *nearest,
        int32_t limit, int64_t *sorted_near,
    ) noexcept nogil
    cdef void scan_clusters(
        self, const int64_t *near, int64_t n_near, knnc_queries *query, Nearest *nearest,
        int64_t *sorted_near,
    ) noexcept nogil
