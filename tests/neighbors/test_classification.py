"""The vote is scikit-learn's, given the same neighbours; and the neighbours are the engine's."""

from __future__ import annotations

import tracemalloc
import warnings
from typing import Any

import numpy as np
import pytest
import sklearn.neighbors
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics._pairwise_distances_reduction import ArgKminClassMode
from sklearn.model_selection import LeaveOneOut, cross_val_score
from sklearn.utils.extmath import weighted_mode

import knnc
from knnc.neighbors import votes
from tests.neighbors.support import any_bytes, few_values, oracle, outcome

WEIGHTS = {
    "uniform": "uniform",
    "none": None,
    "distance": "distance",
    "inverse square": lambda d: 1.0 / (1.0 + d) ** 2,
    "integers": lambda d: (d < 3).astype(np.int64) + 1,
    "float32": lambda d: np.exp(-d).astype(np.float32),
    "some zero": lambda d: np.where(d == d.max(axis=1, keepdims=True), 1.0, 0.0),
    "negative": lambda d: 1.5 - d,
    "infinite": lambda d: np.where(d > 0, 1.0 / np.maximum(d, 1e-9), np.inf),
    "NaN": lambda d: np.where(d > 2, np.nan, 1.0),
}


def _vote_of_scikit_learn(fitted: knnc.KNeighborsClassifier) -> Any:
    """Its classifier with the neighbours that ours finds: its vote alone."""

    class Vote(sklearn.neighbors.KNeighborsClassifier):
        def kneighbors(self, X=None, n_neighbors=None, return_distance=True):
            return fitted.kneighbors(X, n_neighbors, return_distance)

    vote = Vote()
    vars(vote).update(vars(fitted), _fit_X=fitted._fit_X, _fit_method="ours")
    return vote


@pytest.mark.parametrize("weights", WEIGHTS)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(2, 60),
    n_classes=st.integers(1, 40),
    k=st.integers(1, 30),
    top=st.sampled_from([2, 4, 256]),
    n_outputs=st.integers(1, 3),
    labels=st.sampled_from(["int", "negative", "float", "str", "bool"]),
)
def test_vote_is_scikit_learns(weights, seed, n, n_classes, k, top, n_outputs, labels) -> None:
    rng = np.random.default_rng(seed)
    X, Q = few_values(seed, n, 3, top), few_values(seed + 1, 15, 3, top)
    y = rng.integers(0, n_classes, (n, n_outputs))
    y = {"int": y, "negative": 5 - y, "float": y * 1.0, "bool": y % 2 == 0}.get(
        labels, np.char.add("c", y.astype(str))
    )
    clf = knnc.KNeighborsClassifier(min(k, n), weights=WEIGHTS[weights])
    with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
        clf.fit(X, y if n_outputs > 1 else y[:, 0])
        theirs = _vote_of_scikit_learn(clf)
        for queries in (Q, None) if k < n else (Q,):
            for method in ("predict", "predict_proba"):
                expected = outcome(lambda m=method, q=queries: getattr(theirs, m)(q))
                got = outcome(lambda m=method, q=queries: getattr(clf, m)(q))
                assert got[:2] == expected[:2]
                _assert_equal(got.value, expected.value)


def _assert_equal(got: Any, expected: Any) -> None:
    if isinstance(expected, list):
        assert len(got) == len(expected)
        for a, b in zip(got, expected, strict=True):
            _assert_equal(a, b)
    elif expected is None:
        assert got is None
    else:
        np.testing.assert_array_equal(got, expected, strict=True)


@pytest.mark.parametrize("n_classes", [1, 2, 10, 500])
@pytest.mark.parametrize("k", [1, 5, 8, 40])
def test_every_way_of_counting_agrees(n_classes: int, k: int, monkeypatch) -> None:
    rng = np.random.default_rng(k)
    codes = rng.integers(0, n_classes, (300, k))
    weights = rng.integers(1, 4, (300, k)) / 3
    by_hand = [np.bincount(row, minlength=n_classes) for row in codes]
    winners = np.array([np.flatnonzero(counts == counts.max())[0] for counts in by_hand])
    np.testing.assert_array_equal(votes._by_counting(codes, n_classes), winners)
    np.testing.assert_array_equal(votes._by_sorting(codes, n_classes), winners)
    heaviest = weighted_mode(codes, weights, axis=1)[0].ravel()
    np.testing.assert_array_equal(votes._heaviest_by_neighbor(codes, weights), heaviest)
    np.testing.assert_array_equal(votes._heaviest_by_class(codes, weights), heaviest)
    for chunk in (1, 100, 1 << 17):
        monkeypatch.setattr(votes, "_CHUNK", chunk)
        np.testing.assert_array_equal(votes.most_voted(codes, n_classes), winners)
        np.testing.assert_array_equal(votes.most_voted(codes, n_classes, weights), heaviest)
        shares = votes.vote_shares(codes, n_classes)
        np.testing.assert_array_equal(shares, np.array(by_hand) / k)


def test_ties_go_to_the_smaller_class() -> None:
    X = np.array([[1], [3], [5], [7]], dtype=np.uint8)
    clf = knnc.KNeighborsClassifier(4).fit(X, ["d", "b", "c", "a"])
    assert clf.predict(np.array([[4]], dtype=np.uint8)).tolist() == ["a"]
    # Two at distance 2 and two at 4: by weight the nearer two, of them the smaller label.
    assert clf.set_params(weights="distance").predict([[4]]).tolist() == ["b"]
    np.testing.assert_array_equal(clf.classes_, ["a", "b", "c", "d"])


def test_many_classes_do_not_need_a_table_of_queries_by_classes() -> None:
    n = 20_000
    codes = np.arange(n).reshape(n, 1).repeat(3, axis=1)
    for weights in (None, np.ones((n, 3))):
        tracemalloc.start()
        try:
            winners = votes.most_voted(codes, n, weights)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        np.testing.assert_array_equal(winners, np.arange(n))
        assert peak < 20_000_000  # the table would be 3.2 GB


FITS = {
    "uint8": lambda A: A,
    "int64": lambda A: A.astype(np.int64),
    "float64": lambda A: A.astype(np.float64),
    "float32": lambda A: A.astype(np.float32),
    "float32 / 255": lambda A: A.astype(np.float32) / np.float32(255),
    "float64 * 1/255": lambda A: A * (1 / 255),
}


@pytest.mark.parametrize("weights", ["uniform", "distance", None, lambda d: 1 / (1 + d)])
@pytest.mark.parametrize("algorithm", ["auto", "brute", "pruned"])
@pytest.mark.parametrize("fit", [*FITS, "float"])
def test_nothing_goes_round_the_engine(
    fit: str, algorithm: str, weights: Any, searches, monkeypatch: pytest.MonkeyPatch
) -> None:
    """scikit-learn's predict_proba has a search of its own, for floats and uniform weights."""

    def never(*args: object, **kwargs: object) -> None:
        raise AssertionError("searched elsewhere")

    monkeypatch.setattr(ArgKminClassMode, "compute", never)
    monkeypatch.setattr("knnc.neighbors.fallback.kneighbors", never)
    monkeypatch.setattr("knnc.neighbors.kneighbors_search.kneighbors_of_floats", never)
    X, Q, y = any_bytes(1, 90, 20), any_bytes(2, 17, 20), np.arange(90) % 4
    make = FITS.get(fit, lambda A: A + 0.5)
    clf = knnc.KNeighborsClassifier(weights=weights, algorithm=algorithm).fit(make(X), y)
    assert clf.engine_ == ("float" if fit == "float" else "integer")
    queries = make(Q)
    for call, count in [
        (lambda: clf.predict(queries), 17),
        (lambda: clf.predict_proba(queries), 17),
        (lambda: clf.score(queries, np.zeros(17)), 17),
        (lambda: clf.kneighbors(queries), 17),
        (lambda: clf.kneighbors_graph(queries), 17),
        (lambda: clf.predict(None), 90),
        (lambda: clf.predict_proba(None), 90),
        (lambda: clf.score(None, y), 90),
    ]:
        searches.calls = searches.queries = 0
        call()
        assert (searches.calls, searches.queries) == (1, count)
    _, ind = oracle(X, Q, 5, "euclidean")
    assert clf.set_params(weights="uniform").predict(queries).tolist() == [
        int(np.bincount(y[row]).argmax()) for row in ind
    ]


@pytest.mark.parametrize("shift", [0.0, 0.5], ids=["integer", "float"])
def test_an_inherited_vote_would_go_through_the_engine_too(shift: float, searches) -> None:
    """Even scikit-learn's own predict and predict_proba, called on our estimator, find it."""
    X, Q, y = any_bytes(1, 90, 20) + shift, any_bytes(2, 17, 20) + shift, np.arange(90) % 4
    clf = knnc.KNeighborsClassifier().fit(X, y)
    assert clf.engine_ == ("float" if shift else "integer")
    parent = sklearn.neighbors.KNeighborsClassifier
    np.testing.assert_array_equal(parent.predict(clf, Q), clf.predict(Q))
    np.testing.assert_array_equal(parent.predict_proba(clf, Q), clf.predict_proba(Q))
    assert (searches.calls, searches.queries) == (4, 4 * 17)


def test_score_of_none_is_leave_one_out() -> None:
    X, y = any_bytes(3, 60, 2), np.arange(60) % 3
    for weights in ("uniform", "distance"):
        clf = knnc.KNeighborsClassifier(7, weights=weights).fit(X, y)
        each = cross_val_score(
            knnc.KNeighborsClassifier(7, weights=weights), X, y, cv=LeaveOneOut()
        )
        assert clf.score(None, y) == each.mean()
        assert clf.score(X, y, sample_weight=np.arange(60)) <= 1.0


@pytest.mark.parametrize("engine", ["integer", "float", "sklearn"])
@pytest.mark.parametrize("weights", ["uniform", "distance"])
def test_labels_and_probabilities_of_every_engine(engine: str, weights: str) -> None:
    """Without ties, scikit-learn's answers; multi-output, strings and one column alike."""
    rng = np.random.default_rng(4)
    X, Q = rng.permutation(250)[:120].reshape(60, 2), rng.integers(0, 250, (40, 2)) + 0.0
    X, Q = (X.astype(np.uint8), Q.astype(np.uint8)) if engine == "integer" else (X + 0.5, Q)
    y = np.char.add("label ", (np.arange(60) % 4).astype(str))
    for targets in (y, y[:, np.newaxis], np.c_[y, y[::-1]]):
        algorithm = "kd_tree" if engine == "sklearn" else "auto"
        ours = knnc.KNeighborsClassifier(3, weights=weights, algorithm=algorithm)
        theirs = sklearn.neighbors.KNeighborsClassifier(3, weights=weights)
        with warnings.catch_warnings(action="ignore"):  # a column of labels
            ours.fit(X, targets)
            theirs.fit(X, targets)
        assert ours.engine_ == engine
        distances = np.sort(theirs.kneighbors(Q, 4)[0], axis=1)
        clear = distances[:, 2] < distances[:, 3]
        assert clear.sum() > 30
        np.testing.assert_array_equal(ours.predict(Q)[clear], theirs.predict(Q)[clear])
        got, expected = ours.predict_proba(Q), theirs.predict_proba(Q)
        np.testing.assert_allclose(
            np.asarray(got)[..., clear, :], np.asarray(expected)[..., clear, :], rtol=1e-9
        )
