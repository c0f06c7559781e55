"""Drawings are read as the library reads them; a tab teaches itself alone."""

from __future__ import annotations

import base64
import gc
import io
import threading
import weakref
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import knnc
from knnc.datasets import load_dataset
from knnc.datasets._idx import read_idx
from knnc.ocr import training_rows
from knnc.recipes import make_recipe
from knnc.web._decode import Decoder
from knnc.web._files import idx_archive
from knnc.web._guard import Refused
from knnc.web._layer import Layer
from knnc.web._readers import Readers
from knnc.web._ruled import RuledOut
from knnc.web._tabs import Tabs
from tests.web.conftest import Asked, as_file, drawing, scan
from tests.web.strokes import DIGITS

Ask = Callable[..., Any]


def image_of(said: Any) -> np.ndarray:
    return np.frombuffer(base64.b64decode(said["image"]), np.uint8)


@pytest.fixture(scope="module")
def rows() -> Any:
    """Rows and labels to learn from, and rows to ask about."""
    train, test = load_dataset("digits")
    return *training_rows(train, normalised=False), training_rows(test, normalised=False)[0]


@pytest.mark.parametrize("digit", DIGITS)
def test_each_digit_is_read(ask: Ask, digit: str) -> None:
    said = ask("POST", "/api/draw", content=drawing(digit)).json()
    assert said["answer"] == digit
    assert sum(each["share"] for each in said["classes"]) == pytest.approx(1, abs=1e-3)
    assert len(said["neighbors"]) == 5
    assert 0 < said["ms"] < 1000


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev", "hamming", "cosine"])
@pytest.mark.parametrize("weights", ["uniform", "distance"])
def test_an_answer_is_that_of_the_library(ask: Ask, rows: Any, metric: str, weights: str) -> None:
    X, y, _ = rows
    said = ask(
        "POST",
        "/api/draw",
        content=drawing("5"),
        params={"metric": metric, "weights": weights, "k": 7},
    ).json()
    clf = knnc.KNeighborsClassifier(7, metric=metric, weights=weights).fit(X, y)
    row = image_of(said).reshape(1, -1)
    dist, ind = clf.kneighbors(row)
    assert [each["row"] for each in said["neighbors"]] == ind[0].tolist()
    assert [each["distance"] for each in said["neighbors"]] == pytest.approx(dist[0], abs=1e-4)
    shares = [each["share"] for each in said["classes"]]
    assert shares == pytest.approx(clf.predict_proba(row)[0], abs=1e-4)
    assert said["answer"] == clf.predict(row)[0]


def test_a_test_image_and_a_file_are_read(ask: Ask, rows: Any) -> None:
    said = ask("GET", "/api/test/3").json()
    assert image_of(said).tolist() == rows[2][3].tolist()
    assert said["answer"] == said["label"]
    ink = np.frombuffer(drawing("7"), np.uint8).reshape(112, 112)
    assert ask("POST", "/api/image", content=as_file(255 - ink, "JPEG")).json()["answer"] == "7"


def test_a_picture_is_not_decoded_before_the_reader_is_ready(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, decoded = [True, True], []
    estimator, decode = Readers.estimator, Decoder.decode

    def later(self: Readers, *given: str) -> Any:
        if waiting and waiting.pop():
            raise Refused(202, "The reader is being made ready: this takes a moment.")
        return estimator(self, *given)

    def counted(self: Decoder, *given: Any) -> Any:
        decoded.append(1)
        return decode(self, *given)

    monkeypatch.setattr(Readers, "estimator", later)
    monkeypatch.setattr(Decoder, "decode", counted)
    ink = np.frombuffer(drawing("7"), np.uint8).reshape(112, 112)
    assert ask("POST", "/api/image", content=as_file(255 - ink)).json()["answer"] == "7"
    assert (waiting, len(decoded)) == ([], 1)


def test_no_ink_is_no_answer(ask: Ask) -> None:
    said = ask("POST", "/api/draw", content=bytes(112 * 112)).json()
    assert said["answer"] is None
    assert not said["neighbors"]


@pytest.mark.parametrize("recipe", ["plain", "fast", "accurate", "clothes"])
def test_a_layer_answers_as_a_fit_on_all_rows_would(rows: Any, recipe: str) -> None:
    """To the last bit where the recipe learns no map; one that does keeps the map it has."""
    X, y, asked = (some[:400] for some in rows)
    asked = asked[:12]
    taught, labels = asked[:3], np.array(["a", "8", "a"])
    base = make_recipe(recipe, n_jobs=1).fit(X, y)
    layer = Layer(base, y).fit(taught, labels)
    assert layer.classes_.tolist() == [*sorted(set(y)), "a"]
    found = layer.find(asked)
    assert found.neighbors[:3, 0].tolist() == [len(X), len(X) + 1, len(X) + 2]
    assert np.allclose(found.distances[:3, 0], 0)
    assert np.allclose(found.shares.sum(axis=1), 1)
    if recipe == "plain":
        whole = make_recipe(recipe).fit(np.vstack([X, taught]), np.concatenate([y, labels]))
        dist, ind = whole.kneighbors(asked)
        assert np.array_equal(found.neighbors, ind)
        assert np.array_equal(found.distances, dist)
        assert np.array_equal(found.shares, whole.predict_proba(asked))
    untaught = Layer(base, y).fit(np.empty((0, 784), np.uint8), [])
    assert np.allclose(untaught.predict_proba(asked), base.predict_proba(asked))


def test_the_number_of_neighbours_may_be_larger_than_what_was_taught(rows: Any) -> None:
    X, y, asked = rows
    layer = Layer(make_recipe("plain").fit(X, y), y, 20, "distance").fit(asked[:1], ["new"])
    assert layer.find(asked[:5]).neighbors.shape == (5, 20)


def test_teaching_changes_the_answer_in_one_tab_until_it_is_undone(ask: Ask, server: str) -> None:
    drawn, one = drawing("7"), {"k": 1}
    said = ask("POST", "/api/draw", content=drawn, params=one).json()
    image = image_of(said).tobytes()
    taught = ask("POST", "/api/taught", content=image, params={"label": "<b>"}).json()
    assert taught == {"taught": 1}
    said = ask("POST", "/api/draw", content=drawn, params=one).json()
    assert said["answer"] == "<b>"
    assert (said["neighbors"][0]["taught"], said["neighbors"][0]["distance"]) == (True, 0.0)
    other = Asked(server, "f" * 32)
    assert other("POST", "/api/draw", content=drawn, params=one).json()["answer"] == "7"
    other.close()
    assert ask("DELETE", "/api/taught").json() == {"taught": 0}
    assert ask("POST", "/api/draw", content=drawn, params=one).json()["answer"] == "7"


@pytest.mark.parametrize("labels", [["7", "3"], ["b", "A"]])
def test_what_was_taught_can_be_downloaded(ask: Ask, labels: list[str], tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 784), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        ask("POST", "/api/taught", content=image.tobytes(), params={"label": label})
    response = ask("GET", "/api/taught/idx")
    assert "attachment" in response.headers["content-disposition"]
    zipfile.ZipFile(io.BytesIO(response.content)).extractall(tmp_path)
    stored = read_idx(tmp_path / "train-images-idx3-ubyte")
    assert np.array_equal(stored.reshape(2, -1), images)
    codes = read_idx(tmp_path / "train-labels-idx1-ubyte").tolist()
    if labels == ["7", "3"]:
        assert codes == [7, 3]
    else:
        mapping = (tmp_path / "taught-mapping.txt").read_text().splitlines()
        pairs = [line.split() for line in mapping]
        names = {int(code): chr(int(point)) for code, point in pairs}
        assert [names[code] for code in codes] == labels
    (tmp_path / "taught.knnc").write_bytes(ask("GET", "/api/taught/knnc").content)
    clf = knnc.load(tmp_path / "taught.knnc", mmap=False)
    assert clf.set_params(n_neighbors=1).predict(images).tolist() == labels


def row_of(number: int) -> Any:
    """A row that differs from those of other numbers."""
    return np.frombuffer(number.to_bytes(784, "big"), np.uint8)


def test_what_is_kept_of_tabs_is_bounded() -> None:
    tabs = Tabs()
    tabs.get("first").teach(row_of(1), "1")
    for i in range(300):
        tab = tabs.get(f"other {i}")
        tabs.keep_page(tab, f"page {i}")  # type: ignore[arg-type]
    assert not tabs.get("first").taught  # it went, as the one not used for longest
    pages = [tabs.get(f"other {i}").page for i in range(280, 300)]
    assert [page is None for page in pages] == [True] * 4 + [False] * 16
    for i in range(1100):
        assert tab.teach(row_of(i), str(i)) == min(i + 1, 1000)
    rows, labels = tab.rows_and_labels()
    assert labels.tolist() == [str(i) for i in range(100, 1100)]  # the oldest went
    assert rows[0].tolist() == row_of(100).tolist()


def test_what_all_tabs_were_taught_is_bounded() -> None:
    tabs = Tabs()
    for name in range(21):
        tab = tabs.get(f"{name}")
        for i in range(1000):
            tab.teach(row_of(i), "1")
    assert len(tabs.get("20").taught) == 1000
    assert not tabs.get("0").taught  # it went, as the one not used for longest
    assert len(tabs.get("1").taught) == 1000


def test_readers_of_tabs_that_taught_are_bounded(rows: Any) -> None:
    X, y, asked = rows
    base = make_recipe("plain", n_jobs=1).fit(X, y)
    tabs = Tabs()
    alive = []
    for i in range(20):
        tab = tabs.get(f"{i}")
        tab.teach(asked[i], "new")
        alive.append(weakref.ref(tabs.layer(tab, base, y, None, None)))
    gc.collect()
    assert sum(each() is not None for each in alive) == 16
    layer = tabs.layer(tabs.get("0"), base, y, None, None)  # made anew
    assert layer.find(asked[:1]).neighbors[0, 0] == len(X)


def test_an_image_has_the_label_that_it_was_given_last(ask: Ask) -> None:
    for label in ("3", "5"):
        said = ask("POST", "/api/taught", content=bytes([9] * 784), params={"label": label}).json()
        assert said == {"taught": 1}
    content = ask("GET", "/api/taught/idx").content
    labels = zipfile.ZipFile(io.BytesIO(content)).read("train-labels-idx1-ubyte")
    assert labels[8:] == b"\5"
    assert ask("GET", "/api/taught").json() == {"taught": 1}


def test_more_labels_than_a_byte_can_number_are_no_idx_files() -> None:
    rows, labels = np.zeros((257, 784), np.uint8), np.array([f"n{i:03}" for i in range(257)])
    archive = zipfile.ZipFile(io.BytesIO(idx_archive(rows[:256], labels[:256])))
    assert archive.read("train-labels-idx1-ubyte")[8:] == bytes(range(256))
    with pytest.raises(Refused, match="256 labels at most, and 257 were taught") as refused:
        idx_archive(rows, labels)
    assert refused.value.status == 409


def test_what_a_tab_taught_is_fitted_by_worker_threads(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = []
    fit = Layer.fit

    def noted(self: Layer, *given: Any) -> Layer:
        threads.append(threading.current_thread().name)
        return fit(self, *given)

    monkeypatch.setattr(Layer, "fit", noted)
    ask("POST", "/api/taught", content=bytes([7] * 784), params={"label": "7"})
    ask("POST", "/api/draw", content=drawing("7"))
    ask("POST", "/api/page", content=as_file(scan()[0]), params={"k": 3})
    ask("PUT", "/api/page/characters/0", params={"label": "0", "k": 4})
    assert len(threads) == 3
    assert all(name.startswith("knnc-web") for name in threads)


def test_nobody_waits_for_a_fit(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go, given = threading.Event(), threading.Event(), []
    fit = Layer.fit

    def slow(self: Layer, *rows: Any) -> Layer:
        given.append(len(rows[0]))
        if len(given) == 1:
            begun.set()
            assert go.wait(30)
        return fit(self, *rows)

    ask("POST", "/api/taught", content=bytes([7] * 784), params={"label": "7"})
    monkeypatch.setattr(Layer, "fit", slow)
    said: list[Any] = []
    thread = threading.Thread(
        target=lambda: said.append(ask("POST", "/api/draw", content=drawing("7")))
    )
    thread.start()
    try:
        assert begun.wait(30)
        taught = ask("POST", "/api/taught", content=bytes([8] * 784), params={"label": "8"})
        assert taught.json() == {"taught": 2}
    finally:
        go.set()
        thread.join()
    assert said[0].json()["answer"] == "7"
    # The fit that was begun before is not taken for one on both.
    ask("POST", "/api/draw", content=drawing("7"))
    assert given == [1, 2]


def test_rows_ruled_out_are_counted() -> None:
    """Beside a plain comparison: no row nearer than the last neighbour may be ruled out."""
    rng = np.random.default_rng(1)
    centres = rng.integers(0, 256, (30, 784))
    rows = (centres[rng.integers(0, 30, 3000)] + rng.normal(0, 9, (3000, 784))).clip(0, 255)
    rows = rows.astype(np.uint8)
    dist, _ = knnc.NearestNeighbors(n_neighbors=5).fit(rows).kneighbors(rows[:20])
    ruled = RuledOut(rows)
    apart = rows.astype(np.int64)
    for row, kth in zip(rows[:20], dist[:, -1], strict=True):
        within = int((((apart - row) ** 2).sum(axis=1) <= round(kth**2)).sum())
        n = ruled.count(row, float(kth))
        assert within >= 5
        assert 1000 < n <= len(rows) - within


def test_where_there_are_no_codes_all_rows_are_compared(ask: Ask) -> None:
    said = ask("POST", "/api/why", content=bytes(784), params={"distance": 100}).json()
    assert said == {"ruled_out": 0, "compared": 1029}
