"""A search among some of the training rows, named by a boolean mask."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from knnc import _compat
from knnc.engine.index import Index
from knnc.engine.scan.brute import NO_SELF
from knnc.engine.scan.streamed import StreamedRows, search_in_blocks
from knnc.engine.system.progress import current, progress, shifted
from knnc.engine.system.threads import safe_n_threads
from knnc.neighbors import fallback

__all__ = ["MaskedIndex", "checked_mask", "kneighbors_among"]

Mask = NDArray[np.bool_]
Indices = NDArray[np.intp]

# Rows that a mask leaves out by being searched for too, and dropped, rather than by an index of
# the others. Of 60,000 MNIST images, on two threads: 32 neighbours more take 0.1 ms a query, an
# index of the others 40 ms and a copy of them.
_FEW_LEFT_OUT = 32


def checked_mask(row_mask: Any, n_samples_fit: int) -> Mask:
    """The mask as an array, if it is one of the training rows.

    Raises
    ------
    TypeError
        If it is not boolean.
    ValueError
        If it is not of shape (n_samples_fit,).
    """
    mask = np.asarray(row_mask)
    if mask.dtype != np.bool_:
        raise TypeError(f"row_mask must be boolean, got an array of {mask.dtype}.")
    if mask.shape != (n_samples_fit,):
        raise ValueError(
            f"row_mask must have a value for each of the n_samples_fit = {n_samples_fit} training "
            f"rows, got an array of shape {mask.shape}."
        )
    return mask


class MaskedIndex:
    """What an index would answer if it held only the rows of a mask, under their own indices.

    Parameters
    ----------
    whole : Index
    rows : ndarray of shape (n_samples_fit, n_features), uint8, float32 or float64
        The rows of `whole`.
    mask : ndarray of shape (n_samples_fit,), bool
        Kept; it is a copy that nobody changes.
    """

    def __init__(self, whole: Index, rows: NDArray[Any], mask: Mask) -> None:
        self.mask = mask
        self._whole = whole
        self._rows = rows
        self._where: Indices = np.flatnonzero(mask)
        self._left_out = len(mask) - len(self._where)
        self._made: tuple[str, Index] | None = None

    def search(
        self, queries: NDArray[Any] | None, k: int, *, n_threads: int, again: bool = False
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """As :meth:`Index.search`; `queries` None is every row, of the mask or not.

        `again` says that this mask has been searched before, which makes codes worth their time.
        """
        if self._left_out <= _FEW_LEFT_OUT:
            dist, ind = self._whole.search(queries, k + self._left_out, n_threads=n_threads)
            first = np.argsort(~self.mask[ind], axis=1, kind="stable")[:, :k]
            return np.take_along_axis(dist, first, axis=1), np.take_along_axis(ind, first, axis=1)
        streamed = self._whole.streamed_among(self._where)
        if streamed is not None:
            return self._search_streamed(streamed, queries, k, safe_n_threads(n_threads))
        part = self._part(again, n_threads)
        if queries is not None:
            dist, ind = part.search(queries, k, n_threads=n_threads)
            return dist, self._where[ind]
        n_queries, report = len(self.mask), current()
        dist = np.empty((n_queries, k), dtype=np.int64)
        ind = np.empty((n_queries, k), dtype=np.int64)
        with progress(report and (lambda done, _: report(done, n_queries))):
            dist[self.mask], ind[self.mask] = part.search(None, k, n_threads=n_threads)
        n_done = len(self._where)
        with progress(report and (lambda done, _: report(n_done + done, n_queries))):
            others = self._rows[~self.mask]
            dist[~self.mask], ind[~self.mask] = part.search(others, k, n_threads=n_threads)
        return dist, self._where[ind]

    def _search_streamed(
        self, part: StreamedRows, queries: NDArray[np.uint8] | None, k: int, n_threads: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        report = current()
        if queries is not None:
            dist, ind = part.search(queries, k, n_threads, NO_SELF, report)
            return dist, self._where[ind]
        n_queries, n_done = len(self.mask), 0
        dist = np.empty((n_queries, k), dtype=np.int64)
        ind = np.empty((n_queries, k), dtype=np.int64)
        for which, are_part in ((self._where, True), (np.flatnonzero(~self.mask), False)):
            told = shifted(report, n_done, n_queries)
            dist[which], ind[which] = search_in_blocks(
                part, self._rows, which, k, n_threads, are_part=are_part, progress=told
            )
            n_done += len(which)
        return dist, self._where[ind]

    def _part(self, again: bool, n_threads: int) -> Index:
        algorithm = self._whole.algorithm if again and self._whole.is_pruned else "brute"
        made = self._made
        if made is None or made[0] != algorithm:
            rows = self._rows[self._where]
            index = Index(rows, self._whole.metric, algorithm=algorithm, n_threads=n_threads)
            made = self._made = algorithm, index
        return made[1]


def kneighbors_among(estimator: Any, X: Any, k: int, mask: Mask) -> Any:
    """Neighbours among the rows of a mask, by scikit-learn, for an estimator that it serves.

    Parameters
    ----------
    estimator : object
        Fitted, with `engine_` "sklearn".
    X : array-like, sparse matrix or None
        None is every training row, left out of its own neighbours.
    k : int
    mask : ndarray of shape (n_samples_fit,), bool
        With more than k rows, or k if X is not None.

    Returns
    -------
    dist : ndarray of shape (n_queries, k), float64
    ind : ndarray of shape (n_queries, k), intp
    """
    where = np.flatnonzero(mask)
    rows = estimator._fit_X if issparse(estimator._fit_X) else np.asarray(estimator._fit_X)
    queries = rows if X is None else fallback.validated_queries(estimator, X)
    part = rows[where]
    if estimator.metric == "precomputed":
        part, queries = part[:, where], queries[:, where]
    among = _compat.StockNearestNeighbors(
        algorithm=estimator._fit_method,
        leaf_size=estimator.leaf_size,
        metric=estimator.metric,
        p=estimator.p,
        metric_params=estimator.metric_params,
        n_jobs=estimator.n_jobs,
    ).fit(part)
    dist, ind = fallback.kneighbors(among, queries, k + (X is None))
    ind = where[ind]
    if X is not None:
        return dist, ind
    own = ind == np.arange(len(ind))[:, np.newaxis]
    own[~own.any(axis=1), -1] = True  # no neighbour of itself: the farthest is one too many
    return dist[~own].reshape(-1, k), ind[~own].reshape(-1, k)
