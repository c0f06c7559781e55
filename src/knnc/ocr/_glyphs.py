"""Ink into images as MNIST's were made: a box of 20 x 20, the centre of mass in 28 x 28."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knnc.ocr._extra import require
from knnc.ocr._ink import extent_of

__all__ = ["SIDE", "normal_form", "normalise"]

SIDE = 28
BOX = 20

# Fainter ink than this, of 1, is no part of the box.
_FAINT = 0.12


def normal_form(ink: NDArray[np.float32]) -> NDArray[np.uint8]:
    """One character in the form of MNIST.

    Parameters
    ----------
    ink : ndarray of shape (height, width), dtype float32
        0 is paper, 1 is ink.

    Returns
    -------
    image : ndarray of shape (28, 28), dtype uint8
        The ink scaled into 20 x 20, aspect kept, its centre of mass in the middle. No ink gives
        zeros.
    """
    image = np.zeros((SIDE, SIDE), np.uint8)
    seen = ink > _FAINT
    if not seen.any():
        return image
    ink = ink[extent_of(seen, 0), extent_of(seen, 1)]
    height, width = ink.shape
    scale = BOX / max(height, width)
    high, wide = max(1, round(height * scale)), max(1, round(width * scale))
    if (high, wide) != (height, width):
        ink = (_bicubic(height, high) @ ink @ _bicubic(width, wide).T).astype(np.float32)
    ink = np.maximum(ink, 0)
    small = np.rint(ink / max(ink.max(), 1e-6) * 255).astype(np.uint8)
    top, left = (_place(small.sum(axis=axis, dtype=np.int64)) for axis in (1, 0))
    image[top : top + small.shape[0], left : left + small.shape[1]] = small
    return image


@lru_cache(1024)
def _bicubic(length: int, new: int) -> NDArray[np.float32]:
    """The matrix that resizes a side as Pillow's bicubic filter does, in a fifth of its time.

    The filter widens with the reduction, so that every pixel counts.
    """
    scale = length / new
    wide = max(scale, 1.0)
    centres = (np.arange(new) + 0.5) * scale
    away = np.abs(np.arange(length) + 0.5 - centres[:, None]) / wide
    near = (1.5 * away - 2.5) * away**2 + 1
    far = ((2.5 - 0.5 * away) * away - 4) * away + 2
    weights = np.select([away < 1, away < 2], [near, far])
    result: NDArray[np.float32] = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return result


def _place(sums: NDArray[np.int64]) -> int:
    """Where a side with such sums of ink begins so that its centre of mass is in the middle."""
    centre = int(sums @ np.arange(len(sums))) / max(1, int(sums.sum()))
    return min(max(round(SIDE / 2 - centre), 0), SIDE - len(sums))


def normalise(images: ArrayLike) -> NDArray[np.uint8]:
    """Training images of any size in the form in which the characters of a page are read.

    Parameters
    ----------
    images : array-like of shape (n, height, width)
        Light characters on dark, or dark ones on light: most of the border has to be paper.

    Returns
    -------
    rows : ndarray of shape (n, 784), dtype uint8
        Images of 28 x 28 as rows, what :func:`knnc.ocr.read_page` wants of an estimator.

    Raises
    ------
    ValueError
        If the images do not have three dimensions.

    Examples
    --------
    >>> from knnc.datasets import load_digits
    >>> from knnc.ocr import normalise
    >>> normalise(load_digits().images).shape
    (1797, 784)
    """
    stack: NDArray[Any] = np.asarray(images)
    if stack.ndim != 3 or 0 in stack.shape[1:]:
        raise ValueError(f"images have shape (n, height, width), not {stack.shape}")
    rows = np.empty((len(stack), SIDE * SIDE), np.uint8)
    for row, image in zip(rows, stack, strict=True):
        row[:] = normal_form(_ink_of(image.astype(np.float32))).ravel()
    return rows


def _ink_of(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """A picture of one character as ink from 0 to 1, small ones enlarged smoothly."""
    low, high = float(image.min()), float(image.max())
    if low == high:
        return np.zeros_like(image)
    ink = (image - low) / (high - low)
    border = np.concatenate([ink[0], ink[-1], ink[:, 0], ink[:, -1]])
    if np.median(border) > 0.5:
        ink = 1 - ink
    if max(ink.shape) < BOX:
        pil = require("PIL.Image")
        times = -(-2 * BOX // max(ink.shape))
        padded = np.pad(ink, 1)
        size = (padded.shape[1] * times, padded.shape[0] * times)
        ink = np.asarray(pil.fromarray(padded).resize(size, pil.Resampling.BICUBIC))
    return ink.astype(np.float32, copy=False)
