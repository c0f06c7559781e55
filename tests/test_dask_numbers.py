"""Chunks that are not uint8: all decide on engine and encoding; answers are one machine's."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

import knnc

pytest.importorskip("dask", reason="needs the extra 'dask'")
pytest.importorskip("distributed", reason="needs the extra 'dask'")

import dask
import dask.array as da
import distributed

import knnc.dask as knnc_dask

RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 4, (600, 17), dtype=np.uint8)  # full of ties
BYTES[::7] = BYTES[3]
PIXELS = BYTES * np.uint8(60)
FLOATS = RNG.integers(-3, 4, (600, 17)) * 0.3
Y = RNG.integers(0, 5, 600)
LENGTHS = (0, 200, 0, 5, 395, 0)


def _black_and_white_first() -> np.ndarray:
    """The first chunks hold 0.0 and 1.0 only, which are bytes 0 and 1 unless others say 255."""
    rows = PIXELS / 255
    rows[:205] = BYTES[:205] > 1
    return rows


def _one_value_in_the_last_chunk(rows: np.ndarray) -> np.ndarray:
    rows = rows.astype(np.float64)
    rows[-1, -1] += 0.1
    return rows


ROWS: dict[str, tuple[np.ndarray, str]] = {
    "int64": (PIXELS.astype(np.int64), "integer"),
    "float32": (PIXELS.astype(np.float32), "integer"),
    "int8": (BYTES.view(np.int8) - np.int8(2), "integer"),
    "bool": (BYTES > 1, "integer"),
    "divided": (PIXELS / 255, "integer"),
    "divided, float32": (PIXELS / np.float32(255), "integer"),
    "multiplied": (PIXELS * (1 / 255), "integer"),
    "black and white first": (_black_and_white_first(), "integer"),
    "pixels but for one": (_one_value_in_the_last_chunk(PIXELS / 255), "float"),
    "whole but for one": (_one_value_in_the_last_chunk(PIXELS), "float"),
    "floats": (FLOATS, "float"),
    "floats, float32": (FLOATS.astype(np.float32), "float"),
    "floats, float16": (FLOATS.astype(np.float16), "float"),
    "wide integers": (PIXELS.astype(np.int64) - 300, "float"),
    "16 bits": (PIXELS.astype(np.uint16) * 257, "float"),
}


@pytest.fixture(params=ROWS)
def rows(request: pytest.FixtureRequest) -> np.ndarray:
    return ROWS[request.param][0]


@pytest.fixture(autouse=True)
def on_threads() -> Iterator[None]:
    with dask.config.set(scheduler="threads", num_workers=4):
        yield


def _cut(array: np.ndarray, *lengths: int) -> Any:
    return da.from_array(array, chunks=(lengths or LENGTHS, *array.shape[1:]))


def _queries(rows: np.ndarray) -> np.ndarray:
    """Some that the encoding of the rows holds, and some that it does not."""
    queries = rows[100:140].astype(np.float64 if rows.dtype != np.float32 else np.float32)
    queries[::3] += queries.dtype.type(0.25)
    return queries


def _equal(got: Any, want: Any) -> None:
    for one, other in zip(dask.compute(*got), want, strict=True):
        np.testing.assert_array_equal(one, other, strict=True)


@pytest.mark.parametrize("kind", ROWS)
def test_the_engine_is_that_of_one_array(kind: str) -> None:
    rows, engine = ROWS[kind]
    one = knnc.NearestNeighbors().fit(rows)
    many = knnc_dask.NearestNeighbors().fit(_cut(rows))
    assert many.engine_ == one.engine_ == engine
    assert many._encoding == vars(one).get("_encoding")


@pytest.mark.parametrize(
    "metric", ["euclidean", "sqeuclidean", "manhattan", "chebyshev", "hamming", "cosine"]
)
def test_neighbours(rows: np.ndarray, metric: str) -> None:
    one = knnc.NearestNeighbors(n_neighbors=9, metric=metric).fit(rows)
    many = knnc_dask.NearestNeighbors(n_neighbors=9, metric=metric).fit(_cut(rows))
    assert many.engine_ == one.engine_
    queries = _queries(rows)
    _equal(many.kneighbors(_cut(queries, 13, 0, 27)), one.kneighbors(queries))
    _equal(many.kneighbors(rows[:9]), one.kneighbors(rows[:9]))
    _equal(many.kneighbors(BYTES[:9]), one.kneighbors(BYTES[:9]))
    _equal(many.kneighbors(), one.kneighbors())


def test_bytes_and_queries_that_are_none() -> None:
    one = knnc.NearestNeighbors().fit(BYTES)
    many = knnc_dask.NearestNeighbors().fit(_cut(BYTES))
    for queries in (BYTES / 2, BYTES.astype(np.int64), _queries(FLOATS)):
        _equal(many.kneighbors(queries), one.kneighbors(queries))


@pytest.mark.parametrize("weights", ["uniform", "distance"])
def test_votes_and_means(rows: np.ndarray, weights: Any) -> None:
    queries = _queries(rows)
    one = knnc.KNeighborsClassifier(7, weights=weights).fit(rows, Y)
    many = knnc_dask.KNeighborsClassifier(7, weights=weights).fit(_cut(rows), _cut(Y))
    got = many.predict(queries), many.predict_proba(queries), many.predict(None)
    _equal(got, (one.predict(queries), one.predict_proba(queries), one.predict(None)))
    regressor = knnc_dask.KNeighborsRegressor(7, weights=weights).fit(_cut(rows), Y)
    want = knnc.KNeighborsRegressor(7, weights=weights).fit(rows, Y).predict(queries)
    _equal([regressor.predict(queries)], [want])


@pytest.mark.parametrize("kind", ["int64", "divided", "floats", "floats, float32"])
def test_pruned_chunks(kind: str) -> None:
    rows = ROWS[kind][0]
    many = knnc_dask.NearestNeighbors(algorithm="pruned").fit(_cut(rows))
    one = knnc.NearestNeighbors(algorithm="pruned").fit(rows)
    _equal(many.kneighbors(rows[:50]), one.kneighbors(rows[:50]))


def test_few_features_are_searched_as_by_brute_force() -> None:
    rows = np.ascontiguousarray(FLOATS[:, :3])
    many = knnc_dask.NearestNeighbors().fit(_cut(rows))
    _equal(many.kneighbors(), knnc.NearestNeighbors(algorithm="brute").fit(rows).kneighbors())


def test_integers_of_distances(rows: np.ndarray) -> None:
    one = knnc.NearestNeighbors().fit(rows)
    many = knnc_dask.NearestNeighbors().fit(_cut(rows))
    if many.engine_ == "float":
        with pytest.raises(ValueError, match="engine_ is 'float'"):
            many.kneighbors(rows[:3], return_distance="exact")
        return
    _equal(
        many.kneighbors(rows[:30], return_distance="exact"),
        one.kneighbors(rows[:30], return_distance="exact"),
    )
    lazy, _ = many.kneighbors(_queries(rows), return_distance="exact")
    with pytest.raises(ValueError, match="14 of 40 are not"):
        lazy.compute()


def test_rows_are_computed_once() -> None:
    made: list[int] = []

    def watched(block: np.ndarray) -> np.ndarray:
        made.append(len(block))
        return block

    rows = _cut(PIXELS / 255).map_blocks(watched, dtype=np.float64, meta=np.empty((0, 17)))
    knnc_dask.NearestNeighbors().fit(rows).kneighbors(PIXELS[:5] / 255)[0].compute()
    assert sorted(made) == sorted(LENGTHS)


def test_what_is_in_memory_may_be_any_table_of_numbers() -> None:
    frame = pd.DataFrame(FLOATS, columns=list("abcdefghijklmnopq"))
    want = knnc.NearestNeighbors().fit(frame).kneighbors(frame[:9])
    _equal(knnc_dask.NearestNeighbors().fit(frame).kneighbors(frame[:9]), want)
    listed = knnc_dask.NearestNeighbors().fit(FLOATS.tolist())
    _equal(listed.kneighbors(FLOATS[:9].astype(object)), want)


def test_what_is_refused() -> None:
    missing = FLOATS.copy()
    missing[-1, 0] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        knnc_dask.NearestNeighbors().fit(_cut(missing))
    lazy = knnc_dask.NearestNeighbors().fit(_cut(FLOATS)).kneighbors(missing[-3:])[1]
    with pytest.raises(ValueError, match="Input X contains NaN"):
        lazy.compute()
    with pytest.raises(TypeError, match="must hold numbers"):
        knnc_dask.NearestNeighbors().fit(np.array([["a", "b"]]))
    with pytest.raises(ValueError, match="'pruned'"):
        knnc_dask.NearestNeighbors(algorithm="pruned", metric="chebyshev").fit(_cut(FLOATS))
    other = _cut(FLOATS).map_blocks(lambda rows: rows.astype(np.float32), dtype=np.float64)
    with pytest.raises(TypeError, match="of X holds float32, and X said float64"):
        knnc_dask.NearestNeighbors().fit(other)
    for rows in (FLOATS, BYTES):
        sparse = _cut(rows).map_blocks(csr_array, dtype=rows.dtype, meta=rows[:0])
        with pytest.raises(TypeError, match="of X is a csr_array, not an array of NumPy"):
            knnc_dask.NearestNeighbors().fit(sparse)


# --- a cluster of processes ---


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", memory_limit=None
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.mark.parametrize("kind", ["int64", "black and white first", "pixels but for one", "floats"])
def test_on_a_cluster(client: Any, kind: str) -> None:
    rows = ROWS[kind][0]
    queries = _queries(rows)
    one = knnc.KNeighborsClassifier(7, weights="distance").fit(rows, Y)
    with client.as_current(), dask.config.set(scheduler=None):
        many = knnc_dask.KNeighborsClassifier(7, weights="distance").fit(_cut(rows), _cut(Y))
        assert many.engine_ == one.engine_
        _equal(
            (*many.kneighbors(_cut(queries, 13, 27)), many.predict(queries), many.predict(None)),
            (*one.kneighbors(queries), one.predict(queries), one.predict(None)),
        )


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_worker_that_dies(client: Any) -> None:
    """Its chunks are narrowed again elsewhere, by the encoding of the fit."""
    rows = _black_and_white_first()
    with client.as_current(), dask.config.set(scheduler=None):
        many = knnc_dask.NearestNeighbors().fit(_cut(rows, *[100] * 6))
        distributed.wait(list(many._chunks), timeout=60)
        victim = next(worker for who in client.who_has(many._chunks).values() for worker in who)
        os.kill(client.run(os.getpid, workers=[victim])[victim], signal.SIGKILL)
        lazy = client.compute(many.kneighbors(rows[:50]))
        answer = [part.result(timeout=120) for part in lazy]
    for got, want in zip(
        answer, knnc.NearestNeighbors().fit(rows).kneighbors(rows[:50]), strict=True
    ):
        np.testing.assert_array_equal(got, want, strict=True)
