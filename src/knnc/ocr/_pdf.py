"""A page of a PDF as an image."""

from __future__ import annotations

import threading
from math import sqrt
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from knnc.ocr._extra import require

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "DOTS_AN_INCH",
    "POINTS_AN_INCH",
    "is_pdf",
    "lock",
    "no_such_page",
    "pdf_pages",
    "render_page",
]

# A scan's usual resolution; a PDF measures lengths in points, 72 to the inch.
DOTS_AN_INCH = 300
POINTS_AN_INCH = 72

# The header may follow other bytes, as ISO 32000 and its readers have it.
_HEADER, _HEADER_WITHIN = b"%PDF-", 1024

# PDFium is not to be called by two threads at once.
lock = threading.Lock()


def is_pdf(file: BinaryIO) -> bool:
    """Whether an open file, from where it is, is a PDF; it is left where it was."""
    start = file.tell()
    head = file.read(_HEADER_WITHIN)
    file.seek(start)
    return _HEADER in head


def render_page(file: BinaryIO, number: int, *, max_pixels: int) -> Image:
    """The page with this number, from 1, at 300 dots an inch, or fewer if it is a large one.

    Raises
    ------
    ValueError
        If the file is damaged or needs a password, or has no such page.
    ImportError
        If pypdfium2 or Pillow are not installed.
    """
    pdfium = require("pypdfium2", "pdf")
    try:
        with lock, pdfium.PdfDocument(file) as document:
            if number > len(document):
                raise ValueError(no_such_page(number, len(document)))
            return _rendered(document[number - 1], max_pixels)
    except pdfium.PdfiumError as error:
        raise ValueError(f"a damaged PDF: {error}") from error


def pdf_pages(file: BinaryIO) -> int:
    """How many pages a PDF has; ValueError and ImportError as of :func:`render_page`."""
    pdfium = require("pypdfium2", "pdf")
    try:
        with lock, pdfium.PdfDocument(file) as document:
            return len(document)
    except pdfium.PdfiumError as error:
        raise ValueError(f"a damaged PDF: {error}") from error


def no_such_page(number: int, n_pages: int) -> str:
    """What is said of a page that is not there."""
    pages = "1 page" if n_pages == 1 else f"{n_pages} pages"
    return f"there is no page {number} in a file of {pages}"


def _rendered(page: Any, max_pixels: int) -> Image:
    width, height = page.get_size()
    if not width * height > 0:
        raise ValueError(f"no pixels on a page of {width} x {height} points")
    # The largest scale with (scale * width + 1) * (scale * height + 1) <= max_pixels: sizes are
    # rounded up.
    b = width + height
    largest = (sqrt(b * b + 4 * width * height * (max_pixels - 1)) - b) / (2 * width * height)
    scale = min(DOTS_AN_INCH / POINTS_AN_INCH, largest)
    bitmap = page.render(scale=scale, grayscale=True)
    try:
        pixels = np.array(bitmap.to_numpy())  # the bitmap's own memory goes with it
    finally:
        bitmap.close()
        page.close()
    image: Image = require("PIL.Image").fromarray(pixels.reshape(pixels.shape[:2]))
    return image
