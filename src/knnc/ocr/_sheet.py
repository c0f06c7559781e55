"""A light sheet on a dark table: found, cut out and straightened."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull

from knnc.ocr._extra import require

__all__ = ["Sheet", "find_sheet", "mapped", "straightened"]

Points = NDArray[np.float64]

# The sheet is looked for on a page of this many pixels in its longer side.
_COARSE = 480

# The table is darker than the sheet by at least this much, of 255 grey levels.
_DARKER = 60

# The limit between table and sheet, as a share of the way from the one to the other: a sheet in
# shadow is still nearer to white than to the table.
_LIMIT = 0.4

# Across the edge of a sheet the grey falls by this share of all contrast; fading light does not.
_STEP = 0.25

# Shares: of the border that the table has, of the image that the sheet has, and of the four-sided
# figure around the sheet that is sheet.
_LEAST_BORDER, _LEAST_SHEET, _LEAST_FILL = 0.2, 0.15, 0.93

Sheet = tuple[NDArray[np.uint8], Points]


def find_sheet(grey: NDArray[np.uint8]) -> Points | None:
    """The corners of a sheet on a dark surround, or None if the page is all that there is.

    Returns
    -------
    corners : ndarray of shape (4, 2), or None
        x and y of the corners: top left, top right, bottom right, bottom left.
    """
    height, width = grey.shape
    if min(height, width) < 40:
        return None
    pil = require("PIL.Image")
    scale = min(1.0, _COARSE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    coarse = np.asarray(pil.fromarray(grey).resize(size, pil.Resampling.BOX))
    # Closing takes writing away, which may reach the edge of the sheet.
    coarse = ndimage.grey_closing(coarse, size=5, mode="nearest")
    border = np.concatenate([coarse[0], coarse[-1], coarse[:, 0], coarse[:, -1]])
    dark, light = float(np.quantile(border, _LEAST_BORDER / 2)), float(np.quantile(coarse, 0.95))
    if light - dark < _DARKER:
        return None
    limit = dark + _LIMIT * (light - dark)
    if (border < limit).mean() < _LEAST_BORDER:
        return None
    labels, n = ndimage.label(coarse > limit)
    if n == 0:
        return None
    sheet = ndimage.binary_fill_holes(labels == 1 + np.argmax(np.bincount(labels.ravel())[1:]))
    if sheet.mean() < _LEAST_SHEET:
        return None
    corners = _corners(sheet)
    if corners is None or not _LEAST_FILL <= sheet.sum() / max(_area(corners), 1.0) <= 1.07:
        return None
    if not _is_sharp(coarse, corners, _STEP * (light - dark)):
        return None
    found: Points = corners * (np.array([width, height]) / size)
    return found


def _is_sharp(grey: NDArray[np.uint8], corners: Points, step: float) -> bool:
    """Whether the grey falls by `step` within a few pixels of the sides that are on the image."""
    middle = corners.mean(axis=0)
    falls = []
    for start, stop in pairwise([*corners, corners[0]]):
        along = start + np.linspace(0.1, 0.9, 40)[:, None] * (stop - start)
        normal = np.array([stop[1] - start[1], start[0] - stop[0]])
        normal /= np.hypot(*normal)
        if normal @ (middle - start) < 0:
            normal = -normal
        inside, outside = (np.floor(along + side * 4 * normal).astype(int) for side in (1, -1))
        on_image = ((outside >= 0) & (outside < grey.shape[::-1])).all(axis=1)
        on_image &= ((inside >= 0) & (inside < grey.shape[::-1])).all(axis=1)
        if on_image.mean() > 0.5:
            light = grey[inside[on_image, 1], inside[on_image, 0]].astype(float)
            falls.append(np.median(light - grey[outside[on_image, 1], outside[on_image, 0]]))
    return bool(falls) and min(falls) >= step


def _corners(sheet: NDArray[np.bool_]) -> Points | None:
    """The four corners of a shape, from straight lines along its sides."""
    ys, xs = np.nonzero(sheet & ~ndimage.binary_erosion(sheet))
    points: Points = np.stack([xs, ys], axis=1).astype(np.float64) + 0.5
    if len(points) < 20:
        return None
    hull = ConvexHull(points)
    corners: list[Points] = list(points[hull.vertices])
    while len(corners) > 4:
        # The corner goes without which the area shrinks least.
        losses = [
            abs(_area(np.array([corners[i - 1], corner, corners[(i + 1) % len(corners)]])))
            for i, corner in enumerate(corners)
        ]
        corners.pop(int(np.argmin(losses)))
    if len(corners) < 4:
        return None
    sides = []
    for start, stop in pairwise([*corners, corners[0]]):
        along = stop - start
        length = float(np.hypot(*along))
        share = (points - start) @ along / length**2
        normal = np.array([-along[1], along[0]]) / length
        away = np.abs((points - start) @ normal)
        near = points[(away < 0.02 * length + 2) & (share > 0.1) & (share < 0.9)]
        if len(near) < 5:
            return None
        sides.append(_line(near))
    crossed = [_crossing(sides[i - 1], sides[i]) for i in range(4)]
    if any(corner is None for corner in crossed):
        return None
    found = np.array(crossed)
    # From the top left one on, the way a clock goes.
    middle = found.mean(axis=0)
    order = np.argsort(np.arctan2(*(found - middle).T[::-1]))
    found = found[order]
    first = int(np.argmin(found.sum(axis=1)))
    return np.roll(found, -first, axis=0)


def _line(points: Points) -> tuple[Points, Points]:
    """A point and the direction of the straight line through points."""
    middle = np.median(points, axis=0) if len(points) < 3 else points.mean(axis=0)
    return middle, np.linalg.svd(points - middle, full_matrices=False)[2][0]


def _crossing(one: tuple[Points, Points], other: tuple[Points, Points]) -> Points | None:
    system = np.stack([one[1], -other[1]], axis=1)
    if abs(np.linalg.det(system)) < 0.2:  # nearly parallel: these are not sides of a sheet
        return None
    result: Points = one[0] + one[1] * np.linalg.solve(system, other[0] - one[0])[0]
    return result


def _area(corners: Points) -> float:
    x, y = corners.T
    return 0.5 * abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1)))


def straightened(grey: NDArray[np.uint8], corners: Points) -> Sheet:
    """The sheet alone, as a page with upright sides.

    Returns
    -------
    page : ndarray of shape (height, width), dtype uint8
    back : ndarray of shape (3, 3)
        Takes points of the page, in homogeneous coordinates, to points of `grey`.
    """
    sides = np.hypot(*(corners - np.roll(corners, -1, axis=0)).T)
    width, height = (sides[0] + sides[2]) / 2, (sides[1] + sides[3]) / 2
    # A little inside, where the edge of the sheet is not seen.
    edge = 0.004 * max(width, height) + 1
    size = max(8, round(width - 2 * edge)), max(8, round(height - 2 * edge))
    low = np.array([[edge, edge], [width - edge, edge], [width - edge, height - edge], [0, 0]])
    low[3] = edge, height - edge
    outer = np.array([[0, 0], [width, 0], [width, height], [0, height]], float)
    inner = mapped(_projective(outer, corners), low.T).T
    page = np.array([[0, 0], [size[0], 0], size, [0, size[1]]], float)
    back = _projective(page, inner)
    pil = require("PIL.Image")
    image = pil.fromarray(grey).transform(
        size, pil.Transform.PERSPECTIVE, back.ravel()[:8].tolist(), pil.Resampling.BICUBIC
    )
    return np.asarray(image), back


def _projective(src: Points, dst: Points) -> Points:
    """The matrix that takes four points to four others."""
    x, y = src.T
    u, v = dst.T
    one, none = np.ones(4), np.zeros(4)
    rows = [
        np.stack([x, y, one, none, none, none, -u * x, -u * y], axis=1),
        np.stack([none, none, none, x, y, one, -v * x, -v * y], axis=1),
    ]
    solved = np.linalg.solve(np.concatenate(rows), np.concatenate([u, v]))
    return np.append(solved, 1.0).reshape(3, 3)


def mapped(matrix: Points, points: Points) -> Points:
    """Points of shape (2, n) under a matrix of shape (3, 3)."""
    result = matrix[:, :2] @ points + matrix[:, 2:]
    moved: Points = result[:2] / result[2]
    return moved
