"""Rows, their codes, and the order they lie in.

The coarse codes are packed for a kernel that compares all of them with a query, in stages; fine
ones, if there are any, are read for the rows that are left, and whole rows for those left then.
Codes of one cluster lie side by side (clusters.py).
"""
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from knnc.engine._heap cimport Nearest, heap_clear, heap_sort_part, keep_nearest
from knnc.engine._kernels cimport (
    knnc_kernel,
    knnc_pack_queries,
    knnc_queries,
    knnc_tile_bytes,
)
from knnc.engine.codes cimport Codes

import numpy as np

from knnc.engine import clusters
from knnc.engine.packed import PackedRows as _PackedRows
from knnc.engine.packed import own_pages
from knnc.engine.state import array_of, part_of

SLAB_ROWS = 1 << 12
# Codes moved between two looks at signals: about 0.05 s.
cdef int64_t MOVES_A_PIECE = 1 << 18


cdef class CodedRows:
    """Rows and their codes.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features), uint8, C-contiguous
        Kept, and read when a row is refined.
    coder : Codes
    metric : {"sqeuclidean", "manhattan"}
    kernel : str or None
    n_threads : int
    """

    def __init__(self, rows, Codes coder, str metric, kernel, int n_threads):
        self.rows = rows
        self.coder = coder
        self.n_rows, self.n_features = rows.shape
        parts, fine, coarse_errors, fine_errors = encode_apart(rows, coder, n_threads)
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
        del part, nearest, coarse_errors, fine_errors  # which leaves room
        self.coarse = _PackedRows(None, metric, kernel, n_threads, stages=coder.stages,
                                  shifts=coder.shifts, parts=parts)
        self.begin()

    cdef int begin(self) except -1:
        # Where nothing is ruled out, the time is that of whole rows.
        self.width = 1 + self.n_features // 1024
        self.pace, self.scan_pace = 0, 2e9 / self.width
        return 0

    def state(self):
        """All but the rows that is needed to have these again, see state.py."""
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
        """Rows and the codes of which `state` said this."""
        cdef CodedRows self = CodedRows.__new__(CodedRows)
        cdef int64_t n, n_coarse
        self.rows = rows
        self.n_rows, self.n_features = rows.shape
        self.coder = Codes.restored(
            part_of(saved, "coder"), self.n_features, metric, kernel)
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
            raise ValueError("worst holds what is no number")
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
        cdef void *values = malloc(knnc_tile_bytes(kernel, self.n_first))
        nearest.dist = <int64_t *>malloc(n_queries * n_near * sizeof(int64_t))
        nearest.ind, nearest.k = near, n_near
        if values == NULL or nearest.dist == NULL:
            free(values)
            free(nearest.dist)
            return -1
        heap_clear(nearest.dist, near, n_queries * n_near)
        knnc_pack_queries(kernel, codes, m, <int>n_queries, self.n_first, values, &queries)
        kernel.tile(
            &self.centres.blocks[0], 0, self.centres.n_panels, &queries, keep_nearest, &nearest)
        for i in range(n_queries):
            heap_sort_part(nearest.dist + i * n_near, near + i * n_near, n_near, 1)
        free(values)
        free(nearest.dist)
        return 0


def encode_apart(rows, Codes coder, int n_threads):
    """Codes of rows, and their errors, a slab at a time: never two copies of all.

    Returns
    -------
    parts : list of ndarray of shape (n_rows, size), uint8
        The coarse codes, an array for each stage.
    fine : ndarray of shape (n_rows, n_fine), uint8
        It starts at a cache line: 128 of them are two lines then, not three.
    coarse_errors, fine_errors : ndarray of shape (n_rows,)
    """
    n_rows, n_coarse, n_fine = len(rows), coder.n_coarse, coder.n_fine
    ends = np.cumsum(coder.stages)
    parts = [own_pages(n_rows * size).reshape(n_rows, size) for size in coder.stages]
    fine = own_pages(n_rows * n_fine).reshape(n_rows, n_fine)
    coarse_errors, fine_errors = np.empty(n_rows), np.empty(n_rows, np.float32)
    for start in range(0, n_rows, SLAB_ROWS):
        slab = slice(start, start + SLAB_ROWS)
        codes, errors = coder.encode(rows[slab], n_threads)
        for part, end in zip(parts, ends, strict=True):
            part[slab] = codes[:, end - part.shape[1]:end]
        fine[slab] = codes[:, n_coarse:]
        coarse_errors[slab] = errors[:, 0]
        # float32 holds an error a hair too large, never too small.
        fine_errors[slab] = np.nextafter(errors[:, 1].astype(np.float32), np.float32(np.inf))
    return parts, fine, coarse_errors, fine_errors


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


def row_order(nearest, n_clusters, errors):
    """A permutation of rows by cluster, but for the hundredth with the largest errors.

    Those come last, sorted, so that a few rows that their codes fit badly loosen the limits of no
    panels but their own.

    Returns
    -------
    order : ndarray of shape (n_rows,), int64
    starts : ndarray of shape (n_clusters + 1,), int64
        The place of the first row of each cluster, and one past the last.
    """
    n_rough = len(errors) // 100
    is_rough = np.zeros(len(errors), dtype=bool)
    if n_rough:
        least = np.partition(errors, len(errors) - n_rough)[len(errors) - n_rough]
        is_rough[errors > least] = True
        equal = np.flatnonzero(errors == least)
        is_rough[equal[len(equal) - (n_rough - np.count_nonzero(is_rough)):]] = True
    rough, regular = np.flatnonzero(is_rough), np.flatnonzero(~is_rough)
    rough = rough[np.argsort(errors[rough], kind="stable")]
    # Numbers of 16 bits NumPy sorts by radix: 4 million in 0.05 s, which no signal interrupts.
    by_cluster = regular[np.argsort(nearest[regular], kind="stable")]
    starts = np.zeros(n_clusters + 1, np.int64)
    np.cumsum(np.bincount(nearest[regular], minlength=n_clusters), out=starts[1:])
    return np.concatenate([by_cluster, rough]), starts
