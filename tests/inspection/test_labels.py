"""Leave-one-out probabilities, and labels that neighbours dispute."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import LeaveOneOut, cross_val_predict

import knnc
from knnc.inspection import disputed_labels, leave_one_out_proba
from tests.neighbors.support import few_values


def data(n: int = 60) -> Any:
    rng = np.random.default_rng(2)
    y = rng.integers(0, 3, n)
    X = few_values(0, n, 4)
    X[:, 0] += (3 * y).astype(np.uint8)
    return X, np.array(["a", "b", "c"])[y]


@pytest.mark.parametrize("weights", ["uniform", "distance"])
def test_probabilities_are_those_of_leaving_each_row_out(weights: str) -> None:
    X, y = data()
    clf = knnc.KNeighborsClassifier(4, weights=weights)
    expected = cross_val_predict(clf, X, y, cv=LeaveOneOut(), method="predict_proba")
    np.testing.assert_array_equal(leave_one_out_proba(clf.fit(X, y)), expected)


def test_a_tuned_classifier_and_several_outputs() -> None:
    X, y = data()
    tuned = knnc.KNeighborsClassifierCV([2, 5]).fit(X, y)
    best = tuned.best_estimator_
    np.testing.assert_array_equal(leave_one_out_proba(tuned), best.predict_proba(None))
    np.testing.assert_array_equal(disputed_labels(tuned).index, disputed_labels(best).index)
    several = knnc.KNeighborsClassifier(3).fit(X, np.column_stack([y, y]))
    first, second = leave_one_out_proba(several)
    np.testing.assert_array_equal(first, second)
    with pytest.raises(ValueError, match="one output"):
        disputed_labels(several)


@pytest.mark.parametrize("weights", ["uniform", "distance"])
@pytest.mark.parametrize("min_share", [0.0, 0.5, 0.8])
def test_what_is_disputed_and_in_which_order(weights: str, min_share: float, searches: Any) -> None:
    X, y = data()
    y = y.copy()
    y[:6] = np.roll(["a", "b", "c"], 1)[np.unique(y, return_inverse=True)[1][:6]]  # spoilt
    clf = knnc.KNeighborsClassifier(4, weights=weights).fit(X, y)
    proba, (dist, ind) = clf.predict_proba(None), clf.kneighbors()
    before = searches.calls
    found = disputed_labels(clf, min_share=min_share)
    assert searches.calls == before + 1
    expected = []
    for row, (shares, label) in enumerate(zip(proba, y, strict=True)):
        own = list(clf.classes_).index(label)
        other = max((s, -c) for c, s in enumerate(shares) if c != own)
        if other[0] > shares[own] and other[0] >= min_share:
            expected.append((shares[own] - other[0], row, -other[1]))
    assert [row for _, row, _ in sorted(expected)] == list(found.index)
    assert len(found) == len(expected) > 3
    for lead, row, other in expected:
        at = list(found.index).index(row)
        assert found.label[at] == y[row]
        assert found.suggested[at] == clf.classes_[other]
        assert found.label_share[at] - found.suggested_share[at] == lead
        np.testing.assert_array_equal(found.neighbors[at], ind[row])
        np.testing.assert_array_equal(found.distances[at], dist[row])


def test_a_spoilt_label_of_digits_comes_first(digits: Any) -> None:
    y = digits.y.copy()
    y[[40, 900]] = 3, 8
    found = disputed_labels(knnc.KNeighborsClassifier(5).fit(digits.X, y))
    leads = dict(zip(found.index.tolist(), found.suggested.tolist(), strict=True))
    assert leads[40] == digits.y[40]
    assert leads[900] == digits.y[900]
    assert {40, 900} <= set(found.index[:25].tolist())


def test_none_is_disputed() -> None:
    X = np.array([[0], [1], [2], [90], [91], [92]], dtype=np.uint8)
    found = disputed_labels(knnc.KNeighborsClassifier(2).fit(X, [0, 0, 0, 1, 1, 1]))
    assert len(found) == 0
    assert found.neighbors.shape == (0, 2)


def test_frame_of_a_report() -> None:
    X, y = data()
    found = disputed_labels(knnc.KNeighborsClassifier(4).fit(X, y), min_share=0.0)
    frame = found.to_frame()
    assert list(frame.columns) == ["index", "label", "suggested", "label_share", "suggested_share"]
    np.testing.assert_array_equal(frame["index"], found.index)


def test_a_frame_needs_pandas(monkeypatch: Any) -> None:
    X, y = data()
    found = disputed_labels(knnc.KNeighborsClassifier(4).fit(X, y))
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        found.to_frame()


def test_errors() -> None:
    X, y = data()
    with pytest.raises(NotFittedError):
        leave_one_out_proba(knnc.KNeighborsClassifier())
    with pytest.raises(TypeError, match="got a NearestNeighbors"):
        disputed_labels(knnc.NearestNeighbors().fit(X))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="min_share"):
        disputed_labels(knnc.KNeighborsClassifier().fit(X, y), min_share=1.5)
    with pytest.raises(ValueError, match="n_neighbors < n_samples_fit"):
        disputed_labels(knnc.KNeighborsClassifier(60).fit(X, y))


# ---- cleanlab


def test_the_graph_has_the_form_that_cleanlab_takes(digits: Any) -> None:
    """CSR without the diagonal, k distances a row, ascending, zeros of duplicates included."""
    X = np.concatenate([digits.X[:200], digits.X[:5]])
    nn = knnc.NearestNeighbors().fit(X)
    graph = nn.kneighbors_graph(None, 7, mode="distance")
    assert graph.format == "csr"
    assert graph.shape == (205, 205)
    assert graph.dtype == np.float64
    np.testing.assert_array_equal(np.diff(graph.indptr), 7)
    dist, ind = nn.kneighbors(n_neighbors=7)
    np.testing.assert_array_equal(graph.data.reshape(-1, 7), dist)
    np.testing.assert_array_equal(graph.indices.reshape(-1, 7), ind)
    assert (np.diff(dist) >= 0).all()
    assert (dist[:5, 0] == 0).all()
    assert (ind != np.arange(205)[:, np.newaxis]).all()


@pytest.mark.filterwarnings("ignore")  # cleanlab's own, of what it calls
def test_cleanlab_takes_graph_and_probabilities(digits: Any) -> None:
    cleanlab = pytest.importorskip("cleanlab")
    pytest.importorskip("datasets")
    y = digits.y.copy()
    y[[40, 900]] = 3, 8
    clf = knnc.KNeighborsClassifier(10).fit(digits.X, y)
    lab = cleanlab.Datalab(data={"y": y}, label_name="y", verbosity=0)
    graph = clf.kneighbors_graph(None, 10, mode="distance")
    lab.find_issues(
        knn_graph=graph,
        pred_probs=leave_one_out_proba(clf),
        issue_types={"label": {}, "near_duplicate": {}, "outlier": {}},
    )
    assert lab.get_issues("label")["is_label_issue"][[40, 900]].all()
