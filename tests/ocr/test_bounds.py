"""Sheets and their corners, confidence and its scale, too dense pages, many pages at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from knnc.datasets import load_dataset
from knnc.ocr import FORMATS, Glyph, Page, formatted, read_page, read_pages
from knnc.ocr._confidence import SURE, UNSURE_SHARE, reference_of
from knnc.ocr._frames import is_frame
from knnc.ocr._load import count_pages
from knnc.ocr._parts import Part
from knnc.ocr._read import _doubted
from knnc.ocr._reader import Reader
from knnc.ocr._sheet import find_sheet, mapped, straightened
from knnc.ocr._turn import turned_by
from knnc.recipes import make_recipe

from .composer import Style, compose


@pytest.fixture(scope="module")
def page() -> np.ndarray:
    _, test = load_dataset("digits")
    return compose(test.images * np.uint8(15), test.target, Style(zoom=4, lines=2, words=2), 3)[0]


def sheet_of(corners: np.ndarray) -> np.ndarray:
    """White between four corners, dark around."""
    ys, xs = np.mgrid[0:400, 0:600] + 0.5
    inside = np.ones((400, 600), bool)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        inside &= (x1 - x0) * (ys - y0) - (y1 - y0) * (xs - x0) >= 0
    return np.where(inside, 240, 50).astype(np.uint8)


def test_corners_of_a_sheet() -> None:
    corners = np.array([[60, 40], [540, 70], [520, 350], [90, 370]], float)
    found = find_sheet(sheet_of(corners))
    assert found is not None
    np.testing.assert_allclose(found, corners, atol=4)
    pixels, back = straightened(sheet_of(corners), found)
    assert pixels.min() > 200
    height, width = pixels.shape
    ends = np.array([[0, width, width, 0], [0, 0, height, height]], float)
    np.testing.assert_allclose(mapped(back, ends).T, corners, atol=9)


@pytest.mark.parametrize("kind", ["white", "fading", "writing", "stripe"])
def test_no_sheet(kind: str, page: np.ndarray) -> None:
    """Light that fades is no edge, and light writing on dark no sheet."""
    plain = np.full((400, 600), 240, np.uint8)
    if kind == "fading":
        plain = np.tile(np.linspace(30, 250, 600), (400, 1)).astype(np.uint8)
    elif kind == "writing":
        plain = 255 - page
    elif kind == "stripe":
        plain[:, :3] = 0
    assert find_sheet(plain) is None


def test_frames_and_characters() -> None:
    box = np.zeros((60, 50), bool)
    box[:3] = box[-3:] = box[:, :3] = box[:, -3:] = True
    comb = box.copy()
    comb[:57, 3:-3] = False
    ring = np.hypot(*(np.mgrid[-30:31, -25:26] / np.array([30, 25])[:, None, None])) <= 1
    ring &= np.hypot(*(np.mgrid[-30:31, -25:26] / np.array([24, 19])[:, None, None])) >= 1
    seven = np.zeros((60, 40), bool)
    seven[:4] = seven[:, -4:] = True
    found = [is_frame(Part(0, 0, mask)) for mask in (box, comb, ring, seven)]
    assert found == [True, True, False, False]


def test_quarters_and_back() -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    for quarters in range(4):
        turned, back = turned_by(pixels, quarters)
        for (y, x), value in np.ndenumerate(turned):
            fx, fy = mapped(back, np.array([[x + 0.5], [y + 0.5]]))[:, 0]
            assert pixels[int(fy), int(fx)] == value


def test_the_scale_of_confidence(digits_reader: Any) -> None:
    reference = reference_of(digits_reader)
    assert reference is not None
    assert reference_of(digits_reader) is reference
    labels = digits_reader._y
    own, other = np.flatnonzero(labels == 3)[:4], np.flatnonzero(labels != 3)[:4]
    best, ind = np.full(50, 3), np.tile(np.concatenate([own, other]), (50, 1))

    far = np.linspace(0.1, 6, 50)[:, None] * reference.distance

    def confidence(margin: float) -> np.ndarray:
        return reference.confidence(far * np.repeat([1, margin], 4), ind, best)

    # It falls with the distance, and where other labels are nearly as near.
    falling = confidence(1.5)
    assert (np.diff(falling) <= 1e-12).all()
    assert falling[0] > 0.9
    assert falling[-1] < 0.05
    assert (confidence(1.1) < falling).all()
    assert (confidence(0.9)[:10] < SURE).all()
    # The training images, each read without itself.
    rows = digits_reader._fit_X
    dist, ind = digits_reader.kneighbors(rows, n_neighbors=51)
    itself = ind == np.arange(len(rows))[:, None]
    itself[~itself.any(axis=1), -1] = True
    left = (len(rows), 50)
    sure = reference.confidence(dist[~itself].reshape(left), ind[~itself].reshape(left), labels)
    assert (sure < SURE).mean() <= UNSURE_SHARE[0] + 0.015


def test_what_is_silently_wrong(digits_reader: Any) -> None:
    """The digits of other writers that come with scikit-learn: 31 in 1,000 are misread."""
    from knnc.ocr import training_rows

    rows, labels = training_rows(load_dataset("digits")[1], normalised=False)
    dist, ind = digits_reader.kneighbors(rows, n_neighbors=50)
    shares = digits_reader.predict_proba(rows)
    best = shares.argmax(axis=1)
    wrong = digits_reader.classes_[best] != labels
    reference = reference_of(digits_reader)
    assert reference is not None
    sure = reference.confidence(dist, ind, best) >= SURE
    assert wrong.mean() > 0.02
    assert (wrong & sure).mean() < 0.6 * wrong.mean()
    assert sure.mean() > 0.9


def test_a_second_map_of_the_same_neighbours() -> None:
    """It tells apart what the first one does not, and follows the rows of the fit."""
    from knnc.ocr import training_rows

    rows, labels = training_rows(load_dataset("digits")[0], normalised=False)
    reader = make_recipe("fast").fit(rows, labels)
    reference = reference_of(reader)
    assert reference is not None
    assert reference.look is not None
    np.testing.assert_array_equal(reference.look(rows), reader[-2]._seen)
    # Fours, and fours upside down, as if the first map had both at the same place.
    fours = rows[labels == "4"]
    turned = fours.reshape(-1, 28, 28)[:, ::-1].reshape(fours.shape)
    dist, ind = reader[-1].kneighbors(reader[:-1].transform(fours), n_neighbors=51)
    dist, ind = dist[:, 1:], ind[:, 1:]  # without themselves
    best = np.repeat(reader.classes_.searchsorted("4"), len(fours))
    assert (reference.confidence(dist, ind, best, fours) >= SURE).mean() > 0.95
    assert (reference.confidence(dist, ind, best, turned) < SURE).mean() > 0.25
    # Rows that were added have no place in the second map.
    reader[-1].partial_fit(reader[:-1].transform(rows[:1]), labels[:1])
    more = Reader(reader).reference
    assert more is not None
    assert more.look is None


@pytest.mark.parametrize(
    ("sure", "text"), [("100", "1??"), ("1011", "1?11"), ("1001", "????"), ("10010", "?????")]
)
def test_a_word_that_is_half_unsure(sure: str, text: str) -> None:
    places = {"box": (0, 0, 1, 1), "line": 0, "image": np.zeros((28, 28), np.uint8)}
    glyphs = tuple(
        Glyph(
            label="1" if yes == "1" else "?",
            guess="1",
            confidence=0.9 if yes == "1" else 0.2 + i / 100,
            space_before=i == 0,
            probability=1.0,
            neighbors=(),
            **places,
        )
        for i, yes in enumerate(sure)
    )
    page = Page(glyphs, (9, 9), 0.0)
    found = _doubted(page, SURE)
    assert found.text.strip() == text
    for old, new in zip(page.glyphs, found.glyphs, strict=True):
        assert new.guess == "1"
        assert new.confidence == old.confidence or new.confidence < SURE
    assert [g.label for g in _doubted(page, 0.0).glyphs] == [g.label for g in page.glyphs]


def test_too_dense(digits_reader: Any) -> None:
    dots = np.full((1000, 1000), 255, np.uint8)
    dots[np.random.default_rng(0).random(dots.shape) < 0.02] = 0
    found = read_page(dots, digits_reader)
    assert (found.too_dense, found.glyphs) == (True, ())
    assert not read_page(np.full((1000, 1000), 255, np.uint8), digits_reader).too_dense


def test_many_pages(page: np.ndarray, digits_reader: Any, tmp_path: Path) -> None:
    upper = page[: len(page) // 2]
    images = [page, upper, page, upper, page]
    texts = [found.text for found in read_pages(images, digits_reader)]
    assert texts[0] == read_page(page, digits_reader).text != texts[1]
    assert [found.text for found in read_pages(images, digits_reader, n_jobs=2)] == texts
    path = tmp_path / "scan.tif"
    first, second = Image.fromarray(page), Image.fromarray(upper)
    first.save(path, save_all=True, append_images=[second])
    assert count_pages(path) == 2
    pairs = [(path, 2), (path, 1)]
    assert [found.text for found in read_pages(pairs, digits_reader)] == [texts[1], texts[0]]
    with pytest.raises(ValueError, match="at least one page"):
        next(read_pages(images, digits_reader, n_jobs=0))


def test_formats(page: np.ndarray, digits_reader: Any) -> None:
    found = read_page(page, digits_reader)
    for kind in FORMATS:
        pieces = list(formatted([("a <b>.png", 1, found), ("c.png", 2, found)], kind))
        assert all(piece.endswith("\n") for piece in pieces if piece)
        assert "<b>" not in "".join(pieces) or kind in ("json", "text", "tsv")
    assert "".join(formatted([("a", 1, found)] * 2, "text")) == f"{found.text}\n\f{found.text}\n"
    with pytest.raises(ValueError, match="choose from text, json, tsv, hocr, alto"):
        formatted([], "docx")
    assert " ".join(word.text for word in found.words) == found.text.replace("\n", " ")
    for word in found.words:
        assert word.confidence == min(glyph.confidence for glyph in word.glyphs)
        assert word.box[0] == min(glyph.box[0] for glyph in word.glyphs)
