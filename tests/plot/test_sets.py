"""Whole data sets: the sprite, single pixels, classifiers side by side."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.linear_model import Perceptron
from sklearn.neural_network import MLPClassifier

from knnc import KNeighborsClassifier
from knnc.plot import (
    ComparisonDisplay,
    Outcome,
    PixelPairsDisplay,
    SpriteDisplay,
    best_single_pixels,
    compare_classifiers,
)


def test_sprite_shows_the_first_of_each_class(digits: Any) -> None:
    display = SpriteDisplay.from_rows(
        digits.X, digits.y, n_columns=7, rows_a_class=2, title="digits"
    )
    assert display.ax_.get_title(loc="left") == "digits"
    sheets = [np.asarray(image.get_array()) for image in display.ax_.images]
    assert len(sheets) == 10
    for label, sheet in enumerate(sheets):
        assert sheet.shape == (2 * 9 - 1, 7 * 9 - 1)  # a pixel of paper between images
        rows = digits.X[digits.y == label][:14].reshape(2, 7, 8, 8)
        for i, j in np.ndindex(2, 7):
            np.testing.assert_array_equal(sheet[9 * i : 9 * i + 8, 9 * j : 9 * j + 8], rows[i, j])
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == list("0123456789")
    extents = [image.get_extent() for image in display.ax_.images]
    assert all(above[2] < below[3] for above, below in pairwise(extents))


def test_sprite_of_classes_with_few_images_and_names() -> None:
    X = np.full((3, 6), 9, dtype=np.uint8)
    display = SpriteDisplay.from_rows(
        X, [2, 0, 2], target_names=["cat", "cow", "dog"], image_shape=(2, 3), n_columns=4
    )
    assert display.names == ["cat", "dog"]
    sheet = np.asarray(display.ax_.images[1].get_array())
    assert sheet.shape == (8, 15)
    assert (sheet == 9).all()  # where there are no more the paper is as the least value
    with pytest.raises(ValueError, match="2 classes of images and 1 names"):
        SpriteDisplay(images=display.images, names=["cat"])
    with pytest.raises(ValueError, match="3 images and 1 labels"):
        SpriteDisplay.from_rows(X, [0], image_shape=(2, 3))
    with pytest.raises(ValueError, match="no square images"):
        SpriteDisplay.from_rows(X, [0, 1, 2])


def test_sprite_by_what_an_estimator_reads(digits: Any) -> None:
    clf = KNeighborsClassifier().fit(digits.X[:500], digits.y[:500] % 2)
    ax = Figure().add_subplot()
    display = SpriteDisplay.from_estimator(
        clf, digits.X[500:], target_names=["even", "odd"], n_columns=5, ax=ax
    )
    assert display.ax_ is ax
    first = digits.X[500:][clf.predict(digits.X[500:]) == 1][0].reshape(8, 8)
    np.testing.assert_array_equal(display.images[1, 0], first)


def slow_best(X: Any, y: Any, first: int, second: int) -> float:
    """The best balanced accuracy of any pixel, threshold and direction, one after the other."""
    a, b = X[y == first], X[y == second]
    best = 0.0
    for pixel in range(X.shape[1]):
        for threshold in range(-1, 17):
            share = (np.mean(a[:, pixel] <= threshold) + np.mean(b[:, pixel] > threshold)) / 2
            best = max(best, share, 1 - share)
    return best


def test_best_single_pixels_are_the_best(digits: Any) -> None:
    X, y = digits.X[:600], digits.y[:600]
    found = best_single_pixels(X, y)
    assert found.pairs.tolist() == [list(pair) for pair in combinations(range(10), 2)]
    for at in (0, 11, 30, 44):
        assert found.accuracy[at] == pytest.approx(slow_best(X, y, *found.pairs[at]), abs=1e-6)
    tried = best_single_pixels(X, y, X_test=digits.X[600:], y_test=digits.y[600:])
    np.testing.assert_array_equal(tried.pixel, found.pixel)
    for at, (first, second) in enumerate(tried.pairs):
        above = digits.X[600:, tried.pixel[at]] > tried.threshold[at]
        right = above if tried.second_above[at] else ~above
        shares = right[digits.y[600:] == second].mean(), 1 - right[digits.y[600:] == first].mean()
        assert tried.accuracy[at] == pytest.approx(np.mean(shares))


def test_pixel_pairs_display(digits: Any, apart: Callable[..., None]) -> None:
    names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    display = PixelPairsDisplay.from_rows(digits.X, digits.y, target_names=names)
    table = np.asarray(display.im_.get_array())
    for (first, second), accuracy in zip(display.found.pairs, display.found.accuracy, strict=True):
        assert table[second - 1, first] == accuracy
    assert len(display.ax_.texts) == 45
    ax = display.ax_
    apart(display.figure_, [*ax.texts, *ax.get_yticklabels(), ax._left_title])
    for axis, shown in ((ax.yaxis, names[1:]), (ax.xaxis, names[:-1])):
        assert [label.get_text() for label in axis.get_ticklabels()] == shown
    odd = digits.y % 2 == 1
    assert PixelPairsDisplay.from_rows(digits.X[odd], digits.y[odd], target_names=names).names == [
        names[label] for label in (1, 3, 5, 7, 9)
    ]
    with pytest.raises(ValueError, match="10 classes and 9 names"):
        PixelPairsDisplay(found=display.found, names=names[1:])
    given = Figure().add_subplot()
    assert display.plot(ax=given, title="t").ax_ is given


@pytest.mark.parametrize(
    ("X", "y", "said"),
    [
        (np.zeros((2, 3)), [0, 1], "X must be uint8"),
        (np.zeros((2, 3), np.uint8), [0], "2 rows and 1 labels"),
        (np.zeros((2, 3), np.uint8), [0, 0], "two classes at least, got 1"),
        (np.zeros((2, 3, 3), np.uint8), [0, 1], "X must be uint8"),
        (np.zeros((2, 0), np.uint8), [0, 1], "X must be uint8"),
    ],
)
def test_single_pixels_refuse(X: Any, y: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        best_single_pixels(X, y)


def test_single_pixels_need_every_class_to_be_tried() -> None:
    X = np.array([[0], [9]], np.uint8)
    with pytest.raises(ValueError, match="each class needs a row in X_test"):
        best_single_pixels(X, [0, 1], X_test=X[:1], y_test=[0])
    for others in ({"X_test": X}, {"y_test": [0, 1]}):
        with pytest.raises(ValueError, match="pass both X_test and y_test"):
            best_single_pixels(X, [0, 1], **others)
    with pytest.raises(ValueError, match="X_test must have 1 pixels a row as X, got 2"):
        best_single_pixels(X, [0, 1], X_test=np.hstack((X, X)), y_test=[0, 1])


def test_classifiers_are_compared_on_each_set(digits: Any) -> None:
    rows = digits.X[:300], digits.y[:300], digits.X[300:500], digits.y[300:500]
    parity = digits.X[:300], digits.y[:300] % 2, digits.X[300:500], digits.y[300:500] % 2
    knn = KNeighborsClassifier(3)
    started: list[tuple[str, str]] = []
    outcomes = compare_classifiers(
        {"3-NN": knn, "short": MLPClassifier((5,), max_iter=2, random_state=0)},
        {"digits": rows, "parity": parity},
        on_start=lambda *names: started.append(names),
    )
    assert [(o.classifier, o.dataset) for o in outcomes] == started
    assert started == [
        ("3-NN", "digits"),
        ("short", "digits"),
        ("3-NN", "parity"),
        ("short", "parity"),
    ]
    assert not hasattr(knn, "classes_")
    assert outcomes[0].accuracy == knn.fit(*rows[:2]).score(*rows[2:])
    assert [o.converged for o in outcomes] == [True, False, True, False]
    assert all(o.fit_seconds > 0 and o.predict_seconds > 0 for o in outcomes)
    assert outcomes[0].seconds == outcomes[0].fit_seconds + outcomes[0].predict_seconds


class Talkative(Perceptron):  # type: ignore[misc]
    """Warns of something else."""

    def fit(self, X: Any, y: Any) -> Any:
        warnings.warn("listen", UserWarning, stacklevel=1)
        return super().fit(X, y)


def test_other_warnings_are_heard(digits: Any) -> None:
    rows = digits.X[:50], digits.y[:50], digits.X[50:60], digits.y[50:60]
    with pytest.warns(UserWarning, match="listen"):
        compare_classifiers({"t": Talkative()}, {"digits": rows})


def outcome(classifier: str, dataset: str, accuracy: float) -> Outcome:
    return Outcome(classifier, dataset, accuracy, 1.0, 0.5, True)


def test_comparison_display_has_the_best_on_top(apart: Callable[..., None]) -> None:
    outcomes = [
        outcome("A", "easy", 0.99),
        outcome("B", "easy", 0.97),
        outcome("C", "easy", 0.50),
        outcome("A", "hard", 0.80),
        outcome("B", "hard", 0.91),
        outcome("C", "hard", 0.50),
    ]
    display = ComparisonDisplay(outcomes=outcomes, ours=["B"]).plot(title="Two sets")
    assert display.classifiers == ["B", "A", "C"]
    assert display.datasets == ["easy", "hard"]
    ax = display.ax_
    labels = ax.get_yticklabels()
    assert [label.get_text() for label in labels] == ["B", "A", "C"]
    assert [label.get_fontweight() for label in labels] == ["bold", "normal", "normal"]
    assert ax.yaxis_inverted()
    said = [text.get_text() for text in ax.texts]
    assert sorted(said) == ["50.0", "50.0", "80.0", "91.0", "97.0", "99.0"]
    apart(display.figure_, [*ax.texts, *labels, ax.get_legend(), ax._left_title, ax.xaxis.label])
    at = {(round(x, 6), y): text.get_text() for text in ax.texts for x, y in [text.xy]}
    assert at[91.0, 0] == "91.0"
    assert at[99.0, 1] == "99.0"
    given = Figure().add_subplot()
    assert display.plot(ax=given).ax_ is given
    assert display.plot().ax_.get_xlim()[0] == 40
    between = [outcome("A", "middling", 0.9), outcome("B", "middling", 0.95)]
    more = ComparisonDisplay(outcomes=[*outcomes[:2], *outcomes[3:5], *between]).plot()
    assert sorted(text.get_text() for text in more.ax_.texts) == ["80.0", "91.0", "97.0", "99.0"]
    with pytest.raises(ValueError, match="one outcome on each data set"):
        ComparisonDisplay(outcomes=outcomes[:-1])


def test_comparison_from_estimators(digits: Any) -> None:
    rows = digits.X[:100], digits.y[:100], digits.X[100:150], digits.y[100:150]
    display = ComparisonDisplay.from_estimators(
        {"1": KNeighborsClassifier(1), "50": KNeighborsClassifier(50)}, {"digits": rows}
    )
    assert display.classifiers == ["1", "50"]
    assert len(display.ax_.texts) == 2
