"""Marks that carry value: signs, points, commas, slashes, brackets, told by their geometry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from knnc.ocr._parts import LOW, Part, pen_of, union

__all__ = ["TALL", "UNKNOWN", "mark_of", "marked", "placed"]

Mask = NDArray[np.bool_]

# What is written and not told by its shape.
UNKNOWN = "?"
# May be these, or a one; the line decides.
SLASH, TALL = "/", ("/", "(", ")")

_EIGHT = np.ones((3, 3), int)

# Sizes are in heights of a character. A dot is no larger than this; a dash is at least this many
# times as wide as high; signs are from so small to so large.
_DOT, _DASH, _SIGN = 0.26, 1.7, (0.3, 0.85)

# A comma is no higher and no wider.
_TAIL = (0.62, 0.32)

# A dot is a mark if it is at least this share of the pen's width wide; smaller ones are specks.
_SPECK = 0.75

# A mark is no farther from a character of its line than this.
_NEAR = 1.1

# A slash leans from so many to so many degrees to the right. It is higher than the characters
# of its line by this factor, and so is a bracket; from the other one on it may be either.
_LEANS, _HIGHER, _AS_HIGH = (12.0, 60.0), 1.15, 1.09

# How sure a mark is that is not as it is usually written: unsure, with the default limit.
_DOUBTFUL = 0.4

# As marks are written, in heights of a character: from and up to how far from the character
# beside it; how wide at least; from and up to where their middle is, of the line's height.
_BESIDE = (0.04, 0.6)
_USUAL = {
    ".": (0.1, (0.9, 1.2)),
    ",": (0.12, (0.95, 1.3)),
    ":": (0.08, (0.42, 0.68)),
    "-": (0.35, (0.38, 0.62)),
    "=": (0.4, (0.38, 0.62)),
}

# The least ink of a point and of a colon, in squares of the pen's width; how high an equals sign
# may be, and how far below the line a comma ends at least.
_LEAST_INK, _EQUALS, _BELOW = {".": 0.62, ":": 1.4}, 0.6, 0.16


def marked(part: Part, height: float) -> Part:
    """A piece with its mark, if it has one by its shape."""
    mark = mark_of(part, height)
    # Two holes in one piece are an eight too, and two strokes one above the other a broken five.
    doubtful = mark == "%" and len(_pieces(part.mask)) == 1
    doubtful |= mark == "=" and part.height > _EQUALS * height
    return replace(part, mark=mark, sure=_DOUBTFUL if doubtful else part.sure)


def _named(line: Sequence[Part], part: Part, mark: str, height: float, pen: float) -> Part:
    """A small piece with its mark, doubtful if it is not as that is usually written."""
    extent = _extent(line, part)
    if mark in _USUAL and extent is not None:
        top, bottom = extent
        wide, (low, high) = _USUAL[mark]
        at = (part.middle - top) / max(bottom - top, 1.0)
        # A one that leans is named later: until then it may be a slash.
        gap = min(max(p.left - part.right, part.left - p.right) for p in line)
        usual = (
            part.width >= wide * height
            and low <= at <= high
            and _BESIDE[0] * height <= gap <= _BESIDE[1] * height
            and part.mask.sum() >= _LEAST_INK.get(mark, 0.0) * pen * pen
            and (mark != "," or part.bottom - bottom >= _BELOW * height)
        )
        if not usual:
            part = replace(part, sure=_DOUBTFUL)
    return replace(marked(part, height), mark=mark)


def mark_of(part: Part, height: float) -> str:
    """The mark that a piece of about a character's size is by its shape, or ""."""
    high, wide = part.height / height, part.width / height
    pieces = _pieces(part.mask)
    if _is_percent(part.mask, pieces):
        return "%"
    if len(pieces) == 2 and high <= 0.8:
        if all(_is_dash(piece, height) for piece in pieces):
            return "="
        if all(max(piece.height, piece.width) <= _DOT * height for piece in pieces):
            return ":"
    if len(pieces) == 1 and max(high, wide) <= _SIGN[1] and min(high, wide) >= _SIGN[0]:
        return "+" if _is_plus(part.mask) else ""
    if len(pieces) == 1 and high >= 0.85:
        return _bracket(part.mask) if high >= 0.95 and wide <= 0.5 else _slash(part.mask)
    return ""


def _pieces(mask: Mask) -> list[Part]:
    labels, n = ndimage.label(mask, _EIGHT)
    if n == 1:
        return [Part(0, 0, mask)]
    sizes = np.bincount(labels.ravel())
    return [
        Part(rows.start, columns.start, labels[rows, columns] == index)
        for index, (rows, columns) in enumerate(ndimage.find_objects(labels), 1)
        if sizes[index] >= 3
    ]


def _is_dash(part: Part, height: float) -> bool:
    if not 0.13 * height <= part.width <= 1.1 * height or part.height > 0.35 * height:
        return False
    return part.width >= _DASH * part.height or (
        part.width >= 1.3 * part.height and _straight(part.mask)[0]
    )


def _straight(mask: Mask) -> tuple[bool, float, float]:
    """Whether a piece is one straight stroke; its angle from upright in degrees; its length."""
    ys, xs = np.nonzero(mask)
    points = np.stack([xs, -ys]).astype(np.float64)
    points -= points.mean(axis=1, keepdims=True)
    values, vectors = np.linalg.eigh(points @ points.T / len(ys))
    length = float(np.sqrt(12 * max(values[1], 1 / 12)))
    along = vectors[:, 1] if vectors[1, 1] >= 0 else -vectors[:, 1]
    angle = float(np.degrees(np.arctan2(along[0], along[1])))
    across = float(np.sqrt(12 * max(values[0], 1 / 12)))
    return across <= 1.45 * len(ys) / length and across <= 0.3 * length, angle, length


def _slash(mask: Mask) -> str:
    straight, angle, _ = _straight(mask)
    return SLASH if straight and _LEANS[0] <= angle <= _LEANS[1] else ""


def _bracket(mask: Mask) -> str:
    """An arc, one run of ink a row, its middle to the left or to the right of both its ends."""
    height, _ = mask.shape
    starts = mask & ~np.pad(mask, ((0, 0), (1, 0)))[:, :-1]
    widths = mask.sum(axis=1)
    if (starts.sum(axis=1) != 1).mean() > 0.05 or widths.max() > 0.34 * height:
        return _slash(mask)
    middles = (mask * np.arange(mask.shape[1])).sum(axis=1) / np.maximum(widths, 1)
    n = max(1, height // 10)
    top, bottom = middles[:n].mean(), middles[-n:].mean()
    away = np.interp(np.arange(height), [n / 2, height - n / 2], [top, bottom]) - middles
    away = ndimage.uniform_filter1d(away, max(1, height // 8), mode="nearest") / height
    side = 1 if abs(away.max()) >= abs(away.min()) else -1
    away *= side
    deepest = int(away.argmax()) / height
    arc = away.max() >= 0.09 and away.min() >= -0.02 and 0.25 <= deepest <= 0.75
    if arc and abs(top - bottom) <= 0.22 * height:
        return "(" if side > 0 else ")"
    return _slash(mask)


def _is_plus(mask: Mask) -> bool:
    """Whether nearly all ink is in a level and an upright stroke that cross in the middle."""
    rows, columns = mask.sum(axis=1), mask.sum(axis=0)
    height, width = mask.shape
    if not 0.5 <= width / height <= 2 or rows.max() < 0.8 * width or columns.max() < 0.7 * height:
        return False
    pen = pen_of(mask)
    if min(height, width) < 2.2 * pen:
        return False
    y, x = _peak(rows), _peak(columns)
    if not (0.25 <= y / height <= 0.75 and 0.25 <= x / width <= 0.75):
        return False
    ys, xs = np.nonzero(mask)
    outside = (np.abs(ys - y) > 0.75 * pen + 1) & (np.abs(xs - x) > 0.75 * pen + 1)
    return bool(outside.mean() <= 0.05)


def _peak(sums: NDArray[np.integer]) -> float:
    return float(np.flatnonzero(sums >= 0.7 * sums.max()).mean())


def _is_percent(mask: Mask, pieces: Sequence[Part]) -> bool:
    """A slash with a ring or a blot at its upper left, and one at its lower right."""
    height, width = mask.shape
    if not 0.6 <= width / height <= 1.9:
        return False
    if len(pieces) == 3:
        small = sorted(pieces, key=lambda piece: piece.height)
        rings, stroke = small[:2], small[2]
        if rings[1].height > 0.7 * stroke.height or not _slash(stroke.mask):
            return False
        rings.sort(key=lambda piece: piece.left)
        centres = [(p.left + p.width / 2, p.middle) for p in rings]
    else:
        holes, n = ndimage.label(~np.pad(mask, 1))
        if n != 3:
            return False
        outside = holes[0, 0]
        middles = ndimage.center_of_mass(
            np.ones_like(holes), holes, [i for i in (1, 2, 3) if i != outside]
        )
        centres = sorted((x - 1, y - 1) for y, x in middles)
    (x0, y0), (x1, y1) = centres
    return bool(y0 < 0.5 * height < y1 and x1 - x0 >= 0.35 * width and y1 - y0 >= 0.35 * height)


def placed(
    lines: Sequence[Sequence[Part]], rests: Sequence[Part], height: float
) -> list[list[Part]]:
    """Lines with the small marks among `rests` put where they are; slashes told from ones.

    What is of a mark's size and in a line, but has no shape that is known, is `UNKNOWN`.
    """
    result = [sorted(line, key=lambda part: part.left) for line in lines]
    pens = [pen_of(part.mask) for line in result for part in line[:3] if not part.mark][:40]
    if not pens:
        return result
    pen = float(np.median(pens))
    found: list[list[Part]] = [[] for _ in result]
    for rest in rests:
        if max(rest.height, rest.width) >= _SPECK * pen and rest.mask.sum() >= 0.4 * pen * pen:
            index = _line_of(result, rest, height)
            if index is not None:
                found[index].append(rest)
    for line, marks in zip(result, found, strict=True):
        told = [_told(line, mark, height, pen) for mark in _joined(marks, height)]
        line[:] = _with_tall(line, height)
        line.extend(mark for mark in told if mark is not None)
        line.sort(key=lambda part: part.left)
    return result


def _beside(line: Sequence[Part], part: Part) -> list[Part]:
    """The characters of a line next to a place: up to two on either side, marks left out."""
    x = part.left + part.width / 2
    whole = [other for other in line if not other.mark and other is not part]
    left = [other for other in whole if other.left + other.width / 2 <= x][-2:]
    return left + [other for other in whole if other.left + other.width / 2 > x][:2]


def _extent(line: Sequence[Part], part: Part) -> tuple[float, float] | None:
    """Top and bottom of the line beside a place."""
    near = _beside(line, part)
    if not near:
        return None
    return float(np.median([p.top for p in near])), float(np.median([p.bottom for p in near]))


def _line_of(lines: Sequence[Sequence[Part]], part: Part, height: float) -> int | None:
    """The line beside whose characters a mark is."""
    best, least = None, _NEAR * height
    for index, line in enumerate(lines):
        extent = _extent(line, part)
        if extent is None:
            continue
        top, bottom = extent
        if not top - 0.3 * height <= part.middle <= bottom + 0.3 * height:
            continue
        gap = min(max(p.left - part.right, part.left - p.right) for p in line)
        if gap < least:
            best, least = index, gap
    return best


def _joined(marks: Sequence[Part], height: float) -> list[Part]:
    """Two marks one above the other are one: colon, equals sign."""
    marks = sorted(marks, key=lambda part: part.left)
    result: list[Part] = []
    for mark in marks:
        if result:
            last = result[-1]
            over = min(last.right, mark.right) - max(last.left, mark.left)
            apart = max(last.bottom, mark.bottom) - min(last.top, mark.top)
            if over >= 0.3 * min(last.width, mark.width) and apart <= 0.95 * height:
                result[-1] = union(last, mark)
                continue
        result.append(mark)
    return result


def _told(line: Sequence[Part], mark: Part, height: float, pen: float) -> Part | None:
    """A mark with its name; None if it is a speck."""
    extent = _extent(line, mark)
    if extent is None:
        return None
    top, bottom = extent
    at = (mark.middle - top) / max(bottom - top, 1.0)
    pieces = _pieces(mark.mask)
    named = mark_of(mark, height)
    if named and named not in TALL:
        return _named(line, mark, named, height, pen)
    if len(pieces) == 1:
        if _is_dash(mark, height) and 0.25 <= at <= 0.75:
            return _named(line, mark, "-", height, pen)
        below = (mark.bottom - bottom) / height
        if at > 0.7 and mark.width <= _TAIL[1] * height and mark.height <= _TAIL[0] * height:
            tail = mark.height >= max(0.2 * height, 1.25 * mark.width)
            if tail and (below >= 0.1 or mark.height >= 0.3 * height):
                return _named(line, mark, ",", height, pen)
            if max(mark.height, mark.width) <= _DOT * height and below <= 0.16:
                return _named(line, mark, ".", height, pen)
    # A dot in the middle of a line may be dirt, unless it is thicker than the pen.
    if max(mark.height, mark.width) < 1.2 * pen:
        return None
    return mark if mark.height >= LOW * height else replace(mark, mark=UNKNOWN)


def _with_tall(line: Sequence[Part], height: float) -> list[Part]:
    """Strokes that may be slashes, brackets or ones decided."""
    result = list(line)
    tall = [i for i, part in enumerate(result) if part.mark in TALL]
    if not tall:
        return result
    # A wide digit is low, and as large as the others.
    others = [max(part.height, part.width) for part in result if not part.mark]
    usual = float(np.quantile(others, 0.6)) if others else height
    named = dict.fromkeys(tall, "")
    sure = dict.fromkeys(tall, 1.0)
    for i in tall:
        if line[i].height >= _HIGHER * usual:
            # A one may lean and be as high: a slash is sure in a date.
            named[i] = line[i].mark
            sure[i] = _DOUBTFUL if line[i].mark == SLASH else 1.0
        elif line[i].height >= _AS_HIGH * usual:
            named[i] = UNKNOWN
    brackets = [i for i in tall if named[i] in ("(", ")")]
    if [named[i] for i in brackets] != ["(", ")"] * (len(brackets) // 2):
        # One is missing or is none.
        sure.update(dict.fromkeys(brackets, _DOUBTFUL))
    # As in a date: one or two characters, a stroke, one or two, a stroke, two or four.
    ends = [-1, *tall, len(result)]
    between = [b - a - 1 for a, b in pairwise(ends)]
    if len(tall) == 2 and between[0] in (1, 2) and between[1] in (1, 2) and between[2] in (2, 4):
        leaning = all(line[i].mark == SLASH for i in tall)
        for i in tall if leaning else ():
            named[i] = SLASH if SLASH in named.values() else UNKNOWN
            sure[i] = 1.0
    # The same where there are more dates on the line, or ones that lean.
    slashes = [i for i in tall if named[i] == SLASH]
    for one, two in pairwise(slashes):
        if one > 0 and two - one in (2, 3) and two < len(result) - 1:
            sure[one] = sure[two] = 1.0
    return [
        replace(part, mark=named[i], sure=min(part.sure, sure[i])) if i in named else part
        for i, part in enumerate(result)
    ]
