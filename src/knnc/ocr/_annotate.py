"""A picture of a page with what was read on it."""

from __future__ import annotations

from itertools import groupby
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from knnc.ocr._extra import require
from knnc.ocr._load import load_grey
from knnc.ocr._page import Glyph, Page

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["annotate"]

# The colour of each kind of character. The boxes of the kinds to look at are twice as thick.
_COLOURS = {"sure": "#0072B2", "unsure": "#D55E00", "mark": "#009E73", "unknown": "#CC79A7"}
_LOOK_AT = ("unsure", "unknown")

# A character with less confidence than this is unsure.
_SURE = 0.75


def annotate(image: Any, page: Page, *, page_number: int = 1) -> Image:
    """The page in grey with a box around each character, its reading above it, and a legend.

    The colour of a box says what the character is:

    - blue: read with a confidence of at least 0.75;
    - orange: read with less;
    - green: a mark, such as a comma, read by its shape;
    - purple: unknown, so that its reading is "?".

    Parameters
    ----------
    image : str, os.PathLike, PIL.Image.Image or ndarray
        What was read.
    page : Page
        What :func:`knnc.ocr.read_page` made of it.
    page_number : int, default=1
        As it was given there.

    Returns
    -------
    picture : PIL.Image.Image
        In colour, as wide as the page was when it was read: at most 16 million pixels. The legend
        is below the page, so a position on the page is the same in the picture.
    """
    grey = load_grey(image, page_number)
    height, width = grey.pixels.shape
    line_width = max(1, round(max(height, width) / 1200))
    legend = _legend(width, line_width)
    pixels = np.concatenate([np.asarray(grey.pixels, np.uint8), np.asarray(legend.convert("L"))])
    picture: Image = require("PIL.Image").fromarray(pixels).convert("RGB")
    picture.paste(legend, (0, height))
    draw = require("PIL.ImageDraw").Draw(picture)
    for _, line in groupby(page.glyphs, key=lambda glyph: glyph.line):
        boxes = [(glyph, [value / grey.reduction for value in glyph.box]) for glyph in line]
        # One size of text for a line: a comma's reading is as large as a digit's.
        size = max(10 * line_width, round(0.4 * median(y1 - y0 for _, (_, y0, _, y1) in boxes)))
        font = require("PIL.ImageFont").load_default(size)
        for glyph, (x0, y0, x1, y1) in boxes:
            kind = _kind(glyph)
            colour = _COLOURS[kind]
            box = (x0, y0, max(x0, x1 - 1), max(y0, y1 - 1))
            draw.rectangle(box, None, colour, line_width * (1 + (kind in _LOOK_AT)))
            if y0 > size:
                draw.text(((x0 + x1) / 2, y0 - 1), glyph.label, colour, font, anchor="md")
            else:  # at the upper edge of the page there is no room above the box
                draw.text(((x0 + x1) / 2, y1), glyph.label, colour, font, anchor="ma")
    return picture


def _kind(glyph: Glyph) -> str:
    if glyph.label == "?":
        return "unknown"
    if glyph.confidence < _SURE:
        return "unsure"
    return "mark" if glyph.is_mark else "sure"


def _legend(width: int, line_width: int) -> Image:
    """A strip as wide as the page; its entries go on in a new line where one is full."""
    size = 12 * line_width
    font = require("PIL.ImageFont").load_default(size)
    x, y, places = size, size // 2, []
    for kind in _COLOURS:
        wide = round(1.5 * size + font.getlength(kind))
        if x + wide > width and x > size:
            x, y = size, y + round(1.5 * size)
        places.append((kind, x, y))
        x += wide + size
    strip: Image = require("PIL.Image").new("RGB", (width, y + round(1.5 * size)), "white")
    draw = require("PIL.ImageDraw").Draw(strip)
    for kind, x, y in places:
        thick = line_width * (1 + (kind in _LOOK_AT))
        draw.rectangle((x, y, x + size, y + size), None, _COLOURS[kind], thick)
        draw.text((x + 1.5 * size, y + size / 2), kind, "black", font, anchor="lm")
    return strip
