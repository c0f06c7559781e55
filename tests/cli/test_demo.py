"""``knnc demo``: the picture, what is said, and that only equal answers are timed."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import knnc
from knnc.cli._draw import draw_row
from knnc.datasets import load_dataset

from .conftest import Program

pytest.importorskip("matplotlib", reason="the demo's picture needs the extra 'plot'")

from matplotlib.backends.backend_agg import FigureCanvasAgg

from knnc.cli import _demo, _race


def png_size(path: Path) -> tuple[int, int]:
    """Width and height of a PNG file."""
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert head[12:16] == b"IHDR"
    width, height = struct.unpack(">II", head[16:24])
    return width, height


def test_demo_prints_what_it_read_and_writes_the_picture(
    knnc_child: Program, tmp_path: Path
) -> None:
    result = knnc_child("demo", KNNC_DATA_HOME=str(tmp_path))
    assert (result.code, result.err) == (0, "")
    assert "\x1b" not in result.out
    assert [path.name for path in tmp_path.iterdir()] == ["knnc-demo.png"]
    assert png_size(tmp_path / "knnc-demo.png") == (1650, 1425)
    assert str(tmp_path / "knnc-demo.png") in result.out
    train, test = load_dataset("digits")
    wrong = 1 - knnc.KNeighborsClassifier().fit(train.data, train.target).score(
        test.data, test.target
    )
    assert f"Error  {100 * wrong:.2f} %" in result.out
    assert "downloads MNIST" in result.out
    for name in ("The digits", "MNIST-sized"):
        rates = re.search(
            rf"{name} +([\d,]+) +([\d,]+) +([\d,]+) +([\d,]+) +([\d.]+) times", result.out
        )
        assert rates is not None
        ours, theirs, times = (float(rates[i].replace(",", "")) for i in (3, 4, 5))
        assert times == pytest.approx(ours / theirs, rel=0.01, abs=0.06)


def test_demo_at_80_columns_wraps_nothing_but_the_path(
    knnc_here: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = _race.Race(
        n_train=9_000_000,
        n_features=10_000,
        n_queries=1000,
        n_wrong=20,
        n_ties=3,
        knnc_seconds=0.0005,
        sklearn_seconds=0.25,
        sklearn_dtype="float64",
    )
    monkeypatch.setattr(_demo, "race", lambda *args: result)
    (tmp_path / "mnist").mkdir()
    monkeypatch.setenv("KNNC_DATA_HOME", str(tmp_path))
    output = tmp_path / "a [red] name.png"
    done = knnc_here("demo", "--output", output)  # as the option was called before
    assert (done.code, done.err) == (0, "")
    assert png_size(output)[0] == 1650
    lines = done.out.splitlines()
    assert f"Picture  {output}" in lines
    assert all(len(line) <= 80 for line in lines if "Picture" not in line)
    words = " ".join(done.out.split())
    assert "The digits 9,000,000 10,000 2,000,000 4,000 500.0 times" in words
    assert "the same labels but for 6, where neighbours tie" in words
    assert "its error is 2.00 %" in words
    assert "knnc evaluate mnist reads 10,000 more" in words


@pytest.mark.parametrize("name", ["nowhere/a.png", "a.gif"])
def test_demo_refuses_an_output_before_it_works(
    knnc_here: Program, tmp_path: Path, name: str
) -> None:
    result = knnc_here("demo", "-o", tmp_path / name)
    assert (result.code, result.out) == (2, "")
    assert "--out" in result.err
    assert list(tmp_path.iterdir()) == []


def test_captions_in_the_picture_do_not_overlap() -> None:
    train, test = load_dataset("digits")
    reader = knnc.KNeighborsClassifier().fit(train.data, train.target)
    figure = _demo.draw_picture(reader, train, test, reader.predict(test.data))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    boxes = [
        artist.get_window_extent(renderer)
        for ax in figure.axes
        for artist in [
            *ax.texts,
            *ax.images,
            ax.title,
            *([ax.get_legend()] if ax.get_legend() else []),
        ]
        if artist.get_visible()
    ]
    assert len(boxes) > 150
    inside = figure.bbox
    low = np.array([box.p0 for box in boxes])
    high = np.array([box.p1 for box in boxes])
    assert (low >= inside.p0).all()
    assert (high <= inside.p1).all()
    apart = (low[:, None] >= high[None] - 0.5).any(axis=2)
    apart |= apart.T
    np.fill_diagonal(apart, True)
    assert apart.all()


def digits_race() -> tuple[Any, ...]:
    train, test = load_dataset("digits")
    return train.data, train.target, test.data, test.target


def test_race_reports_the_search_it_timed() -> None:
    X, y, queries, truth = digits_race()
    result = _race.race(X, y, queries, truth)
    estimator = knnc.KNeighborsClassifier().fit(X, y)
    assert (result.n_train, result.n_features, result.n_queries) == (*X.shape, len(queries))
    assert result.n_wrong == np.count_nonzero(estimator.predict(queries) != truth)
    assert result.times_faster == pytest.approx(result.knnc_rate / result.sklearn_rate)
    assert result.sklearn_dtype in ("float32", "float64")


class _OneTooFar(knnc.KNeighborsClassifier):
    """Misses the nearest neighbour."""

    def kneighbors(self, X=None, n_neighbors=None, return_distance=True):  # type: ignore[no-untyped-def]
        n_neighbors = self.n_neighbors if n_neighbors is None else n_neighbors
        dist, ind = super().kneighbors(X, n_neighbors + 1)
        return dist[:, 1:], ind[:, 1:]


class _OtherLabel(knnc.KNeighborsClassifier):
    """Gives the first query a label that no neighbour has."""

    def predict(self, X):  # type: ignore[no-untyped-def]
        y_pred = super().predict(X)
        y_pred[0] = (y_pred[0] + 1) % 10
        return y_pred


@pytest.mark.parametrize(("wrong", "what"), [(_OneTooFar, "distances"), (_OtherLabel, "labels")])
def test_race_times_no_wrong_answer(
    monkeypatch: pytest.MonkeyPatch, wrong: type[knnc.KNeighborsClassifier], what: str
) -> None:
    monkeypatch.setattr(_race, "KNeighborsClassifier", wrong)
    with pytest.raises(RuntimeError, match=what):
        _race.race(*digits_race())


def test_race_counts_labels_that_differ_by_a_tie(monkeypatch: pytest.MonkeyPatch) -> None:
    # Ten rows at one distance, five of either class: whichever five are taken decide the label.
    X = np.repeat(np.array([[7, 7]], dtype=np.uint8), 10, axis=0)
    y = np.repeat([0, 1], 5)

    class Last(knnc.KNeighborsClassifier):
        def predict(self, X):  # type: ignore[no-untyped-def]
            return np.ones(len(X), dtype=int)

    class First(_race.SklearnKNeighborsClassifier):  # type: ignore[misc]
        def predict(self, X):  # type: ignore[no-untyped-def]
            return np.zeros(len(X), dtype=int)

    monkeypatch.setattr(_race, "KNeighborsClassifier", Last)
    monkeypatch.setattr(_race, "SklearnKNeighborsClassifier", First)
    result = _race.race(X, y, X[:3], y[:3])
    assert result.n_ties == 3


def test_enlarged_and_shifted() -> None:
    images = np.arange(1, 9, dtype=np.uint8).reshape(2, 2, 2)
    rows = _race.enlarged_and_shifted(images, scale=2, side=8, reach=1).reshape(9, 2, 8, 8)
    for s, (dy, dx) in enumerate((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)):
        for i in range(2):
            expected = np.zeros((8, 8), dtype=np.uint8)
            expected[2 + dy : 6 + dy, 2 + dx : 6 + dx] = np.kron(images[i], np.ones((2, 2)))
            assert (rows[s, i] == expected).all()


IMAGES = np.array([[[0, 16], [8, 4]], [[16, 16], [0, 0]]])


def test_digits_are_grey_half_blocks_where_there_are_colours() -> None:
    console = Console(force_terminal=True, color_system="truecolor", no_color=False, width=20)
    lines = draw_row(IMAGES, ["a", "bcd"], console=console, vmax=16.0)
    assert [line.plain for line in lines] == ["\u2580\u2580 \u2580\u2580", "a  bc"]
    first = lines[0].spans[0].style
    assert str(first) == "#f0f0f0 on #848484"


@pytest.mark.parametrize(("encoding", "row"), [("utf-8", "  \u2588\u2588"), ("ascii", "  ##")])
def test_digits_are_shades_where_there_are_none(encoding: str, row: str, tmp_path: Path) -> None:
    with open(tmp_path / "out", "w", encoding=encoding) as file:
        console = Console(file=file, width=20)
        lines = draw_row(IMAGES, ["a", "b"], console=console, vmax=16.0)
        for line in lines:
            console.print(line)
    assert len(lines) == 3
    assert lines[0].plain == row + "  " + 2 * row[2:]
    assert lines[2].plain == " a     b"


def test_as_many_digits_as_fit() -> None:
    console = Console(width=9, color_system=None)
    assert draw_row(IMAGES, "ab", console=console, vmax=16.0)[2].plain == " a"
    console = Console(width=10, color_system=None)
    assert draw_row(IMAGES, "ab", console=console, vmax=16.0)[2].plain == " a     b"
