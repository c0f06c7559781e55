"""An image of any kind into a grey page of bounded size, whatever the file claims to be."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil, sqrt
from numbers import Integral
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from knnc.ocr._extra import require
from knnc.ocr._pdf import is_pdf, no_such_page, pdf_pages, render_page

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["ENDINGS", "Grey", "check_file", "count_pages", "load_grey"]

# What the formats that are read are called in Pillow. The others have decoders that start
# programs (EPS), follow links, or hold no pixels.
_FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "PPM", "WEBP")

# How their files usually end.
ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".ppm", ".webp", ".pdf")

# The working page: an A4 sheet at 300 dots an inch has 8.7 million pixels.
MAX_PIXELS = 16_000_000

# What a decoded image may take. 20,000 x 20,000 in colour is 1.6e9; the rest of the 2 GB is for
# the interpreter and the libraries.
MAX_BYTES = 1_600_000_000

# A strip of the decoded image that is worked on at a time, in pixels.
_STRIP = 1 << 22

_BYTES_A_PIXEL = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}

# Its limit on pixels is a global of Pillow: lifted under this lock, ours is checked instead.
_lock = threading.Lock()


@dataclass(frozen=True)
class Grey:
    """A page in grey.

    Attributes
    ----------
    pixels : ndarray of shape (height, width), dtype uint8
        Luminance, transparent places white.
    reduction : float
        How many pixels of the image, upright, are one of these, in each direction.
    size : (int, int)
        Width and height of the image, upright.
    """

    pixels: NDArray[np.uint8]
    reduction: float
    size: tuple[int, int]


def load_grey(image: Any, page_number: int = 1) -> Grey:
    """Load a file, a Pillow image or an array; see :func:`knnc.ocr.read_page`."""
    _check_number(page_number)
    if isinstance(image, str | os.PathLike):
        with _opened(os.fspath(image), page_number) as opened:
            return _grey_of(opened)
    if page_number != 1:
        raise ValueError(f"page_number={page_number!r} is for a file, this is one image")
    if isinstance(image, np.ndarray):
        return _grey_of(_image_of(image))
    if isinstance(image, require("PIL.Image").Image):
        return _grey_of(image)
    raise TypeError(f"an image is a path, a Pillow image or an array, not {type(image).__name__}")


def check_file(path: str | os.PathLike[str], page_number: int = 1) -> None:
    """Raise what :func:`load_grey` raises of a file that cannot be opened, at once."""
    _check_number(page_number)
    with _opened(os.fspath(path), page_number):
        pass


def count_pages(path: str | os.PathLike[str]) -> int:
    """How many pages a file has: those of a PDF or a TIFF, one of any other image."""
    with open(path, "rb") as file:
        if is_pdf(file):
            return pdf_pages(file)
    with _opened(os.fspath(path), 1) as image:
        return int(getattr(image, "n_frames", 1)) if image.format == "TIFF" else 1


def _check_number(page_number: int) -> None:
    if not isinstance(page_number, Integral):
        raise TypeError(f"page_number={page_number!r} is no integer")
    if page_number < 1:
        raise ValueError(f"page_number={page_number!r}: pages are counted from 1")


def _image_of(pixels: NDArray[Any]) -> Image:
    """An array as a Pillow image: (h, w), (h, w, 3) or (h, w, 4), of bytes, bools or fractions."""
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] not in (3, 4)):
        raise ValueError(
            "an image is an array of shape (height, width), (height, width, 3) or "
            f"(height, width, 4), not {pixels.shape}"
        )
    if pixels.size == 0:
        raise ValueError(f"no pixels in an array of shape {pixels.shape}")
    if pixels.dtype == bool:
        pixels = pixels * np.uint8(255)
    elif pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    elif pixels.dtype.kind == "f":
        if not (pixels.min() >= 0 and pixels.max() <= 1):  # NaN is neither
            raise ValueError("an image of floats has values from 0 to 1")
        pixels = np.rint(pixels * 255).astype(np.uint8)
    elif pixels.dtype != np.uint8:
        raise ValueError(f"an image has dtype uint8, uint16, bool or float, not {pixels.dtype}")
    image: Image = require("PIL.Image").fromarray(np.ascontiguousarray(pixels))
    return image


@contextmanager
def _opened(path: str | bytes, page_number: int) -> Iterator[Image]:
    """Open a page of a file, an image not yet decoded; what keeps it from that is a ValueError."""
    pil = require("PIL.Image")
    name = os.fsdecode(path)
    with open(path, "rb") as file:  # so that a missing file and a folder are OSErrors
        try:
            if is_pdf(file):
                image = render_page(file, page_number, max_pixels=MAX_PIXELS)
            else:
                image = _frame(file, page_number)
        except pil.UnidentifiedImageError:
            raise ValueError(f"{name}: this is no {_kinds()} image and no PDF") from None
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        except (OSError, SyntaxError, OverflowError, TypeError) as error:
            raise ValueError(f"{name}: a damaged image: {error}") from error
        with image:
            try:
                yield image
            except (OSError, SyntaxError, EOFError) as error:
                raise ValueError(f"{name}: a damaged image: {error}") from error


def _frame(file: BinaryIO, number: int) -> Image:
    """Open an image, at a page of it if it has several, as a TIFF may."""
    pil = require("PIL.Image")
    with _lock:
        limit, pil.MAX_IMAGE_PIXELS = pil.MAX_IMAGE_PIXELS, None
        try:
            image: Image = pil.open(file, formats=_FORMATS)
        finally:
            pil.MAX_IMAGE_PIXELS = limit
    if number > 1:
        n_pages = getattr(image, "n_frames", 1)
        if number > n_pages:
            raise ValueError(no_such_page(number, n_pages))
        image.seek(number - 1)
    return image


def _kinds() -> str:
    return ", ".join(_FORMATS[:-1]) + " or " + _FORMATS[-1]


def _grey_of(image: Image) -> Grey:
    """Decode, turn upright, reduce and make grey, a strip at a time."""
    ops = require("PIL.ImageOps")
    width, height = image.size
    if width < 1 or height < 1:
        raise ValueError(f"no pixels in an image of {width} x {height}")
    _check_size(image)
    if image.format == "JPEG":
        # The decoder itself leaves out what is reduced away: by 2, 4 or 8.
        shrink = sqrt(MAX_PIXELS / (width * height))
        if shrink < 1:
            image.draft(None, (ceil(width * shrink), ceil(height * shrink)))
    image.load()
    factor = max(1, ceil(sqrt(image.width * image.height / MAX_PIXELS)))
    reduction = factor * width / image.width
    rows = max(factor, _STRIP // image.width // factor * factor)
    strips = [
        _flat(image.crop((0, top, image.width, min(top + rows, image.height))), factor)
        for top in range(0, image.height, rows)
    ]
    grey = require("PIL.Image").fromarray(np.concatenate(strips))
    orientation = image.getexif().get(0x0112, 1)
    if orientation in range(2, 9):
        grey.getexif()[0x0112] = orientation
        grey = ops.exif_transpose(grey)
        if orientation >= 5:
            width, height = height, width
    return Grey(np.asarray(grey), reduction, (width, height))


def _check_size(image: Image) -> None:
    """Refuse, before it is decoded, an image whose pixels do not fit the memory."""
    n_pixels = image.width * image.height
    need = n_pixels * _BYTES_A_PIXEL.get(image.mode, 4)
    if image.format == "JPEG" and n_pixels > MAX_PIXELS:
        need = n_pixels // 4 + 6 * n_pixels * bool(image.info.get("progressive"))
    elif image.format in ("TIFF", "WEBP", "GIF"):  # decoded into a copy first
        need *= 2
    if need > MAX_BYTES:
        raise ValueError(
            f"an image of {image.width:,} x {image.height:,} pixels is too large to read "
            f"({need / 1e9:.1f} GB decoded, the limit is {MAX_BYTES / 1e9:.1f}): scale it down"
        )


def _flat(strip: Image, factor: int) -> NDArray[np.uint8]:
    """A strip in grey on white, `factor` times smaller."""
    pil = require("PIL.Image")
    if strip.mode.startswith("I;16"):
        strip = pil.fromarray((np.asarray(strip).astype(np.uint16) >> 8).astype(np.uint8))
    elif strip.mode in ("I", "F"):
        # 32 bits without a stated range: what is beyond 255 is taken for 16 bits.
        values = np.asarray(strip).astype(np.float32)
        top = 65_535 if np.nanmax(values) > 255 else 255 if np.nanmax(values) > 1 else 1
        scaled = np.nan_to_num(values / top).clip(0, 1) * 255
        strip = pil.fromarray(np.rint(scaled).astype(np.uint8))
    elif strip.has_transparency_data:
        strip = strip.convert("RGBA")
        white = pil.new("RGBA", strip.size, "white")
        strip = pil.alpha_composite(white, strip)
    strip = strip.convert("L")
    return np.asarray(strip.reduce(factor) if factor > 1 else strip)
