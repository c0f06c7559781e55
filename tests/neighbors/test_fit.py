"""Which engine serves, what fit leaves behind, and what a failing fit does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sklearn.neighbors
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.metrics import DistanceMetric

import knnc
from knnc.neighbors import repeated
from tests.neighbors.support import any_bytes, assert_same, oracle, twins

X = any_bytes(1, 40, 5)
Y = np.arange(40) % 3
FLOATS = X + 0.5

ELSEWHERE: dict[str, tuple[dict[str, Any], Any, str]] = {
    "kd_tree": ({"algorithm": "kd_tree"}, X, ""),
    "ball_tree": ({"algorithm": "ball_tree"}, X, ""),
    "other metric": ({"metric": "canberra"}, X, "metric='canberra'"),
    "p=3": ({"p": 3}, X, "p=3"),
    "p=1.5": ({"p": 1.5}, X, "p=1.5"),
    "weights": ({"metric_params": {"w": np.ones(5)}}, X, "metric_params="),
    "callable": ({"metric": lambda a, b: np.abs(a - b).sum()}, X, "metric=<function"),
    "DistanceMetric": (
        {"metric": DistanceMetric.get_metric("euclidean")},
        FLOATS,
        "metric=<sklearn",
    ),
    "precomputed": ({"metric": "precomputed"}, np.ones((6, 6)) - np.eye(6), "metric='precomputed'"),
    "a tree by name": ({"algorithm": "kd_tree"}, FLOATS, ""),
    "a tree of integers": ({"algorithm": "ball_tree"}, -X.astype(int), ""),
    "sparse": ({}, csr_array(X), "X is sparse"),
    "KDTree": ({}, sklearn.neighbors.KDTree(FLOATS), "X is a KDTree"),
    "BallTree": ({}, sklearn.neighbors.BallTree(FLOATS), "X is a BallTree"),
    "estimator": ({}, sklearn.neighbors.NearestNeighbors().fit(FLOATS), "X is a NearestNeighbors"),
}


@pytest.mark.filterwarnings("ignore:cannot use tree with sparse input")
@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_scikit_learn_serves(name: str) -> None:
    parameters, data, reason = ELSEWHERE[name]
    ours, theirs = twins(**parameters)
    ours.fit(data)
    theirs.fit(data)
    assert ours.engine_ == "sklearn"
    assert ours._fit_method == theirs._fit_method
    assert ours.effective_metric_ == theirs.effective_metric_
    assert_same(ours.kneighbors(None, 4), theirs.kneighbors(None, 4))
    if name != "precomputed":
        assert_same(ours.kneighbors(FLOATS[:9], 4), theirs.kneighbors(FLOATS[:9], 4))
    if reason:
        with pytest.raises(ValueError, match="'pruned' needs knnc's own search, and") as caught:
            ours.set_params(algorithm="pruned").fit(data)
        assert reason in str(caught.value)
    assert ours.engine_ == "sklearn"


@pytest.mark.parametrize("cls", [knnc.NearestNeighbors, knnc.KNeighborsClassifier])
@pytest.mark.parametrize("algorithm", ["auto", "brute", "pruned"])
def test_what_fit_leaves_behind(cls: type, algorithm: str) -> None:
    ours, theirs = twins(cls, algorithm="brute")
    ours.set_params(algorithm=algorithm).fit(X, Y)
    theirs.fit(X, Y)
    public = {name for name in vars(theirs) if not name.startswith("_")}
    assert {name for name in vars(ours) if not name.startswith("_")} == public | {"engine_"}
    for name in public - {"algorithm"}:
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    assert ours._fit_method == "brute"
    assert ours._tree is None


def test_no_tree_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    class Tree(sklearn.neighbors.KDTree):
        def __init__(self, *args: object, **kwargs: object) -> None:
            raise AssertionError("a tree was built")

    monkeypatch.setattr("sklearn.neighbors._base.KDTree", Tree)
    ours, theirs = twins(n_neighbors=2)
    with pytest.raises(AssertionError, match="a tree was built"):
        theirs.fit(X)
    ours.fit(X).kneighbors(X + 0.5)
    many = np.tile(FLOATS, 4)
    assert ours.fit(many).engine_ == "float"
    assert ours._rows is many


def test_refit_changes_the_engine_both_ways() -> None:
    nn = knnc.NearestNeighbors(n_neighbors=3)
    for _ in range(2):
        nn.set_params(algorithm="auto").fit(X)
        assert nn.engine_ == "integer"
        assert_same(nn.kneighbors(X), oracle(X, X, 3, "euclidean"))
        nn.set_params(algorithm="brute").fit(FLOATS)
        assert nn.engine_ == "float"
        assert not hasattr(nn, "_encoding")
        assert_same(nn.kneighbors(FLOATS), oracle(X, X, 3, "euclidean"))
        nn.set_params(algorithm="kd_tree").fit(FLOATS)
        assert nn.engine_ == "sklearn"
        assert not hasattr(nn, "_lazy_index")
        assert not hasattr(nn, "_encoding")
        assert_same(
            nn.kneighbors(X),
            sklearn.neighbors.NearestNeighbors(n_neighbors=3, algorithm="kd_tree")
            .fit(FLOATS)
            .kneighbors(X),
        )


@pytest.mark.parametrize("make", [lambda A: A, lambda A: A.view(np.int8), lambda A: A / 255])
def test_fitting_on_a_fitted_estimator_of_ours(make: Any) -> None:
    """Its rows are numbers again first: bytes alone would have lost their meaning."""
    first = knnc.NearestNeighbors(n_neighbors=3).fit(make(X))
    second = knnc.NearestNeighbors(n_neighbors=3, metric="manhattan").fit(first)
    third = knnc.NearestNeighbors(n_neighbors=3, algorithm="kd_tree").fit(first)
    assert (second.engine_, third.engine_) == ("integer", "sklearn")
    expected = knnc.NearestNeighbors(n_neighbors=3, metric="manhattan").fit(make(X))
    assert_same(second.kneighbors(), expected.kneighbors())
    np.testing.assert_allclose(third.kneighbors()[0], first.kneighbors()[0])


def test_parameters_set_after_fit_wait_for_the_next_fit() -> None:
    nn = knnc.NearestNeighbors(n_neighbors=3).fit(X)
    nn.set_params(metric="manhattan", algorithm="kd_tree", p=1)
    assert_same(nn.kneighbors(X), oracle(X, X, 3, "euclidean"))
    nn.set_params(n_neighbors=5, n_jobs=2)
    assert_same(nn.kneighbors(X), oracle(X, X, 5, "euclidean"))


FAILURES: dict[str, tuple[dict[str, Any], Any, Any]] = {
    "NaN": ({}, np.where(X[0, 0] == X, np.nan, 1.0), Y),
    "1-D": ({}, X[0], Y),
    "labels missing": ({}, X, None),
    "labels too few": ({}, X, Y[:3]),
    "continuous labels": ({}, X[:, :2], Y + 0.5),
    "bad parameter": ({"n_neighbors": 0}, X[:, :2], Y),
    "bad metric for the tree": ({"algorithm": "kd_tree", "metric": "cosine"}, X[:, :2], Y),
    "pruned without the engine": ({"algorithm": "pruned", "p": 3}, FLOATS[:, :2], Y),
    "no codes of floats": ({"algorithm": "pruned", "p": np.inf}, FLOATS[:, :2], Y),
    "negative p": ({"algorithm": "kd_tree", "p": 0.5}, X[:, :2], Y),
}


@pytest.mark.parametrize("before", ["uint8", "float64", "tree"])
@pytest.mark.parametrize("name", FAILURES)
def test_a_failing_fit_changes_nothing(name: str, before: str) -> None:
    clf = knnc.KNeighborsClassifier(3, algorithm="kd_tree" if before == "tree" else "auto")
    clf.fit(X if before == "uint8" else FLOATS, Y)
    engines = {"uint8": "integer", "float64": "float", "tree": "sklearn"}
    assert clf.engine_ == engines[before]
    state, answer = dict(vars(clf)), clf.predict_proba(X)
    parameters, bad_X, bad_y = FAILURES[name]
    good = clf.get_params()
    with pytest.raises(ValueError, match=r"."):
        clf.set_params(**parameters).fit(bad_X, bad_y)
    clf.set_params(**good)
    assert vars(clf).keys() == state.keys()
    assert all(vars(clf)[key] is value for key, value in state.items() if key not in good)
    np.testing.assert_array_equal(clf.predict_proba(X), answer)


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
def test_no_room_for_the_packed_rows(error: type, monkeypatch: pytest.MonkeyPatch) -> None:
    clf = knnc.KNeighborsClassifier(3)
    fresh = clone(clf)
    clf.fit(X, Y)
    answer = clf.predict(X)

    def full(*args: object, **kwargs: object) -> None:
        raise error("no room")

    with monkeypatch.context() as patch:
        patch.setattr(repeated, "Index", full)
        for unlucky in (clf, fresh):
            with pytest.raises(error):
                unlucky.fit(X[:, :2], Y)
    assert not hasattr(fresh, "classes_")
    assert clf.n_features_in_ == 5
    np.testing.assert_array_equal(clf.predict(X), answer)


def test_warnings_are_said_once() -> None:
    clf = knnc.KNeighborsClassifier(metric_params={"p": 1})
    for data in (X, FLOATS):
        with pytest.warns(SyntaxWarning, match="Parameter p is found in metric_params") as caught:
            clf.fit(data, Y)
        assert len(caught) == 1
    with pytest.warns(UserWarning, match="A column-vector y was passed") as caught:
        knnc.KNeighborsClassifier().fit(X, Y[:, np.newaxis])
    assert len(caught) == 1
