"""Chebyshev and Hamming distances: scikit-learn's values and rows, for every kind of input."""

from __future__ import annotations

import operator
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import knnc
from tests.neighbors.support import TWINS, any_bytes, assert_same, few_values, oracle, twins

Rows = npt.NDArray[Any]

SPELLINGS: dict[str, dict[str, Any]] = {
    "chebyshev": {"metric": "chebyshev"},
    "minkowski": {"p": np.inf},
    "hamming": {"metric": "hamming"},
}
INPUTS: dict[str, Callable[[npt.NDArray[np.uint8]], Rows]] = {
    "uint8": lambda A: A,
    "int8": lambda A: A.view(np.int8),
    "bool": lambda A: A > 127,
    "int64": lambda A: A.astype(np.int64),
    "float32": lambda A: A.astype(np.float32),
    "float32 / 255": lambda A: A.astype(np.float32) / np.float32(255),
    "float64 / 255": lambda A: A / 255,
    "float64 * 1/255": lambda A: A * (1 / 255),
}


def _images(seed: int, n: int) -> npt.NDArray[np.uint8]:
    """Bytes of which half are 0, so that some of two rows are the same."""
    values = any_bytes(seed, n, 37)
    values[any_bytes(seed + 1, n, 37) < 128] = 0
    return values


def _tells_apart(dist: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Where no other of these sorted distances is the same, or the same but for rounding."""
    wider = np.pad(dist, ((0, 0), (1, 1)), constant_values=(-1.0, np.inf))
    return np.diff(wider, axis=1)[:, :-1].clip(max=np.diff(wider, axis=1)[:, 1:]) > 1e-6


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("name", SPELLINGS)
def test_distances_and_rows_are_scikit_learns(name: str, kind: str) -> None:
    X, Q = INPUTS[kind](_images(1, 90)), INPUTS[kind](_images(3, 25))
    ours, theirs = twins(n_neighbors=90, **SPELLINGS[name])
    ours.fit(X)
    theirs.fit(X.astype(np.int64) if kind == "int8" else X)
    assert ours.engine_ == "integer"
    assert ours.effective_metric_ == theirs.effective_metric_
    dist, ind = ours.kneighbors(Q)
    expected, rows = theirs.kneighbors(Q.astype(np.int64) if kind == "int8" else Q)
    if "255" in kind and name != "hamming":
        # scikit-learn subtracts pixels that are rounded, and float32 ones in float32.
        np.testing.assert_allclose(dist, expected, rtol=1e-6 if "32" in kind else 1e-14)
    else:
        np.testing.assert_array_equal(dist, expected, strict=True)
    clear = _tells_apart(dist)
    assert clear.sum() > 5 or kind == "bool"
    np.testing.assert_array_equal(ind[clear], rows[clear])
    same = np.diff(dist, axis=1) == 0
    assert (np.diff(ind, axis=1)[same] > 0).all()  # ties by index


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("name", SPELLINGS)
def test_what_the_oracle_says_to_the_last_bit(name: str, kind: str) -> None:
    X, Q = few_values(5, 300, 6), few_values(6, 40, 6)
    X[0] = 255  # so that 0..3 are no pixels of another kind
    nn = knnc.NearestNeighbors(n_neighbors=300, **SPELLINGS[name]).fit(INPUTS[kind](X))
    assert nn.engine_ == "integer"
    metric = nn.effective_metric_
    rows, queries = X, Q
    if kind == "bool":
        rows, queries = (X > 127).astype(np.uint8), (Q > 127).astype(np.uint8)
    elif kind == "int8":  # the bytes that order as the signed numbers do
        rows, queries = X ^ np.uint8(128), Q ^ np.uint8(128)
    dist, ind = oracle(rows, queries, 300, metric)
    if "255" in kind and metric == "chebyshev":
        dist = dist / 255
    assert_same(nn.kneighbors(INPUTS[kind](Q)), (dist, ind))
    left_out = nn.kneighbors(None, 7)
    dist, ind = oracle(rows, None, 7, metric)
    if "255" in kind and metric == "chebyshev":
        dist = dist / 255
    assert_same(left_out, (dist, ind))


def test_a_share_is_rounded_once() -> None:
    """1/49 is not 49 times smaller than what 1.0 rounds to, nor is 1/d a count times a rounding."""
    for d in (49, 98, 103, 107, 161, 784):
        X = (np.arange(d) < np.arange(d + 1)[:, np.newaxis]).astype(np.uint8)
        nn = knnc.NearestNeighbors(n_neighbors=d + 1, metric="hamming").fit(X)
        dist, ind = nn.kneighbors(X[:1])
        assert dist[0].tolist() == [count / d for count in range(d + 1)]
        assert ind[0].tolist() == list(range(d + 1))


def test_pixels_are_the_bytes_they_stand_for() -> None:
    """A float32 and a float64 query of one image differ as numbers in nearly every feature."""
    X, Q = _images(7, 60), _images(9, 20)
    expected = oracle(X, Q, 9, "hamming")
    pixels = [name for name in INPUTS if "255" in name]
    for fit in pixels:
        nn = knnc.NearestNeighbors(n_neighbors=9, metric="hamming").fit(INPUTS[fit](X))
        for kind in pixels:
            assert_same(nn.kneighbors(INPUTS[kind](Q)), expected)


@pytest.mark.parametrize("name", SPELLINGS)
def test_rows_that_no_bytes_stand_for_are_scikit_learns(name: str, searches) -> None:
    X = few_values(11, 400, 9, 7)
    Q = few_values(12, 80, 9, 7).astype(np.float64)
    Q[::2, ::3] += 0.25
    Q[1::8] *= -1.0  # the other way round: representable only where it is all zeros
    ours, theirs = twins(n_neighbors=400, **SPELLINGS[name])
    theirs.fit(X.astype(np.float64))
    dist, ind = ours.fit(X).kneighbors(Q)
    assert 0 < searches.queries < len(Q)
    expected, _ = theirs.kneighbors(Q)
    np.testing.assert_array_equal(dist, expected, strict=True)  # quarters: exact
    own = {
        "chebyshev": np.abs(Q[:, np.newaxis] - X).max(axis=2),
        "hamming": (Q[:, np.newaxis] != X).sum(axis=2) / 9,
    }[ours.effective_metric_]
    np.testing.assert_array_equal(np.take_along_axis(own, ind, axis=1), dist)
    assert (np.sort(ind, axis=1) == np.arange(400)).all()
    some = ours.kneighbors(Q[:7], 5)
    alone = [ours.kneighbors(Q[i : i + 1], 5) for i in range(7)]
    assert_same(some, tuple(map(np.concatenate, zip(*alone, strict=True))))


@pytest.mark.parametrize("cls", [knnc.KNeighborsClassifier, knnc.KNeighborsRegressor])
@pytest.mark.parametrize("name", SPELLINGS)
def test_votes_weighed_by_distance(cls: type, name: str) -> None:
    X, Q = any_bytes(13, 200, 50), any_bytes(14, 60, 50)
    X[:, :25] //= 64
    Q[:, :25] //= 64
    y = few_values(15, 200, 1).ravel()
    ours, theirs = twins(cls, n_neighbors=200, weights="distance", **SPELLINGS[name])
    ours.fit(X, y)
    assert type(theirs) is TWINS[cls]
    theirs.fit(X, y)
    assert ours.engine_ == "integer"
    # With all rows as neighbours no tie decides.
    np.testing.assert_allclose(ours.predict(Q), theirs.predict(Q), rtol=1e-12)


# --- which search ---


@pytest.mark.parametrize("name", SPELLINGS)
@pytest.mark.parametrize("cls", TWINS)
def test_pruned_is_refused_for_want_of_a_bound(cls: type, name: str) -> None:
    X = any_bytes(16, 30, 5)
    estimator = cls(algorithm="pruned", **SPELLINGS[name])
    metric = "hamming" if name == "hamming" else "chebyshev"
    with pytest.raises(ValueError, match=rf"codes.*metric='{metric}'.*'auto' and 'brute'"):
        estimator.fit(X, X[:, 0] % 3)
    assert not hasattr(estimator, "engine_")
    fitted = cls(**SPELLINGS[name]).fit(X, X[:, 0] % 3)
    search = operator.methodcaller(
        "kneighbors" if hasattr(cls, "kneighbors") else "radius_neighbors", X
    )
    known = search(fitted)
    again = pickle.loads(pickle.dumps(fitted.set_params(algorithm="pruned")))
    for ours, before in zip(search(again), known, strict=True):  # the fit decided
        for row, row_before in zip(ours, before, strict=True):
            np.testing.assert_array_equal(row, row_before, strict=True)


def test_cosine_is_scikit_learns() -> None:
    X, Q = any_bytes(17, 80, 6), any_bytes(18, 20, 6)
    ours, theirs = twins(n_neighbors=4, metric="cosine")
    dist, ind = theirs.fit(X).kneighbors(Q)
    for algorithm in ("auto", "brute", "pruned"):
        assert ours.set_params(algorithm=algorithm).fit(X).engine_ == "float"
        got = ours.kneighbors(Q)
        np.testing.assert_array_equal(got[1], ind)
        np.testing.assert_allclose(got[0], dist, rtol=1e-9)
