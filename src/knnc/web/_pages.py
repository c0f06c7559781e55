"""A page that a tab looks at: read, corrected, exported."""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnc import progress
from knnc.ocr import Page, read_page
from knnc.ocr._extra import require
from knnc.web._files import csv_table, hocr, page_json
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
    page : Page
        As :func:`knnc.ocr.read_page` read it: its boxes stay.
    reader : Layer
        What read it last.
    found : Found
        What that says of each character.
    corrections : dict of int to str
        What characters are, by their number.
    """

    picture: bytes
    page: Page
    reader: Layer
    found: Found
    corrections: dict[int, str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def labels(self) -> list[str]:
        """What each character is read as, or was corrected to."""
        best = self.reader.classes_[self.found.shares.argmax(axis=1)]
        return [self.corrections.get(i, str(label)) for i, label in enumerate(best)]

    def probabilities(self) -> list[float]:
        """That of each label; 1 where it was corrected."""
        shares = self.found.shares.max(axis=1)
        return [1.0 if i in self.corrections else float(p) for i, p in enumerate(shares)]

    def text(self) -> str:
        """All lines."""
        lines: list[str] = []
        for glyph, label in zip(self.page.glyphs, self.labels(), strict=True):
            while len(lines) <= glyph.line:
                lines.append("")
            lines[glyph.line] += " " * glyph.space_before + label
        return "\n".join(lines)

    def described(self) -> dict[str, Any]:
        """The page as the browser shows it."""
        told = zip(self.page.glyphs, self.labels(), self.probabilities(), strict=True)
        return {
            "size": self.page.size,
            "text": self.text(),
            "glyphs": [
                {
                    "box": list(glyph.box),
                    "label": label,
                    "probability": round(probability, 4),
                    "line": glyph.line,
                    "space": glyph.space_before,
                    "corrected": i in self.corrections,
                }
                for i, (glyph, label, probability) in enumerate(told)
            ],
        }

    def again(self, reader: Layer) -> None:
        """Read all characters again, by a reader that has learnt something."""
        if self.page.glyphs:
            self.reader, self.found = reader, reader.find(_rows(self.page))

    def exported(self, form: str) -> tuple[str, str, str]:
        """Content, name and media type of a download."""
        if form == "txt":
            return self.text() + "\n", "page.txt", "text/plain; charset=utf-8"
        if form == "json":
            said = self.described()
            content = page_json(said["text"], said["size"], said["glyphs"])
            return content, "page.json", "application/json"
        if form == "csv":
            names = ("character", "probability", "line", "x0", "y0", "x1", "y1")
            lines = [
                (each["label"], each["probability"], each["line"], *each["box"])
                for each in self.described()["glyphs"]
            ]
            return csv_table(names, lines), "page.csv", "text/csv; charset=utf-8"
        content = hocr(self.page.size, self.page.glyphs, self.labels(), self.probabilities())
        return content, "page.hocr", "text/html; charset=utf-8"


def _rows(page: Page) -> NDArray[np.uint8]:
    return np.array([glyph.image for glyph in page.glyphs], np.uint8).reshape(-1, 784)


def read(pixels: NDArray[np.uint8], reader: Layer) -> ReadPage:
    """Read a page.

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
    found = Found(np.empty((0, 1)), np.empty((0, 0)), np.empty((0, 0), np.intp))
    made = ReadPage(_png(pixels), page, reader, found)
    made.again(reader)
    return made


def _png(pixels: NDArray[np.uint8]) -> bytes:
    out = io.BytesIO()
    require("PIL.Image").fromarray(pixels).save(out, "PNG", compress_level=1)
    return out.getvalue()
