"""kernels/kernels.h and kernels/cpu.h for Cython."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t

cdef extern from "kernels.h" nogil:
    const int KNNC_BLOCK_FEATURES
    const int KNNC_MAX_STAGES
    const int KNNC_MAX_SHIFT
    const int KNNC_PAD_TERM
    const int32_t KNNC_LIMIT_NONE
    const int KNNC_ALIGNMENT

    ctypedef int32_t (*knnc_push)(
        void *context, int query, int64_t row, int32_t dist
    ) noexcept nogil

    ctypedef enum knnc_metric:
        KNNC_SQEUCLIDEAN
        KNNC_MANHATTAN
        KNNC_CHEBYSHEV
        KNNC_HAMMING

    ctypedef struct knnc_layout:
        int panel_rows
        int lane
        int tile_queries
        int bias

    ctypedef struct knnc_rows:
        const uint8_t *panels
        const int32_t *terms
        int64_t n_steps
        const knnc_rows *next
        int shift

    ctypedef struct knnc_queries:
        int n_queries
        int32_t limits[16]

    ctypedef struct knnc_found:
        int32_t *rows
        int32_t *dist
        int64_t room
        int64_t first_row
        int32_t counts[16]

    ctypedef void (*knnc_tile)(
        const knnc_rows *rows, int64_t first_panel, int64_t last_panel,
        knnc_queries *queries, knnc_push push, void *context,
    ) noexcept nogil

    ctypedef int32_t (*knnc_pair)(
        const uint8_t *x, const uint8_t *y, int64_t n_features
    ) noexcept nogil

    ctypedef struct knnc_kernel:
        const char *name
        knnc_metric metric
        uint32_t needs
        knnc_layout layout
        knnc_tile tile
        knnc_pair pair

    void knnc_pack_rows(
        const knnc_kernel *kernel, const uint8_t *rows, int64_t row_stride, int64_t n_rows,
        int64_t n_features, int64_t first_panel, int64_t last_panel, uint8_t *panels,
        int32_t *terms,
    ) noexcept
    int32_t knnc_pad_term(const knnc_rows *stages) noexcept
    void knnc_chain_terms(
        const knnc_kernel *kernel, const knnc_rows *stages, int64_t n_rows, int64_t first,
        int64_t last,
    ) noexcept
    int64_t knnc_tile_bytes(const knnc_kernel *kernel, int64_t n_features) noexcept
    void knnc_pack_queries(
        const knnc_kernel *kernel, const uint8_t *rows, int64_t row_stride, int n_queries,
        int64_t n_features, void *values, knnc_queries *queries,
    ) noexcept
    void knnc_pack_staged(
        const knnc_kernel *kernel, const knnc_rows *stages, const uint8_t *rows,
        int64_t row_stride, int n_queries, int64_t n_features, void *values,
        knnc_queries *queries,
    ) noexcept
    void knnc_add_differences(
        const uint8_t *rows, int64_t n_features, int64_t first, int64_t last, uint8_t *differs
    ) noexcept
    void knnc_prefetch_row(const void *row, int64_t n_bytes) noexcept
    int knnc_n_kernels() noexcept
    const knnc_kernel *knnc_kernel_at(int i) noexcept
    const knnc_kernel *knnc_best_kernel(knnc_metric metric, uint32_t features) noexcept

cdef extern from "cpu.h" nogil:
    ctypedef struct knnc_cpu_feature:
        const char *name
        uint32_t bit
        uint32_t implies

    int knnc_n_cpu_features() noexcept
    const knnc_cpu_feature *knnc_cpu_feature_at(int i) noexcept
    uint32_t knnc_detect_cpu() noexcept
