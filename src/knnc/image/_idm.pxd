"""kernels/idm.h and kernels/tangent.h for Cython."""
from libc.stdint cimport int8_t, int64_t, uint8_t, uint32_t

cdef extern from "idm.h" nogil:
    const int KNNC_IDM_MAX_WARP

    ctypedef struct knnc_idm_shape:
        int64_t height
        int64_t width
        int64_t warp
        int64_t n_bytes

    ctypedef int64_t (*knnc_idm_cost)(
        const knnc_idm_shape *shape, const int8_t *a, const int8_t *b, int64_t limit
    ) noexcept nogil

    ctypedef struct knnc_idm_kernel:
        const char *name
        uint32_t needs
        knnc_idm_cost cost

    void knnc_idm_layout(
        knnc_idm_shape *shape, int64_t height, int64_t width, int64_t warp, int root
    ) noexcept
    void knnc_idm_gradients(
        const knnc_idm_shape *shape, const uint8_t *image, int8_t *pairs
    ) noexcept
    int knnc_n_idm_kernels() noexcept
    const knnc_idm_kernel *knnc_idm_kernel_at(int i) noexcept

cdef extern from "tangent.h" nogil:
    const int KNNC_TANGENTS

    void knnc_tangents(
        const uint8_t *image, int64_t height, int64_t width, double *basis
    ) noexcept
    double knnc_tangent_distance(
        const uint8_t *x, const uint8_t *y, int64_t n_pixels, const double *a, const double *b
    ) noexcept
