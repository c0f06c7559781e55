"""Answers that are computed later than they are asked for, by a cluster of processes."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import knnc

pytest.importorskip("dask", reason="needs the extra 'dask'")
pytest.importorskip("distributed", reason="needs the extra 'dask'")

import dask
import dask.array as da
import distributed

import knnc.dask as knnc_dask

RNG = np.random.default_rng(0)
X = RNG.integers(0, 4, (900, 12), dtype=np.uint8)  # full of ties
Y = RNG.integers(0, 5, 900)
Q = RNG.integers(0, 4, (77, 12), dtype=np.uint8)


def _cut(array: np.ndarray, *lengths: int) -> Any:
    return da.from_array(array, chunks=(lengths, *array.shape[1:]))


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", memory_limit=None
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
        client.as_current(),
    ):
        yield client


@pytest.mark.parametrize(
    "lengths", [(900,), (450, 450), (0, 300, 0, 5, 595, 0), (100,) * 9, (60,) * 15]
)
@pytest.mark.parametrize("then", ["collected", "fitted again"])
def test_answers_outlive_their_fit(client: Any, lengths: tuple[int, ...], then: str) -> None:
    expected = knnc.KNeighborsClassifier(5).fit(X, Y)
    clf = knnc_dask.KNeighborsClassifier(5).fit(_cut(X, *lengths), _cut(Y, 900))
    queries = _cut(Q, 20, 57)
    lazy = [clf.predict(queries), clf.predict_proba(queries), *clf.kneighbors(queries)]
    lazy.append(clf.predict(None))
    if then == "collected":
        del clf
    else:
        clf.fit(_cut(X[::-1], *lengths), Y)
    gc.collect()
    client.run_on_scheduler(lambda: None)  # which has heard of what nobody holds any more
    want = (expected.predict(Q), expected.predict_proba(Q), *expected.kneighbors(Q))
    for one, other in zip(dask.compute(*lazy), (*want, expected.predict(None)), strict=True):
        np.testing.assert_array_equal(one, other, strict=True)


def test_what_is_wrong_with_a_chunk_is_said(client: Any) -> None:
    """By fit where it waits for the chunks, and else by what is computed."""
    shorter = _cut(X, 400, 500).map_blocks(lambda rows: rows[:-1], dtype=np.uint8, meta=X[:0])
    missing = _cut(np.where(np.arange(900) == 700, np.nan, Y), 300, 600)
    for estimator in (knnc_dask.KNeighborsClassifier(), knnc_dask.KNeighborsRegressor()):
        with pytest.raises(ValueError, match="y contains NaN"):
            estimator.fit(_cut(X, 450, 450), missing)
        with pytest.raises(ValueError, match=r"\([43]99, 12\).* said \([54]00, 12"):
            estimator.fit(shorter, _cut(Y, 900))
        assert not hasattr(estimator, "n_samples_fit_")
    answer = knnc_dask.NearestNeighbors().fit(shorter).kneighbors(Q, return_distance=False)
    with pytest.raises(ValueError, match=r"\([43]99, 12\).* said \([54]00, 12"):
        answer.compute()
