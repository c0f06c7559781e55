"""``knnc view`` and ``knnc compare``: the pictures, the table, what is refused."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import knnc
from knnc.datasets import load_dataset

from .conftest import Program, write_folder, write_idx

pytest.importorskip("matplotlib", reason="pictures need the extra 'plot'")

from PIL import Image

from knnc import plot
from knnc.cli import _compare, _console, _field
from knnc.plot import ComparisonDisplay, Outcome, best_single_pixels
from knnc.plot._base import Display


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize(
    ("what", "options"),
    [
        ("sprite", ["--rows", "2", "--columns", "9"]),
        ("read", ["--images", "24"]),
        ("misread", ["--images", "4", "--neighbors", "3"]),
        ("confusion", ["--limit", "300"]),
        ("curve", ["--max-k", "5", "--cv", "3", "--train-images", "300"]),
        ("embedding", ["--train-images", "120", "--iterations", "250", "--perplexity", "8"]),
        ("pixels", []),
        ("disputed", ["-k", "7", "--images", "3"]),
        ("duplicates", ["--radius", "14", "--pairs", "5"]),
    ],
)
def test_each_view_is_a_picture(
    knnc_here: Program, here: Path, what: str, options: list[str]
) -> None:
    result = knnc_here("view", what, "digits", *options)
    path = here / f"knnc-{what}-digits.png"
    assert (result.code, result.out, result.err) == (0, f"Picture  {path}\n", "")
    assert [file.name for file in here.iterdir()] == [path.name]
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert picture.width > 600
        grey = np.asarray(picture.convert("L"))
    assert (grey < 128).mean() > 0.001
    # Nothing is cut off at the edges.
    frame = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    assert (frame > 250).all()


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The displays that are drawn."""
    displays: list[Any] = []
    keep = Display._drawn

    def noted(display: Any, *args: Any, **style: Any) -> Any:
        displays.append(display)
        return keep(display, *args, **style)

    monkeypatch.setattr(Display, "_drawn", noted)
    return displays


def test_options_reach_the_pictures(knnc_here: Program, drawn: list[Any]) -> None:
    train, test = load_dataset("digits")

    def view(*args: object) -> Any:
        assert knnc_here("view", args[0], "digits", *args[1:]).code == 0
        return drawn.pop()

    sprite = view("sprite", "--rows", 2, "--columns", 9)
    assert sprite.images.shape[:2] == (10, 18)
    read = view("read", "--images", 24)
    np.testing.assert_array_equal(read.y_true, test.target[:24].astype(str))
    plain = knnc.KNeighborsClassifier().fit(train.data, train.target)
    n_wrong = np.count_nonzero(plain.predict(test.data[:400]) != test.target[:400])
    misread = view("misread", "--images", 4, "--neighbors", 3, "--limit", 400)
    assert misread.neighbor_images.shape[:2] == (4, 3)
    assert f" {n_wrong} of 400 test images misread" in misread.ax_.get_title(loc="left")
    curve = view("curve", "--max-k", 6, "--cv", 3, "--train-images", 300)
    assert set(curve.n_neighbors) == set(range(1, 7))
    assert "mean of 3 folds" in curve.score_name
    disputed = view("disputed", "-k", 7, "--images", 3)
    assert disputed.neighbor_images.shape[:2] == (3, 7)
    duplicates = view("duplicates", "--radius", 14, "--pairs", 5)
    assert len(duplicates.images) == 5
    assert 0 < duplicates.distances.max() <= 14
    embedding = view("embedding", "--train-images", 60, "--iterations", 250, "--perplexity", 5)
    X, y = _console.sampled(train, 60)
    np.testing.assert_array_equal(embedding.y, y)
    assert (y != train.target[:60]).any()
    assert _console.sampled(train, len(train.data))[0] is train.data
    assert len(X) == len(np.unique(X, axis=0)) == 60


def test_a_class_that_is_only_read(knnc_here: Program, here: Path) -> None:
    """None of the test images is of it."""
    folder = here.parent / "six"
    folder.mkdir()
    for part, labels in (("train", [0, 1, 1, 1, 1, 1]), ("t10k", [0])):
        write_idx(folder / f"{part}-images-idx3-ubyte", np.zeros((len(labels), 4, 4), np.uint8))
        write_idx(folder / f"{part}-labels-idx1-ubyte", np.array(labels, np.uint8))
    result = knnc_here("view", "confusion", folder)
    assert (result.code, result.err) == (0, "")


def test_misread_says_how_many(knnc_here: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    titles: list[str] = []
    draw = plot.MisreadDisplay.from_estimator

    def drawn(*args: Any, **options: Any) -> Any:
        titles.append(options["title"])
        return draw(*args, **options)

    monkeypatch.setattr(plot.MisreadDisplay, "from_estimator", drawn)
    assert knnc_here("view", "misread", "digits", "--recipe", "fast").code == 0
    train, test = load_dataset("digits")
    reader = knnc.recipes.make_recipe("fast").fit(train.data, train.target)
    n_wrong = np.count_nonzero(reader.predict(test.data) != test.target)
    (title,) = titles
    assert title.startswith(f"digits, recipe fast: {n_wrong} of 768 test images misread, ")


def test_an_embedding_forms(knnc_here: Program, here: Path) -> None:
    out = here / "map.png"
    args = ("--train-images", 80, "--iterations", 250, "--perplexity", 5, "--recipe", "fast")
    result = knnc_here("view", "embedding", "digits", *args, "--gif", "--out", out)
    assert (result.code, result.err) == (0, "")
    assert result.out == f"Picture  {out}\nGIF      {here / 'map.gif'}\n"
    with Image.open(here / "map.gif") as gif:
        assert gif.n_frames > 20


@pytest.mark.parametrize("suffix", ["pdf", "svg", "PDF", "jpg"])
def test_other_kinds_of_pictures(knnc_here: Program, here: Path, suffix: str) -> None:
    out = here / f"sheet.{suffix}"
    assert knnc_here("view", "sprite", "digits", "--columns", "5", "-o", out).code == 0
    head = out.read_bytes()[:200]
    assert {"pdf": b"%PDF", "svg": b"<?xml", "jpg": b"\xff\xd8"}[suffix.lower()] in head


def test_the_folder_that_one_is_in(
    knnc_here: Program, drawn: list[Any], idx_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name is in the heading and in the name of the file, as if it had been written out."""
    monkeypatch.chdir(idx_folder)
    result = knnc_here("view", "sprite", ".")
    assert (result.code, result.out) == (0, f"Picture  {idx_folder / 'knnc-sprite-letters.png'}\n")
    assert drawn[0].figure_.axes[0].get_title(loc="left").startswith("letters: ")


def test_a_folder_of_images_that_are_no_squares(
    knnc_here: Program, here: Path, idx_folder: Path
) -> None:
    for what in ("sprite", "read", "misread", "confusion", "pixels", "disputed", "duplicates"):
        result = knnc_here("view", what, idx_folder)
        assert (result.code, result.err) == (0, "")
        nothing = {
            "misread": "Result   None was misread. There is no picture.\n",
            "disputed": "Result   No label is disputed. There is no picture.\n",
            "duplicates": "Result   There are no such pairs. There is no picture.\n",
        }
        assert (here / f"knnc-{what}-letters.png").exists() != (result.out == nothing.get(what))


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["sprite", "mnits"], "neither one of"),
        (["sprite", "digits", "--out", "a.gif"], "has to end in"),
        (["sprite", "digits", "--out", "no/where.png"], "there is no folder"),
        (["misread", "digits", "--recipe", "good"], "no recipe is called"),
        (["curve", "digits", "--train-images", "20"], "19 can be neighbours"),
        (
            ["curve", "digits", "--train-images", "20", "--cv", "3", "--max-k", "14"],
            "13 can be neighbours",
        ),
        (["embedding", "digits", "--perplexity", "2000"], "less than the number of images"),
        (
            ["embedding", "digits", "--train-images", "9", "--perplexity", "9"],
            "less than the number",
        ),
        (["embedding", "digits", "--iterations", "100"], "--iterations"),
        (["sprites", "digits"], "sprites"),
    ],
)
def test_wrong_usage(knnc_here: Program, here: Path, args: list[str], said: str) -> None:
    result = knnc_here("view", *args)
    assert (result.code, result.out) == (2, "")
    assert said in " ".join(re.sub("[│\n]", " ", result.err).split())
    assert list(here.iterdir()) == []


def test_what_has_no_distance_cannot_be_laid_out(knnc_here: Program) -> None:
    result = knnc_here("view", "embedding", "digits", "--recipe", "accurate", "--train-images", 50)
    assert (result.code, result.out) == (2, "")
    assert "recipe accurate has no single distance between images" in " ".join(
        re.sub("[│\n]", " ", result.err).split()
    )


@pytest.mark.parametrize("args", [["view", "sprite", "digits"], ["compare", "digits"]])
def test_without_the_extra(
    knnc_here: Program, here: Path, args: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = knnc_here(*args)
    assert (result.code, result.out) == (1, "")
    assert result.err.count("\n") == 1
    assert 'pip install "knnc[plot]"' in result.err
    assert list(here.iterdir()) == []


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the field, the quick ones, and one that stops at its limit."""
    every = _field.field(slow=False)
    names = ("KNeighbors", "LinearSVC", "GaussianNB")
    monkeypatch.setattr(_field, "field", lambda *, slow: {name: every[name] for name in names})
    plain = _field.recipes()["knnc plain"]
    monkeypatch.setattr(_field, "recipes", lambda: {"knnc plain": plain})


@pytest.mark.usefixtures("few")
def test_compare(knnc_here: Program, here: Path, idx_folder: Path) -> None:
    other = write_folder(idx_folder.parent / "others", n_train=200, n_test=50, seed=1)
    result = knnc_here("compare", idx_folder, other, "--train-images", 100, "--test-images", 40)
    assert result.code == 0
    assert result.err.splitlines()[-1] == "GaussianNB on others, 8 of 8", "a pipe is told too"
    path = here / "knnc-compare-letters-others.png"
    assert result.out.splitlines()[-1] == f"Picture  {path}"
    with Image.open(path) as picture:
        assert picture.width > 2000
    lines = result.out.splitlines()
    assert all(len(line) <= 80 for line in lines if "Picture" not in line)
    rows = {line.strip().rsplit("  ", 4)[0].strip(): line for line in lines}
    train, test = load_dataset(idx_folder)
    found = best_single_pixels(train.data, train.target, X_test=test.data, y_test=test.target)
    hardest = next(line for line in lines if "hardest pair" in line)
    assert f"{100 * found.accuracy.min():.2f}" in hardest
    median = next(line for line in lines if "median of pairs" in line)
    assert f"{100 * np.median(found.accuracy):.2f}" in median
    words = " ".join(result.out.split())
    assert "letters: 100 training images, 40 test images; others: 100 training images" in words
    for name in ("knnc plain", "KNeighbors", "LinearSVC", "GaussianNB"):
        assert any(row.startswith(name) for row in rows)


@pytest.mark.usefixtures("few")
def test_compare_json(knnc_here: Program, here: Path) -> None:
    result = knnc_here("compare", "digits", "--train-images", 60, "--test-images", 500, "--json")
    assert (result.code, result.err.count("\n")) == (0, 4)
    assert result.out.count("\n") == 1
    record = json.loads(result.out)
    assert record["datasets"]["digits"]["n_train"] == 60
    assert record["datasets"]["digits"]["n_test"] == 500
    every = load_dataset("digits")
    found = best_single_pixels(
        every[0].data, every[0].target, X_test=every[1].data, y_test=every[1].target
    )
    said = record["datasets"]["digits"]
    assert said["single_pixel_accuracy_least"] == found.accuracy.min()
    assert said["single_pixel_accuracy_median"] == np.median(found.accuracy)
    plain = record["results"][0]
    X, y = _console.sampled(load_dataset("digits")[0], 60)
    X_test, y_test = _console.sampled(load_dataset("digits")[1], 500)
    score = knnc.KNeighborsClassifier().fit(X, y).score(X_test, y_test)
    assert (plain["classifier"], plain["accuracy"]) == ("knnc plain", score)
    assert plain["fit_seconds"] > 0
    assert (here / "knnc-compare-digits.png").exists()
    twice = knnc_here("compare", "digits", "digits")
    assert (twice.code, twice.out) == (2, "")
    assert "same name" in twice.err


def test_a_terminal_is_told_which_classifier_is_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, int]] = []
    monkeypatch.setattr(_compare, "on_terminal", lambda: True)
    monkeypatch.setattr(
        "rich.progress.Progress.update",
        lambda bar, task, *, completed, total, description: told.append((description, completed)),
    )
    with _compare._steps(2) as start:
        start("A", "digits")
        start("B", "digits")
    assert told == [("A on digits", 0), ("B on digits", 1)]


def test_a_classifier_that_did_not_converge_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = [Outcome("A", "d", 0.9, 1.0, 1.0, False), Outcome("B", "d", 0.8, 1.0, 1.0, True)]
    X = np.array([[0], [1], [9]], dtype=np.uint8)
    pixels = {"d": best_single_pixels(X, [0, 0, 1])}
    display = ComparisonDisplay(outcomes=outcomes)
    _compare._print(_compare.stdout(), display, {"d": (3, 2)}, pixels)
    said = capsys.readouterr().out
    assert "90.00*" in said
    assert "80.00*" not in said
    assert "*: stopped at its limit" in said
    pixels["d"] = replace(pixels["d"], accuracy=np.array([0.5, 0.9, 0.7]))
    _compare._print(_compare.stdout(), display, {"d": (3, 2)}, pixels)
    lines = capsys.readouterr().out.splitlines()
    for what, share in (("median of pairs", "70.00"), ("hardest pair", "50.00")):
        assert share in next(line for line in lines if what in line)


def test_the_field_is_the_benchmarks(digits: Any) -> None:
    field = _field.field(slow=True)
    assert len(field) == 13
    assert set(field) - set(_field.field(slow=False)) == {"GradientBoosting"}
    X, y = digits.X[:200], digits.y[:200]
    for name in ("SVC", "SGD", "LogisticRegression", "PassiveAggressive", "ExtraTree"):
        assert field[name].fit(X, y).score(digits.X, digits.y) > 0.4, name
