"""A row is within a radius if and only if the distance that kneighbors returns for it is."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
import sklearn.neighbors
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics._pairwise_distances_reduction import (
    RadiusNeighbors,
    RadiusNeighborsClassMode,
)

import knnc
from knnc.engine.metrics import ENGINE_METRICS, largest_within
from tests.engine.test_narrow import ROW_KINDS, draw_rows
from tests.neighbors.support import any_bytes, assert_same_error, few_values, outcome, twins

FITS = {
    "uint8": lambda A: A,
    "int8": lambda A: (A.astype(np.int16) - 128).astype(np.int8),
    "float64": lambda A: A.astype(np.float64),
    "float32 / 255": lambda A: A.astype(np.float32) / np.float32(255),
    "float64 * 1/255": lambda A: A * (1 / 255),
}
METRICS = ["euclidean", "sqeuclidean", "manhattan", "chebyshev", "hamming"]


# ---- from a radius to an integer


@pytest.mark.parametrize("divisor", [1, 255])
@pytest.mark.parametrize("metric", METRICS)
@given(
    exact=st.integers(0, 784 * 255**2),
    step=st.sampled_from([-1, 0, 1]),
    largest=st.integers(0, 784 * 255**2),
)
def test_the_largest_integer_within(metric, divisor, exact, step, largest) -> None:
    def to_float(dist: Any) -> Any:
        return ENGINE_METRICS[metric].to_float(np.asarray(dist, dtype=np.int64), divisor, 784)

    radius = float(to_float([exact])[0])
    radius = float(np.nextafter(radius, step * np.inf)) if step else radius
    limit = largest_within(to_float, radius, largest)
    assert -1 <= limit <= largest
    if limit >= 0:
        assert to_float([limit])[0] <= radius
    if limit < largest:
        assert to_float([limit + 1])[0] > radius
    if exact <= largest:
        assert (limit >= exact) == (step >= 0 or to_float([exact])[0] <= radius)


@pytest.mark.parametrize(
    ("radius", "limit"),
    [(math.inf, 99), (1e308, 99), (math.nan, -1), (0.0, 0), (5e-324, 0), (-0.0, 0), (-1.0, -1)],
)
def test_the_largest_integer_within_strange_radii(radius: float, limit: int) -> None:
    for metric in METRICS:
        for divisor in (1, 255):
            to_float = ENGINE_METRICS[metric].to_float
            assert (
                largest_within(lambda d, f=to_float, v=divisor: f(d, v, 784), radius, 99) == limit
            )


# ---- radius_neighbors


def _assert_within(nn: Any, queries: Any, radius: float) -> None:
    """What radius_neighbors finds is what kneighbors finds for all rows, up to the radius."""
    all_dist, all_ind = nn.kneighbors(queries, nn.n_samples_fit_ - (queries is None))
    dist, ind = nn.radius_neighbors(queries, radius)
    by_dist = nn.radius_neighbors(queries, radius, sort_results=True)
    only = nn.radius_neighbors(queries, radius, return_distance=False)
    for parts in (dist, ind, *by_dist, only):
        assert parts.shape == (len(all_ind),)
        assert parts.dtype == object
    for i in range(len(all_ind)):
        inside = all_dist[i] <= radius
        expected_dist, expected_ind = all_dist[i][inside], all_ind[i][inside]
        order = np.lexsort((expected_ind, expected_dist))
        np.testing.assert_array_equal(by_dist[1][i], expected_ind[order], strict=True)
        np.testing.assert_array_equal(by_dist[0][i], expected_dist[order], strict=True)
        order = expected_ind.argsort()
        np.testing.assert_array_equal(ind[i], expected_ind[order], strict=True)
        np.testing.assert_array_equal(dist[i], expected_dist[order], strict=True)
        np.testing.assert_array_equal(only[i], ind[i], strict=True)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("fit", FITS)
@settings(max_examples=15)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(2, 40),
    d=st.integers(1, 12),
    top=st.sampled_from([2, 4, 256]),
    step=st.sampled_from([-1, 0, 1]),
    n_jobs=st.sampled_from([1, 2]),
)
def test_the_same_distances_decide(fit, metric, seed, n, d, top, step, n_jobs) -> None:
    """At a radius that is the distance of some row, and at its neighbours among the floats."""
    X, Q = FITS[fit](few_values(seed, n, d, top)), FITS[fit](few_values(seed + 1, 4, d, top))
    nn = knnc.NearestNeighbors(metric=metric, n_jobs=n_jobs).fit(X)
    assert nn.engine_ == "integer"
    radius = float(nn.kneighbors(Q[:1], 1 + n // 2)[0][0, -1])
    radius = max(0.0, float(np.nextafter(radius, step * np.inf)) if step else radius)
    _assert_within(nn, Q, radius)
    _assert_within(nn, None, radius)


@pytest.mark.parametrize("radius", [0.0, 1e-300, 1e308, math.inf, 10**400, math.nan])
@pytest.mark.parametrize("fit", ["uint8", "float32 / 255"])
def test_strange_radii(fit: str, radius: Any) -> None:
    X = FITS[fit](few_values(1, 30, 4, 3))
    odd = X[:3].astype(np.float64) + 0.123
    nn = knnc.NearestNeighbors(radius=3).fit(X)
    for queries in (X, None, odd):
        _assert_within(nn, queries, math.inf if radius == 10**400 else radius)
        found = nn.radius_neighbors(queries, radius, return_distance=False)
        expected = nn.n_samples_fit_ - (queries is None) if radius > 1e100 else None
        assert expected is None or {len(ind) for ind in found} == {expected}
        assert not math.isnan(radius if radius != 10**400 else 0) or not sum(map(len, found))


@pytest.mark.parametrize("radius", [-1.0, -math.inf, "3", None, [1.0, 2.0], np.ones(3), 1j])
def test_no_radius_at_all(radius: Any) -> None:
    """The errors of scikit-learn's brute force over floats, in words that say what is wrong."""
    X = any_bytes(2, 20, 3)
    nn = knnc.NearestNeighbors(radius=None).fit(X)
    theirs = sklearn.neighbors.NearestNeighbors(radius=None, algorithm="brute").fit(X * 1.0)
    expected = outcome(lambda: theirs.radius_neighbors(X[:3] * 1.0, radius)).error
    assert expected is not None
    for search in (nn.radius_neighbors, nn.radius_neighbors_graph):
        with pytest.raises(expected, match="radius"):
            search(X[:3], radius)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("fit", FITS)
def test_a_mixed_batch_equals_each_row_alone(fit: str, metric: str) -> None:
    """Rows that no bytes stand for included: their distances are those of kneighbors too."""
    rng = np.random.default_rng(3)
    X = FITS[fit](any_bytes(4, 300, 7))
    Q = draw_rows(rng, [*ROW_KINDS], "float64", 7, off_by_an_ulp=True)
    nn = knnc.NearestNeighbors(metric=metric).fit(X)
    distances = nn.kneighbors(Q, 300)[0]
    for radius in (float(distances[0, 20]), float(distances[-1, 250])):
        _assert_within(nn, Q, radius)
        together = nn.radius_neighbors(Q, radius)
        graph = nn.radius_neighbors_graph(Q, radius, mode="distance")
        for i in range(len(Q)):
            alone = nn.radius_neighbors(Q[i : i + 1], radius)
            np.testing.assert_array_equal(alone[0][0], together[0][i])
            np.testing.assert_array_equal(alone[1][0], together[1][i])
            own = slice(graph.indptr[i], graph.indptr[i + 1])
            np.testing.assert_array_equal(graph.indices[own], together[1][i])
            np.testing.assert_array_equal(graph.data[own], together[0][i])


@pytest.mark.parametrize("sort_results", [False, True])
@pytest.mark.parametrize("mode", ["distance", "connectivity"])
@pytest.mark.parametrize("fit", [*FITS, "float", "sklearn"])
def test_graphs_are_what_radius_neighbors_finds(fit: str, mode: str, sort_results: bool) -> None:
    X = FITS.get(fit, lambda A: A + 0.5)(few_values(7, 60, 3, 5))
    nn = knnc.NearestNeighbors(algorithm="kd_tree" if fit == "sklearn" else "auto").fit(X)
    assert nn.engine_ == (fit if fit in ("float", "sklearn") else "integer")
    radius = float(nn.kneighbors(X[:1], 20)[0][0, -1])
    for queries in (X[:9], None, X[:0] if fit == "sklearn" else X[:1]):
        if queries is not None and not len(queries):
            continue
        graph = nn.radius_neighbors_graph(queries, radius, mode=mode, sort_results=sort_results)
        weighted = mode == "distance"
        dist, ind = nn.radius_neighbors(queries, radius, sort_results=weighted and sort_results)
        theirs = sklearn.neighbors.NearestNeighbors().fit(X * 1.0).radius_neighbors_graph(X * 1.0)
        assert type(graph) is type(theirs)
        assert graph.indices.dtype == theirs.indices.dtype
        assert graph.shape == (len(ind), 60)
        np.testing.assert_array_equal(graph.indptr, np.cumsum([0, *map(len, ind)]))
        np.testing.assert_array_equal(graph.indices, np.concatenate(ind))
        expected = np.concatenate(dist) if weighted else np.ones(graph.nnz)
        np.testing.assert_array_equal(graph.data, expected)
    assert_same_error(
        lambda: nn.radius_neighbors_graph(X, 1.0, mode="nearest"),
        lambda: (
            sklearn.neighbors.NearestNeighbors()
            .fit(X)
            .radius_neighbors_graph(X, 1.0, mode="nearest")
        ),
    )


def test_progress_counts_all_rows_of_a_mixed_batch() -> None:
    X, Q = any_bytes(8, 900, 20), any_bytes(9, 600, 20).astype(np.float64)
    Q[::2] += 0.5
    nn = knnc.NearestNeighbors().fit(X)
    for queries, total in ((Q, 600), (Q[::2], 300), (Q[1::2], 300), (None, 900)):
        seen: list[tuple[int, int]] = []
        with knnc.progress(lambda done, n, seen=seen: seen.append((done, n))):
            nn.radius_neighbors(queries, 300.0)
        assert seen[-1] == (total, total)
        assert {n for _, n in seen} == {total}
        assert [done for done, _ in seen] == sorted(done for done, _ in seen)


# ---- the estimators that vote and average


CLASSES = [knnc.RadiusNeighborsClassifier, knnc.RadiusNeighborsRegressor]
WEIGHTS = {
    "uniform": "uniform",
    "none": None,
    "distance": "distance",
    "callable": lambda dist: np.array([1 / (1 + d) for d in dist] + [None], dtype=object)[:-1],
}


def _search_of(fitted: Any) -> Any:
    """scikit-learn's own class, with the neighbours that ours finds."""
    parent = next(c for c in type(fitted).__mro__ if c.__module__.startswith("sklearn."))

    class Theirs(parent):
        def radius_neighbors(self, X=None, *arguments, **options):
            return fitted.radius_neighbors(X, *arguments, **options)

    theirs = Theirs.__new__(Theirs)
    vars(theirs).update(vars(fitted), _fit_X=fitted._fit_X, _fit_method="ours")
    return theirs


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("cls", CLASSES)
@settings(max_examples=30)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(2, 40),
    radius=st.sampled_from([0.0, 1.0, 2.5, 9.0]),
    n_outputs=st.integers(1, 2),
    outlier=st.sampled_from([None, "most_frequent", 0, 77]),
)
def test_votes_and_means_are_scikit_learns(
    cls, weights, seed, n, radius, n_outputs, outlier
) -> None:
    """Outliers included: queries without neighbours."""
    X, Q = few_values(seed, n, 3, 5), few_values(seed + 1, 12, 3, 5)
    y = np.random.default_rng(seed).integers(0, 4, (n, n_outputs))
    options = {"outlier_label": outlier} if cls is knnc.RadiusNeighborsClassifier else {}
    ours = cls(radius, weights=WEIGHTS[weights], **options)
    with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
        ours.fit(X, y if n_outputs > 1 else y[:, 0])
        theirs = _search_of(ours)
        for queries in (Q, None):
            for method in filter(lambda name: hasattr(ours, name), ("predict", "predict_proba")):
                got = outcome(lambda m=method, q=queries: getattr(ours, m)(q))
                expected = outcome(lambda m=method, q=queries: getattr(theirs, m)(q))
                assert got[:2] == expected[:2]
                np.testing.assert_equal(got.value, expected.value)


@pytest.mark.parametrize("algorithm", ["auto", "brute", "pruned"])
@pytest.mark.parametrize("fit", [*FITS, "float"])
@pytest.mark.parametrize("cls", CLASSES)
def test_nothing_goes_round_the_engine(
    cls: type, fit: str, algorithm: str, searches, monkeypatch: pytest.MonkeyPatch
) -> None:
    """scikit-learn's predict_proba has a search of its own, for floats and uniform weights."""

    def never(*args: object, **kwargs: object) -> None:
        raise AssertionError("searched elsewhere")

    monkeypatch.setattr(RadiusNeighborsClassMode, "compute", never)
    monkeypatch.setattr(RadiusNeighbors, "compute", never)
    monkeypatch.setattr("knnc.neighbors.fallback.radius_neighbors", never)
    monkeypatch.setattr("knnc.neighbors.radius_search.within_of_floats", never)
    X, Q, y = any_bytes(10, 90, 20), any_bytes(11, 17, 20), np.arange(90) % 4
    scale = 255 if "255" in fit else 1
    make = FITS.get(fit, lambda A: A + 0.5)
    estimator = cls(410 / scale, algorithm=algorithm).fit(make(X), y)
    assert estimator.engine_ == ("float" if fit == "float" else "integer")
    queries = make(Q)
    inside = ((Q[:, np.newaxis] - X.astype(float)) ** 2).sum(axis=2) <= 410**2
    assert inside.any(axis=1).all()
    counts = np.array([np.bincount(y[row], minlength=4) for row in inside])
    for weights in ("uniform", "distance", None):
        estimator.set_params(weights=weights)
        for call, count in [
            (lambda: estimator.predict(queries), 17),
            (lambda: estimator.score(queries, np.zeros(17)), 17),
            (lambda: estimator.radius_neighbors_graph(queries), 17),
            (lambda: estimator.predict(None), 90),
            (lambda: estimator.score(None, y), 90),
        ]:
            searches.calls = searches.queries = 0
            call()
            assert (searches.calls, searches.queries) == (1, count)
    if cls is knnc.RadiusNeighborsClassifier:
        shares = counts / counts.sum(axis=1, keepdims=True)
        np.testing.assert_array_equal(estimator.predict_proba(queries), shares)
        np.testing.assert_array_equal(estimator.predict(queries), counts.argmax(axis=1))
    else:
        np.testing.assert_array_equal(estimator.predict(queries), [y[row].mean() for row in inside])


@pytest.mark.parametrize("engine", ["integer", "float", "sklearn"])
@pytest.mark.parametrize("cls", CLASSES)
def test_scikit_learns_numbers_on_every_engine(cls: type, engine: str) -> None:
    """At a radius that no distance comes near, and with rows that no bytes stand for."""
    X, Q, y = any_bytes(12, 80, 4), any_bytes(13, 30, 4) * 1.0, np.arange(80) % 3
    Q[::3] += 0.25
    X = X + (0.0 if engine == "integer" else 0.5)
    algorithm = "kd_tree" if engine == "sklearn" else "brute"
    ours, theirs = twins(cls, radius=150.0625, weights="uniform", algorithm=algorithm)
    assert ours.fit(X, y).engine_ == engine
    theirs.fit(X, y * 1.0 if cls is knnc.RadiusNeighborsRegressor else y)
    np.testing.assert_allclose(ours.predict(Q), theirs.predict(Q))
    if cls is knnc.RadiusNeighborsClassifier:
        np.testing.assert_allclose(ours.predict_proba(Q), theirs.predict_proba(Q))


@pytest.mark.parametrize("fit", ["uint8", "float64 * 1/255"])
def test_outliers(fit: str) -> None:
    X, y = FITS[fit](np.array([[0], [1], [100], [101]], np.uint8)), np.array(["a", "a", "b", "b"])
    far = FITS[fit](np.array([[0], [50]], np.uint8))
    radius = 1.0 if fit == "uint8" else 1 / 255
    for label, expected in ((None, None), ("b", "b"), ("most_frequent", "a"), ("z", "z")):
        ours, theirs = twins(knnc.RadiusNeighborsClassifier, radius=radius, outlier_label=label)
        ours.fit(X, y)
        theirs.fit(X, y)
        with warnings.catch_warnings(action="ignore"):
            if expected is None:
                assert_same_error(lambda o=ours: o.predict(far), lambda t=theirs: t.predict(far))
            else:
                assert ours.predict(far).tolist() == ["a", expected]
                np.testing.assert_array_equal(ours.predict_proba(far), theirs.predict_proba(far))
    with pytest.warns(UserWarning, match="have no neighbors"):
        means = knnc.RadiusNeighborsRegressor(radius).fit(X, [1, 1, 2, 2]).predict(far)
    np.testing.assert_array_equal(means, [1.0, np.nan])


def test_a_bad_outlier_label_changes_nothing() -> None:
    X, y = any_bytes(14, 20, 3), np.arange(20) % 2
    clf = knnc.RadiusNeighborsClassifier(outlier_label=1).fit(X, y)
    before = dict(vars(clf), outlier_label="two")
    with pytest.raises(TypeError, match="dtype of outlier_label"):
        clf.set_params(outlier_label="two").fit(X[:10], y[:10])
    assert vars(clf) == before
