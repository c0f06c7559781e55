"""What `read_page` returns, for every kind of image, and what it refuses."""

from __future__ import annotations

import io
import sys
import zlib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageOps
from sklearn.pipeline import make_pipeline

from knnc import KNeighborsClassifier
from knnc.datasets import load_dataset, load_digits
from knnc.ocr import Glyph, Page, annotate, normalise, read_page
from knnc.ocr._load import _check_size, load_grey

from .composer import Style, compose

Pixels = npt.NDArray[np.uint8]
STYLE = Style(zoom=4, lines=2, words=2)


@pytest.fixture(scope="module")
def page() -> Pixels:
    _, test = load_dataset("digits")
    return compose(test.images * np.uint8(15), test.target, STYLE, 3)[0]


@pytest.fixture(scope="module")
def text(page: Pixels, digits_reader: Any) -> str:
    return read_page(page, digits_reader).text


def test_the_page_is_known(page: Pixels, text: str) -> None:
    _, test = load_dataset("digits")
    truth = compose(test.images * np.uint8(15), test.target, STYLE, 3)[1]
    assert [len(word) for word in text.split()] == [len(word) for word in truth.split()]
    assert text.count("\n") == 1


def saved(image: Image.Image, kind: str, **options: Any) -> Image.Image:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return Image.open(file)


def test_every_kind_of_image_reads_the_same(page: Pixels, text: str, digits_reader: Any) -> None:
    grey = Image.fromarray(page)
    ink = Image.new("RGBA", grey.size, "black")
    ink.putalpha(Image.fromarray(255 - page))
    kinds = {
        "colour": np.stack([page] * 3, axis=2),
        "16 bits": page.astype(np.uint16) * 257,
        "floats": page / 255,
        "alpha": ink,
        "grey and alpha": ink.convert("LA"),
        "palette": grey.convert("P"),
        "cmyk": grey.convert("RGB").convert("CMYK"),
        "32 bits": Image.fromarray(page.astype(np.int32)),
        "float image": Image.fromarray(page.astype(np.float32)),
        "16-bit png": saved(Image.fromarray(page.astype(np.uint16) * 257), "PNG"),
        "jpeg": saved(grey, "JPEG", quality=95),
        "tiff": saved(grey, "TIFF"),
        "1 bit": page > 128,
    }
    read = {name: read_page(image, digits_reader).text for name, image in kinds.items()}
    exact = {name for name in kinds if name not in ("jpeg", "1 bit", "cmyk")}
    assert {name: read[name] for name in exact} == dict.fromkeys(exact, text)
    for name in ("jpeg", "1 bit", "cmyk"):
        assert [len(word) for word in read[name].split()] == [len(word) for word in text.split()]


def test_files_and_exif(page: Pixels, text: str, digits_reader: Any, tmp_path: Path) -> None:
    grey = Image.fromarray(page)
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by a quarter to the right
    path = tmp_path / "scan.png"
    grey.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)
    found = read_page(path, digits_reader)
    assert found.text == read_page(str(path), digits_reader).text == text
    assert found.size == grey.size


@pytest.mark.parametrize("orientation", range(1, 10))
def test_every_orientation_is_turned_upright(orientation: int, tmp_path: Path) -> None:
    """Of which there are eight; the size is that of the upright image."""
    image = Image.fromarray(np.arange(24, dtype=np.uint8).reshape(4, 6) * 9)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "scan.png"
    image.save(path, exif=exif)
    with Image.open(path) as opened:
        expected = ImageOps.exif_transpose(opened)
    grey = load_grey(path)
    np.testing.assert_array_equal(grey.pixels, np.asarray(expected))
    assert grey.size == expected.size == ((4, 6) if 5 <= orientation <= 8 else (6, 4))


def test_what_is_not_sure_is_drawn_in_another_colour() -> None:
    image = np.zeros((28, 28), np.uint8)
    glyph = Glyph((10, 30, 30, 60), "7", 1.0, (), 0, False, image, confidence=0.75)
    for changes, colour in (
        ({}, (0, 114, 178)),
        ({"confidence": 0.7}, (213, 94, 0)),
        ({"is_mark": True}, (0, 158, 115)),
        ({"label": "?"}, (204, 121, 167)),
    ):
        found = Page((replace(glyph, **changes),), (80, 90), 0.0)
        picture = np.asarray(annotate(np.full((90, 80), 255, np.uint8), found))
        assert tuple(picture[30, 20]) == colour
        # The legend is below the page, and has all colours.
        legend = {tuple(pixel) for pixel in picture[90:].reshape(-1, 3)}
        assert {(0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167)} <= legend


@pytest.mark.parametrize(("side", "width"), [(80, 1), (600, 1), (2400, 2), (3600, 3)])
def test_lines_and_text_are_as_large_as_the_page_asks_for(side: int, width: int) -> None:
    image = np.zeros((28, 28), np.uint8)
    box = (side // 4, side // 4, side // 2, side // 2)
    page = Page((Glyph(box, "1", 1.0, (), 0, False, image),), (side, side), 0.0)
    picture = np.asarray(annotate(np.full((side, side), 255, np.uint8), page))
    blue = (picture == (0, 114, 178)).all(axis=2)
    assert blue[side // 3, : side // 3].sum() == width
    above = np.flatnonzero((picture[: side // 4] < 255).any(axis=(1, 2)))
    assert np.ptp(above) >= 0.6 * max(10 * width, side / 10) - 2


def test_at_the_upper_edge_the_reading_is_below_the_box() -> None:
    image = np.zeros((28, 28), np.uint8)
    page = Page((Glyph((5, 2, 20, 30), "7", 1.0, (), 0, False, image),), (60, 60), 0.0)
    picture = np.asarray(annotate(np.full((60, 60), 255, np.uint8), page))
    assert (picture[:2] == 255).all()
    assert (picture[30:45, 5:20] < 255).any()


def test_glyphs(page: Pixels, digits_reader: Any) -> None:
    found = read_page(page, digits_reader)
    height, width = page.shape
    assert found.size == (width, height)
    assert {glyph.line for glyph in found.glyphs} == {0, 1}
    assert "\n".join(found.lines) == found.text
    assert [g.line for g in found.glyphs] == sorted(g.line for g in found.glyphs)
    _, ind = digits_reader.kneighbors(np.array([g.image.ravel() for g in found.glyphs]))
    for glyph, nearest in zip(found.glyphs, ind, strict=True):
        assert glyph.neighbors == tuple(nearest)
        assert glyph.image.shape == (28, 28)
        assert 1 / 3 <= glyph.probability <= 1
        x0, y0, x1, y1 = glyph.box
        dark = page < 128
        assert dark[y0:y1, x0:x1].any()
        # All the ink of a column of the box that is in its line is in the box.
        assert not dark[y0 - 3 : y0 - 1, x0:x1].any()
        assert not dark[y1 + 1 : y1 + 3, x0:x1].any()


def test_boxes_of_a_turned_page_are_on_the_turned_page(digits_reader: Any) -> None:
    _, test = load_dataset("digits")
    turned = compose(
        test.images * np.uint8(15), test.target, Style(zoom=4, lines=3, degrees=10), 5
    )[0]
    found = read_page(turned, digits_reader)
    assert found.degrees == pytest.approx(-10, abs=0.5)
    dark = turned < 128
    left = dark.copy()
    for x0, y0, x1, y1 in (glyph.box for glyph in found.glyphs):
        assert dark[y0:y1, x0:x1].mean() > 0.1
        left[y0:y1, x0:x1] = False
    assert left.sum() < 0.01 * dark.sum()


def test_min_confidence(page: Pixels, digits_reader: Any) -> None:
    found = read_page(page, digits_reader, min_confidence=0)
    assert "?" not in found.text
    limit = float(np.median([glyph.confidence for glyph in found.glyphs]))
    strict = read_page(page, digits_reader, min_confidence=limit)
    assert strict.text == "\n".join(
        "".join(" " * g.space_before + (g.guess if g.confidence >= limit else "?") for g in line)
        for line in ([g for g in found.glyphs if g.line == i] for i in range(2))
    )
    assert [g.guess for g in strict.glyphs] == [g.label for g in found.glyphs]
    assert 0 < strict.text.count("?") < len(strict.glyphs)
    with pytest.raises(ValueError, match="min_confidence"):
        read_page(page, digits_reader, min_confidence=1.5)


@pytest.mark.parametrize(
    "image",
    [
        np.full((300, 400), 255, np.uint8),
        np.zeros((300, 400), np.uint8),
        np.zeros((1, 1), np.uint8),
        np.ones((1, 3000), np.uint8),
        np.ones((3000, 1), np.uint8),
        np.random.default_rng(0).integers(0, 256, (200, 200)).astype(np.uint8),
        np.random.default_rng(0).normal(200, 9, (200, 200)).astype(np.uint8),
        np.add.outer(np.arange(100, 200), np.arange(55)).astype(np.uint8),
    ],
    ids=["white", "black", "1x1", "row", "column", "noise", "paper", "gradient"],
)
def test_nothing_to_read(image: Pixels, digits_reader: Any) -> None:
    found = read_page(image, digits_reader)
    assert (found.text, found.glyphs) == ("", ())
    assert found.size == image.shape[::-1]


def test_photographs_of_no_text(digits_reader: Any) -> None:
    from sklearn.datasets import load_sample_images

    for photograph in load_sample_images().images:
        assert read_page(photograph, digits_reader).text == ""


def test_a_single_character(digits_reader: Any) -> None:
    digits = load_digits()
    images = np.kron(digits.images[:6] * np.uint8(15), np.ones((6, 6), np.uint8))
    for padding in (1, 20):
        read = [read_page(255 - np.pad(image, padding), digits_reader).text for image in images]
        assert sum(a == b for a, b in zip(read, map(str, digits.target), strict=False)) >= 5


def test_a_huge_image(digits_reader: Any, tmp_path: Path) -> None:
    image = Image.new("1", (20_000, 20_000), 1)
    image.paste(0, (9_000, 8_000, 9_600, 12_000))
    path = tmp_path / "huge.png"
    image.save(path)
    del image
    (glyph,) = read_page(path, digits_reader).glyphs
    assert glyph.label == "1"
    assert np.abs(np.array(glyph.box) - (9_000, 8_000, 9_600, 12_000)).max() <= 60


def test_too_large(digits_reader: Any, tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    Image.new("1", (8, 8)).save(path)
    data = bytearray(path.read_bytes())
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    path.write_bytes(data)
    with pytest.raises(ValueError, match="60,000 x 60,000 pixels is too large"):
        read_page(path, digits_reader)
    assert Image.MAX_IMAGE_PIXELS is not None


@pytest.mark.parametrize(("kind", "side"), [("TIFF", 30_000), ("PNG", 40_001)])
def test_what_a_decoder_takes_counts(kind: str, side: int) -> None:
    """A TIFF is decoded into a copy first: half the pixels are too many."""
    for width, too_large in ((side, True), (side * 5 // 8, False)):
        image = SimpleNamespace(
            width=width, height=side, mode="L", format=kind, info={}, size=(width, side)
        )
        if too_large:
            with pytest.raises(ValueError, match="too large to read"):
                _check_size(image)  # type: ignore[arg-type]
        else:
            _check_size(image)  # type: ignore[arg-type]


def test_files_that_are_no_images(page: Pixels, digits_reader: Any, tmp_path: Path) -> None:
    path = tmp_path / "text.png"
    path.write_text("hello")
    with pytest.raises(ValueError, match=r"text\.png: this is no PNG, JPEG"):
        read_page(path, digits_reader)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"text\.png: this is no PNG, JPEG"):
        read_page(path, digits_reader)
    Image.fromarray(page).save(path)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(ValueError, match=r"text\.png: a damaged image"):
        read_page(path, digits_reader)
    with pytest.raises(FileNotFoundError):
        read_page(tmp_path / "none.png", digits_reader)
    with pytest.raises(OSError, match=r"directory|denied"):
        read_page(tmp_path, digits_reader)


@pytest.mark.parametrize(
    ("image", "error", "said"),
    [
        (np.zeros((0, 5), np.uint8), ValueError, "no pixels"),
        (np.zeros(5, np.uint8), ValueError, "shape"),
        (np.zeros((4, 4, 2), np.uint8), ValueError, "shape"),
        (np.zeros((4, 4), np.int64), ValueError, "dtype"),
        (np.full((4, 4), 7.0), ValueError, "from 0 to 1"),
        (np.full((4, 4), np.nan), ValueError, "from 0 to 1"),
        (b"PNG", TypeError, "bytes"),
    ],
)
def test_refused(image: Any, error: type[Exception], said: str, digits_reader: Any) -> None:
    with pytest.raises(error, match=said):
        read_page(image, digits_reader)


def test_estimators(page: Pixels, text: str, digits_reader: Any) -> None:
    from sklearn.exceptions import NotFittedError
    from sklearn.linear_model import LinearRegression
    from sklearn.naive_bayes import MultinomialNB

    digits = load_digits()
    rows = normalise(digits.images)
    with pytest.raises(NotFittedError):
        read_page(page, KNeighborsClassifier())
    with pytest.raises(TypeError, match="predict_proba"):
        read_page(page, LinearRegression().fit(rows, digits.target))
    with pytest.raises(ValueError, match="rows of 64 pixels"):
        read_page(page, KNeighborsClassifier().fit(digits.data, digits.target))
    pipeline = make_pipeline("passthrough", KNeighborsClassifier(3)).fit(rows, digits.target)
    assert read_page(page, pipeline).glyphs[0].neighbors
    other = read_page(page, MultinomialNB().fit(rows, digits.target))
    assert other.glyphs[0].neighbors == ()


def test_normalise() -> None:
    images = np.zeros((3, 40, 30), np.uint8)
    images[0, 5:25, 10:20] = 200
    images[1] = 255 - images[0]
    rows = normalise(images).reshape(-1, 28, 28)
    assert rows.dtype == np.uint8
    np.testing.assert_array_equal(rows[0], rows[1])
    ys, xs = np.nonzero(rows[0])
    assert (ys.min(), ys.max(), xs.min(), xs.max()) == (4, 23, 10, 19)
    assert not rows[2].any()
    with pytest.raises(ValueError, match="height, width"):
        normalise(images[0])


def test_the_form_of_mnist_stays_as_it_is(mnist: Any) -> None:
    images = mnist.train[:300].reshape(-1, 28, 28)
    away = np.abs(normalise(images).reshape(images.shape).astype(int) - images)
    assert (away.max(axis=(1, 2)) <= 4).mean() > 0.7


def test_annotate(page: Pixels, digits_reader: Any) -> None:
    found = read_page(page, digits_reader)
    picture = np.asarray(annotate(page, found)).astype(int)
    height, width = page.shape
    assert picture.shape[1:] == (width, 3)
    assert height < picture.shape[0] < height + 60  # the legend
    coloured = np.ptp(picture, axis=2) > 30
    for x0, y0, x1, y1 in (glyph.box for glyph in found.glyphs):
        assert coloured[y0, x0:x1].all()
        assert coloured[y1 - 1, x0:x1].all()


@pytest.mark.parametrize("name", ["PIL", "skimage"])
def test_without_the_extra(
    name: str, page: Pixels, digits_reader: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in [m for m in sys.modules if m.partition(".")[0] == name]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r'pip install "knnc\[ocr\]"'):
        read_page(page, digits_reader)
