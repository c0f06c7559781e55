"""Estimators fitted to rows on disk, or to more rows than there is memory for."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn
from numpy.typing import NDArray
from sklearn.base import clone

import knnc
from knnc.engine import stream
from tests.neighbors.support import any_bytes, assert_same

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
