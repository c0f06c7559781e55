"""The page in the browser shows what ``knnc read`` prints of the same file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from typer.testing import CliRunner

from knnc.datasets import load_dataset
from knnc.ocr import Page, training_rows
from knnc.ocr._confidence import reference_of
from knnc.ocr._reader import Reader
from knnc.recipes import make_recipe
from knnc.web._layer import Layer
from knnc.web._pages import ReadPage
from tests.datasets.support import write_idx
from tests.ocr.forms import blank, finish
from tests.ocr.hand import Hand
from tests.web.conftest import Asked, as_file, running


@pytest.fixture(scope="module")
def images() -> tuple[npt.NDArray[np.uint8], npt.NDArray[Any]]:
    """Images to write with, and their labels."""
    rows, labels = training_rows(load_dataset("digits")[1], normalised=False)
    return rows.reshape(-1, 28, 28), labels.astype(int)


@pytest.fixture(scope="module")
def written(images: Any) -> bytes:
    """A page with marks."""
    hand = Hand(*images, np.random.default_rng(3))
    form = blank(900, 900)
    for i, text in enumerate(["-12,5 +408.17", "17+26=43 95%", "12/05/2024 (381)", "7:30 -6"]):
        hand.write(form, text, 60, 80 + 190 * i, 2.5)
    return as_file(finish(form, hand.rng).pixels)


@pytest.fixture(scope="module")
def noise() -> bytes:
    """A page of dots."""
    dots = np.zeros((900, 900), np.uint8)
    dots[::6, ::6] = dots[1::6, ::6] = dots[::6, 1::6] = dots[1::6, 1::6] = 255
    return as_file(255 - dots)


@pytest.fixture(scope="module", params=["plain", "fast", "accurate"])
def both(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """What the program says of a file, and a client of a server that learnt the same."""
    from knnc.web._app import make_app

    folder = tmp_path_factory.mktemp("set")
    for part, name in zip(load_dataset("digits"), ("train", "t10k"), strict=True):
        rows, labels = (of[::3] for of in training_rows(part, normalised=False))
        write_idx(folder / f"{name}-images-idx3-ubyte", rows.reshape(-1, 28, 28))
        write_idx(folder / f"{name}-labels-idx1-ubyte", labels.astype(np.uint8))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KNNC_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))

        def program(content: bytes) -> Any:
            from knnc.cli._app import app

            path = folder / "page.png"
            path.write_bytes(content)
            options = ["--train", str(folder), "--recipe", request.param, "--json"]
            result = CliRunner().invoke(app, ["read", str(path), *options])
            return json.loads(result.stdout), result.stderr

        with running(make_app(str(folder), request.param)) as address:
            client = Asked(address)
            yield program, client
            client.close()


def test_a_page_with_marks_has_the_same_text(both: Any, written: bytes) -> None:
    program, ask = both
    said, _ = program(written)
    read = ask("POST", "/api/page", content=written).json()
    assert read["text"] == said["text"]
    assert set("-+,/()=%") <= set(read["text"])
    for name in ("label", "box", "guess", "is_mark"):
        assert [each[name] for each in read["glyphs"]] == [each[name] for each in said["glyphs"]]
    confidences = [each["confidence"] for each in read["glyphs"]]
    assert confidences == pytest.approx([each["confidence"] for each in said["glyphs"]], abs=1e-4)
    exported = ask("GET", "/api/page/export/json").json()
    assert exported["glyphs"] == said["glyphs"]


def test_marks_stay_when_a_tab_has_taught(both: Any, written: bytes) -> None:
    _, ask = both
    read = ask("POST", "/api/page", content=written).json()
    (first,) = (i for i, each in enumerate(read["glyphs"]) if each["label"] == "=")
    mark = ask("GET", f"/api/page/characters/{first}").json()
    assert mark["classes"] == mark["neighbors"] == []
    corrected = ask("PUT", f"/api/page/characters/{first}", params={"label": "z"}).json()
    assert corrected["text"] == read["text"].replace("=", "z")
    # The next page is laid out by a reader with one row more. What was called a character there is
    # no mark for sure any longer, and nothing else changes.
    again = ask("POST", "/api/page", content=written).json()
    labels, before = ([each["label"] for each in page["glyphs"]] for page in (again, read))
    assert labels.pop(first) in "=?"
    assert before.pop(first) == "="
    assert labels == before
    assert ask("DELETE", "/api/taught").json() == {"taught": 0}


@pytest.mark.parametrize("both", ["plain"], indirect=True)
def test_a_page_of_dots_is_said_to_be_none(both: Any, noise: bytes) -> None:
    program, ask = both
    said, _ = program(noise)
    read = ask("POST", "/api/page", content=noise).json()
    assert read["too_dense"]
    assert said["too_dense"]
    assert (read["text"], read["glyphs"]) == ("", [])


def test_what_is_unlike_the_training_images_is_handed_on() -> None:
    for unlike in (False, True):
        page = Page((), (30, 20), 0.0, unlike=unlike)
        layer = Layer(None, np.array(["1"]))
        assert ReadPage(b"", 1, page, layer).described()["unlike"] is unlike


def test_a_layer_has_the_scale_of_its_fit() -> None:
    """And a class that was taught one like the others', at its place among them."""
    rows, labels = training_rows(load_dataset("digits")[0], normalised=False)
    base = make_recipe("plain").fit(rows, labels)
    usual = reference_of(base)
    assert usual is not None
    untaught = Layer(base, labels).fit(np.empty((0, 784), np.uint8), [])
    assert Reader(untaught).reference is usual
    taught = Layer(base, labels).fit(rows[:1], np.array(["3a"]))
    found = Reader(taught).reference
    assert found is not None
    assert taught.classes_[4] == "3a"
    assert np.delete(found.middle, 4).tolist() == usual.middle.tolist()
    assert found.middle[4] == np.median(usual.middle)
    assert found.distance == usual.distance


def test_a_layer_has_the_second_map_of_its_fit() -> None:
    rows, labels = training_rows(load_dataset("digits")[0], normalised=False)
    base = make_recipe("fast").fit(rows, labels)
    found = Reader(Layer(base, labels).fit(rows[:2], labels[:2])).reference
    assert found is not None
    assert found.look is not None
    np.testing.assert_array_equal(found.seen[-2:], found.seen[:2])
    assert len(found.seen) == len(rows) + 2
