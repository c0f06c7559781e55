"""Which coarse codes are near each other: rows of one cluster lie side by side in a pruned search.

A query starts with the rows of the clusters nearest it, so that its limit is near the final one
from the start; and what is within a limit lies in few places, so that most panels of rows are left
after their first stage. benchmarks/pruning.py has the figures. How good the clusters are decides
how fast a search is, never what it answers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from knnc.engine.codes.learning import sample_rows
from knnc.engine.packed import PackedRows
from knnc.engine.scan.brute import NO_SELF, search

ROWS_A_CLUSTER = 60
MAX_CLUSTERS = 1024
SAMPLE_A_CLUSTER = 12
ROUNDS = 2
SLAB_ROWS = 1 << 15


def cluster(
    codes: NDArray[np.uint8], metric: str, kernel: str | None, n_threads: int
) -> tuple[PackedRows, NDArray[np.uint16]]:
    """Cluster codes by k-means on a sample of them (Lloyd's rounds).

    Parameters
    ----------
    codes : ndarray of shape (n_rows, n_codes), uint8, C-contiguous
    metric, kernel : str
        Of the distance that is smallest between a code and the centre of its cluster.
    n_threads : int

    Returns
    -------
    centres : PackedRows
        The centres, each followed by one near it.
    nearest : ndarray of shape (n_rows,), uint16
        The cluster of each code.
    """
    n_clusters = min(MAX_CLUSTERS, max(1, len(codes) // ROWS_A_CLUSTER))
    sample = np.ascontiguousarray(sample_rows(codes, n_clusters * SAMPLE_A_CLUSTER))
    centres = np.ascontiguousarray(sample_rows(sample, n_clusters))
    for _ in range(ROUNDS):
        packed = PackedRows(centres, metric, kernel, n_threads)
        centres = _means(sample, _nearest(packed, sample, n_threads), centres)
    packed = PackedRows(centres[_chain(centres)], metric, kernel, n_threads)
    return packed, _nearest(packed, codes, n_threads)


def _nearest(centres: PackedRows, codes: NDArray[np.uint8], n_threads: int) -> NDArray[np.uint16]:
    """A slab at a time, for an answer is 16 bytes."""
    nearest = np.empty(len(codes), dtype=np.uint16)
    for start in range(0, len(codes), SLAB_ROWS):
        slab = slice(start, start + SLAB_ROWS)
        nearest[slab] = search(centres, codes[slab], 1, n_threads, NO_SELF, None)[1][:, 0]
    return nearest


def _means(
    sample: NDArray[np.uint8], nearest: NDArray[np.uint16], centres: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """The mean of each cluster; an empty one keeps its centre."""
    counts = np.bincount(nearest, minlength=len(centres))
    filled = counts > 0
    means = centres.copy()
    for column, values in zip(means.T, sample.T, strict=True):
        sums = np.bincount(nearest, weights=values, minlength=len(centres))
        column[filled] = np.rint(sums[filled] / counts[filled])
    return means


def _chain(centres: NDArray[np.uint8]) -> NDArray[np.intp]:
    """An order in which each centre is followed by the nearest of those that are left."""
    points = centres.astype(np.float32)
    squares = (points * points).sum(axis=1)
    order = np.zeros(len(points), dtype=np.intp)
    for i in range(1, len(points)):
        squares[order[i - 1]] = np.inf
        # Not by BLAS: OpenBLAS reads past the end of so few numbers, and what it meets there can
        # be told as a RuntimeWarning (one process in 400).
        products = np.einsum("ij,j->i", points, points[order[i - 1]])
        order[i] = (squares - 2 * products).argmin()
    return order
