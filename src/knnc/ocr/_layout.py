"""From a grey page to its characters in lines: every step of it, in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from knnc.ocr._frames import is_frame, without_edges, without_frames, without_parts
from knnc.ocr._ink import Ink, ink_of, paper_of, threshold
from knnc.ocr._lines import lines_of, spaces_of
from knnc.ocr._load import MAX_PIXELS
from knnc.ocr._marks import SLASH, mark_of, placed
from knnc.ocr._parts import Part, character_height, find_parts, merge_broken
from knnc.ocr._rules import without_rules
from knnc.ocr._skew import Frame, frame_of, skew_of, turned
from knnc.ocr._split import split_touching

__all__ = ["Layout", "lay_out"]

# Pages are scaled so that a character is about this high, in pixels.
_HEIGHT = 44.0

# More of a page than this is no writing.
_MOST_INK = 0.35


# By how much, of all contrast, the paper may seem to vary where the border says that it does not.
_SWALLOWED = 0.3

# Of what is dark on a page with few characters, the least that is in them: on a photograph most
# is in what is too large, too small or too flat.
_LEAST_SHARE, _MANY = 0.95, 20


@dataclass(frozen=True)
class Layout:
    """A page turned upright and taken apart.

    `ink` and `mask` are the page in its `frame`, `height` is that of a character there; `lines`
    has the characters, `spaces` says before which one there is a space.
    """

    ink: Ink
    mask: NDArray[np.bool_]
    frame: Frame
    degrees: float
    height: float
    lines: list[list[Part]]
    spaces: list[list[bool]]


Costs = Callable[[Layout, Sequence[Part]], NDArray[np.float64]]


def lay_out(grey: NDArray[np.uint8], costs: Costs, usual: float | None = None) -> Layout | None:
    """Take a page apart; None if there is nothing on it that may be writing.

    `costs` says of parts how unlike characters they are, `usual` what that is of a usual one.
    """
    even = _even_border(grey)
    if even and np.ptp(paper_of(grey)) > _SWALLOWED * float(np.ptp(grey)):
        # A character so large that a window sees more of it than of the paper.
        return _lay_out(grey, costs, usual, np.inf)
    page = _lay_out(grey, costs, usual, None)
    return _lay_out(grey, costs, usual, np.inf) if page is None and even else page


def _even_border(grey: NDArray[np.uint8]) -> bool:
    """Whether the border is of one grey, as it is around a single character."""
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    low, high = np.quantile(border, (0.05, 0.95))
    return bool(high - low <= 0.1 * float(np.ptp(grey)))


def _lay_out(
    grey: NDArray[np.uint8], costs: Costs, usual: float | None, window: float | None
) -> Layout | None:
    ink = ink_of(grey, window)
    if ink is None or threshold(ink).mean() > _MOST_INK:
        return None
    degrees = _skew(ink)
    height = _first_height(ink, degrees)
    if height < 4:
        return None
    # Once more, with the paper followed as closely as characters allow.
    if window is None and 4 * height >= 16:
        ink = ink_of(grey, min(4 * height, min(grey.shape) / 3))
    if ink is None:
        return None
    scale = min(_HEIGHT / height, 4.0, sqrt(1.5 * MAX_PIXELS / grey.size))
    frame = frame_of((grey.shape[0], grey.shape[1]), degrees, scale)
    height *= scale
    ink = turned(ink, frame)
    ink = without_edges(ink, find_parts(threshold(ink)))
    ink = without_rules(without_frames(ink, height), 3 * height, height)
    mask = threshold(ink)
    parts = find_parts(mask)
    if not parts:
        return None
    height = character_height([p for p in parts if p.height < 3 * height]) or height
    parts, rests = merge_broken(parts, height)
    if not _is_writing(parts, mask):
        return None
    page = Layout(ink, mask, frame, degrees, height, [], [])
    parts = [replace(part, mark=mark_of(part, height)) for part in parts]
    plain = [part for part in parts if part.mark in ("", SLASH)]
    marks = [part for part in parts if part.mark not in ("", SLASH)]
    parts = split_touching(plain, height, partial(costs, page), usual) + marks
    lines = placed(lines_of(parts, height), rests, height)
    return Layout(ink, mask, frame, degrees, height, lines, spaces_of(lines, height))


def _is_writing(parts: Sequence[Part], mask: NDArray[np.bool_]) -> bool:
    """Whether characters are what is dark here; a page of many may have a picture too."""
    if not parts:
        return False
    share = sum(int(part.mask.sum()) for part in parts) / max(1, int(mask.sum()))
    return share >= _LEAST_SHARE or len(parts) >= _MANY


def _skew(ink: Ink) -> float:
    """By how much the page is turned; a few characters alone, with no ruled line, do not tell."""
    mask = threshold(ink)
    degrees = skew_of(mask)
    if degrees and len(find_parts(mask)) < 4:
        page = turned(ink, frame_of((ink.shape[0], ink.shape[1]), degrees, 1.0))
        extent = float(np.ptp(np.flatnonzero(threshold(page).any(axis=0))) + 1)
        if without_rules(page, max(8.0, extent / 2), extent / 4) is page:
            return 0.0
    return degrees


def _first_height(ink: Ink, degrees: float) -> float:
    """The height of a character in pixels of `ink`, found on a page without its ruled lines."""
    frame = frame_of((ink.shape[0], ink.shape[1]), degrees, 1.0)
    page = turned(ink, frame)
    parts = find_parts(threshold(page))
    page = without_edges(page, parts)
    page = without_parts(page, [part for part in parts if is_frame(part)])
    columns = np.flatnonzero(threshold(page).any(axis=0))
    if not len(columns):
        return character_height(parts)
    extent = float(columns[-1] - columns[0] + 1)
    page = without_rules(page, max(8.0, extent / 2), extent / 4)
    return character_height(find_parts(threshold(page)))
