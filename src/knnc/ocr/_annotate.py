"""A picture of a page with what was read on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from knnc.ocr._extra import require
from knnc.ocr._load import load_grey
from knnc.ocr._page import Page

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["annotate"]

_BOX, _UNSURE = "#0072B2", "#D55E00"

# Less sure characters than this are drawn in the second colour, their box twice as thick.
_SURE = 0.75


def annotate(image: Any, page: Page, *, page_number: int = 1) -> Image:
    """The page in grey with a box around each character and its reading above it.

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
        In colour, of the size in which the page was read: at most 16 million pixels.
    """
    grey = load_grey(image, page_number)
    draw_on = require("PIL.ImageDraw")
    font_of = require("PIL.ImageFont")
    picture: Image = require("PIL.Image").fromarray(grey.pixels).convert("RGB")
    draw = draw_on.Draw(picture)
    fonts: dict[int, Any] = {}
    for glyph in page.glyphs:
        x0, y0, x1, y1 = (value / grey.reduction for value in glyph.box)
        sure = glyph.confidence >= _SURE and glyph.label != "?"
        colour = _BOX if sure else _UNSURE
        size = max(10, round((y1 - y0) * 0.4))
        font = fonts.setdefault(size, font_of.load_default(size))
        draw.rectangle((x0, y0, max(x0, x1 - 1), max(y0, y1 - 1)), None, colour, 2 - sure)
        draw.text(((x0 + x1) / 2, y0 - 1), glyph.label, colour, font, anchor="md")
    return picture
