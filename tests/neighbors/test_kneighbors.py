"""kneighbors on the integer engine: the oracle's answers, by every way in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csc_matrix, csr_array
from sklearn.utils.validation import validate_data

import knnc
from knnc.neighbors import fallback
from knnc.neighbors.metrics import ENGINE_METRICS, engine_metric
from tests.neighbors.support import METRICS, any_bytes, assert_same, few_values, oracle, twins

SPELLINGS = [
    ({}, "euclidean"),
    ({"metric": "l2"}, "euclidean"),
    ({"metric": "euclidean"}, "euclidean"),
    ({"p": 2.0}, "euclidean"),
    ({"metric": "sqeuclidean"}, "sqeuclidean"),
    ({"p": 1}, "manhattan"),
    ({"p": np.int64(1)}, "manhattan"),
    ({"metric": "l1"}, "manhattan"),
    ({"metric": "cityblock"}, "manhattan"),
    ({"metric": "manhattan"}, "manhattan"),
    ({"metric": "minkowski", "p": None, "metric_params": {"p": 1}}, "manhattan"),
    ({"metric": "minkowski", "metric_params": {"w": None}}, "euclidean"),
    ({"metric": "chebyshev"}, "chebyshev"),
    ({"p": np.inf}, "chebyshev"),
    ({"p": np.float32(np.inf)}, "chebyshev"),
    ({"metric": "minkowski", "p": None, "metric_params": {"p": np.inf}}, "chebyshev"),
    ({"metric": "hamming"}, "hamming"),
]
WITHOUT_CODES = ("chebyshev", "hamming")


@pytest.mark.parametrize("algorithm", ["auto", "brute", "pruned"])
@pytest.mark.parametrize(("parameters", "metric"), SPELLINGS, ids=lambda p: str(p))
def test_every_spelling_of_a_metric(parameters: dict, metric: str, algorithm: str) -> None:
    X, Q = few_values(1, 60, 5), few_values(2, 20, 5)
    ours = knnc.NearestNeighbors(algorithm=algorithm, **parameters)
    if algorithm == "pruned" and metric in WITHOUT_CODES:
        with pytest.raises(ValueError, match=f"bound metric='{metric}'"):
            ours.fit(X)
        return
    ours.fit(X)
    assert ours.engine_ == "integer"
    assert_same(ours.kneighbors(Q, 7), oracle(X, Q, 7, metric))
    _, theirs = twins(algorithm="brute", **parameters)
    theirs.fit(X)
    np.testing.assert_allclose(ours.kneighbors(Q, 7)[0], theirs.kneighbors(Q, 7)[0], rtol=1e-12)
    assert ours.effective_metric_ == theirs.effective_metric_
    assert ours.effective_metric_params_ == theirs.effective_metric_params_


@pytest.mark.parametrize(
    "parameters",
    [
        {"metric": "cosine"},
        {"metric": "minkowski", "p": 3},
        {"metric": "minkowski", "p": -np.inf},
        {"metric": "hamming", "metric_params": {"w": np.ones(5)}},
        {"metric": "chebyshev", "metric_params": {"p": 2}},
        {"metric": "jaccard"},
        {"metric": "minkowski", "metric_params": {"w": np.ones(5)}},
        {"metric": "euclidean", "metric_params": {"V": 1}},
        {"metric": lambda a, b: abs(a - b).sum()},
    ],
)
def test_any_other_metric_is_not_the_engines(parameters: dict) -> None:
    defaults = {"metric": "minkowski", "p": 2, "metric_params": None}
    assert engine_metric(**{**defaults, **parameters}) is None


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 40),
    q=st.integers(1, 12),
    d=st.integers(1, 20),
    top=st.sampled_from([1, 2, 4, 256]),
    metric=st.sampled_from(list(METRICS)),
    k_share=st.floats(0, 1),
    n_jobs=st.sampled_from([None, 1, 2, 7]),
)
def test_equals_the_oracle(seed, n, q, d, top, metric, k_share, n_jobs) -> None:
    X, Q = few_values(seed, n, d, top), few_values(seed + 1, q, d, top)
    k = 1 + int(k_share * (n - 1))
    nn = knnc.NearestNeighbors(n_neighbors=k, metric=metric, n_jobs=n_jobs).fit(X)
    answer = nn.kneighbors(Q)
    assert_same(answer, oracle(X, Q, k, metric))
    np.testing.assert_array_equal(nn.kneighbors(Q, return_distance=False), answer[1])
    for j in range(1, k + 1):  # the first j of k are the j of j
        assert_same(nn.kneighbors(Q, j), (answer[0][:, :j], answer[1][:, :j]))
    if k < n:
        assert_same(nn.kneighbors(), oracle(X, None, k, metric))
        np.testing.assert_array_equal(
            nn.kneighbors(return_distance=False), oracle(X, None, k, metric)[1]
        )


def test_batch_size_does_not_matter() -> None:
    X, Q = few_values(3, 700, 9), few_values(4, 300, 9)
    nn = knnc.NearestNeighbors(n_neighbors=11).fit(X)
    dist, ind = nn.kneighbors(Q)
    for size in (1, 2, 7, 64, 299):
        parts = [nn.kneighbors(Q[start : start + size]) for start in range(0, len(Q), size)]
        assert_same(map(np.concatenate, zip(*parts, strict=True)), (dist, ind))


def _byte_swapped(Q):
    return Q.astype(">i4")


WAYS_IN = {
    "uint8": lambda Q: Q,
    "read-only": lambda Q: _read_only(Q),
    "Fortran": np.asfortranarray,
    "strided": lambda Q: np.repeat(Q, 2, axis=1)[:, ::2],
    "backwards": lambda Q: Q[::-1][::-1],
    "list": lambda Q: Q.tolist(),
    "int64": lambda Q: Q.astype(np.int64),
    "float64": lambda Q: Q.astype(np.float64),
    "float32 Fortran": lambda Q: np.asfortranarray(Q.astype(np.float32)),
    "float16": lambda Q: Q.astype(np.float16),
    "longdouble": lambda Q: Q.astype(np.longdouble),
    "object": lambda Q: Q.astype(object),
    "byte-swapped": _byte_swapped,
    "byte-swapped float": lambda Q: Q.astype(">f8"),
    "sparse matrix": lambda Q: csc_matrix(Q),
    "sparse array": lambda Q: csr_array(Q.astype(np.float64)),
}


def _read_only(Q):
    Q = Q.copy()
    Q.flags.writeable = False
    return Q


@pytest.mark.parametrize("fit_way", [way for way in WAYS_IN if not way.startswith("sparse")])
def test_every_way_in_gives_the_same_answer(fit_way: str) -> None:
    X, Q = any_bytes(5, 50, 6), any_bytes(6, 30, 6)
    nn = knnc.NearestNeighbors(n_neighbors=4).fit(WAYS_IN[fit_way](X))
    assert nn.engine_ == "integer"
    np.testing.assert_array_equal(nn._fit_X, X)
    for way_in in WAYS_IN.values():
        assert_same(nn.kneighbors(way_in(Q)), oracle(X, Q, 4, "euclidean"))


def test_sparse_queries_are_made_dense_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knnc.neighbors.base._DENSE_CHUNK", 7 * 6)
    X, Q = any_bytes(5, 50, 6), any_bytes(6, 30, 6).astype(np.float64)
    Q[[3, 20]] += 0.5  # and some of them have no bytes
    nn = knnc.NearestNeighbors(n_neighbors=4).fit(X)
    assert_same(nn.kneighbors(csr_array(Q)), nn.kneighbors(Q))


@pytest.mark.parametrize("mode", ["r", "c"])
def test_memmap_is_searched_where_it_is(tmp_path, mode: str) -> None:
    X, Q = any_bytes(7, 80, 12), any_bytes(8, 10, 12)
    X.tofile(tmp_path / "rows")
    mapped = np.memmap(tmp_path / "rows", dtype=np.uint8, mode=mode, shape=X.shape)
    nn = knnc.NearestNeighbors(n_neighbors=3).fit(mapped)
    assert np.shares_memory(nn._fit_X, mapped)
    assert_same(nn.kneighbors(Q), oracle(X, Q, 3, "euclidean"))
    assert_same(nn.kneighbors(mapped), oracle(X, X, 3, "euclidean"))
    assert_same(nn.kneighbors(), oracle(X, None, 3, "euclidean"))


def test_fit_refers_to_uint8_and_copies_anything_else() -> None:
    X = any_bytes(9, 30, 4)
    assert np.shares_memory(knnc.NearestNeighbors().fit(X)._fit_X, X)
    assert np.shares_memory(knnc.KNeighborsClassifier().fit(X, X[:, 0] > 99)._fit_X, X)
    for other in (np.asfortranarray(X), X.view(np.int8), X.astype(np.int64)):
        assert not np.shares_memory(knnc.NearestNeighbors().fit(other)._fit_X, other)


def test_the_short_path_takes_what_validation_would_let_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A few plain C-contiguous queries are not worth their validation; all else is validated."""
    X = any_bytes(9, 30, 4)
    nn = knnc.NearestNeighbors(n_neighbors=2).fit(X)
    of_floats = knnc.NearestNeighbors(n_neighbors=2).fit(X + 0.5)
    validated = []

    def counted(*args, **kwargs):
        validated.append(1)
        return validate_data(*args, **kwargs)

    monkeypatch.setattr(fallback, "validate_data", counted)
    nn.kneighbors(X[:1])
    nn.kneighbors(X)
    for fitted in (nn, of_floats):
        for dtype in (np.float32, np.float64):
            fitted.kneighbors(X.astype(dtype))
            fitted.radius_neighbors(X.astype(dtype))
    assert not validated
    for way in ("Fortran", "list", "strided"):
        nn.kneighbors(WAYS_IN[way](X))
        of_floats.kneighbors(WAYS_IN[way](X.astype(np.float64)))
    assert len(validated) == 6
    for fitted in (nn, of_floats):
        for wrong in (np.nan, np.inf):
            with pytest.raises(ValueError, match="contains"):
                fitted.kneighbors(np.full((1, 4), wrong))
        with pytest.raises(ValueError, match="4 features as input"):
            fitted.kneighbors(np.ones((1, 3)))
        with pytest.raises(ValueError, match="minimum of 1"):
            fitted.kneighbors(np.ones((0, 4)))
    many = np.tile(X.astype(np.float64), (1000, 1))
    assert len(validated) == 14
    of_floats.kneighbors(many)
    assert len(validated) == 15


def test_leave_one_out_is_by_index() -> None:
    X = np.zeros((12, 3), dtype=np.uint8)  # all duplicates
    nn = knnc.NearestNeighbors(n_neighbors=3).fit(X)
    dist, ind = nn.kneighbors()
    assert (dist == 0).all()
    for i, row in enumerate(ind):
        assert row.tolist() == [j for j in range(12) if j != i][:3]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("scale", ["bytes", "float32 / 255", "int8"])
def test_leave_one_out_with_duplicates(metric: str, scale: str) -> None:
    X = few_values(11, 200, 3, top=3)
    assert len(np.unique(X, axis=0)) < 30
    fit = {"bytes": X, "float32 / 255": X.astype(np.float32) / np.float32(255)}.get(
        scale, X.astype(np.int8)
    )
    nn = knnc.NearestNeighbors(n_neighbors=40, metric=metric).fit(fit)
    assert nn.engine_ == "integer"
    dist, ind = nn.kneighbors()
    expected = oracle(X, None, 40, metric)
    np.testing.assert_array_equal(ind, expected[1])
    power = {"sqeuclidean": 2, "hamming": 0}.get(metric, 1)
    divisor = {"bytes": 1, "int8": 1}.get(scale, 255) ** power
    np.testing.assert_allclose(dist, expected[0] / divisor, rtol=1e-15)


@pytest.mark.parametrize("mode", ["connectivity", "distance"])
def test_kneighbors_graph(mode: str) -> None:
    X, Q = any_bytes(13, 40, 5), any_bytes(14, 15, 5)
    ours, theirs = twins(n_neighbors=4, algorithm="brute")
    ours.fit(X)
    theirs.fit(X.astype(np.float64))
    for queries in (Q, None):
        got = ours.kneighbors_graph(queries, mode=mode)
        expected = theirs.kneighbors_graph(queries, mode=mode)
        assert type(got) is type(expected)
        np.testing.assert_allclose(got.toarray(), expected.toarray(), rtol=1e-12)


@pytest.mark.parametrize("name", ENGINE_METRICS)
@pytest.mark.parametrize("kind", ["bytes", "int8", "/ 255"])
def test_radius_neighbors_are_scikit_learns(name: str, kind: str) -> None:
    X, Q = few_values(15, 60, 4, 9), few_values(16, 20, 4, 9)
    make = {
        "bytes": lambda A: A,
        "int8": lambda A: A.astype(np.int8) - np.int8(4),
        "/ 255": lambda A: A / 255,
    }[kind]
    radius = {"bytes": 6.2, "int8": 6.2, "/ 255": 6.2 / 255}[kind]
    radius = {"hamming": 0.6, "chebyshev": radius / 2}.get(name, radius)
    ours, theirs = twins(radius=radius, metric=name, algorithm="brute")
    ours.fit(make(X))
    assert ours.engine_ == "integer"
    theirs.fit(make(X).astype(np.float64))
    for queries in (make(Q), make(Q) + 0.25, None):
        as_floats = None if queries is None else queries.astype(np.float64)
        got = ours.radius_neighbors(queries)
        expected = theirs.radius_neighbors(as_floats)
        indices = ours.radius_neighbors(queries, return_distance=False)
        by_dist = ours.radius_neighbors(queries, sort_results=True)
        assert got[0].shape == got[1].shape == indices.shape == expected[1].shape
        for i in range(len(indices)):
            order = expected[1][i].argsort()
            np.testing.assert_array_equal(got[1][i], expected[1][i][order])
            np.testing.assert_array_equal(indices[i], got[1][i])
            np.testing.assert_allclose(got[0][i], expected[0][i][order], rtol=1e-6, atol=1e-7)
            order = np.lexsort((got[1][i], got[0][i]))
            np.testing.assert_array_equal(by_dist[1][i], got[1][i][order])
            np.testing.assert_array_equal(by_dist[0][i], got[0][i][order])
    got, expected = (nn.radius_neighbors_graph(mode="distance") for nn in (ours, theirs))
    np.testing.assert_allclose(got.toarray(), expected.toarray(), rtol=1e-6, atol=1e-7)
