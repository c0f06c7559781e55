"""A page that a tab looks at: read, corrected, exported."""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnc import progress
from knnc.ocr import Page, formatted, read_page
from knnc.ocr._extra import require
from knnc.ocr._read import read_again
from knnc.web._files import csv_table
from knnc.web._guard import Refused
from knnc.web._layer import Found, Layer

__all__ = ["ReadPage", "read"]

# Reading is stopped at the next search after so many seconds.
MAX_SECONDS = 60


class _Late(Exception):
    """Raised inside of a search that has to end."""


@dataclass
class ReadPage:
    """What was read, and what was corrected.

    Attributes
    ----------
    picture : bytes
        The page as a PNG.
    number : int
        Of the page in its file.
    page : Page
        As :func:`knnc.ocr.read_page` read it. When it is read again, its boxes and marks stay.
    reader : Layer
        What read it last.
    corrections : dict of int to str
        What characters are, by their number.
    """

    picture: bytes
    number: int
    page: Page
    reader: Layer
    corrections: dict[int, str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def corrected(self) -> Page:
        """The page with its corrections, which are certain."""
        glyphs = list(self.page.glyphs)
        for i, label in self.corrections.items():
            glyphs[i] = replace(glyphs[i], label=label, guess=label, probability=1, confidence=1)
        return replace(self.page, glyphs=tuple(glyphs))

    def described(self) -> dict[str, Any]:
        """The page as the browser shows it."""
        page = self.corrected()
        return {
            "size": page.size,
            "text": page.text,
            "unlike": page.unlike,
            "too_dense": page.too_dense,
            "glyphs": [
                {
                    "box": list(glyph.box),
                    "label": glyph.label,
                    "guess": glyph.guess,
                    "confidence": round(glyph.confidence, 4),
                    "line": glyph.line,
                    "space": glyph.space_before,
                    "is_mark": glyph.is_mark,
                    "corrected": i in self.corrections,
                }
                for i, glyph in enumerate(page.glyphs)
            ],
        }

    def character(self, number: int) -> tuple[Layer, NDArray[np.uint8], Found | None]:
        """The reader, a character's image and what the reader finds; None of a mark."""
        # Without the lock, which a correction holds for seconds: images and marks stay as they are.
        reader, glyph = self.reader, self.page.glyphs[number]
        row = glyph.image.reshape(1, -1)
        return reader, row, None if glyph.is_mark else reader.find(row)

    def correct(self, number: int, label: str, reader: Layer) -> None:
        """Say what a character is, and have a reader that has learnt it read all others again."""
        self.corrections[number] = label
        self.reader, self.page = reader, read_again(self.page, reader)

    def exported(self, form: str) -> tuple[str, str, str]:
        """Content, name and media type of a download."""
        page = self.corrected()
        if form == "csv":
            names = ("character", "confidence", "line", "x0", "y0", "x1", "y1")
            lines = [
                (glyph.label, round(glyph.confidence, 4), glyph.line, *glyph.box)
                for glyph in page.glyphs
            ]
            return csv_table(names, lines), "page.csv", "text/csv; charset=utf-8"
        kind, media_type = _EXPORTS[form]
        content = "".join(formatted([("page", self.number, page)], kind))
        return content, f"page.{form}", media_type


# What knnc read calls a format, and what a browser does.
_EXPORTS = {
    "txt": ("text", "text/plain; charset=utf-8"),
    "json": ("json", "application/json"),
    "hocr": ("hocr", "text/html; charset=utf-8"),
}


def read(pixels: NDArray[np.uint8], number: int, reader: Layer) -> ReadPage:
    """Read a page, as ``knnc read`` does.

    Raises
    ------
    Refused
        If it takes too long.
    """
    ends = monotonic() + MAX_SECONDS

    def look(*_: int) -> None:
        if monotonic() > ends:
            raise _Late

    try:
        with progress(look):
            page = read_page(pixels, reader)
    except _Late:
        raise Refused(422, f"The page was not read within {MAX_SECONDS} s: cut it up.") from None
    except ValueError as error:
        raise Refused(422, f"{str(error)[:1].upper()}{str(error)[1:]}.") from error
    return ReadPage(_png(pixels), number, page, reader)


def _png(pixels: NDArray[np.uint8]) -> bytes:
    out = io.BytesIO()
    require("PIL.Image").fromarray(pixels).save(out, "PNG", compress_level=1)
    return out.getvalue()
