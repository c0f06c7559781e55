"""Pictures of disputed labels and near-duplicates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import knnc

pytest.importorskip("matplotlib", reason="pictures need the extra 'plot'")

from matplotlib.figure import Figure

from knnc.inspection import (
    DisputedLabelsDisplay,
    NearDuplicatesDisplay,
    disputed_labels,
    near_duplicates,
)
from knnc.plot._base import QUIET, RIGHT, WRONG


def texts(display: Any) -> list[str]:
    return [text.get_text() for text in display.ax_.texts]


def frames(display: Any) -> list[str]:
    from matplotlib.colors import to_hex

    return [to_hex(patch.get_edgecolor()).upper() for patch in display.ax_.patches]


def test_disputed_labels_beside_their_neighbours(digits: Any) -> None:
    X, y = digits.X[:400], digits.y[:400].copy()
    y[[40, 90]] = 3, 8
    clf = knnc.KNeighborsClassifier(4).fit(X, y)
    found = disputed_labels(clf)
    display = DisputedLabelsDisplay.from_estimator(clf, X, y, n_images=3, title="doubts")
    assert display.ax_.get_title(loc="left") == "doubts"
    assert len(display.ax_.images) == 3 * (1 + 4)
    said = texts(display)
    for at in range(3):
        assert f"{found.label[at]}, or {found.suggested[at]}?" in said
        np.testing.assert_array_equal(display.images[at].ravel(), X[found.index[at]])
        np.testing.assert_array_equal(
            display.neighbor_images[at].reshape(4, -1), X[clf.kneighbors()[1][found.index[at]]]
        )
    expected = []
    for at in range(3):
        near = y[found.neighbors[at]]
        expected += [WRONG, *(RIGHT if label == found.label[at] else WRONG for label in near)]
    assert frames(display) == expected
    some = DisputedLabelsDisplay.from_estimator(clf, X, y, min_share=0.9, n_images=400)
    assert len(some.images) == len(disputed_labels(clf, min_share=0.9).index) < len(found.index)
    figure = Figure()
    ax = figure.add_subplot()
    assert display.plot(ax=ax).ax_ is ax


def test_near_duplicates_side_by_side(digits: Any) -> None:
    X = np.concatenate([digits.X[:50], digits.X[:3]])
    y = np.concatenate([digits.y[:50], [digits.y[0], 9, digits.y[2]]])
    display = NearDuplicatesDisplay.from_rows(X, y)
    assert len(display.ax_.images) == 2 * 3
    assert frames(display) == [QUIET, RIGHT, QUIET, WRONG, QUIET, RIGHT]
    assert texts(display).count("0.000") == 3
    by_index = NearDuplicatesDisplay.from_report(near_duplicates(X), X, n_pairs=2)
    assert by_index.y_true.tolist() == [0, 1]
    assert by_index.neighbor_labels.tolist() == [[50], [51]]


def test_nothing_to_draw(digits: Any) -> None:
    X, y = digits.X[:40], np.zeros(40, dtype=int)
    clf = knnc.KNeighborsClassifier(3).fit(X, y)
    assert texts(DisputedLabelsDisplay.from_estimator(clf, X, y)) == ["No label is disputed."]
    assert texts(NearDuplicatesDisplay.from_rows(X)) == ["There are no such pairs."]
