"""Rows, their codes, and the order they lie in.

The coarse codes are packed for a kernel that compares all of them with a query; the fine ones are
read for the rows that are left, and whole rows for those left then. Codes of one cluster lie side
by side (clusters.py).
"""
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

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
from knnc.engine.packed import aligned_bytes
from knnc.engine.state import array_of, part_of

SLAB_ROWS = 1 << 14
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
        coarse, fine, coarse_errors, fine_errors = encode_apart(rows, coder, n_threads)
        self.centres, nearest = clusters.cluster(coarse, metric, kernel, n_threads)
        order, starts = row_order(nearest, self.centres.n_rows, coarse_errors)
        self.order, self.starts = order, starts
        permute(coarse, order)
        permute(fine, order)
        self.fine, self.fine_errors = fine, fine_errors[order]
        self.coarse = _PackedRows(coarse, metric, kernel, n_threads)
        height = self.coarse.kernel.layout.panel_rows
        self.worst = np.maximum.reduceat(coarse_errors[order], np.arange(0, self.n_rows, height))
        self.begin()

    cdef int begin(self) except -1:
        # Where nothing is ruled out, the time is that of whole rows.
        self.width = 1 + self.n_features // 1024
        self.pace, self.scan_pace = 0, 2e9 / self.width
        return 0

    def state(self):
        """All but the rows that is needed to have these again, see state.py."""
        return {
            "coder": self.coder.state(), "coarse": self.coarse.state(),
            "centres": self.centres.state(), "fine": np.asarray(self.fine),
            "fine_errors": np.asarray(self.fine_errors), "worst": np.asarray(self.worst),
            "order": np.asarray(self.order), "starts": np.asarray(self.starts),
        }

    @staticmethod
    def restored(saved, rows, str metric, kernel, projecting):
        """Rows and the codes of which `state` said this; `projecting`: the kernel of Codes."""
        cdef CodedRows self = CodedRows.__new__(CodedRows)
        cdef int64_t n, n_coarse
        self.rows = rows
        self.n_rows, self.n_features = rows.shape
        self.coder = Codes.restored(
            part_of(saved, "coder"), self.n_features, metric, projecting)
        n, n_coarse = self.n_rows, self.coder.n_coarse
        self.coarse, self.centres = (
            _PackedRows(None, metric, kernel, 1, saved=part_of(saved, name))
            for name in ("coarse", "centres"))
        if (self.coarse.n_rows, self.coarse.n_features, self.centres.n_features) != (
                n, n_coarse, n_coarse) or self.coarse.columns or self.centres.columns:
            raise ValueError("coarse codes are not one for each row")
        self.fine = array_of(saved, "fine", np.uint8, (n, self.coder.n_fine))
        self.fine_errors = array_of(saved, "fine_errors", np.float32, (n,))
        self.worst = array_of(saved, "worst", np.float64, (self.coarse.n_panels,))
        self.order = array_of(saved, "order", np.int64, (n,), n)
        starts = array_of(saved, "starts", np.int64, (self.centres.n_rows + 1,), n + 1)
        if (np.diff(starts) < 0).any():
            raise ValueError("starts of clusters descend")
        self.starts = starts
        self.begin()
        return self

    @property
    def nbytes(self):
        """Bytes of the codes and what goes with them."""
        codes = self.coarse.nbytes + self.centres.nbytes + self.n_rows * (self.coder.n_fine + 12)
        return codes + 8 * (len(self.worst) + len(self.starts))

    cdef Panels panels_of(self, int64_t cluster) noexcept nogil:
        """The panels in which the rows of a cluster lie, one at least."""
        cdef Panels panels
        cdef int64_t height = self.coarse.kernel.layout.panel_rows
        panels.first = min(self.starts[cluster] // height, self.coarse.n_panels - 1)
        panels.last = max(panels.first + 1, (self.starts[cluster + 1] + height - 1) // height)
        return panels

    cdef int find_homes(
        self, const uint8_t *codes, int64_t n_queries, int64_t *homes
    ) noexcept nogil:
        """The cluster of each query of a tile; -1 if there is no memory."""
        cdef const knnc_kernel *kernel = self.centres.kernel
        cdef int64_t n_coarse = self.coder.n_coarse, i
        cdef int64_t dist[16]
        cdef knnc_queries queries
        cdef Homes found
        cdef void *values = malloc(knnc_tile_bytes(kernel, n_coarse))
        if values == NULL:
            return -1
        found.dist, found.homes = dist, homes
        for i in range(n_queries):
            dist[i], homes[i] = INT64_MAX, 0
        knnc_pack_queries(kernel, codes, n_coarse + self.coder.n_fine, <int>n_queries, n_coarse,
                          values, &queries)
        kernel.tile(&self.centres.blocks[0], 0, self.centres.n_panels, &queries, keep_home, &found)
        free(values)
        return 0


cdef struct Homes:
    int64_t *dist
    int64_t *homes


cdef int32_t keep_home(void *context, int query, int64_t row, int32_t dist) noexcept nogil:
    cdef Homes *found = <Homes *>context
    found.dist[query] = dist
    found.homes[query] = row
    return dist


def encode_apart(rows, Codes coder, int n_threads):
    """Coarse and fine codes of rows and their errors, a slab at a time: never two copies of all.

    The fine codes start at a cache line: 128 of them are two lines then, not three.
    """
    n_rows, n_coarse, n_fine = len(rows), coder.n_coarse, coder.n_fine
    coarse = np.empty((n_rows, n_coarse), np.uint8)
    fine = aligned_bytes(n_rows * n_fine).reshape(n_rows, n_fine)
    coarse_errors, fine_errors = np.empty(n_rows), np.empty(n_rows, np.float32)
    for start in range(0, n_rows, SLAB_ROWS):
        slab = slice(start, start + SLAB_ROWS)
        codes, errors = coder.encode(rows[slab], n_threads)
        coarse[slab], fine[slab] = codes[:, :n_coarse], codes[:, n_coarse:]
        coarse_errors[slab] = errors[:, 0]
        # float32 holds an error a hair too large, never too small.
        fine_errors[slab] = np.nextafter(errors[:, 1].astype(np.float32), np.float32(np.inf))
    return coarse, fine, coarse_errors, fine_errors


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
    by_error = np.argsort(errors, kind="stable")
    regular, rough = by_error[:len(errors) - n_rough], by_error[len(errors) - n_rough:]
    regular = np.sort(regular)
    by_cluster = regular[np.argsort(nearest[regular], kind="stable")]
    starts = np.searchsorted(nearest[by_cluster], np.arange(n_clusters + 1))
    return np.concatenate([by_cluster, rough]), starts.astype(np.int64)
