"""Characters that touch: where they may be cut, and which cuts read best."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from knnc.ocr._parts import Part

__all__ = ["split_touching"]

# A piece this wide, in heights of a character, may be two.
_WIDE = 0.55

# Pieces are no wider than this and no narrower than that.
_WIDEST, _NARROWEST = 1.5, 0.12

# In pieces if _WHOLE * ln(whole / usual) + _PIECES * ln(pieces / usual) + _WIDTH * width + _PRIOR
# is positive; costs are of the whole and of its pieces, the width is in heights. Chosen on pages of
# training digits read with the recipe "fast": on eight without touching ones nothing was cut; a
# _PRIOR of -9.5 cut two single digits, and misread 34 in place of 37 of 560 on touching pages.
_WHOLE, _PIECES, _WIDTH, _PRIOR = 12.0, -10.0, 8.0, -10.5

# What a pixel of ink that is cut through costs, in heights of a character.
_CUT = 0.5

# From this width on, in heights, whole is no choice.
_SURELY = 1.6

# Narrower than that, in heights, and no more unlike a character than this, as a share of what is
# usual on the page: one character, without a trial.
_SINGLE_WIDTH, _SINGLE_COST = 1.1, 1.1

Cost = Callable[[Sequence[Part]], NDArray[np.float64]]


def split_touching(parts: Sequence[Part], height: float, cost: Cost) -> list[Part]:
    """Cut what reads better in pieces.

    Parameters
    ----------
    parts : sequence of Part
    height : float
        That of a character.
    cost : callable
        Of parts, how unlike a character each is: a ratio, 0 for a perfect one.

    Returns
    -------
    parts : list of Part
    """
    if not parts:
        return []
    wholes = cost(parts)
    usual = _SINGLE_COST * float(np.median(wholes)) if len(parts) >= 8 else 0.0
    cuts = [
        _seams(part, height)
        if part.width > _WIDE * height and (whole > usual or part.width > _SINGLE_WIDTH * height)
        else []
        for part, whole in zip(parts, wholes, strict=True)
    ]
    # Every run of pieces between two cuts is tried, all in one search.
    tried: list[Part] = []
    plans = []
    for part, seams in zip(parts, cuts, strict=True):
        plan = {}
        if seams:
            borders = [np.zeros(part.height, np.int64), *(s for s, _ in seams)]
            borders.append(np.full(part.height, part.width))
            for i, j in combinations(range(len(borders)), 2):
                if (i, j) != (0, len(borders) - 1):
                    piece = _between(part, borders[i], borders[j])
                    if piece is not None and _plausible(piece, height):
                        plan[i, j] = len(tried)
                        tried.append(piece)
        plans.append(plan)
    costs = cost(tried) if tried else np.empty(0)
    ways = [
        _best(seams, plan, tried, costs, height) if plan else (np.inf, [])
        for seams, plan in zip(cuts, plans, strict=True)
    ]
    usual = max(1e-9, float(np.median(np.minimum(wholes, [cost for cost, _ in ways]))))
    result: list[Part] = []
    for part, whole, (pieces, way) in zip(parts, wholes, ways, strict=True):
        if way and _in_pieces(part.width / height, whole / usual, pieces / usual):
            result.extend(tried[index] for index in way)
        else:
            result.append(part)
    return result


def _in_pieces(width: float, whole: float, pieces: float) -> bool:
    """Whether what is `width` heights wide is several characters, from costs in usual ones."""
    score = _WHOLE * np.log(max(whole, 1e-9)) + _PIECES * np.log(max(pieces, 1e-9))
    return width > _SURELY or bool(score + _WIDTH * width + _PRIOR > 0)


def _plausible(piece: Part, height: float) -> bool:
    return _NARROWEST * height <= piece.width <= _WIDEST * height and piece.height >= 0.4 * height


def _best(
    seams: Sequence[tuple[NDArray[np.int64], float]],
    plan: dict[tuple[int, int], int],
    tried: Sequence[Part],
    costs: NDArray[np.float64],
    height: float,
) -> tuple[float, list[int]]:
    """The cheapest way from the left border to the right one with a cut: its cost, its pieces.

    The cost is the mean of those of the pieces, weighted by width, and of the cuts.
    """
    last = len(seams) + 1
    # For every border: cost so far, sum of widths so far, the pieces.
    paths: dict[tuple[int, int], tuple[float, float, list[int]]] = {(0, 0): (0.0, 0.0, [])}
    most = min(last, 6)
    for n_pieces in range(1, most + 1):
        for j in range(1, last + 1):
            options = []
            for i in range(j):
                if (i, j) in plan and (n_pieces - 1, i) in paths:
                    before, width, pieces = paths[n_pieces - 1, i]
                    index = plan[i, j]
                    weight = max(tried[index].width, 0.35 * height)
                    cut = _CUT * seams[j - 1][1] / height if j < last else 0.0
                    added = costs[index] * weight + cut * 0.5 * height
                    options.append((before + added, width + weight, [*pieces, index]))
            if options:
                paths[n_pieces, j] = min(options, key=lambda o: o[0] / o[1])
    found = [paths[n, last] for n in range(2, most + 1) if (n, last) in paths]
    if not found:
        return np.inf, []
    total, weight, pieces = min(found, key=lambda o: o[0] / o[1])
    return total / weight, pieces


def _between(part: Part, left: NDArray[np.int64], right: NDArray[np.int64]) -> Part | None:
    """The ink of a part between two seams, or None if there is none; crumbs are left out."""
    xs = np.arange(part.width)
    mask = part.mask & (xs >= left[:, None]) & (xs < right[:, None])
    labels, n = ndimage.label(mask, np.ones((3, 3), int))
    if n == 0:
        return None
    if n > 1:
        sizes = np.bincount(labels.ravel())[1:]
        mask = np.isin(labels, 1 + np.flatnonzero(sizes >= 0.12 * sizes.max()))
    rows = np.flatnonzero(mask.any(axis=1))
    columns = np.flatnonzero(mask.any(axis=0))
    top, start = int(rows[0]), int(columns[0])
    mask = mask[top : rows[-1] + 1, start : columns[-1] + 1]
    return Part(part.top + top, part.left + start, mask)


def _seams(part: Part, height: float) -> list[tuple[NDArray[np.int64], float]]:
    """Ways from top to bottom through little ink, left to right, with the ink that each cuts.

    One for each of a row of anchors, that may sway by a quarter of a character; those that cut
    least are kept, not closer than an eighth.
    """
    step = max(1, round(height / 12))
    margin = max(2, round(0.12 * height))
    anchors = np.arange(margin, part.width - margin + 1, step)
    if not len(anchors):
        return []
    sway = max(2, round(height / 4))
    cost = np.where(part.mask, 1.0, 0.0)
    seams = [_seam(cost, int(anchor), sway) for anchor in anchors]
    order = sorted(range(len(seams)), key=lambda i: seams[i][1])
    kept: list[int] = []
    limit = max(3, min(12, round(4 * part.width / height)))
    for i in order:
        if seams[i][1] > 0.7 * height or len(kept) == limit:
            break
        middle = seams[i][0].mean()
        if all(abs(middle - seams[j][0].mean()) >= height / 9 for j in kept):
            kept.append(i)
    return [seams[i] for i in sorted(kept, key=lambda i: seams[i][0].mean())]


def _seam(cost: NDArray[np.float64], anchor: int, sway: int) -> tuple[NDArray[np.int64], float]:
    """The cheapest way down near `anchor`, one column a row at most, and the ink on it."""
    low, high = max(0, anchor - sway), min(cost.shape[1], anchor + sway + 1)
    away = 0.02 * np.abs(np.arange(low, high) - anchor) / sway
    window = cost[:, low:high] + away
    total = window.copy()
    for y in range(1, len(total)):
        padded = np.pad(total[y - 1], 1, constant_values=np.inf)
        # A little more for a step aside, so that a seam is straight where it can be.
        total[y] += np.minimum(padded[1:-1], np.minimum(padded[:-2], padded[2:]) + 0.01)
    seam = np.empty(len(total), np.int64)
    x = int(np.argmin(total[-1]))
    for y in range(len(total) - 1, -1, -1):
        seam[y] = x
        if y:
            near = [
                (total[y - 1, c] + 0.01 * (c != x), c)
                for c in (x, x - 1, x + 1)
                if 0 <= c < total.shape[1]
            ]
            x = min(near)[1]
    ink = float(cost[np.arange(len(seam)), seam + low].sum())
    return seam + low, ink
