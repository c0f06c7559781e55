"""The float engine below the estimators: every answer is the oracle's, to the last bit."""

from __future__ import annotations

import copy
import pickle
import warnings
from typing import Any

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone

import knnc
from knnc.neighbors import float_search
from tests import float_oracle
from tests.neighbors.float_support import FLOAT_METRICS, expected
from tests.neighbors.support import assert_same, few_values

F32, F64 = np.float32, np.float64
DTYPES = {
    "float16": (np.float16, F32),
    "float32": (F32, F32),
    "float64": (F64, F64),
    ">f8": (np.dtype(">f8"), F64),
    "longdouble": (np.longdouble, F64),
    "uint16": (np.uint16, F32),
    "int16": (np.int16, F32),
    "int32": (np.int32, F64),
    "uint32": (np.uint32, F64),
    "int64": (np.int64, F64),
}


def numbers(seed: int, n: int, d: int, dtype: Any = F64) -> Any:
    """Rows that no bytes stand for, with ties and duplicates."""
    halves = few_values(seed, n, d) * 150.5 - 100
    return halves.astype(dtype, order="C")


@pytest.mark.parametrize("metric", FLOAT_METRICS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_of_every_dtype(dtype: str, metric: str) -> None:
    given_as, stored_as = DTYPES[dtype]
    X, queries = numbers(1, 60, 20, given_as), numbers(2, 9, 20)
    nn = knnc.NearestNeighbors(n_neighbors=7, metric=metric).fit(X)
    assert nn.engine_ == "float"
    assert nn._fit_X.dtype == stored_as
    assert (nn._rows is X) == (dtype in ("float32", "float64"))
    assert nn._tree is None
    assert_same(nn.kneighbors(queries), expected(X, queries, 7, metric))
    assert_same(nn.kneighbors(), expected(X, None, 7, metric))
    assert_same(nn.kneighbors(nn._fit_X), expected(X, X, 7, metric))


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, bool, np.int64, F32])
def test_cosine_of_bytes(dtype: Any) -> None:
    X = few_values(1, 60, 5, 3).astype(dtype)
    X[[3, 40]] = 0
    queries = np.vstack([X[:9], X[:1]]).astype(dtype)
    for algorithm in ("auto", "brute", "pruned"):
        nn = knnc.NearestNeighbors(n_neighbors=9, metric="cosine", algorithm=algorithm).fit(X)
        assert nn.engine_ == "float"
        assert nn._fit_X.dtype == (F64 if dtype == np.int64 else F32)
        assert_same(nn.kneighbors(queries), expected(X, queries, 9, "cosine"))
        assert_same(nn.kneighbors(), expected(X, None, 9, "cosine"))


@pytest.mark.parametrize(
    ("parameters", "metric"),
    [({"p": 1}, "manhattan"), ({"p": 2}, "euclidean"), ({"p": np.inf}, "chebyshev")],
)
def test_minkowski(parameters: Any, metric: str) -> None:
    X, queries = numbers(1, 60, 20), numbers(2, 9, 20)
    nn = knnc.NearestNeighbors(**parameters).fit(X)
    assert nn.engine_ == "float"
    assert nn.effective_metric_ == metric
    assert_same(nn.kneighbors(queries), expected(X, queries, 5, metric))


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(2, 40),
    d=st.integers(1, 20),
    metric=st.sampled_from(sorted(FLOAT_METRICS)),
    algorithm=st.sampled_from(["brute", "pruned"]),
    dtype=st.sampled_from([F32, F64]),
    scale=st.sampled_from([1e-300, 1e-3, 1.0, 1e200]),
    step=st.sampled_from([-1, 0, 1]),
)
def test_a_row_is_within_a_radius_iff_its_distance_is(
    seed, n, d, metric, algorithm, dtype, scale, step
) -> None:
    if algorithm == "pruned" and FLOAT_METRICS[metric] not in ("sqeuclidean", "cosine"):
        algorithm = "auto"
    rng = np.random.default_rng(seed)
    with np.errstate(over="ignore"):
        X = (rng.normal(size=(n, d)).round(1) * scale).astype(dtype)
    X[~np.isfinite(X)] = 7
    queries = (rng.normal(size=(4, d)).round(1) * scale).astype(F64)
    nn = knnc.NearestNeighbors(metric=metric, algorithm=algorithm).fit(X)
    if nn.engine_ != "float":
        assert nn.engine_ == "integer" or (algorithm == "auto" and d <= 15)
        return
    dist, ind = expected(X, queries, n, metric)
    assert_same(nn.kneighbors(queries, n), (dist, ind))
    radius = float(dist[0, n // 2])
    radius = max(0.0, float(np.nextafter(radius, step * np.inf)) if step else radius)
    found = nn.radius_neighbors(queries, radius, sort_results=True)
    by_index = nn.radius_neighbors(queries, radius, return_distance=False)
    for i in range(4):
        inside = dist[i] <= radius
        order = np.lexsort((ind[i][inside], dist[i][inside]))
        np.testing.assert_array_equal(found[0][i], dist[i][inside][order], strict=True)
        np.testing.assert_array_equal(found[1][i], ind[i][inside][order])
        np.testing.assert_array_equal(by_index[i], np.sort(ind[i][inside]))


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "cosine"])
@pytest.mark.parametrize("share", ["most", "some", "few left out"])
@pytest.mark.parametrize("dtype", [F32, F64])
def test_masks(metric: str, share: str, dtype: Any) -> None:
    X, queries = numbers(1, 90, 20, dtype), numbers(2, 9, 20)
    every = np.arange(90)
    mask = {"most": every > 40, "some": every % 4 == 0, "few left out": every % 30 > 0}[share]
    nn = knnc.NearestNeighbors(metric=metric).fit(X)
    where = np.flatnonzero(mask)
    dist, ind = expected(X[where], queries, 6, metric)
    for _ in range(2):  # what is made for a mask serves again
        assert_same(nn.kneighbors(queries, 6, row_mask=mask), (dist, where[ind]))
    dist, ind = nn.kneighbors(n_neighbors=6, row_mask=mask)
    name = FLOAT_METRICS[metric]
    table = float_oracle.float_table(X, X.astype(F64), name)
    largest = np.float64(np.inf).view(np.int64)
    table[:, ~mask] = largest
    np.fill_diagonal(table, largest)
    keys, found = float_oracle.nearest(table, 6)
    assert_same((dist, ind), (float_oracle.distances_of(keys, metric, 20), found))


def test_queries_of_every_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """In pieces too, whose progress counts all of them."""
    X, queries = numbers(1, 60, 20, F32), numbers(2, 50, 20)
    nn = knnc.NearestNeighbors(radius=900.0).fit(X)
    dist, ind = expected(X, queries, 5)
    within = nn.radius_neighbors(queries, sort_results=True)
    graph = nn.radius_neighbors_graph(queries, mode="distance")
    kinds = {
        "float32": queries.astype(F32),
        "Fortran": np.asfortranarray(queries),
        "strided": np.repeat(queries, 2, axis=1)[:, ::2],
        "big-endian": queries.astype(">f8"),
        "list": queries.tolist(),
        "CSR": sparse.csr_array(queries),
        "CSC": sparse.csc_matrix(queries.astype(F32)),
    }
    for piece in (1 << 22, 7 * 20, 1):
        monkeypatch.setattr(float_search, "_PIECE", piece)
        for kind, some in kinds.items():
            done: list[tuple[int, int]] = []
            with knnc.progress(lambda *so_far, done=done: done.append(so_far)):
                answer = nn.kneighbors(some)
            assert_same(answer, (dist, ind))
            assert done == sorted(done)
            assert done[-1] == (50, 50)
            # What need not be copied is one piece; a list becomes float64.
            assert len(done) > 1 or piece > 140 or kind in ("float32", "list")
            found = nn.radius_neighbors(some, sort_results=True)
            for ours, whole in zip(found, within, strict=True):
                for own, of_all in zip(ours, whole, strict=True):
                    np.testing.assert_array_equal(own, of_all, strict=True)
            pieces = nn.radius_neighbors_graph(some, mode="distance")
            np.testing.assert_array_equal(pieces.indptr, graph.indptr)
            np.testing.assert_array_equal(pieces.indices, graph.indices)
            np.testing.assert_array_equal(pieces.data, graph.data)


def test_a_callback_that_ends_a_search_is_not_called_again(monkeypatch: pytest.MonkeyPatch) -> None:
    class Enough(Exception):
        pass

    def stop(done: int, total: int) -> None:
        raise Enough

    monkeypatch.setattr(float_search, "_PIECE", 1)
    nn = knnc.NearestNeighbors().fit(numbers(1, 60, 20))
    queries = numbers(2, 9, 20, F32)
    for search in (nn.kneighbors, nn.radius_neighbors):
        with knnc.progress(stop), pytest.raises(Enough):
            search(queries)
        search(queries)


@pytest.mark.parametrize("weights", ["uniform", "distance"])
def test_votes_means_and_factors(weights: str, searches) -> None:
    X, queries, y = numbers(1, 90, 20), numbers(2, 30, 20), np.arange(90) % 4
    dist, ind = expected(X, queries, 5)
    clf = knnc.KNeighborsClassifier(weights=weights).fit(X, y)
    reg = knnc.KNeighborsRegressor(weights=weights).fit(X, y * 1.0)
    assert clf.engine_ == reg.engine_ == "float"
    with np.errstate(divide="ignore"):
        each = np.ones_like(dist) if weights == "uniform" else 1 / dist
    each = np.where(np.isinf(each).any(axis=1)[:, np.newaxis], np.isinf(each), each)
    shares = np.stack([(each * (y[ind] == c)).sum(axis=1) for c in range(4)], axis=1)
    shares /= shares.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(clf.predict_proba(queries), shares, rtol=1e-12)
    np.testing.assert_array_equal(clf.predict(queries), shares.round(12).argmax(axis=1))
    means = (each * y[ind]).sum(axis=1) / each.sum(axis=1)
    np.testing.assert_allclose(reg.predict(queries), means, rtol=1e-12)
    assert searches.calls == 3


def test_the_best_candidate_is_the_one_of_a_grid_search() -> None:
    from sklearn.model_selection import GridSearchCV

    X, y = numbers(1, 90, 20), np.arange(90) % 3
    candidates = {"n_neighbors": [1, 4, 9], "weights": ["uniform", "distance"]}
    candidates["metric"] = ["euclidean", "cosine"]
    for ours, estimator in (
        (knnc.KNeighborsClassifierCV, knnc.KNeighborsClassifier),
        (knnc.KNeighborsRegressorCV, knnc.KNeighborsRegressor),
    ):
        grid = GridSearchCV(estimator(), candidates, cv=4).fit(X, y)
        cv = ours(**candidates, cv=4).fit(X, y)
        assert cv.best_estimator_.engine_ == "float"
        assert cv.best_params_ == grid.best_params_
        np.testing.assert_array_equal(
            cv.cv_results_["mean_test_score"], grid.cv_results_["mean_test_score"]
        )
        ours(**candidates).fit(X, y)  # leave-one-out


@pytest.mark.parametrize("dtype", [F32, F64, np.uint16])
def test_copies_and_pickles(dtype: Any, tmp_path: Any) -> None:
    X, queries, y = (numbers(1, 400, 20) + 100).astype(dtype), numbers(2, 9, 20), np.arange(400) % 3
    clf = knnc.KNeighborsClassifier(3, algorithm="pruned").fit(X, y)
    assert clf.engine_ == "float"
    answer, shares = clf.kneighbors(queries), clf.predict_proba(queries)
    pickled = pickle.dumps(clf)
    assert len(pickled) < 1.5 * clf._rows.nbytes + 6000, "the rows once, and no codes"
    joblib.dump(clf, tmp_path / "clf")
    knnc.save(clf, tmp_path / "file")
    for other in (
        pickle.loads(pickled),
        joblib.load(tmp_path / "clf"),
        joblib.load(tmp_path / "clf", mmap_mode="r"),
        knnc.load(tmp_path / "file"),
        copy.copy(clf),
        copy.deepcopy(clf),
        clone(clf).fit(X, y),
    ):
        assert other.engine_ == "float"
        assert_same(other.kneighbors(queries), answer)
        np.testing.assert_array_equal(other.predict_proba(queries), shares)


@pytest.mark.parametrize("first", [F32, F64, np.uint16, np.float16])
@pytest.mark.parametrize("second", [F32, F64, np.int32])
def test_more_rows(first: Any, second: Any) -> None:
    X, more = (numbers(1, 50, 20) + 100).astype(first), numbers(2, 30, 20).astype(second)
    queries, y = numbers(3, 9, 20), np.arange(80) % 4
    for cls in (knnc.KNeighborsClassifier, knnc.KNeighborsRegressor, knnc.NearestNeighbors):
        grown = cls().partial_fit(X, y[:50]).partial_fit(more, y[50:])
        whole = cls().fit(np.concatenate([X, more]), y)
        assert grown.engine_ == whole.engine_ == "float"
        assert_same(grown.kneighbors(queries), whole.kneighbors(queries))
        together = np.concatenate([X.astype(F64), more.astype(F64)])
        assert_same(grown.kneighbors(queries), expected(together, queries, 5))


def test_a_fit_on_a_fitted_estimator() -> None:
    X = numbers(1, 60, 20, F32)
    first = knnc.LocalOutlierFactor(n_neighbors=5).fit(X)
    second = knnc.NearestNeighbors(metric="manhattan").fit(first)
    assert second._rows is X
    assert_same(second.kneighbors(), expected(X, None, 5, "manhattan"))


def test_graphs_of_floats() -> None:
    X, queries = numbers(1, 60, 20), numbers(2, 9, 20)
    dist, ind = expected(X, queries, 5)
    nn = knnc.NearestNeighbors().fit(X)
    transformed = knnc.KNeighborsTransformer(n_neighbors=4).fit(X).transform(queries)
    for graph in (nn.kneighbors_graph(queries, mode="distance"), transformed):
        np.testing.assert_array_equal(graph.indices, ind.ravel())
        np.testing.assert_array_equal(graph.data, dist.ravel())
    for include_self, k in ((True, expected(X, X, 5)), (False, expected(X, None, 5))):
        graph = knnc.kneighbors_graph(X, 5, mode="distance", include_self=include_self)
        np.testing.assert_array_equal(graph.data, k[0].ravel())
        np.testing.assert_array_equal(graph.indices, k[1].ravel())
    radius = float(dist[0, -1])
    graph = knnc.radius_neighbors_graph(X, radius, mode="distance", include_self=True)
    all_dist, all_ind = expected(X, X, 60)
    np.testing.assert_array_equal(np.diff(graph.indptr), (all_dist <= radius).sum(axis=1))
    own = slice(graph.indptr[7], graph.indptr[8])
    np.testing.assert_array_equal(graph.indices[own], np.sort(all_ind[7][all_dist[7] <= radius]))


@pytest.mark.parametrize("n_jobs", [1, 2, 3])
@pytest.mark.parametrize("algorithm", ["auto", "brute", "pruned"])
def test_nothing_changes_the_answer(algorithm: str, n_jobs: int) -> None:
    """Neither the algorithm, the threads, nor how many queries come together."""
    rng = np.random.default_rng(0)
    X, queries = rng.normal(size=(500, 33)), rng.normal(size=(40, 33))
    dist, ind = expected(X, queries, 9)
    nn = knnc.NearestNeighbors(n_neighbors=9, algorithm=algorithm, n_jobs=n_jobs).fit(X)
    assert_same(nn.kneighbors(queries), (dist, ind))
    for i in (0, 17):
        assert_same(nn.kneighbors(queries[i : i + 1]), (dist[i : i + 1], ind[i : i + 1]))
    assert_same(nn.kneighbors(queries, 4), (dist[:, :4], ind[:, :4]))


def test_who_searches_few_features() -> None:
    """Our own tree, but where scikit-learn's is asked for by name."""
    for d, k, parameters, engine in (
        (15, 5, {}, "float"),
        (16, 5, {}, "float"),
        (15, 30, {}, "float"),
        (15, 29, {}, "float"),
        (3, 5, {"metric": "hamming"}, "float"),
        (3, 5, {"metric": "cosine"}, "float"),
        (3, 5, {"metric": "sqeuclidean"}, "float"),
        (3, 5, {"algorithm": "brute"}, "float"),
        (3, 5, {"algorithm": "pruned"}, "float"),
        (20, 5, {"algorithm": "kd_tree"}, "sklearn"),
        (3, 5, {"algorithm": "ball_tree"}, "sklearn"),
    ):
        X = numbers(1, 60, d)
        nn = knnc.NearestNeighbors(n_neighbors=k, **parameters).fit(X)
        assert nn.engine_ == engine
    assert knnc.NearestNeighbors().fit(sparse.csr_array(X)).engine_ == "sklearn"
    assert knnc.NearestNeighbors(p=3).fit(X).engine_ == "sklearn"


def test_what_floats_do_not_have() -> None:
    X = numbers(1, 60, 20)
    for metric in ("chebyshev", "hamming"):
        with pytest.raises(ValueError, match="algorithm='pruned' rules rows out"):
            knnc.NearestNeighbors(algorithm="pruned", metric=metric).fit(X)
    with pytest.raises(ValueError, match="needs knnc's own search, and X is sparse"):
        knnc.NearestNeighbors(algorithm="pruned").fit(sparse.csr_array(X))
    nn = knnc.NearestNeighbors().fit(X)
    with pytest.raises(ValueError, match="engine_ is 'float'"):
        nn.kneighbors(X, return_distance="exact")
    for bad in (X * np.nan, X[:, :3], X[:0], X[0]):
        with pytest.raises(ValueError, match=r"NaN|3 features|0 sample|1D array"):
            nn.kneighbors(bad)


@pytest.mark.skipif(np.finfo(np.longdouble).max <= np.finfo(F64).max, reason="no wider float here")
def test_numbers_that_float64_cannot_hold() -> None:
    X = numbers(1, 60, 20).astype(np.longdouble)
    nn = knnc.NearestNeighbors().fit(X)
    X[3, 3] = np.finfo(np.longdouble).max
    with warnings.catch_warnings(action="ignore"):
        for search in (nn.kneighbors, nn.radius_neighbors, nn.fit):
            with pytest.raises(ValueError, match="infinity"):
                search(X)
