"""OpenMP, or stand-ins for a build without it: the one place that includes omp.h."""

cdef extern from *:
    """
    #ifdef _OPENMP
    #include <omp.h>
    #define knnc_openmp_version _OPENMP
    #define knnc_max_threads() omp_get_max_threads()
    #else
    #define knnc_openmp_version 0
    #define knnc_max_threads() 1
    #endif
    """
    const int knnc_openmp_version
    int knnc_max_threads() noexcept nogil
