"""Pages of handwriting: from a scan or a photograph to text.

=================  ==============================================================================
``read_page``      an image, read with a fitted estimator, as a :class:`Page`: text, words, glyphs
``read_pages``     the same for many images, an iterator
``formatted``      pages as text, JSON lines, TSV, hOCR or ALTO
``annotate``       a picture of the page with what was read
``save_pdf``       a PDF of pages with their text in an invisible layer
``normalise``      training images of any size in the form in which characters are read
``training_rows``  the same for a data set of :mod:`knnc.datasets`, with its labels as texts
=================  ==============================================================================

What happens to a page, from top to bottom:

* ``_load`` makes the image grey and bounds its size. ``_pdf`` first draws a page of a PDF.
* ``_sheet`` cuts a sheet out of a dark surround.
* ``_layout`` takes the page apart. ``_ink`` tells ink from paper, and ``_skew`` turns the page
  level. ``_frames`` removes boxes, and ``_rules`` removes ruled lines. ``_parts`` finds connected
  pieces and merges broken ones. ``_sizes`` keeps large and small writing apart. ``_split`` cuts
  touching characters where the estimator reads the pieces better. ``_lines`` puts the pieces in
  order. ``_marks`` recognises signs and points by their shape.
* ``_turn`` finds out whether the page lies on its side.
* ``_glyphs`` makes images like MNIST's.
* ``_reader`` asks the estimator, and ``_confidence`` says how sure the answer is.
* ``_page`` holds what was read.

Pillow and scikit-image come with the extra ``ocr``, pypdfium2 with ``pdf``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from knnc.ocr._annotate import annotate
    from knnc.ocr._formats import FORMATS, formatted
    from knnc.ocr._glyphs import normalise
    from knnc.ocr._page import Glyph, Page, Word
    from knnc.ocr._read import read_page, read_pages
    from knnc.ocr._searchable import save_pdf
    from knnc.ocr._training import training_rows

__all__ = [
    "FORMATS",
    "Glyph",
    "Page",
    "Word",
    "annotate",
    "formatted",
    "normalise",
    "read_page",
    "read_pages",
    "save_pdf",
    "training_rows",
]

# Each is imported when first asked for: the process that decodes what was uploaded to knnc serve
# imports ``_load`` alone, and starts in a tenth of the time.
_HOMES = {
    "FORMATS": "_formats",
    "Glyph": "_page",
    "Page": "_page",
    "Word": "_page",
    "annotate": "_annotate",
    "formatted": "_formats",
    "normalise": "_glyphs",
    "read_page": "_read",
    "read_pages": "_read",
    "save_pdf": "_searchable",
    "training_rows": "_training",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
