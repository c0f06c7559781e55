"""Which kernels there are, which of them run here, and which one is chosen."""
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t

from knnc.engine._kernels cimport (
    KNNC_CHEBYSHEV,
    KNNC_HAMMING,
    KNNC_MANHATTAN,
    KNNC_SQEUCLIDEAN,
    knnc_add_differences,
    knnc_best_kernel,
    knnc_chain_terms,
    knnc_cpu_feature_at,
    knnc_detect_cpu,
    knnc_kernel,
    knnc_kernel_at,
    knnc_n_cpu_features,
    knnc_n_kernels,
    knnc_pack_queries,
    knnc_pack_rows,
    knnc_pack_staged,
    knnc_pad_term,
    knnc_queries,
    knnc_rows,
    knnc_tile_bytes,
)
from knnc.engine.system._openmp cimport knnc_max_threads, knnc_openmp_version

cdef dict METRICS = {
    "sqeuclidean": KNNC_SQEUCLIDEAN,
    "manhattan": KNNC_MANHATTAN,
    "chebyshev": KNNC_CHEBYSHEV,
    "hamming": KNNC_HAMMING,
}

cdef uint32_t cpu_features = knnc_detect_cpu()
cdef uint32_t enabled_features = cpu_features


def openmp_version():
    """The OpenMP specification's date, 201511 and the like; 0 for a build without OpenMP."""
    return knnc_openmp_version


def openmp_max_threads():
    """omp_get_max_threads() of the calling thread; 1 without OpenMP."""
    return knnc_max_threads()


def known_cpu_features():
    """Names of the CPU features that this build's kernels distinguish."""
    return [knnc_cpu_feature_at(i).name.decode() for i in range(knnc_n_cpu_features())]


def detected_cpu_features():
    """Names of the CPU features that this processor and operating system support."""
    return [
        knnc_cpu_feature_at(i).name.decode()
        for i in range(knnc_n_cpu_features())
        if knnc_cpu_feature_at(i).bit & cpu_features
    ]


def disable_cpu_features(names):
    """Disable CPU features, and those that need them, from now on."""
    global enabled_features
    cdef uint32_t off = 0
    for i in range(knnc_n_cpu_features()):
        if knnc_cpu_feature_at(i).name.decode() in names:
            off |= knnc_cpu_feature_at(i).bit | knnc_cpu_feature_at(i).implies
    enabled_features = cpu_features & ~off


def all_kernels():
    """Names of the kernels compiled in, best first within a metric."""
    return [knnc_kernel_at(i).name.decode() for i in range(knnc_n_kernels())]


def available_kernels():
    """Names of the kernels that can run here."""
    return [
        knnc_kernel_at(i).name.decode()
        for i in range(knnc_n_kernels())
        if can_run(knnc_kernel_at(i).needs)
    ]


cdef bint can_run(uint32_t needs) noexcept:
    """Whether the CPU has these features, and none of them is disabled."""
    return (needs & ~enabled_features) == 0


cdef const knnc_kernel *find_kernel(str metric, str name) except NULL:
    cdef int i
    wanted = METRICS[metric]
    if name is None:
        return knnc_best_kernel(wanted, enabled_features)
    for i in range(knnc_n_kernels()):
        if knnc_kernel_at(i).name.decode() == name:
            if knnc_kernel_at(i).metric != wanted:
                raise ValueError(f"kernel {name!r} does not compute metric {metric!r}.")
            if not can_run(knnc_kernel_at(i).needs):
                raise ValueError(
                    f"kernel {name!r} cannot run here; these can: {available_kernels()}."
                )
            return knnc_kernel_at(i)
    raise ValueError(f"Unknown kernel {name!r}; the kernels are {all_kernels()}.")


def kernel_for(str metric, name):
    """The name of the chosen kernel: `name` itself, or for None the best that runs here.

    Raises
    ------
    ValueError
        If there is no such kernel, it cannot run here, or it computes another metric.
    """
    return find_kernel(metric, name).name.decode()


# ------------------------------------------------------------------------------------------------
# pack.c, for other modules

cdef void pack_rows(
    const knnc_kernel *kernel, const uint8_t *rows, int64_t row_stride, int64_t n_rows,
    int64_t n_features, int64_t first_panel, int64_t last_panel, uint8_t *panels, int32_t *terms,
) noexcept nogil:
    knnc_pack_rows(kernel, rows, row_stride, n_rows, n_features, first_panel, last_panel, panels,
                   terms)


cdef int32_t pad_term(const knnc_rows *stages) noexcept nogil:
    return knnc_pad_term(stages)


cdef void chain_terms(
    const knnc_kernel *kernel, const knnc_rows *stages, int64_t n_rows, int64_t first,
    int64_t last,
) noexcept nogil:
    knnc_chain_terms(kernel, stages, n_rows, first, last)


cdef int64_t packed_tile_bytes(const knnc_kernel *kernel, int64_t n_features) noexcept nogil:
    return knnc_tile_bytes(kernel, n_features)


cdef void pack_queries(
    const knnc_kernel *kernel, const uint8_t *rows, int64_t row_stride, int n_queries,
    int64_t n_features, void *values, knnc_queries *queries,
) noexcept nogil:
    knnc_pack_queries(kernel, rows, row_stride, n_queries, n_features, values, queries)


cdef void pack_staged(
    const knnc_kernel *kernel, const knnc_rows *stages, const uint8_t *rows, int64_t row_stride,
    int n_queries, int64_t n_features, void *values, knnc_queries *queries,
) noexcept nogil:
    knnc_pack_staged(kernel, stages, rows, row_stride, n_queries, n_features, values, queries)


cdef void add_differences(
    const uint8_t *rows, int64_t n_features, int64_t first, int64_t last, uint8_t *differs
) noexcept nogil:
    knnc_add_differences(rows, n_features, first, last, differs)
