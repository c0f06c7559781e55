from libc.stdint cimport uint32_t

from knnc.engine._kernels cimport knnc_kernel


cdef const knnc_kernel *find_kernel(str metric, str name) except NULL
cdef bint can_run(uint32_t needs) noexcept
