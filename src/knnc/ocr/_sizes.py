"""Writing of other sizes on one page: headings and notes are laid out apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from knnc.ocr._parts import Part, character_height

__all__ = ["other_sizes", "region_of"]

# In heights of the page's characters: lower pieces than this are marks, fragments or smaller
# writing, from so low on; higher ones are larger writing.
_LOWER, _LEAST, _HIGHER = 0.55, 0.13, 2.0

# Pixels that the smallest writing is high, and how many characters of a size there are at least.
_PIXELS, _FEW = 6, 3

# Characters of one writing differ by no more than this factor from the usual one.
_ALIKE = 1.7

# Of pairs of small and usual pieces that are looked at.
_MOST_PAIRS = 4_000_000


def other_sizes(parts: Sequence[Part], height: float) -> list[Part]:
    """Pieces of ink that may be writing of another size than the `height` of the others."""
    usual = [p for p in parts if _LOWER * height <= p.height <= _HIGHER * height]
    least = max(_PIXELS, _LEAST * height)
    small = [p for p in parts if least <= p.height < _LOWER * height]
    large = [p for p in parts if p.height > _HIGHER * height and p.width <= 2 * p.height]
    if not usual or len(small) * len(usual) > _MOST_PAIRS:
        return []
    return _alike(_alone(small, usual, height)) + _alike(large)


def _alone(small: Sequence[Part], usual: Sequence[Part], height: float) -> list[Part]:
    """The small pieces that are in no line of usual ones, as marks and fragments are."""
    if not small:
        return []
    left, right, top, bottom = np.array([(p.left, p.right, p.top, p.bottom) for p in usual]).T
    alone = []
    for part in small:
        gap = np.maximum(left - part.right, part.left - right)
        level = (top - 0.4 * height <= part.middle) & (part.middle <= bottom + 0.4 * height)
        if not (level & (gap < 1.2 * height)).any():
            alone.append(part)
    return alone


def _alike(parts: Sequence[Part]) -> list[Part]:
    """Those of about the usual height among them, if there are several."""
    usual = character_height(parts)
    alike = [p for p in parts if usual / _ALIKE <= p.height <= usual * _ALIKE]
    return list(parts) if len(alike) >= _FEW else []


def region_of(shape: tuple[int, int], parts: Sequence[Part], margin: float) -> NDArray[np.bool_]:
    """Where pieces are, with a margin in their heights."""
    region = np.zeros(shape, bool)
    for part in parts:
        edge = 2 + round(margin * part.height)
        rows = slice(max(0, part.top - edge), part.bottom + edge)
        region[rows, max(0, part.left - edge) : part.right + edge] = True
    return region
