"""kernels/floats/floats.h for Cython."""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

cdef extern from "floats.h" nogil:
    const int KNNC_FLOAT_SUMS
    const int KNNC_AXES_A_BLOCK
    const int KNNC_FEATURES_A_SUM

    ctypedef enum knnc_float_metric:
        KNNC_FLOAT_SQEUCLIDEAN
        KNNC_FLOAT_MANHATTAN
        KNNC_FLOAT_CHEBYSHEV
        KNNC_FLOAT_HAMMING
        KNNC_FLOAT_COSINE

    ctypedef enum knnc_float_row_type:
        KNNC_FLOAT_ROWS_F64
        KNNC_FLOAT_ROWS_F32
        KNNC_FLOAT_ROWS_U8

    ctypedef struct knnc_float_rows:
        const void *values
        int64_t n_features
        const double *table
        const int32_t *exponents
        const double *norms

    ctypedef struct knnc_float_queries:
        const double *values
        int64_t limits[8]
        double lowest[8]
        double highest[8]

    ctypedef int64_t (*knnc_float_push)(
        void *context, int query, int64_t row, int64_t key
    ) noexcept nogil

    ctypedef int64_t (*knnc_float_pair)(
        const knnc_float_rows *rows, int64_t row, const double *query, double query_norm
    ) noexcept nogil

    ctypedef void (*knnc_float_decode)(
        const knnc_float_rows *rows, int64_t first, int64_t last, double *values
    ) noexcept nogil

    ctypedef void (*knnc_float_tile)(
        const double *values, const double *norms, int64_t n_rows, int64_t n_features,
        int64_t first_row, knnc_float_queries *queries, knnc_float_push push, void *context,
    ) noexcept nogil

    const int KNNC_TREE_ARITY

    ctypedef void (*knnc_float_leaf)(
        const double *values, int64_t n_vectors, int64_t n_features, const double *query,
        int64_t limit, knnc_float_push push, void *context,
    ) noexcept nogil

    ctypedef void (*knnc_float_boxes)(
        const double *values, int64_t n_features, const double *query, int64_t *keys
    ) noexcept nogil

    ctypedef void (*knnc_float_project)(
        const float *rows, int64_t n_rows, int64_t n_features, const float *axes,
        int64_t n_blocks, float *points,
    ) noexcept nogil

    ctypedef struct knnc_float_kernel:
        const char *name
        uint32_t needs
        int tile_queries
        knnc_float_project project
        knnc_float_tile tile[5]
        knnc_float_leaf leaf[4]
        knnc_float_boxes boxes[4]
        knnc_float_pair pair[5][3]
        knnc_float_decode decode[2][3]

    ctypedef struct knnc_float_mode:
        uint64_t control

    void knnc_float_measure(
        const double *values, int64_t n_features, int32_t *exponent, double *norm
    ) noexcept
    knnc_float_mode knnc_float_mode_enter() noexcept
    void knnc_float_mode_leave(knnc_float_mode before) noexcept
    int knnc_n_float_kernels() noexcept
    const knnc_float_kernel *knnc_float_kernel_at(int i) noexcept
