"""Forms, values with marks, photographs, turned pages: how much is read, and nothing silently."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from knnc.ocr import Page, read_page
from knnc.ocr._reader import Reader

from .composer import character_errors
from .forms import KINDS, NO_DIGITS, blank, finish, label_image, make
from .hand import Form, Hand
from .score import Score

Pixels = np.ndarray

# Least per cent of characters that are right, and most values that are wrong without a mark, of
# one page of each kind; benchmarks/pages.py --forms measures on more.
LEAST = {
    "8-pixel digits": (85, 2),
    "lone digits": (0, 1),
    "printed digits": (60, 1),
    "specks beside a short number": (60, 1),
}


@pytest.fixture(scope="module")
def hand(mnist: SimpleNamespace) -> tuple[Pixels, Pixels]:
    return mnist.test.reshape(-1, 28, 28), mnist.test_labels


@pytest.fixture(scope="module")
def fast_reader(mnist: SimpleNamespace) -> Any:
    """The recipe that the program reads with, fitted on a part of the training images."""
    from knnc.recipes import make_recipe

    return make_recipe("fast").fit(mnist.train[:15_000], mnist.train_labels[:15_000])


def read(kind: str, hand: tuple[Pixels, Pixels], reader: Any) -> tuple[Score, Page]:
    form = make(kind, *hand, 7)
    page = read_page(form.pixels, reader)
    score = Score()
    score.add(form, page, character_errors)
    return score, page


@pytest.mark.parametrize("kind", KINDS)
def test_kinds(kind: str, hand: tuple[Pixels, Pixels], fast_reader: Any) -> None:
    score, _ = read(kind, hand, fast_reader)
    least, wrong = LEAST.get(kind, (85, 2))
    assert 100 - 100 * score.errors / score.characters >= least
    assert score.wrong <= wrong
    assert score.missing == 0


@pytest.mark.parametrize("kind", NO_DIGITS)
def test_what_is_no_digit_is_mostly_unsure(
    kind: str, hand: tuple[Pixels, Pixels], fast_reader: Any
) -> None:
    pages = [read_page(make(kind, *hand, seed).pixels, fast_reader) for seed in (7, 8, 9)]
    glyphs = [glyph for page in pages for glyph in page.glyphs]
    assert sum(g.label == "?" for g in glyphs) >= 0.77 * len(glyphs)
    assert all(g.guess != "?" or g.is_mark for g in glyphs)


def digits(hand: tuple[Pixels, Pixels], text: str) -> list[Pixels]:
    """The first test image of each digit, doubled, as ink from 0 to 1."""
    images, labels = hand
    chosen = [images[np.flatnonzero(labels == int(char))[3]] for char in text]
    return [np.kron(image, np.ones((2, 2))) / 255 for image in chosen]


def placed(hand: tuple[Pixels, Pixels], text: str, shape: tuple[int, int], at: Any) -> Form:
    form = blank(*shape)
    for image, (x, y) in zip(digits(hand, text), at, strict=True):
        place = form.ink[y : y + 56, x : x + 56]
        np.maximum(place, image, out=place)
    return form


def pixels(form: Form) -> Pixels:
    return finish(form, np.random.default_rng(0), ink=0, paper=255, noise=0.0).pixels


def test_boxes_around_digits(hand: tuple[Pixels, Pixels], fast_reader: Any) -> None:
    at = [(42 + 70 * j, 42) for j in range(8)]
    form = placed(hand, "31415926", (140, 640), at)
    for j in range(8):
        x = 38 + 70 * j
        form.ink[36:38, x : x + 62] = form.ink[100:102, x : x + 62] = 1
        form.ink[36:102, x : x + 2] = form.ink[36:102, x + 60 : x + 62] = 1
    assert read_page(pixels(form), fast_reader).text == "31415926"


def test_a_white_sheet_on_grey(hand: tuple[Pixels, Pixels], fast_reader: Any) -> None:
    at = [(60 + 95 * j, 60 + 110 * i) for i in range(4) for j in range(10)]
    sheet = pixels(placed(hand, "0123456789" * 4, (700, 1100), at))
    plain = read_page(sheet, fast_reader)
    framed = read_page(np.pad(sheet, 60, constant_values=45), fast_reader)
    assert framed.text == plain.text
    assert len(framed.glyphs) == 40
    boxes = np.array([g.box for g in framed.glyphs]) - 60
    np.testing.assert_allclose(boxes, [g.box for g in plain.glyphs], atol=3)


def test_a_dark_edge(hand: tuple[Pixels, Pixels], fast_reader: Any) -> None:
    at = [(80 + 100 * j, 150 + 240 * i) for i in range(2) for j in range(5)]
    page = pixels(placed(hand, "3141592653", (700, 700), at))
    plain = read_page(page, fast_reader).text
    assert len(plain.split()) == 2
    page[200:640, :2] = 0
    assert read_page(page, fast_reader).text == plain


@pytest.mark.parametrize("extra", ["stroke", "dot", "blot"])
def test_dirt_on_a_short_page(extra: str, hand: tuple[Pixels, Pixels], fast_reader: Any) -> None:
    form = placed(hand, "57", (200, 300), [(60, 40), (120, 40)])
    if extra == "stroke":
        form.ink[170:174, 200:222] = 1
    else:
        size = 7 if extra == "dot" else 12
        form.ink[165 : 165 + size, 230 : 230 + size] = 1
    assert read_page(pixels(form), fast_reader).text == "57"


@pytest.mark.parametrize("text", ["-8.25", "1,234.50", "12:30", "12/05/26", "3+4=7", "(25)", "40%"])
def test_marks_are_read(text: str, hand: tuple[Pixels, Pixels], fast_reader: Any) -> None:
    form = blank(140, 640)
    Hand(*hand, np.random.default_rng(4)).write(form, text, 60, 40, 2.0)
    page = read_page(pixels(form), fast_reader)
    assert page.text == text
    assert [g.is_mark for g in page.glyphs] == [not char.isdigit() for char in text]
    assert [word.text for word in page.words] == [text]


def test_a_minus_before_a_one_that_leans(hand: tuple[Pixels, Pixels], fast_reader: Any) -> None:
    """The one may be a slash until the line is known; the minus is beside it all the same."""
    form = blank(240, 900)
    Hand(*hand, np.random.default_rng(0)).write(form, "-12,5 +408.17", 60, 60, 2.5)
    assert read_page(pixels(form), fast_reader).glyphs[0].label == "-"


def test_an_equals_sign_is_no_character(hand: tuple[Pixels, Pixels], fast_reader: Any) -> None:
    image = hand[0][:1]
    digit, mark = Reader(fast_reader).read(np.concatenate([image, image]), ["", "="])
    assert digit["confidence"] > 0.9
    assert mark["guess"] == "="
    assert mark["confidence"] == 1


def test_a_lone_bracket_is_doubtful(hand: tuple[Pixels, Pixels], fast_reader: Any) -> None:
    form = blank(140, 640)
    Hand(*hand, np.random.default_rng(4)).write(form, "(25", 60, 40, 2.0)
    assert read_page(pixels(form), fast_reader).text == "?25"


def test_an_unknown_mark_keeps_its_place(hand: tuple[Pixels, Pixels], fast_reader: Any) -> None:
    form = placed(hand, "57", (140, 300), [(60, 40), (160, 40)])
    form.ink[80:92, 126:138] = 1  # a block between the digits, too large for a point
    page = read_page(pixels(form), fast_reader)
    assert page.text.replace(" ", "") == "5?7"
    assert page.glyphs[1].confidence == 0


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_pages_on_their_side(quarters: int, hand: tuple[Pixels, Pixels], fast_reader: Any) -> None:
    at = [(60 + 60 * j, 60 + 110 * i) for i in range(3) for j in range(8)]
    upright = pixels(placed(hand, "271828183141592657721566", (420, 600), at))
    page = read_page(np.rot90(upright, quarters), fast_reader)
    plain = read_page(upright, fast_reader)
    assert page.text == plain.text
    assert page.quarters == quarters
    # Boxes are on the image as it is given.
    dark = np.rot90(upright, quarters) < 128
    for x0, y0, x1, y1 in (g.box for g in page.glyphs):
        assert dark[y0:y1, x0:x1].any()
        dark[y0:y1, x0:x1] = False
    assert not dark.any()


def test_lone_wide_digits_stay_whole(hand: tuple[Pixels, Pixels], fast_reader: Any) -> None:
    images, labels = hand
    for char in (2, 3, 4):
        chosen = np.flatnonzero(labels == char)[:100]
        widest = sorted(chosen, key=lambda i: np.ptp(np.flatnonzero(images[i].any(axis=0))))[-5:]
        for index in widest:
            page = 255 - np.pad(np.kron(images[index], np.ones((2, 2), np.uint8)), 50)
            found = read_page(page, fast_reader, min_confidence=0)
            assert len(found.glyphs) == 1


def test_letters_are_unlike_digits(fast_reader: Any) -> None:
    pytest.importorskip("matplotlib")
    ink = label_image("HAKXRNME", 60)
    page = np.full((160, ink.shape[1] + 100), 255, np.uint8)
    page[40 : 40 + ink.shape[0], 50 : 50 + ink.shape[1]] -= np.rint(ink * 255).astype(np.uint8)
    found = read_page(page, fast_reader)
    assert found.unlike
    assert found.text.count("?") >= 5


def test_whitelist_and_region(hand: tuple[Pixels, Pixels], fast_reader: Any) -> None:
    at = [(60 + 60 * j, 60 + 110 * i) for i in range(2) for j in range(4)]
    page = pixels(placed(hand, "27182818", (300, 360), at))
    assert read_page(page, fast_reader).text == "2718\n2818"
    assert read_page(page, fast_reader, region=(0, 150, 360, 300)).text == "2818"
    assert read_page(page, fast_reader, whitelist="278").text == "27?8\n28?8"
    with pytest.raises(ValueError, match="has no pixels of an image of 360 x 300"):
        read_page(page, fast_reader, region=(400, 0, 500, 10))
    whole = np.array([0, 150, 360, 300])
    assert read_page(page, fast_reader, region=whole).text == "2818"
    for region in ((0, 0, 9), (0, 0, np.nan, 9), (0, 0, np.inf, 9), "0,0,9,9", 5, np.eye(4)):
        with pytest.raises(ValueError, match="is not four numbers"):
            read_page(page, fast_reader, region=region)


def test_a_form_of_many_large_boxes(hand: tuple[Pixels, Pixels], fast_reader: Any) -> None:
    """Boxes three times as high as what is in them are no writing of another size."""
    form = blank(330, 560)
    for i in range(5):
        for j in range(9):
            y, x = 4 + 64 * i, 4 + 61 * j
            form.ink[y : y + 58, x : x + 56] = 1
            form.ink[y + 2 : y + 56, x + 2 : x + 54] = 0
            image = hand[0][np.flatnonzero(hand[1] == (3 * i + j) % 10)[4]] / 255
            form.ink[y + 14 : y + 42, x + 14 : x + 42] = image
    page = read_page(pixels(form), fast_reader, min_confidence=0)
    assert len(page.glyphs) == 45
    right = sum(g.label == str((3 * (k // 9) + k % 9) % 10) for k, g in enumerate(page.glyphs))
    assert right >= 43
