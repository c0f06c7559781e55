"""Pages of a PDF, and of other files with several."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from knnc.datasets import load_dataset
from knnc.ocr import annotate, read_page
from knnc.ocr._load import MAX_PIXELS, check_file, load_grey
from knnc.ocr._pdf import _rendered, is_pdf

from .composer import Style, compose

needs_pdfium = pytest.mark.skipif(
    find_spec("pypdfium2") is None,
    reason="a PDF needs the extra 'pdf'",
)


@pytest.fixture(scope="module")
def pages() -> list[Image.Image]:
    """Two pages of a line each, the second of another size."""
    _, test = load_dataset("digits")
    images = test.images * np.uint8(15)
    styles = Style(zoom=4, lines=1, words=1), Style(zoom=4, lines=1, words=2)
    return [Image.fromarray(compose(images, test.target, style, 5)[0]) for style in styles]


def save(pages: list[Image.Image], path: Path, **options: Any) -> Path:
    first, *others = (page.copy() for page in pages)  # Pillow leaves its settings on an image
    first.save(path, save_all=True, append_images=others, **options)
    return path


@needs_pdfium
def test_a_pdf_reads_as_its_pages_do(
    pages: list[Image.Image], digits_reader: Any, tmp_path: Path
) -> None:
    path = save(pages, tmp_path / "scan.pdf", resolution=300)
    for number, image in enumerate(pages, start=1):
        page, same = (
            read_page(path, digits_reader, page_number=number, min_confidence=0),
            read_page(image, digits_reader, min_confidence=0),
        )
        assert (page.text, page.size) == (same.text, same.size)
        assert page.glyphs
        for glyph, other in zip(page.glyphs, same.glyphs, strict=True):
            np.testing.assert_allclose(glyph.box, other.box, atol=2)
        picture = annotate(path, page, page_number=number)
        assert picture.width == image.width
        assert picture.height > image.height
    assert read_page(path, digits_reader).text == read_page(pages[0], digits_reader).text
    # The name does not matter, nor do bytes before the header.
    other = tmp_path / "scan"
    other.write_bytes(b"\n" + path.read_bytes())
    np.testing.assert_array_equal(load_grey(other).pixels, load_grey(path).pixels)


@needs_pdfium
def test_a_large_page_is_drawn_with_fewer_dots(tmp_path: Path) -> None:
    path = save([Image.new("L", (400, 300), "white")], tmp_path / "poster.pdf", resolution=4)
    pixels = load_grey(path).pixels
    assert 0.99 * MAX_PIXELS < pixels.size <= MAX_PIXELS
    assert pixels.shape[1] / pixels.shape[0] == pytest.approx(4 / 3, rel=0.01)


def test_a_tiff_has_pages_too(pages: list[Image.Image], digits_reader: Any, tmp_path: Path) -> None:
    path = save(pages, tmp_path / "scan.tif")
    second = read_page(path, digits_reader, page_number=2)
    assert second.text == read_page(pages[1], digits_reader).text
    assert second.size == pages[1].size


@pytest.mark.parametrize("kind", [pytest.param("pdf", marks=needs_pdfium), "tif", "png"])
def test_a_page_that_is_not_there(pages: list[Image.Image], tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"scan.{kind}"
    if kind == "png":
        pages[0].save(path)
    else:
        save(pages, path)
    n_pages = "1 page" if kind == "png" else "2 pages"
    with pytest.raises(ValueError, match=rf"{kind}: there is no page 3 in a file of {n_pages}$"):
        check_file(path, 3)
    with pytest.raises(ValueError, match="pages are counted from 1"):
        load_grey(path, 0)
    with pytest.raises(ValueError, match="pages are counted from 1"):
        check_file(path, 0)
    for number in (1.0, "2", None):
        for load in (load_grey, check_file):
            with pytest.raises(TypeError, match=f"page_number={number!r} is no integer"):
                load(path, number)
    check_file(path, np.int64(1))
    with pytest.raises(ValueError, match="is for a file"):
        load_grey(pages[0], 2)


def test_a_pdf_is_known_by_its_header_and_left_where_it_was() -> None:
    file = BytesIO(b"%PDF-" + b" " * 2000 + b"%PDF-1.7")
    for start, expected in ((0, True), (1, False), (1000, True), (1500, True)):
        file.seek(start)
        assert is_pdf(file) is expected
        assert file.tell() == start


@pytest.mark.parametrize("size", [(0, 800), (600, 0), (float("nan"), 800)])
def test_a_page_without_area(size: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="no pixels on a page of"):
        _rendered(SimpleNamespace(get_size=lambda: size), 1000)


@needs_pdfium
def test_a_damaged_pdf(pages: list[Image.Image], tmp_path: Path) -> None:
    path = tmp_path / "scan.pdf"
    path.write_bytes(b"%PDF-1.4\nhello")
    with pytest.raises(ValueError, match=r"scan\.pdf: a damaged PDF: "):
        check_file(path)


def test_without_the_extra(
    pages: list[Image.Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(pages, tmp_path / "scan.pdf")
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    with pytest.raises(ImportError, match=r'needs pypdfium2.*pip install "knnc\[pdf\]"'):
        check_file(path)
