"""Gaussian blur, in whole numbers."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnc.image.base import Images, ImageTransformer, chunks

__all__ = ["Blur"]

# The weights add up to 2 to this power. A pixel is rounded once, at the end.
_BITS = 12


class Blur(ImageTransformer):
    """Blur images with a Gaussian, so that strokes a pixel apart still meet.

    Parameters
    ----------
    sigma : float, default=0.7
        Standard deviation in pixels; 0 leaves images as they are.
    step : int, default=1
        Every `step`-th row and column is kept.
    image_shape : (int, int) or None, default=None
        Height and width; None for a square.

    Attributes
    ----------
    image_shape_ : (int, int)
        Height and width.
    n_features_in_ : int
        Pixels.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, if X has names that are all strings.

    Notes
    -----
    The weights are multiples of 1/4096 that add up to 1. They end at three standard deviations.
    Pixels beyond an edge have the value at that edge.

    Examples
    --------
    >>> from knnc.image import Blur
    >>> Blur(1.0, image_shape=(1, 5)).fit_transform([[0, 0, 100, 0, 0]])
    array([[ 5, 24, 40, 24,  5]], dtype=uint8)
    """

    def __init__(self, sigma: float = 0.7, *, step: int = 1, image_shape: Any = None) -> None:
        self.sigma = sigma
        self.step = step
        self.image_shape = image_shape

    def _check_parameters(self) -> None:
        if not isinstance(self.sigma, Real) or not 0 <= self.sigma <= 100:
            raise ValueError(f"sigma must be a number from 0 to 100, got {self.sigma!r}.")
        if not isinstance(self.step, Integral) or int(self.step) < 1:
            raise ValueError(f"step must be a positive integer, got {self.step!r}.")

    def _transform_images(self, images: Images) -> Images:
        weights = _weights(float(self.sigma))
        rows, columns = (-(-side // self.step) for side in self.image_shape_)
        out = np.empty((len(images), rows, columns), dtype=np.uint8)
        for part in chunks(len(images), images[0].size):
            blurred = images[part].astype(np.int64)
            for axis in (1, 2):
                blurred = _convolve(blurred, weights, axis)
            kept = blurred[:, :: self.step, :: self.step]
            out[part] = (kept + (1 << (2 * _BITS - 1))) >> (2 * _BITS)
        return out.reshape(len(images), -1)

    @property
    def _n_features_out(self) -> int:
        rows, columns = (-(-side // self.step) for side in self.image_shape_)
        return int(rows * columns)


def _weights(sigma: float) -> NDArray[np.int64]:
    """Weights of the pixels -r..r: whole numbers that add up to 2^_BITS."""
    if sigma == 0:
        return np.array([1 << _BITS])
    steps = np.arange(-int(np.ceil(3 * sigma)), int(np.ceil(3 * sigma)) + 1)
    shares = np.exp(-0.5 * np.square(steps / sigma))
    weights: NDArray[np.int64] = np.rint(shares / shares.sum() * (1 << _BITS)).astype(np.int64)
    weights[len(weights) // 2] += (1 << _BITS) - weights.sum()
    return weights


def _convolve(
    images: NDArray[np.int64], weights: NDArray[np.int64], axis: int
) -> NDArray[np.int64]:
    reach, side = len(weights) // 2, images.shape[axis]
    out = np.zeros_like(images)
    for step, weight in zip(range(-reach, reach + 1), weights, strict=True):
        at = np.clip(np.arange(side) + step, 0, side - 1)
        out += weight * np.take(images, at, axis=axis)
    return out
