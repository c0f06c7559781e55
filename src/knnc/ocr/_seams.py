"""Ways through a piece of ink from top to bottom, where it may be cut."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["seams_of"]

# By how much a seam may sway to either side, in heights of a character: the straight ones part
# strokes that are side by side, the others follow a slanted or an overhanging one.
_SWAYS = (0.1, 0.25, 0.45)

# Seams begin that many to a height.
_ANCHORS = 14

# Of the ink of a piece: less than that on one side is no character; two seams between which there
# is less than that are one.
_LEAST, _APART = 0.06, 0.03

# A seam cuts through no more ink than this, and there are no more of them to a height of width.
_MOST_INK, _SEAMS = 0.5, 7.0

_AWAY, _ASIDE = 0.02, 0.01

Seam = NDArray[np.int64]


def seams_of(mask: NDArray[np.bool_], height: float) -> list[tuple[Seam, float]]:
    """Seams and the ink that each cuts, in heights; those that cut least, from left to right.

    Parameters
    ----------
    mask : ndarray of shape (rows, columns)
        A piece of ink.
    height : float
        That of a character, in pixels.

    Returns
    -------
    seams : list of (ndarray of shape (rows,), float)
        What is left of ``seam[y]`` in row y is on one side.
    """
    step = max(1, round(height / _ANCHORS))
    anchors = np.arange(step, mask.shape[1], step)
    if not len(anchors):
        return []
    seams = np.concatenate([_down(mask, anchors, max(2, round(s * height))) for s in _SWAYS])
    columns, rows = np.arange(mask.shape[1]), np.arange(mask.shape[0])
    cut = (mask[rows, seams.clip(0, len(columns) - 1)] & (seams < len(columns))).sum(axis=1)
    total = int(mask.sum())
    most = max(4, min(16, round(_SEAMS * len(columns) / height)))
    kept: list[tuple[int, int, NDArray[np.bool_]]] = []
    for i in np.argsort(cut, kind="stable"):
        if cut[i] > _MOST_INK * height or len(kept) == most:
            break
        side = mask & (columns < seams[i][:, None])
        left = int(side.sum())
        if not _LEAST * total < left < (1 - _LEAST) * total:
            continue
        if all((side != other).sum() >= _APART * total for _, _, other in kept):
            kept.append((left, int(i), side))
    kept.sort(key=lambda seam: seam[0])
    return [(seams[i], float(cut[i]) / height) for _, i, _ in kept]


def _down(mask: NDArray[np.bool_], anchors: NDArray[np.int64], sway: int) -> NDArray[np.int64]:
    """The cheapest way down near each anchor, one column a row at most; (n_anchors, rows)."""
    rows, columns = mask.shape
    offsets = np.arange(-sway, sway + 1)
    ink = np.full((rows, columns + 1 + 2 * sway), np.inf)  # beyond the edges there is no way
    ink[:, sway : sway + columns + 1] = 0
    ink[:, sway : sway + columns] = mask
    window = ink[:, anchors[:, None] + offsets + sway] + _AWAY * np.abs(offsets) / sway
    total = window[0]
    came = np.zeros(window.shape, np.int8)
    beyond = np.full((len(anchors), 1), np.inf)
    for y in range(1, rows):
        # A little more for a step aside, so that a seam is straight where it can be.
        ways = np.stack(
            [
                total,
                np.concatenate([beyond, total[:, :-1]], axis=1) + _ASIDE,
                np.concatenate([total[:, 1:], beyond], axis=1) + _ASIDE,
            ]
        )
        came[y] = np.array([0, -1, 1], np.int8)[ways.argmin(axis=0)]
        total = window[y] + ways.min(axis=0)
    at = total.argmin(axis=1)
    each = np.arange(len(anchors))
    seams = np.empty((len(anchors), rows), np.int64)
    for y in range(rows - 1, -1, -1):
        seams[:, y] = at
        at = at + came[y, each, at]
    return seams + (anchors - sway)[:, None]
