"""A grey page into ink: paper found and taken away, dark on light or light on dark."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from knnc.ocr._extra import require

__all__ = ["Ink", "ink_of", "paper_of", "strips_of", "threshold"]

Ink = NDArray[np.float32]

# Contrast with the paper, as a share of what is possible, below which nothing is ink: JPEG
# blocks, the grain of paper, light that the paper's model does not follow.
_LEAST = 0.1

# How far ink stands out of the noise, in its standard deviations.
_SIGMAS = 5.0

# Ink is what has this share of full contrast; show-through, ruled lines in a light colour and
# shadows have less.
_SHARE = 0.42

# The paper is found on a page of about this many pixels in its longer side.
_COARSE = 160


# What takes long is done for so many pixels at a time: Ctrl-C is heard in between.
_STRIP = 1 << 20


def strips_of(shape: tuple[int, int]) -> Iterator[slice]:
    """The rows of a page of `shape`, some at a time."""
    step = max(1, _STRIP // shape[1])
    for top in range(0, shape[0], step):
        yield slice(top, min(top + step, shape[0]))


def ink_of(grey: NDArray[np.uint8], window: float | None = None) -> Ink | None:
    """How much ink is where.

    Parameters
    ----------
    grey : ndarray of shape (height, width), dtype uint8
    window : float, default=None
        The paper at a place is the median of the window around it, in pixels; None: a third of
        the page's shorter side; infinity: the paper is the same everywhere.

    Returns
    -------
    ink : ndarray of shape (height, width), dtype float32, or None
        0 is paper, 1 is the page's full ink, noise smoothed; None if nothing on the page stands
        out of the paper.
    """
    paper = paper_of(grey, window)
    values = grey.astype(np.float32)
    dark = paper - values
    # What is rare is ink: the side to which the differences have their long tail.
    strips = (dark[rows] for rows in strips_of(grey.shape))
    if sum(float((some.clip(-1, 1) * some**2).sum(dtype=np.float64)) for some in strips) >= 0:
        ink = dark / np.maximum(paper, 32)
    else:
        ink = -dark / np.maximum(255 - paper, 32)
    del values, dark, paper
    noise = _noise(ink)
    if noise > 0.02:
        # About a pixel and a half: half of white noise goes, strokes stay.
        ink = np.asarray(ndimage.gaussian_filter(ink, min(1.2, 0.5 + 8 * noise)), np.float32)
        noise = _noise(ink)
    sure = ink[ink > max(_LEAST, _SIGMAS * noise)]
    if len(sure) < 4:
        return None
    full = float(np.quantile(sure[:: 1 + len(sure) // 200_000], 0.8))
    floor = min(0.5, 2 * noise / full)
    return ((ink / full - floor) / (1 - floor)).clip(0, 1, dtype=np.float32)


def threshold(ink: Ink) -> NDArray[np.bool_]:
    """The pixels that are ink."""
    return ink > _SHARE


def _noise(ink: NDArray[np.floating[Any]]) -> float:
    """Standard deviation of the noise of the paper, from differences of neighbours' neighbours.

    Two pixels apart, as a scan's sharpening and compression make neighbours alike; the median, as
    the strokes are few.
    """
    if min(ink.shape) < 5:
        return 0.0
    step = 1 + ink.shape[0] // 1000
    rows = ink[::step]
    return float(np.median(np.abs(rows[:, 2:] - rows[:, :-2]))) / (0.6745 * 2**0.5)


def paper_of(grey: NDArray[np.uint8], window: float | None = None) -> Ink:
    """The grey of the paper at every pixel: a local median, smoothed."""
    pil = require("PIL.Image")
    height, width = grey.shape
    if window is not None and window == np.inf:
        return np.full(grey.shape, np.median(grey), np.float32)
    image = pil.fromarray(grey)
    shorter = min(height, width)
    if window is None:
        window = max(3.0, shorter / 3)
    # Eleven coarse pixels a window at least, so that a median of them is one.
    side = min(max(height, width), max(_COARSE, 11 * max(height, width) / window))
    scale = side / max(height, width)
    small = (max(1, round(width * scale)), max(1, round(height * scale)))
    coarse = np.asarray(image.resize(small, pil.Resampling.BOX))
    size = max(3, round(window * scale) | 1)
    coarse = _median(coarse, size).astype(np.float32)
    coarse = ndimage.gaussian_filter(coarse, size / 4, mode="nearest")
    return np.asarray(pil.fromarray(coarse).resize((width, height), pil.Resampling.BILINEAR))


def _median(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The median of the square around each pixel, in time that hardly grows with `size`."""
    margin = size // 2
    padded = np.pad(image, margin, mode="symmetric")
    median = require("skimage.filters.rank").median(padded, np.ones((size, size), np.uint8))
    rows, columns = image.shape
    result: NDArray[np.uint8] = median[margin : margin + rows, margin : margin + columns]
    return result
