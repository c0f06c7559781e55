"""A small scan that comes with the package."""

from __future__ import annotations

from pathlib import Path

__all__ = ["sample_page"]


def sample_page() -> Path:
    """Find the scan of three lines of handwritten digits that comes with knnc.

    Its digits are scikit-learn's, of the part that ``load_dataset("digits")`` holds back for
    tests. ``docs/images/sample.py`` put them together.

    Returns
    -------
    path : pathlib.Path
        A PNG of 449 x 215 pixels.

    See Also
    --------
    knnc.ocr.read_page : Reads it.

    Examples
    --------
    >>> from knnc.datasets import sample_page
    >>> sample_page().name
    'sample.png'
    """
    return Path(__file__).with_name("sample.png")
