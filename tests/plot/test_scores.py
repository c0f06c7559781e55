"""The confusion matrix, and the validation curve of k."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sklearn.metrics
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import GridSearchCV, ShuffleSplit
from sklearn.pipeline import make_pipeline

from knnc import KNeighborsClassifier, KNeighborsClassifierCV, KNeighborsRegressorCV
from knnc.image import Blur
from knnc.plot import ConfusionMatrixDisplay, NeighborsCurveDisplay

NAMES = ["T-shirt/top", "Trouser", "Pullover", "Ankle boot"]


def test_confusion_matrix_is_scikit_learns_with_numbers_that_stand_out() -> None:
    y_true = np.repeat(np.arange(4), [500, 400, 300, 200])
    y_pred = y_true.copy()
    y_pred[[0, 1, 600, 1000]] = 3, 3, 0, 1
    display = ConfusionMatrixDisplay.from_predictions(
        y_true, y_pred, display_labels=NAMES, cmap="Blues", colorbar=False
    )
    assert isinstance(display, sklearn.metrics.ConfusionMatrixDisplay)
    np.testing.assert_array_equal(display.confusion_matrix, confusion_matrix(y_true, y_pred))
    for (i, j), text in np.ndenumerate(display.text_):
        count = display.confusion_matrix[i, j]
        assert text.get_text() == (str(count) if count else "")
        assert text.get_color() == ("white" if count == 2 else "black")
    # Colours are in proportion to mistakes, and the diagonal has none of them.
    assert (display.im_.norm.vmin, display.im_.norm.vmax) == (0, 2)
    np.testing.assert_array_equal(display.im_.get_array().mask, np.eye(4, dtype=bool))
    shade = [sum(display.im_.cmap(display.im_.norm(count))[:3]) for count in (0, 1, 2)]
    assert shade[0] > shade[1] + 0.5 > shade[2] + 1


def test_confusion_matrix_without_a_mistake_and_its_bar() -> None:
    y = np.arange(4)
    display = ConfusionMatrixDisplay.from_predictions(y, y)
    assert display.im_.cmap.name == "Blues"
    assert (display.im_.norm.vmin, display.im_.norm.vmax) == (0, 1)
    assert display.im_.colorbar.ax.get_ylabel() == "mistakes"
    assert all(float(tick).is_integer() for tick in display.im_.colorbar.get_ticks())


def test_confusion_matrix_names_do_not_overlap(apart: Callable[..., None]) -> None:
    y = np.arange(4)
    display = ConfusionMatrixDisplay.from_predictions(y, y, display_labels=NAMES, colorbar=False)
    ax = display.ax_
    apart(display.figure_, [*ax.get_yticklabels(), ax.xaxis.label, ax.yaxis.label])
    assert {label.get_rotation() for label in ax.get_xticklabels()} == {35}


def test_confusion_matrix_of_an_estimator_in_given_axes(digits: Any) -> None:
    clf = KNeighborsClassifier().fit(digits.X[:300], digits.y[:300])
    ax = Figure().add_subplot()
    display = ConfusionMatrixDisplay.from_estimator(clf, digits.X, digits.y, ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    assert display.confusion_matrix.sum() == len(digits.y)
    linear = ConfusionMatrixDisplay(np.array([[9, 1], [0, 0]])).plot(
        im_kw={"norm": Normalize(0, 18)}
    )
    assert linear.im_.norm.vmax == 18
    empty = ConfusionMatrixDisplay(np.zeros((2, 2), dtype=int)).plot()
    assert [text.get_text() for text in empty.text_.ravel()] == [""] * 4
    shares = ConfusionMatrixDisplay.from_predictions([0, 0, 1], [0, 1, 1], normalize="true")
    assert [text.get_text() for text in shares.text_.ravel()] == ["0.5", "0.5", "", "1"]


def lines(display: NeighborsCurveDisplay) -> dict[str, tuple[list[Any], list[Any]]]:
    return {
        line.get_label(): (list(line.get_xdata()), list(line.get_ydata()))
        for line in display.lines_
    }


def test_curve_of_a_search_for_k(digits: Any) -> None:
    X, y = digits.X[:400], digits.y[:400]
    tuned = KNeighborsClassifierCV([5, 1, 3], cv=4).fit(X, y)
    display = NeighborsCurveDisplay.from_estimator(tuned, title="k")
    assert display.ax_.get_title(loc="left") == "k"
    assert display.ax_.get_ylabel() == "Accuracy, mean of 4 folds"
    drawn = lines(display)
    assert list(drawn) == ["weights: uniform", "weights: distance"]
    for at, params in enumerate(tuned.cv_results_["params"]):
        k, scores = drawn[f"weights: {params['weights']}"]
        assert k == [1, 3, 5]
        assert scores[k.index(params["n_neighbors"])] == tuned.cv_results_["mean_test_score"][at]
    best = tuned.best_params_["n_neighbors"]
    said = [text.get_text() for text in display.ax_.texts]
    assert said == [f"k = {best}: {tuned.best_score_:.4f}"]
    assert len(display.ax_.collections) == 2  # a band for each line
    np.testing.assert_allclose(display.errors, tuned.cv_results_["std_test_score"] / 2)
    for at, line in enumerate(display.lines_):
        where = [
            i for i, p in enumerate(tuned.cv_results_["params"]) if p["weights"] in line._label
        ]
        band = display.ax_.collections[at].get_paths()[0].vertices[:, 1]
        low, high = (display.scores + sign * display.errors for sign in (-1, 1))
        assert (band.min(), band.max()) == (low[where].min(), high[where].max())


def test_curve_marks_the_candidate_that_was_chosen() -> None:
    display = NeighborsCurveDisplay(n_neighbors=[1, 2, 3], scores=[0.5, 0.75, 0.25], best_index=2)
    assert [text.get_text() for text in display.plot().ax_.texts] == ["k = 3: 0.2500"]


@pytest.mark.parametrize("n_splits", [1, 4])
def test_curve_of_a_search_that_scores_training_rows_too(digits: Any, n_splits: int) -> None:
    """They are no more splits: the standard error was too small by the root of two."""
    search = GridSearchCV(
        KNeighborsClassifier(),
        {"n_neighbors": [1, 3]},
        cv=ShuffleSplit(n_splits, random_state=0),
        return_train_score=True,
    ).fit(digits.X[:200], digits.y[:200])
    display = NeighborsCurveDisplay.from_estimator(search)
    if n_splits == 1:
        assert display.errors is None
        assert display.ax_.get_ylabel() == "Accuracy, one split"
    else:
        np.testing.assert_allclose(display.errors, search.cv_results_["std_test_score"] / 2)
        assert display.ax_.get_ylabel() == "Accuracy, mean of 4 folds"


def test_curve_of_several_grids(digits: Any) -> None:
    X, y = digits.X[:120], digits.y[:120]
    grids = [{"n_neighbors": [1, 3]}, {"n_neighbors": [5], "p": [1]}]
    display = NeighborsCurveDisplay.from_estimator(
        GridSearchCV(KNeighborsClassifier(), grids, cv=2), X, y
    )
    assert [list(line.get_xdata()) for line in display.lines_] == [[1, 3], [5]]
    assert display.lines_[1].get_label() == "p: 1"


def test_curve_of_leave_one_out_fits_a_clone(digits: Any) -> None:
    search = KNeighborsRegressorCV(range(1, 6), weights=["uniform"])
    ax = Figure().add_subplot()
    display = NeighborsCurveDisplay.from_estimator(search, digits.X[:200], digits.y[:200], ax=ax)
    assert not hasattr(search, "cv_results_")
    assert display.ax_ is ax
    assert display.errors is None
    (line,) = display.lines_
    assert list(line.get_xdata()) == [1, 2, 3, 4, 5]
    assert ax.get_legend() is None
    assert ax.get_ylabel() == "Coefficient of determination, leave-one-out"


def test_curve_of_a_grid_search_over_a_pipeline(digits: Any) -> None:
    pipe = make_pipeline(Blur(), KNeighborsClassifier())
    grid = {"kneighborsclassifier__n_neighbors": [1, 5], "blur__sigma": [0.5, 1.0]}
    search = GridSearchCV(pipe, grid, cv=2, scoring="f1_macro").fit(digits.X[:200], digits.y[:200])
    display = NeighborsCurveDisplay.from_estimator(search)
    assert list(lines(display)) == ["sigma: 0.5", "sigma: 1.0"]
    assert display.ax_.get_ylabel() == "f1_macro, mean of 2 folds"


def test_curve_refuses_what_has_none(digits: Any) -> None:
    clf = KNeighborsClassifier().fit(digits.X[:50], digits.y[:50])
    with pytest.raises(ValueError, match="this KNeighborsClassifier has no cv_results_"):
        NeighborsCurveDisplay.from_estimator(clf)
    search = GridSearchCV(clf, {"p": [1, 2]}, cv=2).fit(digits.X[:50], digits.y[:50])
    with pytest.raises(ValueError, match="has to vary n_neighbors; it varied p"):
        NeighborsCurveDisplay.from_estimator(search)
    search = GridSearchCV(clf, [{"n_neighbors": [5]}, {"p": [1]}], cv=2)
    with pytest.raises(ValueError, match="some candidates of the search have no n_neighbors"):
        NeighborsCurveDisplay.from_estimator(search, digits.X[:50], digits.y[:50])
    search = GridSearchCV(
        clf, {"n_neighbors": [5]}, cv=2, scoring=["accuracy", "f1_macro"], refit="accuracy"
    )
    with pytest.raises(ValueError, match="the search has several scores"):
        NeighborsCurveDisplay.from_estimator(search, digits.X[:50], digits.y[:50])
    with pytest.raises(ValueError, match="2 scores and 1 errors"):
        NeighborsCurveDisplay(n_neighbors=[1, 2], scores=[0.5, 0.5], errors=[0.1])
    with pytest.raises(ValueError, match="2 numbers of neighbours, 1 scores"):
        NeighborsCurveDisplay(n_neighbors=[1, 2], scores=[0.5])


@pytest.mark.parametrize(
    ("most", "ticks"),
    [(5, [1, 2, 3, 4, 5]), (15, [1, 2, 4, 6, 8, 10, 12, 14]), (25, [1, 5, 10, 15, 20, 25])],
)
def test_the_axis_of_k_begins_at_1(most: int, ticks: list[int]) -> None:
    k = np.arange(1, most + 1)
    display = NeighborsCurveDisplay(n_neighbors=k, scores=1 / k).plot()
    assert display.ax_.get_xticks().tolist() == ticks
