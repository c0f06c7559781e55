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

from knnc.ocr._annotate import annotate
from knnc.ocr._glyphs import normalise
from knnc.ocr._read import Glyph, Page, read_page
from knnc.ocr._training import training_rows

__all__ = ["Glyph", "Page", "annotate", "normalise", "read_page", "training_rows"]
