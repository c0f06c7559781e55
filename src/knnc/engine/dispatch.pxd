from knnc.engine._kernels cimport knnc_kernel


cdef const knnc_kernel *find_kernel(str metric, str name) except NULL
