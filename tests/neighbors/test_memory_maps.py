"""Estimators fitted to rows on disk, or to more rows than there is memory for."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn
from numpy.typing import NDArray
from sklearn.base import clone

import knnc
from knnc.engine.scan import streamed as stream
from tests.engine.support import run_child
from tests.neighbors.support import any_bytes, assert_same, few_values

X, Q = any_bytes(1, 6000, 200), any_bytes(2, 40, 200)
Y = np.arange(6000) % 7


@pytest.fixture
def mapped(tmp_path: Path) -> NDArray[np.uint8]:
    np.save(tmp_path / "rows.npy", X)
    rows: NDArray[np.uint8] = np.load(tmp_path / "rows.npy", mmap_mode="r")
    return rows


def _is_streamed(estimator: Any) -> bool:
    return bool(estimator._lazy_index.get(1).is_streamed)


def test_what_is_streamed(mapped: NDArray[np.uint8]) -> None:
    """A map larger than scikit-learn's working memory; any rows larger than a limit."""
    assert not _is_streamed(knnc.NearestNeighbors().fit(mapped))
    with sklearn.config_context(working_memory=1):
        assert _is_streamed(knnc.NearestNeighbors().fit(mapped))
        assert not _is_streamed(knnc.NearestNeighbors().fit(X))
    with knnc.config_context(max_memory=1_000_000):
        nn = knnc.NearestNeighbors().fit(X)
        assert _is_streamed(nn)
        assert _is_streamed(pickle.loads(pickle.dumps(nn)))
        assert _is_streamed(clone(nn).fit(mapped))
    assert not _is_streamed(pickle.loads(pickle.dumps(nn)))


def test_a_fit_copies_nothing(mapped: NDArray[np.uint8]) -> None:
    with knnc.config_context(max_memory=0):
        nn = knnc.NearestNeighbors().fit(mapped)
    assert np.shares_memory(nn._fit_X, mapped)
    assert nn._lazy_index.get(1).nbytes_packed == 0


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev", "hamming"])
def test_answers_are_those_of_rows_in_memory(mapped: NDArray[np.uint8], metric: str) -> None:
    def answers(X: NDArray[np.uint8]) -> list[Any]:
        clf = knnc.KNeighborsClassifier(3, metric=metric, weights="distance").fit(X, Y)
        nn = knnc.NearestNeighbors(n_neighbors=4, metric=metric, n_jobs=2).fit(X[:2000])
        radius = np.median(nn.kneighbors(Q)[0])
        return [
            clf.predict_proba(Q),
            clf.predict(Q[:3] + 0.5),
            knnc.KNeighborsRegressor(metric=metric).fit(X, Y).predict(Q),
            *nn.kneighbors(),
            *nn.kneighbors(Q[0:1]),
            nn.radius_neighbors_graph(Q, radius, mode="distance").toarray(),
            nn.radius_neighbors_graph(None, radius, mode="distance").toarray(),
        ]

    expected = answers(X)
    with knnc.config_context(max_memory=200_000):
        for got, want in zip(answers(mapped), expected, strict=True):
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("n_left_out", [20, 300, 1200])
def test_masks(mapped: NDArray[np.uint8], n_left_out: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "FEWEST_BYTES", 1 << 14)
    rows = X[:1500]
    mask = np.ones(len(rows), dtype=bool)
    mask[np.random.default_rng(0).permutation(len(rows))[:n_left_out]] = False
    expected = knnc.NearestNeighbors(n_neighbors=4).fit(rows)
    with knnc.config_context(max_memory=100_000):
        nn = knnc.NearestNeighbors(n_neighbors=4).fit(mapped[:1500])
        for given in (Q, None):
            calls: list[tuple[int, int]] = []
            with knnc.progress(lambda *call, calls=calls: calls.append(call)):
                got = nn.kneighbors(given, row_mask=mask)
            assert_same(got, expected.kneighbors(given, row_mask=mask))
            assert calls == sorted(set(calls))
            assert calls[-1] == (len(got[0]), len(got[0]))


# ---- rows in other layouts than one after another, and bool


def _fortran(path: Path) -> NDArray[Any]:
    np.save(path, np.asfortranarray(X))
    rows: NDArray[Any] = np.load(path, mmap_mode="r")
    assert rows.flags.f_contiguous
    return rows


def _map_of(path: Path, values: NDArray[Any]) -> NDArray[Any]:
    np.save(path, values)
    rows: NDArray[Any] = np.load(path, mmap_mode="r")
    return rows


def _bvecs(path: Path) -> NDArray[Any]:
    sizes = np.full((len(X), 1), X.shape[1], "<i4").view(np.uint8)
    path.with_suffix(".bvecs").write_bytes(np.hstack([sizes, X]).tobytes())
    rows: NDArray[Any] = knnc.datasets.read_vectors(path.with_suffix(".bvecs"))
    return rows


FLAGS = few_values(7, 6000, 200, 2).astype(bool)
IN_PLACE: dict[str, Callable[[Path], NDArray[Any]]] = {
    "some columns": lambda path: _map_of(path, np.hstack([Q[:1].repeat(6000, 0), X]))[:, 200:],
    "bvecs": _bvecs,
    "every other column": lambda path: _map_of(path, X.repeat(2, axis=1))[:, ::2],
    "from the end": lambda path: _map_of(path, X[::-1])[::-1],
    "Fortran order": _fortran,
    "bool": lambda path: _map_of(path, FLAGS),
    "bool, from the end": lambda path: _map_of(path, FLAGS[::-1])[::-1],
    "bool, Fortran order": lambda path: _map_of(path, np.asfortranarray(FLAGS)),
    "array in Fortran order": lambda path: np.asfortranarray(X),
}


@pytest.fixture(params=IN_PLACE)
def in_place(request: pytest.FixtureRequest, tmp_path: Path) -> NDArray[Any]:
    return IN_PLACE[request.param](tmp_path / "rows.npy")


def _fitted_both(rows: NDArray[Any], cls: Any, **parameters: Any) -> tuple[Any, Any]:
    """Fitted to these rows where they are, and to a contiguous array in memory."""
    contiguous = np.ascontiguousarray(rows)
    with knnc.config_context(max_memory=200_000):
        parts = cls(**parameters).fit(rows, Y[: len(rows)])
    whole = cls(**parameters).fit(contiguous.copy(), Y[: len(rows)])
    assert np.shares_memory(parts._fit_X, rows)
    assert _is_streamed(parts)
    assert not _is_streamed(whole)
    return parts, whole


def _assert_equal(got: Any, want: Any) -> None:
    for one, other in zip(got, want, strict=True):
        np.testing.assert_array_equal(one, other, strict=True)


def test_rows_in_any_layout_stay_where_they_are(in_place: NDArray[Any]) -> None:
    parts, whole = _fitted_both(in_place[:1500], knnc.NearestNeighbors, n_neighbors=4, n_jobs=2)
    half = Q + 0.5
    mask = np.arange(1500) % 3 > 0
    radius = float(np.median(whole.kneighbors(Q)[0]))
    queries = Q.astype(bool) if in_place.dtype == bool else Q
    for given in (queries, queries[:1], half, None):
        assert_same(parts.kneighbors(given), whole.kneighbors(given))
        for some in (mask, ~mask, mask | (np.arange(1500) > 30)):
            assert_same(
                parts.kneighbors(given, row_mask=some), whole.kneighbors(given, row_mask=some)
            )
        for options in ({"sort_results": True}, {}, {"return_distance": False}):
            found = (n.radius_neighbors(given, radius, **options) for n in (parts, whole))
            got, want = (a if isinstance(a, tuple) else (a,) for a in found)
            for one, other in zip(got, want, strict=True):
                _assert_equal(one, other)
        graphs = [n.kneighbors_graph(given, mode="distance") for n in (parts, whole)]
        _assert_equal(*[(graph.indptr, graph.indices, graph.data) for graph in graphs])
    _assert_equal(parts.kneighbors(parts._fit_X), whole.kneighbors(whole._fit_X))


@pytest.mark.parametrize("metric", ["manhattan", "chebyshev", "hamming"])
def test_other_metrics_of_rows_in_any_layout(in_place: NDArray[Any], metric: str) -> None:
    cls = knnc.KNeighborsClassifier
    parts, whole = _fitted_both(in_place[:1500], cls, metric=metric, weights="distance")
    for given in (Q, Q[:2] + 0.5):
        _assert_equal(parts.predict_proba(given), whole.predict_proba(given))
    assert_same(parts.kneighbors(), whole.kneighbors())


def test_what_is_done_with_an_estimator_of_rows_in_any_layout(
    in_place: NDArray[Any], tmp_path: Path
) -> None:
    parts, whole = _fitted_both(in_place, knnc.KNeighborsClassifier, n_neighbors=3)
    expected = whole.kneighbors(Q)
    knnc.save(parts, tmp_path / "saved")
    again = knnc.KNeighborsClassifier(n_neighbors=3)
    with knnc.config_context(max_memory=200_000):
        copied, loaded = pickle.loads(pickle.dumps(parts)), knnc.load(tmp_path / "saved")
        assert np.shares_memory(again.fit(parts, Y)._fit_X, in_place)
    pickled, shallow = pickle.loads(pickle.dumps(parts)), copy.copy(parts)
    for estimator in (copied, loaded, pickled, shallow, copy.deepcopy(parts), again):
        assert_same(estimator.kneighbors(Q), expected)
        assert_same(estimator.kneighbors(estimator._fit_X), whole.kneighbors(whole._fit_X))
    for more in (X[:1], X[:7] + 0.5):
        grown = [copy.copy(n).partial_fit(more, Y[: len(more)]) for n in (parts, whole)]
        _assert_equal(*[n.kneighbors(more) for n in grown])
    assert_same(parts.kneighbors(Q), expected)


def test_codes_take_rows_one_after_another(in_place: NDArray[Any]) -> None:
    with knnc.config_context(max_memory=200_000):
        nn = knnc.NearestNeighbors(algorithm="pruned").fit(in_place)
    whole = knnc.NearestNeighbors().fit(np.ascontiguousarray(in_place))
    assert nn._lazy_index.get(1).is_pruned
    assert nn._fit_X.flags.c_contiguous
    assert np.shares_memory(nn._fit_X, in_place) == in_place.flags.c_contiguous
    assert_same(nn.kneighbors(Q), whole.kneighbors(Q))


def test_true_may_be_any_byte_in_a_file(tmp_path: Path) -> None:
    rows = few_values(3, 6000, 200, 3)
    mapped = _map_of(tmp_path / "rows.npy", rows).view(bool)
    with knnc.config_context(max_memory=200_000):
        nn = knnc.NearestNeighbors(metric="manhattan").fit(mapped)
    whole = knnc.NearestNeighbors(metric="manhattan").fit(rows > 0)
    assert_same(nn.kneighbors(Q.astype(bool)), whole.kneighbors(Q.astype(bool)))


def test_other_numbers_are_narrowed_into_memory(tmp_path: Path) -> None:
    signed = (X ^ 0x80).view(np.int8)
    for values in (signed, X.astype(np.float32)):
        mapped = _map_of(tmp_path / f"{values.dtype}.npy", values)
        with knnc.config_context(max_memory=200_000):
            nn = knnc.NearestNeighbors().fit(mapped)
        assert _is_streamed(nn)
        assert not np.shares_memory(nn._fit_X, mapped)
        assert_same(nn.kneighbors(values[:20]), knnc.NearestNeighbors().fit(X).kneighbors(X[:20]))


@pytest.mark.parametrize("layout", ["C", "F", "columns"])
def test_memory_of_a_fit_and_of_searches(layout: str, tmp_path: Path) -> None:
    """A copy of the rows would be 24 MB; of some columns the search is leave-one-out."""
    n_rows, n_features, limit = 3_000, 8_192, 4 << 20
    rows = np.random.default_rng(0).integers(0, 256, (n_rows, n_features), np.uint8)
    rows.tofile(tmp_path / "rows")
    report = run_child(
        "streamed_map", tmp_path / "rows", n_rows, n_features, layout, limit, module="peaks"
    )
    if report["peak"] is None:
        pytest.skip("the system does not tell the peak of memory")
    print(f"\n{layout}: {report['peak'] / 2**20:.1f} MiB")
    assert report["streamed"]
    assert report["peak"] < 3 * limit
