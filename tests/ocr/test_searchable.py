"""PDF files that can be searched: the words that were read, in their places, and unseen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from knnc.datasets import sample_page
from knnc.ocr import Page, read_page, save_pdf

pdfium = pytest.importorskip("pypdfium2", reason="a PDF needs the extra 'pdf'")


@pytest.fixture(scope="module")
def sample() -> Image.Image:
    with Image.open(sample_page()) as opened:
        return opened.convert("L")


@pytest.mark.parametrize("quarters", range(4))
def test_words_are_found_in_their_places(
    quarters: int, sample: Image.Image, digits_reader: Any, tmp_path: Path
) -> None:
    image = sample.rotate(90 * quarters, expand=True)
    page = read_page(image, digits_reader, min_confidence=0)
    # Half a turn is told from none by how well the characters are read, not always here.
    page = replace(page, quarters=quarters)
    path = tmp_path / "out.pdf"
    save_pdf(path, [(image, 1, page)])
    with pdfium.PdfDocument(path) as document:
        sheet = document[0]
        assert sheet.get_rotation() == 90 * quarters
        size = sheet.get_size() if quarters % 2 == 0 else sheet.get_size()[::-1]
        assert size == pytest.approx([side * 72 / 300 for side in image.size], abs=0.01)
        text = sheet.get_textpage()
        everything = text.get_text_range()
        assert sorted(everything.split()) == sorted(word.text for word in page.words)
        for word in page.words:
            start = everything.index(word.text)
            boxes = np.array([text.get_charbox(start + i) for i in range(len(word.text))])
            found = np.r_[boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)] * 300 / 72
            x0, y0, x1, y1 = word.box
            expected = [x0, image.height - y1, x1, image.height - y0]
            np.testing.assert_allclose(found, expected, atol=3)


def test_only_the_image_is_seen(sample: Image.Image, digits_reader: Any, tmp_path: Path) -> None:
    page = read_page(sample, digits_reader)
    empty = Page((), page.size, 0.0)
    seen = []
    for of in (page, empty):
        save_pdf(tmp_path / "out.pdf", [(sample, 1, of)])
        with pdfium.PdfDocument(tmp_path / "out.pdf") as document:
            seen.append(document[0].render(scale=300 / 72, grayscale=True).to_numpy().copy())
    np.testing.assert_array_equal(*seen)
    assert seen[0].min() < 100


def test_pages_of_several_files(sample: Image.Image, digits_reader: Any, tmp_path: Path) -> None:
    """A page of a PDF may be one of those to save: both use PDFium."""
    source = tmp_path / "source.pdf"
    sample.save(source, resolution=300)
    pages = [(image, 1, read_page(image, digits_reader)) for image in (sample, source)]
    save_pdf(tmp_path / "out.pdf", iter(pages))
    with pdfium.PdfDocument(tmp_path / "out.pdf") as document:
        assert len(document) == 2
        for sheet, (_, _, page) in zip(document, pages, strict=True):
            assert sheet.get_textpage().get_text_range().split() == page.text.split()


def test_a_label_without_a_character_is_refused(
    sample: Image.Image, digits_reader: Any, tmp_path: Path
) -> None:
    page = read_page(sample, digits_reader)
    other = replace(page, glyphs=tuple(replace(glyph, label="\u3042") for glyph in page.glyphs))
    path = tmp_path / "out.pdf"
    path.write_bytes(b"before")
    with pytest.raises(ValueError, match="no character for '\u3042"):
        save_pdf(path, [(sample, 1, page), (sample, 1, other)])
    assert path.read_bytes() == b"before"


def test_a_pdf_without_pages_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there are no pages"):
        save_pdf(tmp_path / "out.pdf", [])
    assert not (tmp_path / "out.pdf").exists()


def test_a_large_image_is_reduced_and_its_words_stay(
    sample: Image.Image, digits_reader: Any, tmp_path: Path
) -> None:
    image = sample.resize((16 * sample.width, 16 * sample.height))
    page = read_page(image, digits_reader)
    save_pdf(tmp_path / "out.pdf", [(image, 1, page)])
    with pdfium.PdfDocument(tmp_path / "out.pdf") as document:
        text = document[0].get_textpage()
        word = page.words[0]
        left = text.get_charbox(text.get_text_range().index(word.text))[0]
        assert left * 300 / 72 == pytest.approx(word.box[0], abs=16)
