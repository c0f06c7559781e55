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
from knnc.ocr._page import Page, Word

__all__ = ["save_pdf"]

# Every program that shows a PDF has this font. It has the characters of Windows-1252.
_FONT, _CHARACTERS = b"Helvetica", "cp1252"

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
        If a label has other characters than those of Windows-1252, which the standard fonts of PDF
        have. Nothing is saved then.
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
        _write(pdfium.raw, document, font, sheet, word, page.quarters, points, height)
    sheet.set_rotation(90 * page.quarters)
    sheet.gen_content()
    bitmap.close()
    sheet.close()


def _write(
    raw: Any,
    document: Any,
    font: Any,
    sheet: Any,
    word: Word,
    quarters: int,
    points: float,
    height: float,
) -> None:
    """Write a word invisibly, so that its characters fill its box."""
    try:
        word.text.encode(_CHARACTERS)
    except UnicodeEncodeError:
        raise ValueError(
            f"the fonts of a PDF have no character for {word.text!r}: only Latin letters, digits "
            "and signs can be saved"
        ) from None
    text = ctypes.create_string_buffer(f"{word.text}\0".encode("utf-16-le"))
    written = raw.FPDFPageObj_CreateTextObj(document, font, 1.0)
    raw.FPDFText_SetText(written, ctypes.cast(text, raw.FPDF_WIDESTRING))
    raw.FPDFTextObj_SetTextRenderMode(written, raw.FPDF_TEXTRENDERMODE_INVISIBLE)
    bounds = [ctypes.c_float() for _ in range(4)]
    raw.FPDFPageObj_GetBounds(written, *bounds)
    left, bottom, right, top = (bound.value for bound in bounds)
    x0, y0, x1, y1 = (points * value for value in word.box)
    # PDF counts from the lower edge. First the text is made a square of 1 at the origin, then it
    # is turned as the page is, then it fills the box.
    a, d = 1 / max(right - left, 1e-3), 1 / max(top - bottom, 1e-3)
    for matrix in (
        (a, 0, 0, d, -left * a, -bottom * d),
        ((1, 0, 0, 1, 0, 0), (0, 1, -1, 0, 1, 0), (-1, 0, 0, -1, 1, 1), (0, -1, 1, 0, 0, 1))[
            quarters % 4
        ],
        (x1 - x0, 0, 0, y1 - y0, x0, height - y1),
    ):
        raw.FPDFPageObj_Transform(written, *matrix)
    raw.FPDFPage_InsertObject(sheet, written)
