"""Pages that lie on their side or upside down."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST", "quarters_of", "turned_by"]

# With fewer characters nothing tells; more than so many are not asked.
_FEW, MOST = 4, 60

# The page is turned if its characters are nearer to the training images then: by this share of
# the logarithm on average, and by so many standard errors.
_NEARER, _ERRORS = 0.05, 2.0


def quarters_of(
    images: NDArray[np.uint8], far: Callable[[NDArray[np.uint8]], NDArray[np.float64]]
) -> int:
    """By how many quarters, clockwise, a page has to be turned to be upright.

    Parameters
    ----------
    images : ndarray of shape (n, 28, 28)
        Its characters, or `MOST` of them.
    far : callable
        Of images, how unlike the training images each is.
    """
    if len(images) < _FEW:
        return 0
    # A turned image has another centre of mass in the same place: it is in its form already.
    stacks = [np.ascontiguousarray(np.rot90(images, -k, axes=(1, 2))) for k in range(4)]
    logs = np.log(np.maximum(far(np.concatenate(stacks)), 1e-9)).reshape(4, -1)
    best = int(np.argmin(logs.mean(axis=1)))
    if best == 0:
        return 0
    gain = logs[0] - logs[best]
    error = float(gain.std(ddof=1)) / np.sqrt(len(gain))
    return best if gain.mean() > max(_NEARER, _ERRORS * error) else 0


def turned_by(
    pixels: NDArray[np.uint8], quarters: int
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """A page turned clockwise by quarters, and the matrix that takes its points back."""
    height, width = pixels.shape
    back = np.eye(3)
    for _ in range(quarters):
        # Clockwise: what is at (x, y) of the turned page was at (y, height - x).
        back = back @ np.array([[0, 1, 0], [-1, 0, height], [0, 0, 1]], float)
        height, width = width, height
    return np.ascontiguousarray(np.rot90(pixels, -quarters)), back
