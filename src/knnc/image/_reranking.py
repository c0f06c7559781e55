"""The k images nearest by a distance of images, of the candidates nearest by their features."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnc.engine.index import Index
from knnc.engine.system.progress import current, progress, shifted
from knnc.image._distortion import Gallery, rerank
from knnc.image.base import Images, Shape

__all__ = ["Reranking"]

# Queries whose candidates are in memory at a time.
_BLOCK = 512


class Reranking:
    """Training images, prepared for searches.

    Parameters
    ----------
    rows : ndarray of shape (n_images, height * width), uint8
    shape : (int, int)
    features : fitted transformer or None
        Candidates are searched by what it returns; None: by the pixels.
    terms : dict of str to float
        The weights of the distance.
    moves : (int, int, bool)
        How far pixels and images move; whether gradients are as long as the root of their length.
    mirrored : bool
        Whether mirrored images are searched too.
    n_threads : int
    """

    def __init__(
        self,
        rows: Images,
        shape: Shape,
        features: Any,
        terms: dict[str, float],
        moves: tuple[int, int, bool],
        mirrored: bool,
        n_threads: int,
    ) -> None:
        self._n_fit, self._n_copies, self._features = len(rows), 1 + mirrored, features
        if mirrored:
            turned = rows.reshape(-1, *shape)[:, :, ::-1].reshape(rows.shape)
            rows = np.concatenate([rows, turned])
        warp, max_shift, root = moves
        self._gallery = Gallery(rows, *shape, warp, terms, max_shift, n_threads, root=root)
        self._index = Index(self._features_of(rows), "sqeuclidean", n_threads=n_threads)

    def _features_of(self, rows: Images) -> Images:
        if self._features is None:
            return rows
        features = np.asarray(self._features.transform(rows))
        if features.dtype != np.uint8 or features.ndim != 2 or len(features) != len(rows):
            raise ValueError(
                "features must give uint8 of shape (n_images, n_features_out), got "
                f"{features.dtype} of shape {features.shape}."
            )
        return np.ascontiguousarray(features)

    def search(
        self, queries: Images, k: int, n_candidates: int, n_threads: int, *, leave_out: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """The k nearest of each query, in blocks so that few candidates are in memory at a time."""
        report, total = current(), len(queries)
        dist = np.empty((total, k))
        ind = np.empty((total, k), dtype=np.intp)
        n_own = leave_out * self._n_copies
        for start in range(0, total, _BLOCK):
            part = slice(start, min(start + _BLOCK, total))
            with progress(None):
                features = self._features_of(queries[part])
                near, rows = self._index.search(features, n_candidates + n_own, n_threads=n_threads)
            if leave_out:
                near, rows = _without_self(near, rows, start, self._n_fit, n_own)
            dist[part], ind[part] = rerank(
                self._gallery, queries[part], rows, near, k, n_threads,
                shifted(report, start, total),
            )  # fmt: skip
        return dist, ind % self._n_fit


def _without_self(
    near: NDArray[np.int64], rows: NDArray[np.int64], start: int, n_fit: int, n_own: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Candidates of rows start, start + 1, ... without the row itself, so `n_own` fewer.

    If a row is not among its own candidates, the last ones are left out instead.
    """
    own = rows % n_fit == np.arange(start, start + len(rows))[:, np.newaxis]
    missing = n_own - own.sum(axis=1, keepdims=True)
    others_from_here = np.cumsum(~own[:, ::-1], axis=1)[:, ::-1]
    left = ~own & (others_from_here > missing)
    shape = len(rows), rows.shape[1] - n_own
    return near[left].reshape(shape), rows[left].reshape(shape)
