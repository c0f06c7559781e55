"""Ways through a piece of ink from top to bottom, where it may be cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["seams_of_each"]

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

# What a way costs: for a row of ink, for being as far from its anchor as it may be, for a step
# aside; and where there is no way.
_INK, _AWAY, _ASIDE, _NO_WAY = 100, 2, 1, 1 << 20

# Pieces are looked at together, in so many cells: bytes of memory are five times as many.
_CELLS = 4_000_000

Seam = NDArray[np.int64]
Mask = NDArray[np.bool_]


def seams_of_each(masks: Sequence[Mask], height: float) -> list[list[tuple[Seam, float]]]:
    """Of each piece seams and the ink that each cuts, in heights, all found in one search.

    Parameters
    ----------
    masks : sequence of ndarray of shape (rows, columns)
        Pieces of ink.
    height : float
        That of a character, in pixels.

    Returns
    -------
    seams : list of (ndarray of shape (rows,), float) for each piece
        Those that cut least, from left to right. What is left of ``seam[y]`` in row y is on one
        side.
    """
    step = max(1, round(height / _ANCHORS))
    anchors = [np.arange(step, mask.shape[1], step) for mask in masks]
    sways = [max(2, round(s * height)) for s in _SWAYS]
    found: list[list[Seam]] = [[] for _ in masks]
    # Pieces of about the same height together: the lower ones are padded.
    order = [int(i) for i in np.argsort([mask.shape[0] for mask in masks]) if len(anchors[i])]
    for sway in sways:
        for some in _batches(order, masks, anchors, 2 * sway + 1):
            seams = _down([masks[i] for i in some], [anchors[i] for i in some], sway)
            for i, of in zip(some, seams, strict=True):
                found[i].append(of)
    return [
        _chosen(mask, np.concatenate(of), height) if of else []
        for mask, of in zip(masks, found, strict=True)
    ]


def _batches(
    order: Sequence[int], masks: Sequence[Mask], anchors: Sequence[Seam], width: int
) -> Iterator[list[int]]:
    """`order` in parts whose cells are no more than `_CELLS`; a larger piece is one of its own."""
    some: list[int] = []
    n_anchors = 0
    for i in order:
        n_anchors += len(anchors[i])
        if some and n_anchors * width * masks[i].shape[0] > _CELLS:
            yield some
            some, n_anchors = [], len(anchors[i])
        some.append(i)
    if some:
        yield some


def _chosen(mask: Mask, seams: Seam, height: float) -> list[tuple[Seam, float]]:
    """Those of the seams of a piece that are no more alike than two cuts may be."""
    rows, columns = np.arange(mask.shape[0]), mask.shape[1]
    cut = (mask[rows, seams.clip(0, columns - 1)] & (seams < columns)).sum(axis=1)
    # The ink to the left of each seam in each row: what two seams have between them follows.
    until = np.zeros((len(rows), columns + 1), np.int32)
    np.cumsum(mask, axis=1, out=until[:, 1:])
    left = until[rows, seams.clip(0, columns)]
    sides, total = left.sum(axis=1), int(until[:, -1].sum())
    most = max(4, min(16, round(_SEAMS * columns / height)))
    tried = (cut <= _MOST_INK * height) & (sides > _LEAST * total) & (sides < (1 - _LEAST) * total)
    kept: list[int] = []
    for i in np.argsort(cut, kind="stable"):
        if len(kept) == most:
            break
        if tried[i] and (np.abs(left[kept] - left[i]).sum(axis=1) >= _APART * total).all():
            kept.append(int(i))
    kept.sort(key=lambda i: int(sides[i]))
    return [(seams[i], float(cut[i]) / height) for i in kept]


def _down(masks: Sequence[Mask], anchors: Sequence[Seam], sway: int) -> list[Seam]:
    """Of each mask the cheapest way down near each anchor, one column a row at most.

    Returns
    -------
    seams : list of ndarray of shape (n_anchors, rows)
    """
    rows = max(mask.shape[0] for mask in masks)
    n_anchors = [len(of) for of in anchors]
    # In whole numbers, so that ways that cost the same are the same everywhere.
    away = (_AWAY * np.abs(np.arange(-sway, sway + 1))).astype(np.int32)
    # Above a lower mask is nothing: a way costs nothing there, and stays where it is.
    window = np.zeros((rows, len(away), sum(n_anchors)), np.int32)
    first = 0
    for mask, of in zip(masks, anchors, strict=True):
        high, wide = mask.shape
        ink = np.full((high, wide + 1 + 2 * sway), _NO_WAY, np.int32)  # beyond the edges
        ink[:, sway : sway + wide + 1] = 0
        ink[:, sway : sway + wide] = mask * np.int32(_INK * sway)
        place = window[rows - high :, :, first : first + len(of)]
        for offset, cost in enumerate(away):
            np.add(ink[:, offset + of], cost, out=place[:, offset])
        first += len(of)
    total = window[0].copy()
    came = np.zeros(window.shape, np.int8)
    best, aside = np.empty_like(total), np.empty_like(total)
    left, right = np.zeros(total.shape, bool), np.zeros(total.shape, bool)
    for y in range(1, rows):
        # A little more for a step aside, so that a seam is straight where it can be.
        np.add(total, _ASIDE * sway, out=aside)
        np.less(aside[:-1], total[1:], out=left[1:])
        np.copyto(best, total)
        np.minimum(total[1:], aside[:-1], out=best[1:])
        np.less(aside[1:], best[:-1], out=right[:-1])
        np.minimum(best[:-1], aside[1:], out=best[:-1])
        np.subtract(right.view(np.int8), np.greater(left, right).view(np.int8), out=came[y])
        np.add(window[y], best, out=total)
    at = total.argmin(axis=0)
    each = np.arange(len(at))
    seams = np.empty((len(at), rows), np.int64)
    for y in range(rows - 1, -1, -1):
        seams[:, y] = at
        at = at + came[y, at, each]
    seams += (np.concatenate(anchors) - sway)[:, None]
    ends = np.cumsum(n_anchors)[:-1]
    return [
        part[:, rows - mask.shape[0] :]
        for part, mask in zip(np.split(seams, ends), masks, strict=True)
    ]
