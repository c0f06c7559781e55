"""Rows of floats, and the distance between a query and one of them.

kernels/floats/floats.h defines the distance, which has the same bits on every machine, and its key,
an int64 that sorts as the distance does. scan/floats.pyx searches the rows.
"""
from cython.parallel cimport prange
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport free, malloc

from knnc.engine._floats cimport (
    KNNC_FLOAT_CHEBYSHEV,
    KNNC_FLOAT_COSINE,
    KNNC_FLOAT_HAMMING,
    KNNC_FLOAT_MANHATTAN,
    KNNC_FLOAT_ROWS_F32,
    KNNC_FLOAT_ROWS_F64,
    KNNC_FLOAT_ROWS_U8,
    KNNC_FLOAT_SQEUCLIDEAN,
    knnc_float_kernel,
    knnc_float_kernel_at,
    knnc_float_measure,
    knnc_float_mode,
    knnc_float_mode_enter,
    knnc_float_mode_leave,
    knnc_float_rows,
    knnc_n_float_kernels,
)
from knnc.engine.dispatch cimport can_run
from knnc.engine.system._pace cimport Steps, look, next_step, steps_of

import numpy as np

cdef dict METRICS = {
    "sqeuclidean": KNNC_FLOAT_SQEUCLIDEAN,
    "manhattan": KNNC_FLOAT_MANHATTAN,
    "chebyshev": KNNC_FLOAT_CHEBYSHEV,
    "hamming": KNNC_FLOAT_HAMMING,
    "cosine": KNNC_FLOAT_COSINE,
}

# Values measured a second and thread, as long as it is not known.
cdef double FIRST_PACE = 8e7


def all_float_kernels():
    """Names of the kernels compiled in, best first."""
    return [knnc_float_kernel_at(i).name.decode() for i in range(knnc_n_float_kernels())]


def available_float_kernels():
    """Names of the kernels that can run here."""
    return [
        knnc_float_kernel_at(i).name.decode()
        for i in range(knnc_n_float_kernels())
        if can_run(knnc_float_kernel_at(i).needs)
    ]


cdef const knnc_float_kernel *find_float_kernel(name) except NULL:
    cdef int i
    for i in range(knnc_n_float_kernels()):
        if name is None and can_run(knnc_float_kernel_at(i).needs):
            return knnc_float_kernel_at(i)
        if name is not None and knnc_float_kernel_at(i).name.decode() == name:
            if not can_run(knnc_float_kernel_at(i).needs):
                raise ValueError(
                    f"kernel {name!r} cannot run here; these can: {available_float_kernels()}."
                )
            return knnc_float_kernel_at(i)
    raise ValueError(f"Unknown kernel {name!r}; the kernels are {all_float_kernels()}.")


cdef knnc_float_mode enter_float_mode() noexcept nogil:
    return knnc_float_mode_enter()


cdef void leave_float_mode(knnc_float_mode before) noexcept nogil:
    knnc_float_mode_leave(before)


cdef class FloatMode:
    """In this context NumPy rounds to nearest, and does not take subnormal numbers for zero.

    Another library may have set another mode for the thread; it is set again at the end.
    """
    cdef knnc_float_mode before

    def __cinit__(self):
        self.before = knnc_float_mode_enter()
        knnc_float_mode_leave(self.before)

    def __enter__(self):
        self.before = knnc_float_mode_enter()

    def __exit__(self, *_):
        knnc_float_mode_leave(self.before)


def as_float64(values):
    """The values as float64, C-contiguous, in `FloatMode`."""
    with FloatMode():
        return np.ascontiguousarray(values, np.float64)


cdef class FloatRows:
    """Rows of floats, or of bytes that stand for floats, and the exact search over them.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features), float64, float32 or uint8, C-contiguous
        Kept by reference. No value may be NaN or infinite.
    metric : {"sqeuclidean", "manhattan", "chebyshev", "hamming", "cosine"}
        The key of "hamming" is the number of features that differ, that of "cosine" twice the
        cosine distance.
    kernel : str or None
        The kernel's name; None for the best that runs here.
    table : ndarray of shape (256,), float64, or None
        The value that each byte stands for, where rows are bytes.
    n_threads : int
        Threads that measure the norms of rows, for "cosine".
    """

    def __init__(self, rows, str metric, kernel=None, table=None, int n_threads=1):
        cdef const double[:, ::1] f64
        cdef const float[:, ::1] f32
        cdef const uint8_t[:, ::1] u8
        cdef const double[::1] values_of
        if metric not in METRICS:
            raise ValueError(f"Unknown metric {metric!r}; the metrics are {list(METRICS)}.")
        if rows.ndim != 2 or 0 in rows.shape:
            raise ValueError(f"rows need at least one row and one feature, got shape {rows.shape}.")
        if (table is None) == (rows.dtype == np.uint8):
            raise ValueError(f"table goes with uint8 rows and only these, got {rows.dtype} rows.")
        self.kernel_of = find_float_kernel(kernel)
        self.metric, self.metric_of = metric, METRICS[metric]
        if rows.dtype == np.uint8:
            u8, values_of = rows, table
            if values_of.shape[0] != 256:
                raise ValueError(f"table must hold 256 values, got {values_of.shape[0]}.")
            self.type_of, self.data.values = KNNC_FLOAT_ROWS_U8, &u8[0, 0]
            self._table, self.data.table = table, &values_of[0]
        elif rows.dtype == np.float32:
            f32 = rows
            self.type_of, self.data.values = KNNC_FLOAT_ROWS_F32, &f32[0, 0]
        else:
            f64 = rows
            self.type_of, self.data.values = KNNC_FLOAT_ROWS_F64, &f64[0, 0]
        self.rows = rows
        self.n_rows, self.n_features = rows.shape
        self.data.n_features = self.n_features
        self.pace = 1e9
        self.exact.pair = self.kernel_of.pair[<int>self.metric_of][<int>self.type_of]
        self.exact.rows = &self.data
        self.exact.norm_at = self.n_features if self.metric_of == KNNC_FLOAT_COSINE else -1
        if self.metric_of == KNNC_FLOAT_COSINE:
            measure(self, n_threads)

    @property
    def kernel(self):
        """The name of the kernel."""
        return self.kernel_of.name.decode()

    cdef int64_t pair(self, const double *query, double query_norm, int64_t row) noexcept nogil:
        """The key of one row, for a query as `prepare` returns it.

        It has the bits of the contract only between `enter_float_mode` and `leave_float_mode`.
        """
        return self.kernel_of.pair[<int>self.metric_of][<int>self.type_of](
            &self.data, row, query, query_norm)

    def prepare(self, queries):
        """Queries as kernels take them: for "cosine" unit rows and their norms, else unchanged.

        Returns
        -------
        values : ndarray of shape (n_queries, n_features), float64
        norms : ndarray of shape (n_queries,), float64, or None
        """
        cdef knnc_float_mode before
        cdef knnc_float_rows data
        cdef int64_t n = queries.shape[0], q
        if queries.shape[1] != self.n_features:
            raise ValueError(
                f"queries have {queries.shape[1]} features, the rows have {self.n_features}."
            )
        if self.metric_of != KNNC_FLOAT_COSINE or n == 0:
            return queries, None
        values, norms = np.empty((n, self.n_features)), np.empty(n)
        cdef const double[:, ::1] given = queries
        cdef int32_t[::1] exponents = np.empty(n, np.int32)
        cdef double[::1] norms_of = norms
        cdef double[:, ::1] values_of = values
        data.values, data.n_features, data.table = &given[0, 0], self.n_features, NULL
        data.exponents, data.norms = &exponents[0], &norms_of[0]
        with nogil:
            before = knnc_float_mode_enter()
            for q in range(n):
                knnc_float_measure(&given[q, 0], self.n_features, &exponents[q], &norms_of[q])
            self.kernel_of.decode[1][<int>KNNC_FLOAT_ROWS_F64](&data, 0, n, &values_of[0, 0])
            knnc_float_mode_leave(before)
        return values, norms


cdef int measure_rows(
    FloatRows rows, int64_t first, int64_t last, int32_t *exponents, double *norms
) noexcept nogil:
    """Returns -1 when there is no memory."""
    cdef double *values = <double *>malloc(rows.n_features * sizeof(double))
    cdef knnc_float_mode before = knnc_float_mode_enter()
    cdef int64_t r
    if values:
        for r in range(first, last):
            rows.kernel_of.decode[0][<int>rows.type_of](&rows.data, r, r + 1, values)
            knnc_float_measure(values, rows.n_features, &exponents[r], &norms[r])
    knnc_float_mode_leave(before)
    free(values)
    return 0 if values else -1


cdef int measure(FloatRows rows, int n_threads) except -1:
    """Find the exponents and norms that turn the rows into unit rows."""
    exponents, norms = np.empty(rows.n_rows, np.int32), np.empty(rows.n_rows, np.float64)
    cdef int32_t[::1] exponents_of = exponents
    cdef double[::1] norms_of = norms
    cdef Steps steps = steps_of(rows.n_rows, n_threads, rows.n_features, n_threads)
    cdef double pace = FIRST_PACE
    cdef int64_t step, i, start
    cdef int failed = 0
    while next_step(&steps, pace):
        step = (steps.last - steps.first + n_threads - 1) // n_threads
        for i in prange(n_threads, nogil=True, num_threads=n_threads, schedule="static"):
            start = min(steps.last, steps.first + i * step)
            failed += measure_rows(rows, start, min(steps.last, start + step),
                                   &exponents_of[0], &norms_of[0])
        if failed:
            raise MemoryError("no memory to measure the norms of rows.")
        look(&steps, &pace)
    rows._exponents, rows._norms = exponents, norms
    rows.data.exponents, rows.data.norms = &exponents_of[0], &norms_of[0]
    return 0
