"""From a grey page to its characters in lines: every step of it, in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from knnc.ocr._frames import is_frame, without_edges, without_frames, without_parts
from knnc.ocr._ink import Ink, ink_of, paper_of, strips_of, threshold
from knnc.ocr._lines import is_even, lines_of, spaces_of
from knnc.ocr._load import MAX_PIXELS
from knnc.ocr._marks import TALL, marked, placed
from knnc.ocr._parts import (
    Part,
    character_height,
    check_density,
    check_number,
    dilated,
    find_parts,
    merge_broken,
)
from knnc.ocr._rules import without_rules
from knnc.ocr._sizes import other_sizes, region_of
from knnc.ocr._skew import Frame, frame_of, skew_of, turned
from knnc.ocr._split import rejoined, split_touching
from knnc.ocr._steps import step

__all__ = ["Layout", "lay_out"]

# Pages are scaled so that a character is about this high, in pixels.
_HEIGHT = 44.0

# A small page may be enlarged to this many pixels, a larger one to twice as many as it has; and
# for all sizes of writing together to so many times that. Beyond it nothing is enlarged.
_LEAST_SCALED, _MOST_SCALED = 6_000_000, 2

# More of a page than this is no writing.
_MOST_INK = 0.35


# By how much, of all contrast, the paper may seem to vary where the border says that it does not.
_SWALLOWED = 0.3

# How many sizes of writing a page may have; the cost, in usual ones, from which what has another
# size than most, or is only a part of the ink, is dirt; and from which few pieces are a picture.
_MOST_SIZES, _UNLIKE, _PICTURE = 5, 1.7, 2.8

# What was ink and has less than this is a line that was taken out.
_FAINT = 0.1

# Farther than so many degrees only a page of many characters is turned.
_FAR = 16.0

# Of what is dark on a page with few characters, the least that is in them: on a photograph most
# is in what is too large, too small or too flat.
_LEAST_SHARE, _MANY = 0.95, 20


@dataclass(frozen=True)
class Layout:
    """A page turned upright and taken apart.

    `ink` and `mask` are the page in its `frame`, `height` is that of a character there; `lines`
    has the characters, `spaces` says before which one there is a space. `wholes` are the pieces
    of ink from which they come, before any was cut. Where it is doubtful whether these are
    characters, their median cost is no more than `most_cost` usual ones if they are.
    """

    ink: Ink
    mask: NDArray[np.bool_]
    frame: Frame
    degrees: float
    height: float
    lines: list[list[Part]]
    spaces: list[list[bool]]
    wholes: list[Part] = field(default_factory=list)
    most_cost: float = np.inf


Costs = Callable[[Layout, Sequence[Part]], NDArray[np.float64]]


def lay_out(grey: NDArray[np.uint8], costs: Costs, usual: float | None = None) -> list[Layout]:
    """Take a page apart, into a layout for each size of writing; none if nothing may be writing.

    `costs` says of parts how unlike characters they are, `usual` what that is of a usual one.

    Raises
    ------
    TooDense
        If there are more pieces of ink than a page of this size can have characters.
    """
    even = _even_border(grey)
    if even and _varies(grey) > _SWALLOWED * float(np.ptp(grey)):
        # A character so large that a window sees more of it than of the paper.
        return _Writing(grey, costs, usual, np.inf).layouts()
    writing = _Writing(grey, costs, usual, None)
    found = writing.layouts()
    if found or not even or writing.n_pieces > _MANY:
        return found
    return _Writing(grey, costs, usual, np.inf).layouts()


def _even_border(grey: NDArray[np.uint8]) -> bool:
    """Whether the border is of one grey, as it is around a single character."""
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    low, high = np.quantile(border, (0.05, 0.95))
    return bool(high - low <= 0.1 * float(np.ptp(grey)))


def _varies(grey: NDArray[np.uint8]) -> float:
    """By how much the grey of the paper seems to vary."""
    paper = paper_of(grey)
    ends = [(some.min(), some.max()) for some in map(paper, strips_of(grey.shape))]
    return float(max(high for _, high in ends) - min(low for low, _ in ends))


class _Writing:
    """A page while it is taken apart."""

    def __init__(
        self, grey: NDArray[np.uint8], costs: Costs, usual: float | None, window: float | None
    ) -> None:
        self._grey, self._costs, self._usual, self._window = grey, costs, usual, window
        self._most = min(MAX_PIXELS, max(_LEAST_SCALED, 2 * grey.size))
        self._left = float(_MOST_SCALED * self._most)
        self.n_pieces = 0

    def layouts(self) -> list[Layout]:
        """The writing of each size."""
        ink = ink_of(self._grey, self._window)
        if ink is None or threshold(ink).mean() > _MOST_INK:
            return []
        self.n_pieces = check_density(threshold(ink), self._grey.size)
        step("height")
        degrees = _skew(ink)
        found: list[Layout] = []
        region: NDArray[np.bool_] | None = None
        for _ in range(_MOST_SIZES):
            here = ink if region is None else np.where(region, ink, 0).astype(np.float32)
            height = _first_height(here, degrees)
            if height < 4:
                break
            parts = [part for part in find_parts(threshold(here)) if not is_frame(part)]
            # Before the page is scaled: what is as high as a character is no fragment of one.
            whole = [part for part in parts if 0.75 * height <= part.height <= 3 * height]
            check_number(whole, self._grey.size)
            others = other_sizes(parts, height)
            layout = self._layout(degrees, height, region, others)
            if layout is not None:
                other = bool(found or others)
                found.append(replace(layout, most_cost=_UNLIKE) if other else layout)
            if not others:
                break
            before, region = region, region_of(ink.shape, others, 0.5)
            if before is not None and np.array_equal(before, region):
                break
        return found

    def _layout(
        self,
        degrees: float,
        height: float,
        region: NDArray[np.bool_] | None,
        others: Sequence[Part],
    ) -> Layout | None:
        """The writing that is `height` high, within `region`, without the pieces in `others`."""
        grey, window = self._grey, self._window
        # Once more, with the paper followed as closely as characters allow.
        if window is None and 4 * height >= 16:
            window = min(4 * height, min(grey.shape) / 3)
        ink = ink_of(grey, window)
        if ink is None:
            return None
        if region is not None:
            ink = np.where(region, ink, 0).astype(np.float32)
        if others:
            ink = np.where(region_of(grey.shape, others, 0.0), 0, ink).astype(np.float32)
        most = max(grey.size, min(self._most, self._left))
        scale = min(_HEIGHT / height, 4.0, sqrt(most / grey.size))
        frame = frame_of((grey.shape[0], grey.shape[1]), degrees, scale)
        self._left -= frame.shape[0] * frame.shape[1]
        ink = turned(ink, frame)  # the page before it is held no longer
        return self._parts_of(ink, frame, degrees, height * scale)

    def _parts_of(self, ink: Ink, frame: Frame, degrees: float, height: float) -> Layout | None:
        step("lines")
        before = ink
        parts = find_parts(threshold(ink))
        ink = without_frames(without_edges(ink, parts), parts, height)
        ink = without_rules(ink, 3 * height, height)
        gone = dilated((before > _FAINT) & (ink < _FAINT), 3)
        mask = threshold(ink)
        parts = find_parts(mask)
        if not parts:
            return None
        height = character_height([p for p in parts if p.height < 3 * height]) or height
        parts, rests = merge_broken(parts, height)
        check_number(parts, self._grey.size)
        rests = [rest for rest in rests if not _touches(gone, rest)]
        if not _is_writing([*parts, *rests], mask):
            return None
        step("pieces")
        page = Layout(ink, mask, frame, degrees, height, [], [])
        parts = [marked(part, height) for part in parts]
        plain = [part for part in parts if part.mark in ("", *TALL)]
        marks = [part for part in parts if part.mark not in ("", *TALL)]
        cost = partial(self._costs, page)
        # In the cells of a form each piece is one character.
        cells = [p for line in lines_of(plain, height) if is_even(line, height) for p in line]
        in_cells = {id(part) for part in cells}
        others = [part for part in plain if id(part) not in in_cells]
        parts = cells + split_touching(others, height, cost, self._usual) + marks
        lines = placed(lines_of(parts, height), rests, height)
        lines = rejoined(lines, height, cost, self._usual)
        page = replace(page, lines=lines, spaces=spaces_of(lines, height), wholes=plain)
        # A few pieces, where edges and frames had other ink, may be bits of a picture.
        share = sum(int(part.mask.sum()) for part in plain) / max(1, int(threshold(before).sum()))
        limit = _UNLIKE if share < _LEAST_SHARE else _PICTURE
        return page if len(plain) >= _MANY else replace(page, most_cost=limit)


def _touches(gone: NDArray[np.bool_], part: Part) -> bool:
    """Whether a small piece is beside a line that was taken out: then it is a rest of it."""
    place = gone[part.top : part.bottom, part.left : part.right]
    return bool((place & part.mask).sum() >= 0.25 * part.mask.sum())


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
    n_parts = len(find_parts(mask)) if degrees else 0
    if abs(degrees) > _FAR and n_parts < _MANY:
        return 0.0
    if degrees and n_parts < 4:
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
