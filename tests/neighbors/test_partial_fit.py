"""partial_fit, beside one fit on all rows."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pandas
import pytest
import sklearn.neighbors
from scipy import sparse

import knnc
from tests.neighbors.support import any_bytes, assert_same, few_values

CLASSES = [knnc.KNeighborsClassifier, knnc.KNeighborsRegressor, knnc.NearestNeighbors]


def parts_of(*arrays: Any, sizes: tuple[int, ...] = (40, 1, 30)) -> list[tuple[Any, ...]]:
    """The arrays cut into pieces of these sizes."""
    ends = np.cumsum(sizes)
    return [
        tuple(a[end - size : end] for a in arrays) for size, end in zip(sizes, ends, strict=True)
    ]


def grown(estimator: Any, parts: list[tuple[Any, ...]], **first: Any) -> Any:
    for number, part in enumerate(parts):
        assert estimator.partial_fit(*part, **({} if number else first)) is estimator
    return estimator


def _labels_and_shares(estimator: Any, queries: Any) -> list[Any]:
    shares = estimator.predict_proba(queries)
    if not estimator.outputs_2d_:
        return [estimator.classes_, shares]
    return [*estimator.classes_, *shares]


def assert_equal_estimators(ours: Any, whole: Any, queries: Any) -> None:
    assert ours.engine_ == whole.engine_
    assert ours.n_samples_fit_ == whole.n_samples_fit_
    assert ours.n_features_in_ == whole.n_features_in_
    assert_same(ours.kneighbors(queries), whole.kneighbors(queries))
    assert_same(ours.kneighbors(), whole.kneighbors())
    if hasattr(whole, "predict"):
        np.testing.assert_array_equal(ours.predict(queries), whole.predict(queries), strict=True)
    if hasattr(whole, "classes_"):
        mine, theirs = (_labels_and_shares(e, queries) for e in (ours, whole))
        for got, expected in zip(mine, theirs, strict=True):
            np.testing.assert_array_equal(got, expected, strict=True)


def targets(n: int) -> Any:
    return np.random.default_rng(3).integers(0, 3, n)


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("metric", ["euclidean", "manhattan"])
@pytest.mark.parametrize(
    "encoded",
    [
        lambda X: X,
        lambda X: X.view(np.int8),
        lambda X: X > 1,
        lambda X: X.astype(np.float64),
        lambda X: X.astype(np.float32) / np.float32(255),
        lambda X: X.astype(np.float64) * (1.0 / 255),
        lambda X: X.astype(np.float64) + 0.5,
        lambda X: sparse.csr_matrix(X.astype(np.float64) * 0.3),
    ],
    ids=["uint8", "int8", "bool", "whole", "divided", "multiplied", "floats", "sparse"],
)
def test_grown_is_one_fit_on_all_rows(cls: Any, metric: str, encoded: Any) -> None:
    X, y, queries = encoded(any_bytes(0, 71, 5)), targets(71), encoded(any_bytes(1, 20, 5))
    make = lambda: cls(n_neighbors=4, metric=metric)  # noqa: E731
    ours = grown(make(), parts_of(X, y))
    assert_equal_estimators(ours, make().fit(X, y), queries)
    assert_equal_estimators(pickle.loads(pickle.dumps(ours)), make().fit(X, y), queries)
    assert_equal_estimators(make().fit(X[:50], y[:50]).partial_fit(X[50:], y[50:]), ours, queries)


@pytest.mark.parametrize("weights", ["uniform", "distance"])
@pytest.mark.parametrize(
    "names", [[3, 7, 5, 1], ["cc", "d", "bbbb", "a"], np.array(["x", "z", "y", "w"], dtype=object)]
)
def test_labels_never_seen_before(weights: str, names: Any) -> None:
    X, queries = few_values(0, 60, 3), few_values(1, 20, 3)
    y = np.asarray(names)[np.repeat([0, 1, 2, 3], [20, 20, 10, 10])]
    make = lambda: knnc.KNeighborsClassifier(3, weights=weights)  # noqa: E731
    ours = grown(make(), parts_of(X, y, sizes=(30, 20, 10)))
    assert_equal_estimators(ours, make().fit(X, y), queries)


def test_labels_never_seen_before_of_several_outputs() -> None:
    X, queries = few_values(0, 60, 3), few_values(1, 20, 3)
    y = np.column_stack([np.arange(60) // 7, (np.arange(60) * 31) % 11 - np.arange(60) // 20])
    make = lambda: knnc.KNeighborsClassifier(3)  # noqa: E731
    ours = grown(make(), parts_of(X, y, sizes=(30, 20, 10)))
    whole = make().fit(X, y)
    assert_equal_estimators(ours, whole, queries)
    ours.partial_fit(X[:1], y[:1], classes=[[100], [-5, 3]])
    assert [list(c) for c in ours.classes_] == [
        [*whole.classes_[0], 100],
        sorted({*whole.classes_[1], -5, 3}),
    ]


def test_classes_are_known_before_a_row_has_them() -> None:
    X = few_values(0, 40, 3)
    y = np.repeat([5, 2], 20)
    clf = knnc.KNeighborsClassifier(3).partial_fit(X[:30], y[:30], classes=[9, 2, 5, 1])
    np.testing.assert_array_equal(clf.classes_, [1, 2, 5, 9])
    plain = knnc.KNeighborsClassifier(3).fit(X[:30], y[:30])
    np.testing.assert_array_equal(clf.predict(X), plain.predict(X))
    np.testing.assert_array_equal(clf.predict_proba(X)[:, 1:3], plain.predict_proba(X))
    assert not clf.predict_proba(X)[:, [0, 3]].any()
    clf.partial_fit(X[30:], y[30:])
    np.testing.assert_array_equal(clf.classes_, [1, 2, 5, 9])
    clf.partial_fit(X[:5] + 0.5, y[:5])  # fitted anew
    np.testing.assert_array_equal(clf.classes_, [1, 2, 5, 9])


@pytest.mark.parametrize(("n_features", "engine"), [(20, "float"), (4, "float")])
def test_rows_that_the_encoding_cannot_hold_move_it(n_features: int, engine: str) -> None:
    X, y = any_bytes(0, 60, n_features), targets(60)
    queries = any_bytes(1, 20, n_features) + 0.25
    odd = X[40:] + np.where(np.arange(20) == 7, 0.5, 0.0)[:, np.newaxis]
    for cls in CLASSES:
        whole = cls(n_neighbors=4).fit(np.concatenate([X[:40], odd]), y)
        ours = cls(n_neighbors=4).fit(X[:40], y[:40])
        assert ours.engine_ == "integer"
        ours.partial_fit(odd, y[40:])
        assert ours.engine_ == engine
        assert_equal_estimators(ours, whole, queries)
        assert not hasattr(ours, "_encoding")
        ours.partial_fit(X[:9], y[:9])  # once there, it grows there
        again = cls(n_neighbors=4).fit(np.concatenate([X[:40], odd, X[:9]]), [*y, *y[:9]])
        assert_equal_estimators(ours, again, queries)


def test_numbers_of_a_wider_kind_that_are_bytes_all_the_same() -> None:
    X, queries = any_bytes(0, 60, 4), any_bytes(1, 20, 4)
    mixed = knnc.NearestNeighbors().fit(X[:20] > 99)
    mixed.partial_fit(X[20:40]).partial_fit(X[40:].astype(np.float64))
    whole = np.concatenate([X[:20] > 99, X[20:40], X[40:]])
    assert_equal_estimators(mixed, knnc.NearestNeighbors().fit(whole), queries)
    # Fitted anew, the rows are the numbers they were.
    mixed.partial_fit(X[:2] + 0.5)
    expected = knnc.NearestNeighbors().fit(np.concatenate([whole, X[:2] + 0.5]))
    assert_equal_estimators(mixed, expected, queries)
    # Zeros and ones, and then pixels of which they are two.
    pixels = X / 255
    both = np.concatenate([(X[:30] > 99).astype(float), pixels])
    ours = knnc.NearestNeighbors().fit(both[:30]).partial_fit(both[30:])
    assert ours.engine_ == "integer"
    assert_equal_estimators(ours, knnc.NearestNeighbors().fit(both), queries / 255)


def test_sparse_rows_that_bytes_stand_for() -> None:
    X = few_values(0, 60, 4)
    ours = knnc.NearestNeighbors().fit(X[:30]).partial_fit(sparse.csr_matrix(X[30:]))
    assert_equal_estimators(ours, knnc.NearestNeighbors().fit(X), X)
    ours = knnc.NearestNeighbors().fit(X[:30]).partial_fit(sparse.csr_matrix(X[30:] * 1.5))
    expected = knnc.NearestNeighbors().fit(np.concatenate([X[:30], X[30:] * 1.5]))
    assert_equal_estimators(ours, expected, X)


def test_frames_keep_their_names() -> None:
    frame = pandas.DataFrame(few_values(0, 60, 3), columns=["a", "b", "c"])
    ours = knnc.NearestNeighbors().partial_fit(frame[:30]).partial_fit(frame[30:])
    assert list(ours.feature_names_in_) == ["a", "b", "c"]
    assert_equal_estimators(ours, knnc.NearestNeighbors().fit(frame), frame)
    ours.partial_fit(frame * 0.3)
    assert ours.engine_ == "float"
    assert list(ours.feature_names_in_) == ["a", "b", "c"]
    with pytest.raises(ValueError, match="feature names should match"):
        ours.partial_fit(frame[["b", "a", "c"]])


def test_a_copy_does_not_grow_with_it() -> None:
    X, y = few_values(0, 60, 3), targets(60)
    first = knnc.KNeighborsClassifier(3).fit(X[:30], y[:30])
    twin = copy.copy(first)
    before = first.predict_proba(X)
    twin.partial_fit(X[30:], y[30:] + 7)
    np.testing.assert_array_equal(first.predict_proba(X), before)
    assert list(first.classes_) == [0, 1, 2]


@pytest.mark.parametrize("start", ["integer", "float", "sklearn"])
def test_a_failure_leaves_the_estimator_as_it_was(start: str, monkeypatch: Any) -> None:
    X, y = few_values(0, 40, 3) + (0 if start == "integer" else 0.5), targets(40)
    clf = knnc.KNeighborsClassifier(3, algorithm="kd_tree" if start == "sklearn" else "auto")
    clf.fit(X, y)
    assert clf.engine_ == start
    before, proba = dict(vars(clf)), clf.predict_proba(X)
    wrong: list[tuple[Any, ...]] = [
        (X[:, :2], y),
        (X[:5], y[:4]),
        (X[:5], None),
        (X[:5], y[:5] + 0.5),
        (X[:5], np.column_stack([y[:5], y[:5]])),
        (np.full((2, 3), np.nan), y[:2]),
        (X[:0], y[:0]),
        (X[:5], y[:5], [[1, 2], [3, 4]]),
    ]
    for arguments in wrong:
        with pytest.raises(ValueError, match=r"\w"):
            clf.partial_fit(*arguments)
        assert vars(clf) == before

    def full(*_: Any, **__: Any) -> Any:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(np, "concatenate", full)
        with pytest.raises(MemoryError):
            clf.partial_fit(X[:5], y[:5])
    assert vars(clf) == before
    np.testing.assert_array_equal(clf.predict_proba(X), proba)


def test_what_cannot_grow() -> None:
    X = few_values(0, 40, 3)
    pruned = knnc.NearestNeighbors(algorithm="pruned", metric="manhattan").fit(X)
    assert pruned.partial_fit(X).n_samples_fit_ == 80
    assert pruned.partial_fit(X + 0.5).engine_ == "float"
    square = sklearn.metrics.pairwise_distances(X.astype(float))
    with pytest.raises(ValueError, match="precomputed"):
        knnc.NearestNeighbors(metric="precomputed").fit(square).partial_fit(square)
    for cls in CLASSES[1:]:
        with pytest.raises(ValueError, match="has no classes"):
            cls().partial_fit(X, X[:, 0], classes=[1, 2])
    regressor = knnc.KNeighborsRegressor().fit(X, X[:, :2])
    with pytest.raises(ValueError, match="y has shape"):
        regressor.partial_fit(X, X)


def test_growth_of_trees_is_scikit_learns() -> None:
    X = np.random.default_rng(0).normal(size=(60, 3))
    ours = knnc.NearestNeighbors(algorithm="kd_tree").fit(X[:30]).partial_fit(X[30:])
    assert_equal_estimators(ours, knnc.NearestNeighbors(algorithm="kd_tree").fit(X), X)
