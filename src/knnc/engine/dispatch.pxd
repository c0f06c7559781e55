from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t

from knnc.engine._kernels cimport knnc_kernel, knnc_queries, knnc_rows


cdef const knnc_kernel *find_kernel(str metric, str name) except NULL
cdef bint can_run(uint32_t needs) noexcept

# pack.c, for other modules: it is linked into this one alone.
cdef void pack_rows(
    const knnc_kernel *kernel, const uint8_t *rows, int64_t row_stride, int64_t n_rows,
    int64_t n_features, int64_t first_panel, int64_t last_panel, uint8_t *panels, int32_t *terms,
) noexcept nogil
cdef int32_t pad_term(const knnc_rows *stages) noexcept nogil
cdef void chain_terms(
    const knnc_kernel *kernel, const knnc_rows *stages, int64_t n_rows, int64_t first,
    int64_t last,
) noexcept nogil
cdef int64_t packed_tile_bytes(const knnc_kernel *kernel, int64_t n_features) noexcept nogil
cdef void pack_queries(
    const knnc_kernel *kernel, const uint8_t *rows, int64_t row_stride, int n_queries,
    int64_t n_features, void *values, knnc_queries *queries,
) noexcept nogil
cdef void pack_staged(
    const knnc_kernel *kernel, const knnc_rows *stages, const uint8_t *rows, int64_t row_stride,
    int n_queries, int64_t n_features, void *values, knnc_queries *queries,
) noexcept nogil
cdef void add_differences(
    const uint8_t *rows, int64_t n_features, int64_t first, int64_t last, uint8_t *differs
) noexcept nogil
