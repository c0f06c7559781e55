"""``knnc read``: what is printed, what it learns from, what is refused."""

from __future__ import annotations

import json
import os
import sys
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import knnc
from knnc.datasets import load_digits

from .conftest import Program, write_idx

pytest.importorskip("PIL", reason="reading pages needs the extra 'ocr'")
pytest.importorskip("skimage", reason="reading pages needs the extra 'ocr'")

from PIL import Image


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """Two lines of digits of scikit-learn: 0 1 2 3, 4 5 6 7."""
    images = np.kron(load_digits().images[10:18] * np.uint8(15), np.ones((4, 4), np.uint8))
    images = np.pad(images, ((0, 0), (12, 12), (4, 4)))
    page = np.vstack([np.hstack(list(images[:4])), np.hstack(list(images[4:]))])
    path = tmp_path / "scan.png"
    Image.fromarray(255 - np.pad(page, 20)).save(path)
    return path


@pytest.fixture
def no_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KNNC_DATA_HOME", str(tmp_path / "nothing"))


@pytest.fixture
def letters(tmp_path: Path) -> Path:
    """The digits of scikit-learn as an IDX folder."""
    folder = tmp_path / "letters"
    folder.mkdir()
    digits = load_digits()
    for part in ("train", "t10k"):
        write_idx(folder / f"{part}-images-idx3-ubyte", digits.images * np.uint8(15))
        write_idx(folder / f"{part}-labels-idx1-ubyte", digits.target.astype(np.uint8))
    return folder


@pytest.mark.usefixtures("no_mnist")
def test_text(knnc_here: Program, scan: Path) -> None:
    result = knnc_here("read", scan)
    assert (result.code, result.out) == (0, "0123\n4567\n")
    assert "less exact" in result.err
    assert result.err.count("\n") == 1
    said = knnc_here("read", scan, "--train", "digits", "--recipe", "plain")
    assert (said.code, said.out, said.err) == (0, "0123\n4567\n", "")


def test_json(knnc_here: Program, scan: Path) -> None:
    result = knnc_here("read", scan, "--train", "digits", "--recipe", "plain", "--json")
    assert (result.code, result.err) == (0, "")
    assert result.out.count("\n") == 1
    record = json.loads(result.out)
    assert record["text"] == "0123\n4567"
    assert (record["file"], record["page"], record["unlike"]) == (str(scan), 1, False)
    with Image.open(scan) as image:
        width, height = image.size
    assert record["size"] == [width, height]
    assert [line["text"] for line in record["lines"]] == ["0123", "4567"]
    assert [word["text"] for line in record["lines"] for word in line["words"]] == ["0123", "4567"]
    for number, glyph in enumerate(record["glyphs"]):
        assert glyph["label"] == glyph["guess"] == str(number)
        assert glyph["line"] == number // 4
        assert 0.5 < glyph["probability"] <= 1
        assert 0.5 < glyph["confidence"] <= 1
        assert glyph["alternatives"][0] == {"label": str(number), "share": glyph["probability"]}
        assert len(glyph["neighbors"]) == 5
        assert glyph["neighbors"][0]["label"] == str(number)
        distances = [neighbor["distance"] for neighbor in glyph["neighbors"]]
        assert distances == sorted(distances)
        x0, y0, x1, y1 = glyph["box"]
        assert 0 <= x0 < x1 <= width
        assert 0 <= y0 < y1 <= height
        lx0, ly0, lx1, ly1 = record["lines"][number // 4]["box"]
        assert lx0 <= x0 < x1 <= lx1
        assert ly0 <= y0 < y1 <= ly1


def test_formats(knnc_here: Program, scan: Path) -> None:
    args = ("read", scan, "--train", "digits", "--recipe", "plain", "--format")
    header, *rows = (line.split("\t") for line in knnc_here(*args, "tsv").out.splitlines())
    words = [dict(zip(header, row, strict=True)) for row in rows if row[0] == "5"]
    assert [word["text"] for word in words] == ["0123", "4567"]
    assert [word["line_num"] for word in words] == ["1", "2"]
    assert all(50 < float(word["conf"]) <= 100 for word in words)
    hocr = ElementTree.fromstring(knnc_here(*args, "hocr").out)
    found = [e.text for e in hocr.iter() if e.get("class") == "ocrx_word"]
    assert found == ["0123", "4567"]
    # Programs that read hOCR find words by way of areas, paragraphs and lines.
    classes = ["ocr_page", "ocr_carea", "ocr_par", "ocr_line", "ocrx_word"]
    path = "/".join(f"*[@class='{name}']" for name in classes)
    assert [e.text for e in hocr.findall(f".//{path}")] == found
    space = "{http://www.loc.gov/standards/alto/ns-v4#}"
    alto = ElementTree.fromstring(knnc_here(*args, "alto").out)
    strings = list(alto.iter(f"{space}String"))
    assert [e.get("CONTENT") for e in strings] == ["0123", "4567"]
    glyphs = [e.get("CONTENT") for e in strings[1].iter(f"{space}Glyph")]
    assert glyphs == list("4567")
    for string, word in zip(strings, words, strict=True):
        names = ("HPOS", "left"), ("VPOS", "top"), ("WIDTH", "width"), ("HEIGHT", "height")
        assert all(string.get(name) == word[other] for name, other in names)
    refused = knnc_here(*args, "docx")
    assert refused.code == 2
    assert "text, json, tsv, hocr, alto" in refused.err


def test_many_images(
    knnc_here: Program, scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    for name in ("b.png", "a.png"):
        (folder / name).write_bytes(scan.read_bytes())
    (folder / "notes.txt").write_text("no image")
    args = ("--train", "digits", "--recipe", "plain")
    result = knnc_here("read", folder, scan, *args)
    assert (result.code, result.out) == (0, "\f".join(["0123\n4567\n"] * 3))
    records = [
        json.loads(line)
        for line in knnc_here("read", folder, *args, "--json").out.split("\n")
        if line
    ]
    assert [record["file"] for record in records] == [str(folder / "a.png"), str(folder / "b.png")]
    refused = knnc_here("read", folder, *args, "--annotate", tmp_path / "out.png")
    assert (refused.code, "there are 2" in refused.err) == (2, True)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=BytesIO(scan.read_bytes())))
    assert knnc_here("read", "-", *args).out == "0123\n4567\n"
    twice = knnc_here("read", "-", scan, "-", *args)
    assert (twice.code, "can be read once only" in twice.err) == (2, True)
    (folder / "a.png").unlink()
    (folder / "b.png").unlink()
    assert "no images in this folder" in knnc_here("read", folder, *args).err


def test_all_pages(knnc_here: Program, scan: Path, tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    with Image.open(scan) as second:
        Image.new("L", (200, 100), "white").save(path, save_all=True, append_images=[second])
    result = knnc_here("read", path, "--train", "digits", "--recipe", "plain", "--all-pages")
    assert (result.code, result.out) == (0, "\f0123\n4567\n")
    assert f"nothing that looks like writing on {path}, page 1" in result.err


def test_region_and_whitelist(knnc_here: Program, scan: Path) -> None:
    args = ("read", scan, "--train", "digits", "--recipe", "plain")
    with Image.open(scan) as image:
        width, height = image.size
    upper = knnc_here(*args, "--region", f"0,0,{width},{height // 2}")
    assert (upper.code, upper.out) == (0, "0123\n")
    lower = knnc_here(*args, "--region", f"0,{height // 2},{width},{height}", "--json")
    whole = json.loads(knnc_here(*args, "--json").out)
    boxes = [glyph["box"] for glyph in json.loads(lower.out)["glyphs"]]
    np.testing.assert_allclose(boxes, [g["box"] for g in whole["glyphs"][4:]], atol=2)
    assert knnc_here(*args, "--whitelist", "012345").out == "0123\n45??\n"
    for wrong in ("1,2,3", "a,b,c,d", "9,9,5,20", "0,0,²,9"):
        assert knnc_here(*args, "--region", wrong).code == 2
    assert "has no pixels" in knnc_here(*args, "--region", "5000,5000,6000,6000").err


def test_annotate(knnc_here: Program, scan: Path, tmp_path: Path) -> None:
    out = tmp_path / "read.png"
    result = knnc_here("read", scan, "--train", "digits", "--recipe", "plain", "--annotate", out)
    assert (result.code, result.out) == (0, "0123\n4567\n")
    with Image.open(out) as picture, Image.open(scan) as image:
        assert (picture.format, picture.mode, picture.width) == ("PNG", "RGB", image.width)
        assert image.height < picture.height  # the legend is below the page


def test_annotate_refuses_what_it_cannot_write(
    knnc_here: Program, scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fitted(*_: object, **__: object) -> None:
        raise AssertionError("nothing is learnt before the name is checked")

    monkeypatch.setattr("knnc.cli._read._recognizer", fitted)
    before = scan.read_bytes()
    for image, out, said in (
        (scan, tmp_path / "out.bmp", "out.bmp has to end in .png or .jpg"),
        (scan, tmp_path / "out", "out has to end in .png"),
        (scan, tmp_path / "none" / "out.png", "there is no folder"),
        (scan, scan, "is the image to read"),
        (scan.parent, scan, "is the image to read"),
    ):
        result = knnc_here("read", image, "--annotate", out)
        assert (result.code, result.out) == (2, "")
        assert said in " ".join(result.err.replace("│", " ").split())
    assert scan.read_bytes() == before


@pytest.mark.parametrize("ending", ["jpg", "jpeg", "pdf"])
def test_annotate_writes(ending: str, knnc_here: Program, scan: Path, tmp_path: Path) -> None:
    out = tmp_path / f"read.{ending}"
    args = ("--train", "digits", "--recipe", "plain", "--annotate", out)
    assert knnc_here("read", scan, *args).code == 0
    assert out.read_bytes()[:3] == (b"%PD" if ending == "pdf" else b"\xff\xd8\xff")


def test_pdf(knnc_here: Program, scan: Path, tmp_path: Path) -> None:
    pdfium = pytest.importorskip("pypdfium2", reason="a PDF needs the extra 'pdf'")
    out = tmp_path / "read.pdf"
    args = ("--train", "digits", "--recipe", "plain", "--pdf")
    assert knnc_here("read", scan, scan, *args, out).out == "0123\n4567\n\f0123\n4567\n"
    with pdfium.PdfDocument(out) as document:
        texts = [page.get_textpage().get_text_range().split() for page in document]
    assert texts == [["0123", "4567"]] * 2
    before = out.read_bytes()
    for path, said in ((out, "is the image to read"), (tmp_path / "out.png", "has to end in .pdf")):
        refused = knnc_here("read", out, *args, path)
        assert (refused.code, refused.out) == (2, "")
        assert said in " ".join(refused.err.replace("│", " ").split())
    assert out.read_bytes() == before


def test_a_folder(knnc_here: Program, scan: Path, letters: Path) -> None:
    assert knnc_here("read", scan, "--recipe", "plain", "--train", letters).out == "0123\n4567\n"
    codes = "".join(f"{label} {ord('a') + label}\n" for label in range(10))
    (letters / "emnist-letters-mapping.txt").write_text(codes)
    assert knnc_here("read", scan, "--recipe", "plain", "--train", letters).out == "abcd\nefgh\n"
    (letters / "emnist-letters-mapping.txt").unlink()
    turned = knnc_here("read", scan, "--recipe", "plain", "--train", letters, "--transposed")
    assert turned.code == 0
    assert turned.out != "0123\n4567\n"


def test_min_confidence(knnc_here: Program, letters: Path, scan: Path) -> None:
    with Image.open(scan) as opened:
        image = np.array(opened)
    image[30:34] = 255  # strokes broken
    Image.fromarray(image).save(scan)
    result = knnc_here("read", scan, "--recipe", "plain", "--train", letters, "--min-confidence", 1)
    assert result.code == 0
    assert set(result.out) <= set("0123456789?\n ")
    assert knnc_here("read", scan, "--min-confidence", 2).code == 2


def test_nothing_to_read(knnc_here: Program, tmp_path: Path) -> None:
    path = tmp_path / "blank.png"
    Image.new("L", (100, 100), "white").save(path)
    result = knnc_here("read", path, "--train", "digits", "--recipe", "plain")
    assert (result.code, result.out) == (3, "")
    assert "nothing that looks like writing" in result.err
    result = knnc_here("read", path, "--train", "digits", "--recipe", "plain", "--json")
    assert result.code == 3
    record = json.loads(result.out)
    assert (record["text"], record["glyphs"], record["lines"]) == ("", [], [])


def test_refused(knnc_here: Program, scan: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.png"
    text.write_text("hello")
    for args, code, said in (
        ((text, "--train", "digits", "--recipe", "plain"), 1, "text.png: this is no PNG, JPEG"),
        ((tmp_path / "none.png", "--train", "digits"), 2, "there is no file"),
        ((scan, "--recipe", "good"), 2, "no recipe is called"),
        ((scan, "--train", "mnits"), 2, "neither one of"),
    ):
        result = knnc_here("read", *args)
        assert (result.code, result.out) == (code, "")
        assert said in " ".join(result.err.replace("│", " ").split())
        assert "Traceback" not in result.err


def test_the_sample_page(knnc_here: Program, tmp_path: Path) -> None:
    """Read by what was learnt of scikit-learn's digits, its own among them."""
    options = "--data-home", tmp_path
    text = "33457 81479 041\n40803 359 6369\n62968 39298 827\n"
    assert knnc_here("read", "--sample", "--min-confidence", 0, *options).out == text
    # The recipe's map comes of LAPACK, whose last bits differ between CPUs: on some, one zero has a
    # confidence of just below a half.
    sure = knnc_here("read", "--sample", *options).out
    assert sure in (text, text.replace("40803", "408?3"))
    assert knnc_here("read", "--sample", tmp_path / "another.png").code == 2


@pytest.mark.parametrize("name", ["PIL", "skimage"])
def test_without_the_extra(
    knnc_here: Program, scan: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in [m for m in sys.modules if m.partition(".")[0] == name]:
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, name, None)
    result = knnc_here("read", scan, "--train", "digits")
    assert (result.code, result.out) == (1, "")
    assert 'pip install "knnc[ocr]"' in result.err
    assert result.err.count("\n") == 1


def test_a_page_of_a_pdf(knnc_here: Program, scan: Path, tmp_path: Path) -> None:
    pytest.importorskip("pypdfium2", reason="a PDF needs the extra 'pdf'")
    path = tmp_path / "scan.pdf"
    with Image.open(scan) as second:
        first = Image.new("L", (200, 100), "white")
        first.save(path, save_all=True, append_images=[second], resolution=300)
    args = ("read", path, "--train", "digits", "--recipe", "plain")
    assert knnc_here(*args, "--page", 2).out == "0123\n4567\n"
    assert "nothing that looks like writing" in knnc_here(*args).err
    result = knnc_here(*args, "--page", 3)
    assert (result.code, result.out) == (1, "")
    assert result.err == f"knnc: error: {path}: there is no page 3 in a file of 2 pages\n"


# --- what was learnt is kept ---


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KNNC_CACHE_HOME", str(tmp_path / "kept"))
    return tmp_path / "kept"


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of rows of each fit."""
    seen: list[int] = []
    fit = knnc.KNeighborsClassifier.fit

    def counted(self: Any, X: np.ndarray, y: np.ndarray) -> Any:
        seen.append(len(X))
        return fit(self, X, y)

    monkeypatch.setattr(knnc.KNeighborsClassifier, "fit", counted)
    return seen


def test_it_learns_once(
    knnc_here: Program, scan: Path, letters: Path, cache: Path, fits: list[int]
) -> None:
    first = knnc_here("read", scan, "--recipe", "plain", "--train", letters, "--json")
    assert (first.code, first.err, len(fits)) == (0, "", 1)
    (kept,) = cache.iterdir()
    assert knnc_here("read", scan, "--recipe", "plain", "--train", letters, "--json") == first
    assert len(fits) == 1
    assert (
        knnc_here("read", scan, "--recipe", "plain", "--train", letters, "--json", "--no-cache")
        == first
    )
    assert len(fits) == 2
    assert list(cache.iterdir()) == [kept]


def test_it_learns_anew_when_that_makes_a_difference(
    knnc_here: Program,
    scan: Path,
    letters: Path,
    cache: Path,
    fits: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    args = ("read", scan, "--recipe", "plain", "--train", letters)
    knnc_here(*args)
    (kept,) = cache.iterdir()
    codes = "".join(f"{label} {ord('a') + label}\n" for label in range(10))
    (letters / "emnist-letters-mapping.txt").write_text(codes)
    assert knnc_here(*args).out == "abcd\nefgh\n"
    (now,) = cache.iterdir()  # the one before it is gone
    assert (now != kept, len(fits)) == (True, 2)
    monkeypatch.setattr("knnc.__version__", "99.0")
    knnc_here(*args)
    assert len(fits) == 3
    knnc_here(*args, "--transposed")  # beside the other
    assert (len(fits), len(list(cache.iterdir()))) == (4, 2)


def test_one_of_several_sets_in_folders_of_their_names(
    knnc_here: Program, scan: Path, letters: Path, cache: Path, fits: list[int]
) -> None:
    for path in list(letters.iterdir()):
        folder = letters / f"emnist-digits-{path.name}"
        folder.mkdir()
        path.rename(folder / folder.name)
    args = ("read", scan, "--recipe", "plain", "--train", letters / "emnist-digits")
    for _ in range(2):
        assert knnc_here(*args).out == "0123\n4567\n"
    assert len(fits) == 1
    (letters / "emnist-digits-mapping.txt").write_text("0 79\n")
    assert knnc_here(*args).out == "O123\n4567\n"
    labels = letters / "emnist-digits-train-labels-idx1-ubyte"
    os.utime(labels / labels.name, (1, 1))
    knnc_here(*args)
    assert (len(fits), len(list(cache.iterdir()))) == (3, 1)


@pytest.mark.parametrize("damage", ["cut", "changed", "another"])
def test_a_file_that_is_none(
    damage: str, knnc_here: Program, scan: Path, letters: Path, cache: Path, fits: list[int]
) -> None:
    args = ("read", scan, "--recipe", "plain", "--train", letters)
    want = knnc_here(*args)
    (kept,) = cache.iterdir()
    data = bytearray(kept.read_bytes())
    if damage == "cut":
        kept.write_bytes(data[:1000])
    elif damage == "changed":
        data[len(data) // 2] ^= 1
        kept.write_bytes(data)
    else:
        knnc.save(knnc.KNeighborsClassifier(1).fit(np.zeros((1, 784), np.uint8), ["x"]), kept)
    fits.clear()
    assert knnc_here(*args) == want
    assert knnc_here(*args) == want
    assert len(fits) == 1


def test_where_nothing_can_be_kept(
    knnc_here: Program, scan: Path, letters: Path, cache: Path
) -> None:
    cache.write_text("a file, and no folder")
    result = knnc_here("read", scan, "--recipe", "plain", "--train", letters)
    assert (result.code, result.out) == (0, "0123\n4567\n")
    assert "cannot be kept" in result.err
    assert result.err.count("\n") == 1


@pytest.mark.usefixtures("no_mnist")
def test_the_small_digits_are_kept_as_such(
    knnc_here: Program, scan: Path, cache: Path, fits: list[int]
) -> None:
    for _ in range(2):
        result = knnc_here("read", scan, "--recipe", "plain")
        assert (result.out, "less exact" in result.err) == ("0123\n4567\n", True)
    assert len(fits) == 1
    assert knnc_here("read", scan, "--recipe", "plain", "--train", "digits").err == ""
    assert len(fits) == 1
    assert len(list(cache.iterdir())) == 1
