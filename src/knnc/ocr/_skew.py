"""By how much a page is turned, and turning it back."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians, sin

import numpy as np
from numpy.typing import NDArray

from knnc.ocr._extra import require
from knnc.ocr._ink import Ink, strips_of

__all__ = ["Frame", "frame_of", "skew_of", "turned"]

MAX_DEGREES = 45.0
_POINTS = 40_000

# The first look takes this many points.
_COARSE = 8_000

# Columns that are clearer than rows by this factor are lines of a page on its side.
_SIDEWAYS = 1.3

# A turned page must have lines that are clearer by this factor, else it is left alone: on few
# characters every angle looks like the others.
_GAIN = 1.06


@dataclass(frozen=True)
class Frame:
    """An upright, turned page: where each of its pixels is on the grey one.

    ``(x, y)`` there is ``matrix @ (x, y) + offset``, of the pixels' centres.
    """

    matrix: NDArray[np.float64]
    offset: NDArray[np.float64]
    shape: tuple[int, int]

    def back(self, xs: NDArray[np.integer], ys: NDArray[np.integer]) -> NDArray[np.float64]:
        """Pixels of this page as points (2, n) of the grey one, in its edge coordinates."""
        points = np.stack([xs, ys]).astype(np.float64) + 0.5
        return self.matrix @ points + self.offset[:, None]


def skew_of(mask: NDArray[np.bool_]) -> float:
    """The angle of the lines of writing in degrees, positive where they fall to the right.

    The one at which the sums along lines are most uneven: lines of writing, and ruled ones, are
    then full, and what is between them is empty. Of a page that lies on its side, with clearer
    columns than rows, it is the angle of the columns.
    """
    ys, xs = np.nonzero(mask)
    if len(ys) < 50:
        return 0.0
    if len(ys) > _POINTS:
        chosen = np.random.default_rng(0).choice(len(ys), _POINTS, replace=False)
        ys, xs = ys[chosen], xs[chosen]
    extent = float(max(np.ptp(ys), np.ptp(xs)))
    points = np.stack([xs - xs.mean(), ys - ys.mean()])
    degrees, score = _clearest(points, extent)
    across, clearer = _clearest(np.stack([-points[1], points[0]]), extent)
    return across if clearer > _SIDEWAYS * score else degrees


def _clearest(points: NDArray[np.float64], extent: float) -> tuple[float, float]:
    """The angle of the lines, and how uneven the sums along them are."""
    best = score = 0.0
    for step, reach in ((0.5, MAX_DEGREES), (0.1, 0.6), (0.02, 0.12)):
        bin_size = max(1.0, extent * radians(step))
        tried = points[:, :: 1 + points.shape[1] // _COARSE] if reach == MAX_DEGREES else points
        angles = best + np.arange(-round(reach / step), round(reach / step) + 1) * step
        scores = np.array([_unevenness(tried, angle, bin_size) for angle in angles])
        if reach == MAX_DEGREES:
            level = np.abs(angles) <= 1
            if scores.max() < _GAIN * scores[level].max():
                angles, scores = angles[level], scores[level]
            score = float(scores.max()) / tried.shape[1] ** 2
        best = float(angles[np.argmax(scores)])
    return best, score


def _unevenness(points: NDArray[np.float64], degrees: float, bin_size: float) -> float:
    angle = radians(degrees)
    heights = (points[1] * cos(angle) - points[0] * sin(angle)) / bin_size
    low = heights.min()
    # Each point is shared between two bins, so that the score does not jump with their phase.
    floor = np.floor(heights - low)
    share = heights - low - floor
    index = floor.astype(np.int64)
    sums = np.bincount(index, 1 - share, index.max() + 2)
    sums += np.bincount(index + 1, share, index.max() + 2)
    return float(sums @ sums) * bin_size


def frame_of(shape: tuple[int, int], degrees: float, scale: float) -> Frame:
    """The page that shows all of one of `shape`, turned back and `scale` times larger."""
    height, width = shape
    angle = radians(degrees)
    turn = np.array([[cos(angle), -sin(angle)], [sin(angle), cos(angle)]])
    corners = turn.T @ (np.array([[0, width, 0, width], [0, 0, height, height]], np.float64))
    low, high = corners.min(axis=1), corners.max(axis=1)
    size = np.maximum(1, np.ceil((high - low) * scale - 1e-6))
    matrix = turn / scale
    return Frame(matrix, turn @ low, (int(size[1]), int(size[0])))


def turned(ink: Ink, frame: Frame) -> Ink:
    """The ink on the page of `frame`."""
    pil = require("PIL.Image")
    (a, b), (d, e) = frame.matrix
    c, f = frame.offset
    size = (frame.shape[1], frame.shape[0])
    if size == ink.shape[::-1] and np.allclose(frame.matrix, np.eye(2)):
        return ink
    image = pil.fromarray(ink)
    result = np.empty(frame.shape, np.float32)
    for rows in strips_of(frame.shape):
        y, high = rows.start, rows.stop - rows.start
        affine = (a, b, c + b * y, d, e, f + e * y)
        strip = image.transform(
            (size[0], high), pil.Transform.AFFINE, affine, pil.Resampling.BICUBIC, fillcolor=0
        )
        np.clip(np.asarray(strip), 0, 1, out=result[rows])
    return result
