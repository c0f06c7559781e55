"""A PDF of pages that were read, with their text under the picture."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

from knnc.ocr import _pdf
from knnc.ocr._extra import require
from knnc.ocr._load import load_grey
from knnc.ocr._page import Page

__all__ = ["save_pdf"]

# Every program that shows a PDF has this font. It has the characters of Windows-1252.
_FONT, _CHARACTERS = b"Helvetica", "cp1252"

# Turns the square from (0, 0) to (1, 1) by quarters, against the clock.
_TURNS = (
    *((1, 0, 0, 1, 0, 0), (0, 1, -1, 0, 1, 0)),
    *((-1, 0, 0, -1, 1, 1), (0, -1, 1, 0, 0, 1)),
)

# A page that was read: what `read_page` was given, the number of the page there, what it returned.
Read = tuple[Any, int, Page]


def save_pdf(path: str | os.PathLike[str], pages: Iterable[Read]) -> None:
    """Save pages as a PDF that can be searched.

    Each page is its image in grey. The words that were read are invisible text in their places, so
    that a program that shows PDF files can find, mark and copy them.

    Parameters
    ----------
    path : str or os.PathLike
        Where to save it.
    pages : iterable of (image, int, Page)
        For each page the image, its number in the file, from 1, and what
        :func:`knnc.ocr.read_page` returned. Images are loaded one at a time.

    Raises
    ------
    ValueError
        If there are no pages, or if a label has other characters than those of Windows-1252, which
        the standard fonts of PDF have. Nothing is saved then.
    OSError
        If the file cannot be written.
    ImportError
        If pypdfium2 is not installed.

    Notes
    -----
    A page of an image file is as large as if it had 300 dots an inch. It is shown as it was read:
    upright, and of at most 16 million pixels.
    """
    pdfium = require("pypdfium2", "pdf")
    buffer = BytesIO()
    with _pdf.lock:
        document = pdfium.PdfDocument.new()
        font = pdfium.raw.FPDFText_LoadStandardFont(document, _FONT)
    try:
        for image, number, page in pages:
            grey = load_grey(image, number)
            with _pdf.lock:  # not while the next page is read, which may take this lock too
                _add(pdfium, document, font, grey, page)
        with _pdf.lock:
            if len(document) == 0:
                raise ValueError("there are no pages to save, and a PDF has at least one")
            document.save(buffer)
    finally:
        with _pdf.lock:
            pdfium.raw.FPDFFont_Close(font)
            document.close()
    Path(path).write_bytes(buffer.getvalue())


def _add(pdfium: Any, document: Any, font: Any, grey: Any, page: Page) -> None:
    """Add a page with its picture and its words."""
    points = _pdf.POINTS_AN_INCH / _pdf.DOTS_AN_INCH
    width, height = (points * side for side in grey.size)
    sheet = document.new_page(width, height)
    picture = pdfium.PdfImage.new(document)
    bitmap = pdfium.PdfBitmap.from_pil(require("PIL.Image").fromarray(grey.pixels))
    picture.set_bitmap(bitmap)
    picture.set_matrix(pdfium.PdfMatrix().scale(width, height))
    sheet.insert_obj(picture)
    for word in page.words:
        written = _written(pdfium.raw, document, font, word.text)
        x0, y0, x1, y1 = (points * value for value in word.box)
        # PDF counts from the lower edge.
        for matrix in (_TURNS[page.quarters], (x1 - x0, 0, 0, y1 - y0, x0, height - y1)):
            pdfium.raw.FPDFPageObj_Transform(written, *matrix)
        pdfium.raw.FPDFPage_InsertObject(sheet, written)
    sheet.set_rotation(90 * page.quarters)
    sheet.gen_content()
    bitmap.close()
    sheet.close()


def _written(raw: Any, document: Any, font: Any, text: str) -> Any:
    """Invisible text that fills the square from (0, 0) to (1, 1)."""
    try:
        text.encode(_CHARACTERS)
    except UnicodeEncodeError:
        raise ValueError(
            f"the fonts of a PDF have no character for {text!r}: only Latin letters, digits and "
            "signs can be saved"
        ) from None
    characters = ctypes.create_string_buffer(f"{text}\0".encode("utf-16-le"))
    written = raw.FPDFPageObj_CreateTextObj(document, font, 1.0)
    raw.FPDFText_SetText(written, ctypes.cast(characters, raw.FPDF_WIDESTRING))
    raw.FPDFTextObj_SetTextRenderMode(written, raw.FPDF_TEXTRENDERMODE_INVISIBLE)
    bounds = [ctypes.c_float() for _ in range(4)]
    raw.FPDFPageObj_GetBounds(written, *bounds)
    left, bottom, right, top = (bound.value for bound in bounds)
    a, d = 1 / max(right - left, 1e-3), 1 / max(top - bottom, 1e-3)
    raw.FPDFPageObj_Transform(written, a, 0, 0, d, -left * a, -bottom * d)
    return written
