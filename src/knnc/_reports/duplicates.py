"""Pairs of rows that are the same, or nearly so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from knnc import _compat
from knnc._extras import require
from knnc.neighbors import NearestNeighbors

__all__ = ["NearDuplicates", "near_duplicates"]

# Neighbours searched for each row at first. A row with that many duplicates is searched again.
_FIRST, _GROWTH = 4, 8
# Then so many neighbours at a time: 256 MB.
_NEIGHBORS_AT_ONCE = 1 << 24


@dataclass(frozen=True)
class NearDuplicates:
    """Pairs of rows at a distance of at most a radius, the nearest first.

    Attributes
    ----------
    pairs : ndarray of shape (n_pairs, 2), intp
        Indices of two rows, the smaller first.
    distances : ndarray of shape (n_pairs,), float64
        In ascending order. Pairs at the same distance come in the order of their indices.
    n_samples : int
        Number of rows.
    """

    pairs: NDArray[np.intp]
    distances: NDArray[np.float64]
    n_samples: int

    def __len__(self) -> int:
        return len(self.pairs)

    def groups(self) -> list[NDArray[np.intp]]:
        """Groups of rows that are connected by pairs.

        Returns
        -------
        groups : list of ndarray of intp
            Each has two rows or more, in ascending order. Groups are ordered by their first rows.
        """
        links = coo_array(
            (np.ones(len(self)), tuple(self.pairs.T)), shape=(self.n_samples, self.n_samples)
        )
        _, label = connected_components(links, directed=False)
        members = np.argsort(label, kind="stable")
        ends = np.cumsum(np.bincount(label, minlength=1))[:-1]
        groups = [group for group in np.split(members, ends) if len(group) > 1]
        return sorted(groups, key=lambda group: int(group[0]))

    def to_frame(self) -> Any:
        """The pairs as a pandas DataFrame.

        Returns
        -------
        frame : pandas.DataFrame
            With columns first, second and distance.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        pandas = require("pandas", by="to_frame", install="pandas")
        return pandas.DataFrame(
            {"first": self.pairs[:, 0], "second": self.pairs[:, 1], "distance": self.distances}
        )


def near_duplicates(
    X: Any, radius: float = 0.0, *, metric: str = "euclidean", n_jobs: int | None = None
) -> NearDuplicates:
    """Find all pairs of rows at a distance of at most `radius`.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The rows, two at least.
    radius : float, default=0.0
        The largest distance; 0 finds rows that are the same.
    metric : str, default="euclidean"
        A metric of :class:`knnc.NearestNeighbors`.
    n_jobs : int or None, default=None
        Threads, as for :class:`knnc.NearestNeighbors`.

    Returns
    -------
    found : NearDuplicates
        The pairs. Their distances are those that `kneighbors` returns.

    Raises
    ------
    ValueError
        If X is not as stated, or `radius` is negative or not a number.

    Notes
    -----
    Memory grows with the number of pairs: a thousand equal rows have half a million pairs.

    Examples
    --------
    >>> import numpy as np
    >>> from knnc.inspection import near_duplicates
    >>> X = np.array([[0, 0], [9, 9], [0, 1], [0, 0]], dtype=np.uint8)
    >>> found = near_duplicates(X, radius=1)
    >>> found.pairs.tolist(), found.distances.tolist()
    ([[0, 3], [0, 2], [2, 3]], [0.0, 1.0, 1.0])
    """
    if not radius >= 0.0:
        raise ValueError(f"radius must be a number of at least 0, got {radius}.")
    nearest = NearestNeighbors(metric=metric, n_jobs=n_jobs).fit(X)
    n_samples = nearest.n_samples_fit_
    if n_samples < 2:
        raise ValueError(f"Pairs need two rows at least, got n_samples = {n_samples}.")
    rows, most, is_first = np.arange(n_samples), n_samples - 1, True
    k = min(_FIRST, most)
    pairs: list[NDArray[np.intp]] = []
    distances: list[NDArray[np.float64]] = []
    while len(rows):
        step = n_samples if is_first else max(1, _NEIGHBORS_AT_ONCE // k)
        left = []
        for start in range(0, len(rows), step):
            asked = rows[start : start + step]
            queries = None if is_first else _compat.safe_indexing(X, asked)
            dist, ind = nearest.kneighbors(queries, k)
            # A row whose neighbours are all within the radius may have more.
            done = (dist[:, -1] > radius) | (k == most)
            near = (dist <= radius) & (asked[:, np.newaxis] < ind) & done[:, np.newaxis]
            row, column = np.nonzero(near)
            pairs.append(np.column_stack([asked[row], ind[row, column]]))
            distances.append(dist[row, column])
            left.append(asked[~done])
        # From the second search on, a row is among its own neighbours.
        rows, most, is_first = np.concatenate(left), n_samples, False
        k = min(k * _GROWTH, most)
    every, apart = np.concatenate(pairs), np.concatenate(distances)
    order = np.lexsort((every[:, 1], every[:, 0], apart))
    return NearDuplicates(every[order], apart[order], n_samples)
