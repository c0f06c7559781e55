"""Rows, their codes, and the order in which codes are stored.

A kernel compares all coarse codes with a query, in stages. Fine codes, if there are any, are read
for the rows that are left, and whole rows for those that are left then. Codes of one cluster are
side by side (clusters.py).
"""
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from knnc.engine.scan._heap cimport Nearest, heap_clear, heap_sort_part, keep_nearest
from knnc.engine._kernels cimport (
    KNNC_LIMIT_NONE,
    knnc_kernel,
    knnc_queries,
)
from knnc.engine.dispatch cimport pack_queries, packed_tile_bytes
from knnc.engine._exact cimport key_of_bytes
from knnc.engine.floats cimport FloatRows, key_of_floats
from knnc.engine.codes.quantizer cimport Quantizer

import numpy as np

from knnc.engine.codes import clusters
from knnc.engine.codes.kinds import restored_quantizer
from knnc.engine.codes.order import encode_apart, row_order
from knnc.engine.floats import as_float64
from knnc.engine.packed import PackedRows as _PackedRows
from knnc.engine.fields import array_of, part_of

# Rows beyond so many mean sizes of a cluster seed no query. Clusters of that size arise where many
# rows are alike.
cdef int64_t SEED_MEANS = 8
# Codes moved between two checks for signals: about 0.05 s.
cdef int64_t MOVES_A_PIECE = 1 << 18


cdef class CodedRows:
    """Rows and their codes.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features), uint8, C-contiguous, or FloatRows
        Kept by reference, and read where codes do not rule a row out.
    coder : Quantizer
    kernel : str or None
        A kernel for the metric of the codes.
    n_threads : int
    """

    def __init__(self, rows, Quantizer coder, kernel, int n_threads):
        metric, self.coder = coder.metric, coder
        self.keep(rows)
        parts, fine, coarse_errors, fine_errors = encode_apart(
            self, coder, self.n_rows, n_threads)
        self.n_first = coder.stages[0]
        self.centres, nearest = clusters.cluster(parts[0], metric, kernel, n_threads)
        order, starts = row_order(nearest, self.centres.n_rows, coarse_errors)
        self.order, self.starts = order, starts
        for part in parts:
            permute(part, order)
        if coder.n_fine:
            permute(fine, order)
            self.fine, self.fine_errors = fine, fine_errors[order]
        height = self.centres.kernel.layout.panel_rows
        self.worst = np.maximum.reduceat(coarse_errors[order], np.arange(0, self.n_rows, height))
        del part, nearest, coarse_errors, fine_errors  # to free memory
        self.coarse = _PackedRows(None, metric, kernel, n_threads, stages=coder.stages,
                                  shifts=coder.shifts, parts=parts)
        self.begin()

    cdef int keep(self, rows) except -1:
        """Take the rows, and how a query is compared with one of them."""
        cdef const uint8_t[:, ::1] bytes_of
        if isinstance(rows, FloatRows):
            self.floats = rows
            self.array = self.floats.rows
            self.n_rows, self.n_features = self.array.shape
            self.exact.rows = <const char *>self.floats.data.values
            self.exact.row_bytes = self.n_features * self.array.itemsize
            self.exact.query_bytes = (
                self.n_features + (self.floats.exact.norm_at >= 0)) * sizeof(double)
            self.exact.key, self.exact.context = key_of_floats, &self.floats.exact
            return 0
        bytes_of = rows
        self.array = rows
        self.n_rows, self.n_features = rows.shape
        self.exact.rows = <const char *>&bytes_of[0, 0]
        self.exact.row_bytes = self.exact.query_bytes = self.n_features
        self.exact.key, self.exact.context = key_of_bytes, &self.exact_bytes
        return 0

    cdef int begin(self) except -1:
        # Where nothing is ruled out, the time is that of whole rows.
        self.width = 1 + self.n_features // 1024
        self.pace, self.scan_pace = 5e3 / self.width, 2e9 / self.width
        self.exact_bytes.rows = <const uint8_t *>self.exact.rows
        self.exact_bytes.n_features = self.n_features
        self.exact_bytes.pair = self.coarse.kernel.pair
        return 0

    def state(self):
        """Everything but the rows that `restored` needs; see fields.py."""
        saved = {
            "coder": self.coder.state(), "coarse": self.coarse.state(),
            "centres": self.centres.state(), "worst": np.asarray(self.worst),
            "order": np.asarray(self.order), "starts": np.asarray(self.starts),
        }
        if self.coder.n_fine:
            saved["fine"] = np.asarray(self.fine)
            saved["fine_errors"] = np.asarray(self.fine_errors)
        return saved

    @staticmethod
    def restored(saved, rows, str metric, kernel):
        """Rows, and the codes that `state` described."""
        cdef CodedRows self = CodedRows.__new__(CodedRows)
        cdef int64_t n, n_coarse
        self.keep(rows)
        coder = part_of(saved, "coder")
        self.coder = restored_quantizer(
            coder, self.n_features, metric, kernel, are_floats=self.floats is not None)
        n, n_coarse = self.n_rows, self.coder.n_coarse
        self.n_first = self.coder.stages[0]
        self.coarse = _PackedRows(
            None, metric, kernel, 1, stages=self.coder.stages, shifts=self.coder.shifts,
            saved=part_of(saved, "coarse"))
        self.centres = _PackedRows(None, metric, kernel, 1, saved=part_of(saved, "centres"))
        if (self.coarse.n_rows, self.coarse.n_features, self.centres.n_features) != (
                n, n_coarse, self.n_first) or self.coarse.columns or self.centres.columns:
            raise ValueError("coarse codes are not one for each row")
        if self.centres.n_rows > n:
            raise ValueError("there are more clusters than rows")
        if self.coder.n_fine:
            self.fine = array_of(saved, "fine", np.uint8, (n, self.coder.n_fine))
            self.fine_errors = array_of(saved, "fine_errors", np.float32, (n,))
        worst = array_of(saved, "worst", np.float64, (self.coarse.n_panels,))
        if not np.isfinite(worst).all():
            raise ValueError("worst holds NaN or infinity")
        self.worst = worst
        order = array_of(saved, "order", np.int64, (n,), n)
        is_there = np.zeros(n, bool)
        is_there[order] = True
        if not is_there.all():  # a search of the rows themselves would leave some out
            raise ValueError("order is not one of all rows")
        self.order = order
        starts = array_of(saved, "starts", np.int64, (self.centres.n_rows + 1,), n + 1)
        if (np.diff(starts) < 0).any():
            raise ValueError("starts of clusters descend")
        self.starts = starts
        self.begin()
        return self

    @property
    def nbytes(self):
        """Bytes of the codes and what goes with them."""
        codes = self.coarse.nbytes + self.centres.nbytes + 8 * self.n_rows
        if self.coder.n_fine:
            codes += self.n_rows * (self.coder.n_fine + 4)
        return codes + 8 * (len(self.worst) + len(self.starts))

    def as_queries(self, rows):
        """Queries as they are compared with the rows: bytes, or float64 and, if any, a norm."""
        if self.floats is None:
            return rows
        values, norms = self.floats.prepare(as_float64(rows))
        return values if norms is None else np.column_stack((values, norms))

    cdef const char *start_of(self, queries) except? NULL:
        """Where these queries begin, which `as_queries` made."""
        cdef const uint8_t[:, ::1] bytes_of
        cdef const double[:, ::1] doubles_of
        if self.floats is not None:
            doubles_of = queries
            return <const char *>&doubles_of[0, 0]
        bytes_of = queries
        return <const char *>&bytes_of[0, 0]

    cdef Panels panels_of(self, int64_t cluster) noexcept nogil:
        """The panels in which the rows of a cluster lie: none if it is empty."""
        cdef Panels panels
        cdef int64_t height = self.coarse.kernel.layout.panel_rows
        panels.first = self.starts[cluster] // height
        panels.last = (self.starts[cluster + 1] + height - 1) // height
        if self.starts[cluster] == self.starts[cluster + 1]:
            panels.last = panels.first
        return panels

    cdef int find_near(
        self, const uint8_t *codes, int64_t n_queries, int64_t n_near, int64_t *near
    ) noexcept nogil:
        """The n_near clusters nearest each query of a tile, ascending; -1 if there is no memory."""
        cdef const knnc_kernel *kernel = self.centres.kernel
        cdef int64_t m = self.coder.n_coarse + self.coder.n_fine, i
        cdef knnc_queries queries
        cdef Nearest nearest
        cdef void *values = malloc(packed_tile_bytes(kernel, self.n_first))
        nearest.dist = <int64_t *>malloc(n_queries * n_near * sizeof(int64_t))
        nearest.ind, nearest.k = near, n_near
        if values == NULL or nearest.dist == NULL:
            free(values)
            free(nearest.dist)
            return -1
        heap_clear(nearest.dist, near, n_queries * n_near)
        pack_queries(kernel, codes, m, <int>n_queries, self.n_first, values, &queries)
        kernel.tile(
            &self.centres.blocks[0], 0, self.centres.n_panels, &queries, keep_nearest, &nearest)
        for i in range(n_queries):
            heap_sort_part(nearest.dist + i * n_near, near + i * n_near, n_near, 1)
        free(values)
        free(nearest.dist)
        return 0

    cdef int32_t find_seeds(
        self, const int64_t *near, int64_t n_near, knnc_queries *query, Nearest *nearest,
        int32_t limit, int64_t *sorted_near,
    ) noexcept nogil:
        """The rows with the nearest coarse codes; returns a limit for the next query.

        The next query is mostly near the same cluster. Twice the last distance saves it many
        pushes, and seldom leaves it too few seeds.
        """
        while True:
            query.limits[0] = limit
            heap_clear(nearest.dist, nearest.ind, nearest.k)
            self.scan_clusters(near, n_near, query, nearest, sorted_near)
            if nearest.dist[0] != INT64_MAX or limit == KNNC_LIMIT_NONE:
                break
            limit = KNNC_LIMIT_NONE
        return <int32_t>min(<int64_t>KNNC_LIMIT_NONE, 2 * min(nearest.dist[0], KNNC_LIMIT_NONE))

    cdef void scan_clusters(
        self, const int64_t *near, int64_t n_near, knnc_queries *query, Nearest *nearest,
        int64_t *sorted_near,
    ) noexcept nogil:
        """Push the rows of some clusters, and of panels they share with others, each row once."""
        cdef const knnc_kernel *kernel = self.coarse.kernel
        cdef Panels panels
        cdef int64_t i, j, last = 0
        cdef int64_t most = 1 + SEED_MEANS * self.coarse.n_panels // self.centres.n_rows
        for i in range(n_near):
            j = i
            while j > 0 and sorted_near[j - 1] > near[i]:
                sorted_near[j] = sorted_near[j - 1]
                j -= 1
            sorted_near[j] = near[i]
        for i in range(n_near):
            # Only a forged file gets here.
            if sorted_near[i] >= self.centres.n_rows:
                break
            panels = self.panels_of(sorted_near[i])
            panels.first = max(panels.first, last)
            panels.last = min(panels.last, panels.first + most)
            if panels.first < panels.last:
                kernel.tile(&self.coarse.blocks[0], panels.first, panels.last, query, keep_nearest,
                            nearest)
                last = panels.last


def permute(uint8_t[:, ::1] codes, const int64_t[::1] order):
    """Put codes[order] in the place of codes, cycle by cycle."""
    cdef int64_t n = codes.shape[0], width = codes.shape[1], start, at, source, moved = 0
    cdef uint8_t[::1] first = np.empty(width, np.uint8), done = np.zeros(n, np.uint8)
    for start in range(n):
        if done[start]:
            continue
        memcpy(&first[0], &codes[start, 0], width)
        at = start
        while True:
            done[at] = 1
            source = order[at]
            if source == start:
                break
            memcpy(&codes[at, 0], &codes[source, 0], width)
            at = source
            moved += 1
            if moved % MOVES_A_PIECE == 0:
                PyErr_CheckSignals()
        memcpy(&codes[at, 0], &first[0], width)
