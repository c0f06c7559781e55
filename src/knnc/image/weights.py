"""Votes that fade with the distance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["SoftWeights"]


@dataclass(frozen=True)
class SoftWeights:
    """Values for `weights`: votes that fade with the distance, relative to the nearest distance.

    A neighbour at distance d has the weight exp(-(d / d1 - 1) / width), where d1 is the distance of
    the nearest. Neighbours that are nearly as near as the first count nearly as much. Far ones
    hardly count, whatever `n_neighbors` is.

    Parameters
    ----------
    width : float, default=0.1
        A neighbour that is farther away than the nearest by this share has the weight 1/e.

    Examples
    --------
    >>> import numpy as np
    >>> from knnc.image import SoftWeights
    >>> SoftWeights(0.5)(np.array([[2.0, 2.0, 3.0, 4.0]])).round(3)
    array([[1.   , 1.   , 0.368, 0.135]])
    """

    width: float = 0.1

    def __call__(self, dist: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weights of neighbours at these distances, (n_queries, k), in ascending order."""
        if not 0 < self.width < np.inf:
            raise ValueError(f"width must be a positive number, got {self.width!r}.")
        nearest = dist[:, :1]
        scale = np.maximum(self.width * nearest, np.finfo(np.float64).tiny)
        with np.errstate(over="ignore"):
            weights: NDArray[np.float64] = np.exp(-((dist - nearest) / scale))
        return weights
