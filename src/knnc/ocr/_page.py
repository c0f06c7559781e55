"""What reading a page returns: its characters, words and lines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Box", "Glyph", "Page", "Word", "box_around"]

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Glyph:
    """One character of a page.

    Attributes
    ----------
    box : (int, int, int, int)
        x0, y0, x1, y1 in pixels of the upright image; x1 and y1 are exclusive.
    label : str
        What it is read as; "?" if its confidence is below ``min_confidence``.
    probability : float
        Probability of the most probable label, from ``predict_proba``; 1 for a mark.
    neighbors : tuple of int
        The nearest training images, nearest first; empty if the estimator has no ``kneighbors``.
    line : int
        Number of its line. Lines are numbered from 0, from top to bottom.
    space_before : bool
        Whether a wide gap is before it.
    image : ndarray of shape (28, 28), dtype uint8
        What the estimator was shown.
    confidence : float
        How sure the label is, from 0 to 1. It is low if training images of another label are nearly
        as near, or if all training images are far away. It is also low if the limits of the
        character are unclear, or if a mark has an unusual form or place.
    guess : str
        The label, whatever ``min_confidence`` says.
    alternatives : tuple of (str, float)
        Labels with a share of the vote, the most probable first.
    distances : tuple of float
        How far the nearest training images are.
    neighbor_labels : tuple of str
        Their labels.
    is_mark : bool
        Whether it is a sign, point, comma, slash or bracket, which are recognised by shape.
    layout_confidence : float
        How sure it is that this is one character. `confidence` is never higher than this.
    """

    box: Box
    label: str
    probability: float
    neighbors: tuple[int, ...]
    line: int
    space_before: bool
    image: NDArray[np.uint8]
    confidence: float = 1.0
    guess: str = ""
    alternatives: tuple[tuple[str, float], ...] = ()
    distances: tuple[float, ...] = ()
    neighbor_labels: tuple[str, ...] = ()
    is_mark: bool = False
    layout_confidence: float = 1.0


@dataclass(frozen=True)
class Word:
    """Characters of a line between two spaces.

    Attributes
    ----------
    glyphs : tuple of Glyph
    """

    glyphs: tuple[Glyph, ...]

    @property
    def text(self) -> str:
        """The labels of its characters."""
        return "".join(glyph.label for glyph in self.glyphs)

    @property
    def line(self) -> int:
        """The line that it is in, from 0."""
        return self.glyphs[0].line

    @property
    def box(self) -> Box:
        """The smallest box around its characters."""
        return box_around(glyph.box for glyph in self.glyphs)

    @property
    def confidence(self) -> float:
        """The confidence of its least sure character."""
        return min(glyph.confidence for glyph in self.glyphs)


@dataclass(frozen=True)
class Page:
    """What is on a page.

    Attributes
    ----------
    glyphs : tuple of Glyph
        In reading order.
    size : (int, int)
        Width and height of the upright image, in pixels.
    degrees : float
        By how much the lines fall to the right; negative if they rise. If the page was turned by
        quarters, the degrees are measured after that.
    quarters : int
        By how many quarters of a circle, clockwise, the image was turned to be read.
    unlike : bool
        Whether most characters are so far from the training images that the page probably shows
        something else.
    too_dense : bool
        Whether there is more on the page than could be writing, such as a screen of dots, a net or
        noise. Nothing is read then.
    """

    glyphs: tuple[Glyph, ...]
    size: tuple[int, int]
    degrees: float
    quarters: int = 0
    unlike: bool = False
    too_dense: bool = False

    @property
    def lines(self) -> tuple[str, ...]:
        """The text of each line."""
        n_lines = 1 + self.glyphs[-1].line if self.glyphs else 0
        texts = ["" for _ in range(n_lines)]
        for glyph in self.glyphs:
            texts[glyph.line] += " " * glyph.space_before + glyph.label
        return tuple(texts)

    @property
    def text(self) -> str:
        """All lines, joined by newlines; empty if there is nothing to read."""
        return "\n".join(self.lines)

    @property
    def words(self) -> tuple[Word, ...]:
        """The words of all lines, in reading order."""
        groups: list[list[Glyph]] = []
        for glyph in self.glyphs:
            if not groups or glyph.space_before or glyph.line != groups[-1][-1].line:
                groups.append([])
            groups[-1].append(glyph)
        return tuple(Word(tuple(group)) for group in groups)


def box_around(boxes: Iterable[Box]) -> Box:
    """The smallest box around several."""
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)
