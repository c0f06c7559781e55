"""Pages of handwriting: from a scan or a photograph to text.

=================  ==============================================================================
``read_page``      an image and a fitted estimator to a :class:`Page`: text, lines, glyphs
``annotate``       a picture of the page with what was read
``normalise``      training images of any size in the form in which characters are read
``training_rows``  the same for a data set of :mod:`knnc.datasets`, with its labels as texts
=================  ==============================================================================

What happens to a page, from top to bottom: ``_load`` makes it grey and of bounded size (``_pdf``
draws it first if it is one of a PDF), ``_layout`` takes it apart (``_ink`` tells ink from paper,
``_skew`` turns it level, ``_rules`` takes ruled lines out, ``_parts`` finds connected pieces and
merges the broken, ``_split`` cuts the touching where the estimator reads the pieces better,
``_lines`` puts them in order), ``_glyphs`` makes images as MNIST's are of them, and ``_read`` asks
the estimator. Pillow and scikit-image come with the extra ``ocr``, pypdfium2 with ``pdf``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from knnc.ocr._annotate import annotate
    from knnc.ocr._glyphs import normalise
    from knnc.ocr._read import Glyph, Page, read_page
    from knnc.ocr._training import training_rows

__all__ = ["Glyph", "Page", "annotate", "normalise", "read_page", "training_rows"]

# Each is imported when first asked for: the process that decodes what was uploaded to knnc serve
# imports ``_load`` alone, and starts in a tenth of the time.
_HOMES = {
    "Glyph": "_read",
    "Page": "_read",
    "annotate": "_annotate",
    "normalise": "_glyphs",
    "read_page": "_read",
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
