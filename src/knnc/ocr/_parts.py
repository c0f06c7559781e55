"""Connected pieces of ink: found, the broken ones merged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from knnc.ocr._extra import require
from knnc.ocr._ink import Ink, strips_of

__all__ = [
    "Part",
    "character_height",
    "dilated",
    "find_parts",
    "ink_of_part",
    "merge_broken",
    "pen_of",
    "union",
]

# Smaller than this, of the height of a character, is dirt: a dot, a speck, a rest of a line.
_SPECK = 0.2

# Lower than this is no character.
LOW = 0.4

# A page has no more pieces of ink, and no more characters, than so many and one in so many pixels.
_MOST_PIECES, _MOST_CHARACTERS = (2000, 500), (600, 2000)

# How often all pixels may be copied in finding pieces.
_MOST_COPIES = 12

# A comma is no higher and no wider.
_COMMA = (0.62, 0.3)

# Nor is anything smaller than this a mark.
_LEAST_MARK = 0.05


@dataclass(frozen=True)
class Part:
    """A piece of ink: `mask` is where, its corner at (`top`, `left`) of the page.

    `mark` is what it is if its shape tells so, else ""; `sure` is how probable it is that this is
    one whole character.
    """

    top: int
    left: int
    mask: NDArray[np.bool_]
    mark: str = ""
    sure: float = 1.0

    @property
    def height(self) -> int:
        return int(self.mask.shape[0])

    @property
    def width(self) -> int:
        return int(self.mask.shape[1])

    @property
    def bottom(self) -> int:
        return self.top + self.height

    @property
    def right(self) -> int:
        return self.left + self.width

    @property
    def middle(self) -> float:
        return self.top + self.height / 2


class TooDense(Exception):
    """More pieces of ink than a page of its size can have characters."""


def check_density(mask: NDArray[np.bool_], n_pixels: int) -> int:
    """The number of pieces of ink; TooDense for dots, screens and nets."""
    n = _number_of_pieces(mask)
    if n > _MOST_PIECES[0] + n_pixels // _MOST_PIECES[1]:
        raise TooDense(f"{n:,} pieces of ink")
    return n


def _number_of_pieces(mask: NDArray[np.bool_]) -> int:
    """The 4-connected pieces, counted strip by strip: those that go on in the next are one."""
    n = 0
    above = np.zeros(mask.shape[1], np.int64)
    joints = []
    for rows in strips_of(mask.shape):
        labels, more = ndimage.label(mask[rows])
        below = np.where(mask[rows.start], labels[0] + n, 0)
        joints.append(np.stack([above, below])[:, (above > 0) & (below > 0)])
        n += more
        above = np.where(mask[rows.stop - 1], labels[-1] + (n - more), 0)
    ends = np.concatenate(joints, axis=1)
    graph = coo_array((np.ones(ends.shape[1]), tuple(ends)), shape=(n + 1, n + 1))
    return int(connected_components(graph, directed=False)[0]) - 1


def check_number(parts: Sequence[Part], n_pixels: int) -> None:
    """Raise TooDense for more characters than can be read in time."""
    if len(parts) > _MOST_CHARACTERS[0] + n_pixels // _MOST_CHARACTERS[1]:
        raise TooDense(f"{len(parts):,} pieces as large as characters")


def find_parts(mask: NDArray[np.bool_]) -> list[Part]:
    """The 8-connected pieces of three pixels or more.

    Pieces around others, ring around ring, are left out from where copying them would take longer
    than looking at the page `_MOST_COPIES` times.
    """
    labels = require("skimage.measure").label(mask, connectivity=2)
    inked = labels[mask]
    kept = np.bincount(inked) >= 3
    if not kept[1:].all():
        # Numbers only for what is no dirt, so that dirt costs nothing more.
        labels[mask] = (np.cumsum(kept, dtype=labels.dtype) * kept)[inked]
    copied, parts = 0, []
    for index, (rows, columns) in enumerate(ndimage.find_objects(labels), 1):
        copied += (rows.stop - rows.start) * (columns.stop - columns.start)
        if copied <= _MOST_COPIES * mask.size:
            own = labels[rows, columns] == index
            parts.append(Part(rows.start, columns.start, own))
    return parts


def character_height(parts: Sequence[Part]) -> float:
    """The height of most characters: a median of heights in which ink counts, not specks."""
    if not parts:
        return 0.0
    heights = np.array([part.height for part in parts], float)
    # Each piece counts by its height: a hundred specks weigh no more than two characters.
    order = np.argsort(heights)
    weight = np.cumsum(heights[order] ** 2)
    return float(heights[order][np.searchsorted(weight, weight[-1] / 2)])


def merge_broken(parts: Sequence[Part], height: float) -> tuple[list[Part], list[Part]]:
    """Fragments put to the character that they belong to.

    Parameters
    ----------
    parts : sequence of Part
    height : float
        That of a character.

    Returns
    -------
    characters : list of Part
    rests : list of Part
        What is too small for a character, and may be a mark; specks are left out.
    """
    least = _LEAST_MARK * height
    dots = [p for p in parts if least <= max(p.height, p.width) < _SPECK * height]
    parts = [part for part in parts if max(part.height, part.width) >= _SPECK * height]
    parts.sort(key=lambda part: part.mask.sum())
    grid = _Grid(height)
    for index, part in enumerate(parts):
        grid.put(index, part)
    kept: list[Part] = []
    for i, part in enumerate(parts):
        near = [
            (distance, j)
            for j in grid.near(part)
            if j > i and (distance := _belongs(part, parts[j], height)) is not None
        ]
        if near:
            _, j = min(near)
            parts[j] = union(part, parts[j])
            grid.put(j, parts[j])
        else:
            kept.append(part)
    small = [part for part in kept if _is_small(part, height)]
    large = [part for part in kept if not _is_small(part, height)]
    return [part for part in large if _is_character(part, height)], dots + small


class _Grid:
    """Which pieces are near a place."""

    def __init__(self, cell: float) -> None:
        self._cell = cell
        self._at: dict[tuple[int, int], set[int]] = {}

    def _cells(self, part: Part, margin: float) -> Iterator[tuple[int, int]]:
        cell = self._cell
        for y in range(int((part.top - margin) // cell), int((part.bottom + margin) // cell) + 1):
            left, right = int((part.left - margin) // cell), int((part.right + margin) // cell)
            for x in range(left, right + 1):
                yield y, x

    def put(self, index: int, part: Part) -> None:
        if part.height <= 2 * self._cell:  # what is higher has no fragments
            for at in self._cells(part, 0.0):
                self._at.setdefault(at, set()).add(index)

    def near(self, part: Part) -> list[int]:
        if part.height > 2 * self._cell or part.width > 2 * self._cell:
            return []
        found: set[int] = set()
        for at in self._cells(part, 0.4 * self._cell):
            found |= self._at.get(at, set())
        return sorted(found)


def _belongs(part: Part, other: Part, height: float) -> float | None:
    """How far a fragment is from the larger piece, or None if it is no part of it."""
    gap_x = max(part.left, other.left) - min(part.right, other.right)
    gap_y = max(part.top, other.top) - min(part.bottom, other.bottom)
    tall = max(part.bottom, other.bottom) - min(part.top, other.top)
    wide = max(part.right, other.right) - min(part.left, other.left)
    if tall > 1.35 * height:
        return None
    stacked = -gap_x >= 0.5 * min(part.width, other.width) and gap_y <= 0.35 * height
    stacked = stacked and min(part.height, other.height) < 0.75 * height
    small = part.height < 0.6 * height and wide <= 1.2 * height
    beside = small and gap_x <= 0.12 * height and gap_y <= 0.12 * height
    # Half a character beside a whole one is none of its strokes.
    beside = beside and not (gap_x > 0 and _is_apart(part, other, height))
    beside = beside and (other.height < 0.75 * height or part.height < 0.45 * height)
    return float(max(gap_x, 0) + max(gap_y, 0)) if stacked or beside else None


def _is_apart(part: Part, other: Part, height: float) -> bool:
    """Whether a small piece is where marks are: a point or a comma, a dash at half the height."""
    at = (part.middle - other.top) / other.height
    small = max(part.width, 0.6 * part.height) < 0.28 * height
    return (small and at > 0.7) or (part.width > 1.5 * part.height and 0.3 < at < 0.75)


def union(one: Part, two: Part) -> Part:
    top, left = min(one.top, two.top), min(one.left, two.left)
    shape = (max(one.bottom, two.bottom) - top, max(one.right, two.right) - left)
    mask = np.zeros(shape, bool)
    for part in (one, two):
        y, x = part.top - top, part.left - left
        mask[y : y + part.height, x : x + part.width] |= part.mask
    return Part(top, left, mask)


def _is_small(part: Part, height: float) -> bool:
    """Too small for a character; a comma or a colon may be as high as a low one, not as wide."""
    return part.height < LOW * height or (
        part.height < _COMMA[0] * height and part.width < _COMMA[1] * height
    )


def _is_character(part: Part, height: float) -> bool:
    """Neither a rest of a line, nor a dot, nor a blot."""
    if part.height < LOW * height:
        return False
    return part.height <= 3 * height and part.width <= 12 * height


def pen_of(mask: NDArray[np.bool_]) -> float:
    """How thick the strokes of a piece are, in pixels."""
    padded = np.pad(mask, 1)
    return 4 * float(ndimage.distance_transform_edt(padded)[padded].mean()) - 2


def ink_of_part(ink: Ink, mask: NDArray[np.bool_], part: Part, height: float) -> Ink:
    """The ink of a part with its soft edge, without that of its neighbours.

    `ink` and `mask` are the page's, `height` is that of a character.
    """
    edge = max(1, round(height / 24))
    top, left = max(0, part.top - edge), max(0, part.left - edge)
    rows, columns = slice(top, part.bottom + edge), slice(left, part.right + edge)
    piece = ink[rows, columns]
    own = np.zeros(piece.shape, bool)
    y, x = part.top - top, part.left - left
    own[y : y + part.height, x : x + part.width] = part.mask
    reach = dilated(own, edge) & (own | ~mask[rows, columns])
    result: Ink = piece * reach
    return result


def dilated(mask: NDArray[np.bool_], times: int) -> NDArray[np.bool_]:
    """As binary_dilation does it, in a fifth of the time, and Ctrl-C is heard in between."""
    for _ in range(times):
        one, mask = mask, mask.copy()
        mask[1:] |= one[:-1]
        mask[:-1] |= one[1:]
        mask[:, 1:] |= one[:, :-1]
        mask[:, :-1] |= one[:, 1:]
    return mask
