"""A grey page into ink: paper found and taken away, dark on light or light on dark."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from knnc.ocr._extra import require

__all__ = ["Ink", "extent_of", "ink_of", "paper_of", "strips_of", "threshold", "widened"]

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
    strips = list(strips_of(grey.shape))
    # What is rare is ink: the side to which the differences have their long tail.
    tail = 0.0
    for rows in strips:
        dark = paper(rows) - grey[rows]
        tail += float((dark.clip(-1, 1) * dark**2).sum(dtype=np.float64))
    ink = np.empty(grey.shape, np.float32)
    for rows in strips:
        light = paper(rows)
        if tail >= 0:
            ink[rows] = (light - grey[rows]) / np.maximum(light, 32)
        else:
            ink[rows] = (grey[rows] - light) / np.maximum(255 - light, 32)
    noise = _noise(ink)
    if noise > 0.02:
        # About a pixel and a half: half of white noise goes, strokes stay.
        ink = _smoothed(ink, min(1.2, 0.5 + 8 * noise))
        noise = _noise(ink)
    least = max(_LEAST, _SIGMAS * noise)
    sure = np.concatenate([ink[rows][ink[rows] > least] for rows in strips])
    if len(sure) < 4:
        return None
    full = float(np.quantile(sure[:: 1 + len(sure) // 200_000], 0.8))
    floor = min(0.5, 2 * noise / full)
    for rows in strips:
        ink[rows] = ((ink[rows] / full - floor) / (1 - floor)).clip(0, 1)
    return ink


def _smoothed(ink: Ink, sigma: float) -> Ink:
    """As gaussian_filter does it, which looks no farther than four sigma."""
    margin = int(4 * sigma + 0.5)
    smooth = np.empty_like(ink)
    for rows in strips_of(ink.shape):
        top = max(0, rows.start - margin)
        some = ndimage.gaussian_filter(ink[top : rows.stop + margin], sigma)
        smooth[rows] = some[rows.start - top :][: rows.stop - rows.start]
    return smooth


def threshold(ink: Ink) -> NDArray[np.bool_]:
    """The pixels that are ink."""
    return ink > _SHARE


def extent_of(mask: NDArray[np.bool_], axis: int) -> slice:
    """From the first row with ink to the last; of columns with an `axis` of 1."""
    flags = np.asarray(mask.any(axis=1 - axis))
    return slice(int(flags.argmax()), len(flags) - int(flags[::-1].argmax()))


def widened(mask: NDArray[np.bool_], rows: int, columns: int) -> NDArray[np.bool_]:
    """The pixels no more than so many rows and columns from one of `mask`.

    As binary_dilation does it, in a fifth of the time, and Ctrl-C is heard in between.
    """
    for times, turned in ((rows, False), (columns, True)):
        for _ in range(times):
            one, mask = mask, mask.copy()
            old, new = (one.T, mask.T) if turned else (one, mask)
            new[1:] |= old[:-1]
            new[:-1] |= old[1:]
    return mask


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


def paper_of(grey: NDArray[np.uint8], window: float | None = None) -> Callable[[slice], Ink]:
    """The grey of the paper in any rows: a local median, smoothed."""
    pil = require("PIL.Image")
    height, width = grey.shape
    if window is not None and window == np.inf:
        even = np.float32(np.median(grey))
        return lambda rows: np.full(grey[rows].shape, even)
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
    paper = pil.fromarray(coarse).resize((width, height), pil.Resampling.BILINEAR)
    return lambda rows: np.asarray(paper.crop((0, rows.start, width, rows.stop)))


def _median(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The median of the square around each pixel, in time that hardly grows with `size`."""
    margin = size // 2
    padded = np.pad(image, margin, mode="symmetric")
    median = require("skimage.filters.rank").median(padded, np.ones((size, size), np.uint8))
    rows, columns = image.shape
    result: NDArray[np.uint8] = median[margin : margin + rows, margin : margin + columns]
    return result
