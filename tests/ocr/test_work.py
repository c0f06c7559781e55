"""How much work a page can ask for: bounded by its pixels, whatever is on it; and Ctrl-C."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import ndimage
from sklearn.base import BaseEstimator, ClassifierMixin

import knnc
from knnc.datasets import load_dataset
from knnc.ocr import _ink, _layout, read_page
from knnc.ocr._parts import check_density

Pixels = np.ndarray


def white(shape: tuple[int, int]) -> Pixels:
    return np.full(shape, 255, np.uint8)


def salt(share: float, size: int) -> Pixels:
    page = white((1000, 1000))
    ys, xs = np.nonzero(np.random.default_rng(0).random((990, 990)) < share)
    for y, x in zip(ys, xs, strict=True):
        page[y : y + size, x : x + size] = 0
    return page


def dots(step: int, size: int) -> Pixels:
    page = white((1000, 1000))
    for i in range(size):
        for j in range(size):
            page[i + 3 :: step, j + 3 :: step] = 0
    return page


def grid(step: int) -> Pixels:
    page = white((1000, 1000))
    page[::step] = page[:, ::step] = 0
    return page


def checkerboard(size: int) -> Pixels:
    ys, xs = np.mgrid[:1000, :1000] // size
    return np.where((ys + xs) % 2, 0, 255).astype(np.uint8)


def dashed(high: int) -> Pixels:
    """Lines of dashes of random lengths, `high` pixels high."""
    page, rng = white((1000, 1000)), np.random.default_rng(0)
    for y in range(10, 1000 - high, 2 * high + 2):
        x = 5
        while x < 940:
            length = int(rng.integers(6, 60))
            page[y : y + high, x : x + length] = 0
            x += length + int(rng.integers(4, 20))
    return page


def characters(shape: tuple[int, int], pitch: int, zoom: int = 3) -> Pixels:
    """Rows of the digits that come with scikit-learn, 8 x 8 before they are enlarged."""
    page, rng = white(shape), np.random.default_rng(1)
    images = load_dataset("digits")[1].images * np.uint8(15)
    side = 8 * zoom
    for y in range(6, shape[0] - side, side + 10):
        for x in range(6, shape[1] - side, pitch):
            image = np.kron(images[rng.integers(len(images))], np.ones((zoom, zoom), np.uint8))
            place = page[y : y + side, x : x + side]
            np.minimum(place, 255 - image, out=place)
    return page


def diagonal() -> Pixels:
    page = white((4000, 250))
    for y in range(0, 3990, 16):
        x = y * 240 // 4000
        page[y : y + 5, x : x + 5] = 0
    return page


PAGES: dict[str, Callable[[], Pixels]] = {
    "salt": lambda: salt(0.02, 1),
    "coarse salt": lambda: salt(0.0008, 7),
    "dots": lambda: dots(12, 4),
    "large dots": lambda: dots(46, 20),
    "grid": lambda: grid(20),
    "checkerboard": lambda: checkerboard(8),
    "dashed lines": lambda: dashed(14),
    "joined rows": lambda: characters((1000, 1000), 13),
    "receipt": lambda: characters((1736, 576), 22),
    "tall and thin": diagonal,
}


class Counting(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Guesses, and counts the images that it is asked for."""

    def __init__(self) -> None:
        self.n_images = 0

    def fit(self, X: Any, y: Any) -> Counting:
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X: Any) -> Pixels:
        self.n_images += len(X)
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))


@pytest.mark.parametrize("kind", PAGES)
def test_work_is_bounded(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the pixels of a page: those that are looked at, and the characters and cuts tried."""
    scaled = []
    turned = _layout.turned
    monkeypatch.setattr(
        _layout,
        "turned",
        lambda ink, frame: scaled.append(frame.shape[0] * frame.shape[1]) or turned(ink, frame),
    )
    page = PAGES[kind]()
    reader = Counting().fit(None, np.arange(10))
    read = read_page(page, reader)
    n_sizes = 5
    assert sum(scaled) <= 2 * 6_000_000 + 2 * n_sizes * page.size
    most = 600 + page.size // 2000
    assert len(read.glyphs) <= 4 * most
    # Each character before and after it is cut, and what is tried.
    assert reader.n_images <= 6 * most + 4000 + 200


@pytest.mark.parametrize("noise", [0, 20])
def test_ink_is_the_same_in_strips(noise: int, monkeypatch: pytest.MonkeyPatch) -> None:
    page = characters((200, 300), 40) / 2 + 60
    page += np.random.default_rng(0).normal(0, noise, page.shape)
    page = page.clip(0, 255).astype(np.uint8)
    whole = _ink.ink_of(page)
    monkeypatch.setattr(_ink, "_STRIP", 5000)
    np.testing.assert_array_equal(_ink.ink_of(page), whole)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.4, 0.6, 0.9])
def test_pieces_are_counted_across_strips(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    mask = np.random.default_rng(0).random((60, 50)) < share
    monkeypatch.setattr(_ink, "_STRIP", 200)
    assert check_density(mask, mask.size) == ndimage.label(mask)[1]


@pytest.mark.parametrize("kind", ["receipt", "large dots", "white"])
def test_progress_within_a_page(kind: str) -> None:
    """It grows to the whole, in steps where there is something to read."""
    page = {**PAGES, "white": lambda: white((100, 100))}[kind]()
    calls: list[tuple[int, int]] = []
    with knnc.progress(lambda *call: calls.append(call)):
        read = read_page(page, Counting().fit(None, np.arange(10)))
    done = [done for done, _ in calls]
    assert {total for _, total in calls} == {100}
    assert (done[0], done[-1]) == (0, 100)
    assert done == sorted(done)
    if read.glyphs:
        assert {5, 20, 30, 80} <= set(done)


def test_a_callback_ends_reading() -> None:
    def stop(done: int, total: int) -> None:
        if done > 20:
            raise RuntimeError("enough")

    reader = Counting().fit(None, np.arange(10))
    with knnc.progress(stop), pytest.raises(RuntimeError, match="enough"):
        read_page(dots(46, 20), reader)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process")
def test_ctrl_c_ends_reading() -> None:
    """Soon and without a traceback of a library, on a page that takes seconds."""
    code = """if True:
        import numpy as np
        from knnc import KNeighborsClassifier
        from knnc.datasets import load_dataset
        from knnc.ocr import read_page, training_rows
        from tests.ocr.test_work import characters
        train, _ = load_dataset("digits")
        reader = KNeighborsClassifier(3).fit(*training_rows(train, normalised=False))
        page = characters((2000, 2000), 20)
        read_page(page[:200, :200], reader)
        print("reading", flush=True)
        try:
            while True:
                read_page(page, reader)
        except KeyboardInterrupt:
            print("ended", flush=True)
    """
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"reading\n"
        time.sleep(0.7)
        start = time.monotonic()
        child.send_signal(signal.SIGINT)
        assert child.stdout.readline() == b"ended\n"
        took = time.monotonic() - start
        out, err = child.communicate(timeout=60)
    assert (child.returncode, out, err) == (0, b"", b"")
    assert took < 2
