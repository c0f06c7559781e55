"""Characters into lines, in reading order, with spaces where gaps are wide."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from knnc.ocr._parts import Part

__all__ = ["is_even", "lines_of", "spaces_of"]

# At least so many characters whose distances are this wide, in heights, and differ by no more than
# this share are in cells.
_FEW, _PITCH, _UNEVEN = 4, 0.9, 0.3


def lines_of(parts: Sequence[Part], height: float) -> list[list[Part]]:
    """Lines from top to bottom, each from left to right.

    A character joins the line whose last characters to its left are at its height, so that a
    line may rise or fall; `height` is that of a character.
    """
    lines: list[list[Part]] = []
    recent = np.empty(len(parts))  # of each line, the mean middle of its last characters
    for part in sorted(parts, key=lambda part: part.left):
        away = np.abs(recent[: len(lines)] - part.middle)
        best = int(away.argmin()) if lines else 0
        # The higher of two overlapping ones is a line of its own only if it is well above.
        if not lines or away[best] >= 0.6 * height:
            best = len(lines)
            lines.append([])
        lines[best].append(part)
        recent[best] = np.mean([other.middle for other in lines[best][-3:]])
    lines.sort(key=lambda line: float(np.median([part.middle for part in line])))
    return lines


def spaces_of(lines: Sequence[Sequence[Part]], height: float) -> list[list[bool]]:
    """For each character whether a space comes before it.

    Gaps are measured between what is left of a character and it. Where those of the page are of
    two kinds, what parts them is between the two; else a space is what is wider than a character
    is high.
    """
    gaps = [[] if is_even(line, height) else _gaps(line) for line in lines]
    limit = _limit(np.array([gap for line in gaps for gap in line], float) / height)
    return [
        [False, *(gap > limit * height for gap in of)] if of else [False] * len(line)
        for line, of in zip(lines, gaps, strict=True)
    ]


def is_even(line: Sequence[Part], height: float) -> bool:
    """Whether characters are at even distances, as in the cells of a form: no words there."""
    at = np.array([part.left + part.width / 2 for part in line if not part.mark])
    if len(at) < _FEW or len(at) < len(line) - 1:
        return False
    pitches = np.diff(at)
    middle = float(np.median(pitches))
    return middle > _PITCH * height and bool(np.abs(pitches / middle - 1).max() < _UNEVEN)


def _gaps(line: Sequence[Part]) -> list[int]:
    ends = accumulate((part.right for part in line), max)
    return [part.left - end for (_, part), end in zip(pairwise(line), ends, strict=False)]


def _limit(gaps: NDArray[np.float64]) -> float:
    """The width, in heights, from which a gap is a space."""
    if len(gaps) < 4:
        return 0.8
    values = np.sort(gaps.clip(-0.3, 2.5))
    # The cut that makes the two kinds most alike within: least squares in one dimension.
    n = np.arange(1, len(values))
    sums = np.cumsum(values)
    low, high = sums[:-1] / n, (sums[-1] - sums[:-1]) / (len(values) - n)
    between = n * (len(values) - n) * (high - low) ** 2
    cut = int(np.argmax(between))
    if high[cut] < 0.45 or high[cut] - low[cut] < 0.4:
        return 0.8
    return float(np.clip((values[cut] + values[cut + 1]) / 2, 0.3, 1.2))
