"""The image distortion model as it is defined, in NumPy's int64."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tests.image.support import Bytes

Int64 = npt.NDArray[np.int64]


def gradients(image: Bytes, *, root: bool = False) -> Int64:
    """Sobel's, across and along, (2, height, width), in steps of 17.

    Or as long as the root of their length: 1,020 is 60, and less than 6 is nothing.
    """
    h, w = image.shape
    p = np.pad(image.astype(np.int64), 1, mode="edge")
    along = np.zeros((h, w), dtype=np.int64)
    across = np.zeros((h, w), dtype=np.int64)
    for i, weight in enumerate((1, 2, 1)):
        across += weight * (p[i : i + h, 2:] - p[i : i + h, :w])
        along += weight * (p[2:, i : i + w] - p[:h, i : i + w])
    if not root:
        return np.rint(np.stack([across, along]) / 17).astype(np.int64)
    square = across**2 + along**2
    scale = 60.0 / np.sqrt(1020.0 * np.sqrt(np.maximum(square, 36)))
    scale[square < 36] = 0
    return np.rint(np.stack([across, along]) * scale).astype(np.int64)


def idm_cost(a: Bytes, b: Bytes, warp: int, *, root: bool = False) -> int:
    """What image `a` costs, made of the pixels of `b`."""
    h, w = a.shape
    A = np.pad(gradients(a, root=root), ((0, 0), (1, 1), (1, 1)))
    reach = ((0, 0), (warp + 1, warp + 1), (warp + 1, warp + 1))
    B = np.pad(gradients(b, root=root), reach)
    matches = []
    for down in range(2 * warp + 1):
        for right in range(2 * warp + 1):
            moved = B[:, down : down + h + 2, right : right + w + 2]
            square = ((A - moved) ** 2).sum(axis=0) // 4
            matches.append(sum(square[i : i + h, j : j + w] for i in range(3) for j in range(3)))
    return int(np.min(matches, axis=0).sum())


def shift_cost(a: Bytes, b: Bytes, reach: int) -> int:
    """The least squared Euclidean distance of `a` and a moved `b`, on a black ground."""
    ground = 2 * reach
    A = np.pad(a.astype(np.int64), ground)
    B = np.pad(b.astype(np.int64), ground)
    steps = range(-reach, reach + 1)
    return min(
        int(((A - np.roll(B, (down, right), axis=(0, 1))) ** 2).sum())
        for down in steps
        for right in steps
    )


def tangents(image: Bytes) -> npt.NDArray[np.float64]:
    """Seven directions in which an image changes, (height * width, 7)."""
    h, w = image.shape
    p = np.pad(image.astype(float), 1, mode="edge")
    across, along = (p[1:-1, 2:] - p[1:-1, :-2]) / 2, (p[2:, 1:-1] - p[:-2, 1:-1]) / 2
    y, x = np.mgrid[:h, :w]
    y, x = y - (h - 1) / 2, x - (w - 1) / 2
    stretched = [x * across + y * along, y * across - x * along]
    stretched += [x * across - y * along, y * across + x * along]
    rows = [across, along, *stretched, across**2 + along**2]
    return np.stack([row.ravel() for row in rows], axis=1)


def tangent_distance(a: Bytes, b: Bytes, *, both: bool) -> float:
    """What is left of the squared distance, by least squares."""
    T = np.hstack([tangents(a), tangents(b)]) if both else tangents(a)
    T /= np.maximum(np.linalg.norm(T, axis=0), 1e-300)
    apart = (a.astype(float) - b).ravel()
    return float(((apart - T @ np.linalg.lstsq(T, apart, rcond=1e-9)[0]) ** 2).sum())
