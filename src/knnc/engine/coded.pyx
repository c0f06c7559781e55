"""Rows, their codes, and the order they lie in.

The coarse codes are packed for a kernel that compares all of them with a query; the fine ones are
read for the rows that are left, and whole rows for those left then. Codes of one cluster lie side
by side (clusters.py).
"""
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t
from libc.stdlib cimport free, malloc

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
        codes, errors = coder.encode(rows, n_threads)
        coarse = np.ascontiguousarray(codes[:, :coder.n_coarse])
        self.centres, nearest = clusters.cluster(coarse, metric, kernel, n_threads)
        order, starts = row_order(nearest, self.centres.n_rows, errors[:, 0])
        self.order, self.starts = order, starts
        errors = errors[order]
        self.coarse = _PackedRows(coarse[order], metric, kernel, n_threads)
        self.fine = aligned_rows(codes[:, coder.n_coarse:], order)
        # float32 holds an error a hair too large, never too small.
        self.fine_errors = np.nextafter(errors[:, 1].astype(np.float32), np.float32(np.inf))
        height = self.coarse.kernel.layout.panel_rows
        self.worst = np.maximum.reduceat(errors[:, 0], np.arange(0, self.n_rows, height))
        self.pace, self.scan_pace = 0, 2e9

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
            dist[i] = INT64_MAX
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


def aligned_rows(codes, order):
    """A C-contiguous copy that starts at a cache line: 128 codes are two lines then, not three."""
    shape = len(order), codes.shape[1]
    copy = aligned_bytes(shape[0] * shape[1]).reshape(shape)
    copy[:] = codes[order]
    return copy


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
