"""Rows in chunks of dask arrays: the answers of one machine, bit for bit, however they are cut.

On Dask's threads, which start at once; clusters of processes are in test_dask_cluster.py.
"""

from __future__ import annotations

import multiprocessing
import pickle
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

import knnc

pytest.importorskip("dask", reason="needs the extra 'dask'")

import dask
import dask.array as da

import knnc.dask as knnc_dask
from knnc.dask import _chunks
from knnc.dask import _rows as rows_of_chunks
from knnc.engine.encoding import encodings_of
from knnc.engine.system.threads import effective_n_threads

RNG = np.random.default_rng(0)
X = RNG.integers(0, 4, (900, 12), dtype=np.uint8)  # full of ties
X[::7] = X[3]
Y = RNG.integers(0, 5, 900)
Q = RNG.integers(0, 4, (77, 12), dtype=np.uint8)
CHUNKS: list[tuple[int, ...]] = [
    (900,),
    (1, 899),
    (0, 300, 0, 5, 595, 0),
    (100,) * 9,
    tuple([30] * 30),
]


@pytest.fixture(params=CHUNKS, ids=lambda chunks: f"{len(chunks)} chunks of {chunks[0]}")
def chunks(request: pytest.FixtureRequest) -> tuple[int, ...]:
    return request.param


@pytest.fixture(autouse=True)
def on_threads() -> Iterator[None]:
    with dask.config.set(scheduler="threads", num_workers=4):
        yield


def _rows(chunks: tuple[int, ...]) -> Any:
    rows = _cut(X, chunks)
    assert rows.chunks[0] == chunks  # the empty ones too
    return rows


def _cut(array: np.ndarray, chunks: tuple[int, ...]) -> Any:
    return da.from_array(array, chunks=(chunks, *array.shape[1:]))


def _equal(got: Any, want: Any) -> None:
    for one, other in zip(*(x if isinstance(x, tuple) else (x,) for x in (got, want)), strict=True):
        assert isinstance(one, da.Array)
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        np.testing.assert_array_equal(one.compute(), other, strict=True)


# --- one machine's answers ---


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev", "hamming"])
def test_neighbours(chunks: tuple[int, ...], metric: str) -> None:
    expected = knnc.NearestNeighbors(n_neighbors=9, metric=metric).fit(X)
    nn = knnc_dask.NearestNeighbors(n_neighbors=9, metric=metric).fit(_rows(chunks))
    assert (nn.n_samples_fit_, nn.n_features_in_) == X.shape
    _equal(nn.kneighbors(_cut(Q, (50, 0, 27))), expected.kneighbors(Q))
    _equal(nn.kneighbors(Q, 1, return_distance=False), expected.kneighbors(Q, 1, False))
    _equal(nn.kneighbors(), expected.kneighbors())


def test_all_rows_wanted(chunks: tuple[int, ...]) -> None:
    nn = knnc_dask.NearestNeighbors().fit(_rows(chunks))
    _equal(nn.kneighbors(Q[:3], 900), knnc.NearestNeighbors().fit(X).kneighbors(Q[:3], 900))


def _by_hand(dist: np.ndarray) -> np.ndarray:
    return 1 / (dist + 1)


@pytest.mark.parametrize("weights", ["uniform", "distance", _by_hand])
@pytest.mark.parametrize(
    "labels", [Y, np.array(list("edcba"))[Y], np.c_[Y, Y % 2]], ids=["numbers", "letters", "two"]
)
def test_classification(weights: Any, labels: np.ndarray, chunks: tuple[int, ...]) -> None:
    expected = knnc.KNeighborsClassifier(7, weights=weights).fit(X, labels)
    y = da.from_array(labels, chunks=(200, *labels.shape[1:]))
    clf = knnc_dask.KNeighborsClassifier(7, weights=weights).fit(_rows(chunks), y)
    several = labels.ndim == 2
    for names, other in zip(
        clf.classes_ if several else [clf.classes_],
        expected.classes_ if several else [expected.classes_],
        strict=True,
    ):
        np.testing.assert_array_equal(names, other)
    _equal(clf.predict(_cut(Q, (50, 0, 27))), expected.predict(Q))
    if labels.ndim == 1:
        _equal(clf.predict_proba(Q), expected.predict_proba(Q))
        _equal(clf.predict(None), expected.predict(None))
        assert clf.score(Q, Y[:77]) == np.mean(expected.predict(Q) == Y[:77])
    else:
        with pytest.raises(ValueError, match="one output"):
            clf.predict_proba(Q)


@pytest.mark.parametrize("weights", ["uniform", "distance", _by_hand])
@pytest.mark.parametrize("n_outputs", [None, 3])
def test_regression(weights: Any, n_outputs: int | None, chunks: tuple[int, ...]) -> None:
    y = RNG.standard_normal(900 if n_outputs is None else (900, n_outputs))
    expected = knnc.KNeighborsRegressor(7, weights=weights).fit(X, y)
    reg = knnc_dask.KNeighborsRegressor(7, weights=weights).fit(_rows(chunks), y)
    _equal(reg.predict(_cut(Q, (50, 0, 27))), expected.predict(Q))


def test_pruned_chunks() -> None:
    rows = (RNG.integers(0, 256, (9, 40))[RNG.integers(0, 9, 3000)] // 2).astype(np.uint8)
    rows += RNG.integers(0, 9, rows.shape, dtype=np.uint8)
    nn = knnc_dask.NearestNeighbors(algorithm="pruned").fit(da.from_array(rows, chunks=(1200, 40)))
    _equal(nn.kneighbors(rows[:50]), knnc.NearestNeighbors().fit(rows).kneighbors(rows[:50]))


def test_chunks_of_unknown_sizes_and_of_columns() -> None:
    nn = knnc.NearestNeighbors().fit(X[X[:, 0] > 0])
    rows = _cut(X, (500, 400))
    filtered = rows[rows[:, 0] > 0]
    queries = _cut(Q, (40, 37)).rechunk((40, 5))
    some = queries[queries[:, 1] > 0]
    estimator = knnc_dask.NearestNeighbors().fit(filtered.rechunk({1: 5}))
    _equal(estimator.kneighbors(some), nn.kneighbors(Q[Q[:, 1] > 0]))
    assert np.isnan(filtered.shape[0])  # what was given is as it was


def test_nothing_is_computed_before_it_is_asked_for() -> None:
    searched: list[int] = []

    def watched(block: np.ndarray) -> np.ndarray:
        searched.append(len(block))
        return block

    nn = knnc_dask.NearestNeighbors().fit(_rows(CHUNKS[1]))
    queries = _cut(Q, (50, 27)).map_blocks(watched, dtype=np.uint8, meta=Q[:0])
    dist, ind = nn.kneighbors(queries)
    assert searched == []
    dask.compute(dist, ind)
    assert sorted(searched) == [27, 50]  # once each


def test_what_is_asked_for_twice_is_computed_once() -> None:
    nn = knnc_dask.NearestNeighbors().fit(_rows(CHUNKS[3]))
    queries = _cut(Q, (50, 27))
    one, other = nn.kneighbors(queries), nn.kneighbors(queries)
    assert [array.name for array in one] == [array.name for array in other]
    assert nn.kneighbors(queries, 4)[1].name != one[1].name
    keys = {key for array in (*one, *other) for key in dict(array.__dask_graph__())}
    searches = [key for key in keys if str(key).startswith("knnc-search-chunk")]
    assert len(searches) == 9 * 2  # each chunk for each block, once


def test_the_integers_of_distances() -> None:
    nn = knnc_dask.NearestNeighbors().fit(_rows(CHUNKS[2]))
    _equal(nn.kneighbors(Q, 9, "exact"), knnc.NearestNeighbors().fit(X).kneighbors(Q, 9, "exact"))
    with pytest.raises(ValueError, match="bool or 'exact'"):
        nn.kneighbors(Q, return_distance="exactly")


def test_what_is_set_after_the_fit() -> None:
    """The metric and the search are the fit's; neighbours and weights are of the question."""
    after = {"metric": "manhattan", "p": 1, "algorithm": "pruned"}
    asked = {"n_neighbors": 3, "weights": "distance"}
    expected = knnc.KNeighborsRegressor(7).fit(X, Y).set_params(**after)
    reg = knnc_dask.KNeighborsRegressor(7).fit(_rows(CHUNKS[2]), Y).set_params(**after)
    assert reg.effective_metric_ == expected.effective_metric_ == "euclidean"
    _equal(reg.kneighbors(Q), expected.kneighbors(Q))
    lazy = reg.predict(Q)
    _equal(lazy, expected.predict(Q))
    _equal(reg.set_params(**asked).predict(Q), expected.set_params(**asked).predict(Q))
    _equal(reg.set_params(metric="no metric").predict(Q), expected.predict(Q))
    for estimator in (reg, expected):
        estimator.set_params(metric="chebyshev", algorithm="auto").fit(X, Y)
    _equal(reg.predict(Q), expected.predict(Q))
    assert not np.array_equal(lazy.compute(), reg.predict(Q).compute())


def test_names_of_columns() -> None:
    frame = pd.DataFrame(X, columns=list("abcdefghijkl"))
    queries = pd.DataFrame(Q, columns=frame.columns)
    nn = knnc_dask.NearestNeighbors().fit(frame)
    assert nn.feature_names_in_.tolist() == list(frame.columns)
    _equal(nn.kneighbors(queries), knnc.NearestNeighbors().fit(frame).kneighbors(queries))
    with pytest.raises(ValueError, match="same order"):
        nn.kneighbors(queries[queries.columns[::-1]])
    with pytest.raises(ValueError, match="unseen at fit time"):
        nn.kneighbors(queries.rename(columns={"a": "z"}))
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        nn.kneighbors(Q)
    assert not hasattr(nn.fit(X), "feature_names_in_")


def test_frames_of_dask() -> None:
    dd = pytest.importorskip("dask.dataframe", reason="needs pyarrow", exc_type=ImportError)
    frame = pd.DataFrame(X, columns=list("abcdefghijkl"))
    lazy, queries = dd.from_pandas(frame, npartitions=3), dd.from_pandas(frame[:50], npartitions=2)
    expected = knnc.KNeighborsClassifier().fit(X, Y)
    clf = knnc_dask.KNeighborsClassifier().fit(lazy, dd.from_pandas(pd.Series(Y), npartitions=2))
    assert len(clf._chunks) == 3
    _equal(clf.predict(queries), expected.predict(X[:50]))
    right = pd.Series(Y[:50])
    for y in (right, dd.from_pandas(right, npartitions=3)):
        assert clf.score(queries, y) == expected.score(X[:50], Y[:50])
    with pytest.raises(ValueError, match="same order"):
        clf.predict(queries[list("bacdefghijkl")])


def test_chunks_are_what_the_array_says() -> None:
    def off_by_one(rows: np.ndarray) -> np.ndarray:
        return rows[1:]

    how: dict[str, Any] = {"dtype": np.uint8, "meta": X[:0]}
    rows, queries = _cut(X, (500, 400)), _cut(Q, (40, 37))
    with pytest.raises(
        ValueError, match=r"of X has shape \((4|3)99, 12\), and X said \((5|4)00, 12"
    ):
        knnc_dask.NearestNeighbors().fit(rows.map_blocks(off_by_one, **how))
    with pytest.raises(TypeError, match="of X holds float64, and X said uint8"):
        knnc_dask.NearestNeighbors().fit(rows.map_blocks(lambda rows: rows / 2, **how))
    nn = knnc_dask.NearestNeighbors().fit(rows)
    for answer in nn.kneighbors(queries.map_blocks(off_by_one, **how)):
        with pytest.raises(ValueError, match=r"of the queries has shape \(3[96], 12\)"):
            answer.compute()
    for lengths in ((500, 400), (300, 600)):  # cut as X is, and cut anew
        y = _cut(Y, lengths).map_blocks(lambda y: np.r_[y, 1], dtype=Y.dtype, meta=Y[:0])
        with pytest.raises(ValueError, match=f"{lengths[0] + 1}|{lengths[1] + 1}"):
            knnc_dask.KNeighborsClassifier().fit(rows, y)


def test_a_fit_that_fails_changes_nothing() -> None:
    clf = knnc_dask.KNeighborsClassifier().fit(_rows(CHUNKS[2]), Y)
    before = dict(vars(clf))
    with pytest.raises(ValueError, match="NaN"):
        clf.fit(_rows(CHUNKS[3])[:, :5], _cut(np.where(X[:, 0] == 1, np.nan, Y), (900,)))
    assert vars(clf) == before


def test_params_and_clones() -> None:
    clf = knnc_dask.KNeighborsClassifier(3, weights="distance", p=1)
    ours, theirs = (
        clf.get_params(),
        knnc.KNeighborsClassifier(3, weights="distance", p=1).get_params(),
    )
    assert ours == {name: theirs[name] for name in ours}
    assert clone(clf).get_params() == ours


@pytest.mark.parametrize(
    ("make", "error", "why"),
    [
        (lambda: knnc_dask.NearestNeighbors().fit(X.astype(str)), TypeError, "must hold numbers"),
        (lambda: knnc_dask.NearestNeighbors().fit(X[0]), ValueError, "two axes"),
        (lambda: knnc_dask.NearestNeighbors().fit(X[:0]), ValueError, "0 sample"),
        (lambda: knnc_dask.NearestNeighbors(metric="canberra").fit(X), ValueError, "canberra"),
        (lambda: knnc_dask.NearestNeighbors(algorithm="x").fit(X), ValueError, "algorithm"),
        (
            lambda: knnc_dask.NearestNeighbors(algorithm="pruned", metric="hamming").fit(X),
            ValueError,
            "pruned",
        ),
        (lambda: knnc_dask.NearestNeighbors(n_jobs=0).fit(X), ValueError, "n_jobs"),
        (
            lambda: knnc_dask.NearestNeighbors().fit(X).kneighbors(Q[:, :5]),
            ValueError,
            "5 features",
        ),
        (lambda: knnc_dask.NearestNeighbors().fit(X).kneighbors(Q, 0), ValueError, "> 0"),
        (lambda: knnc_dask.NearestNeighbors().fit(X).kneighbors(Q, 901), ValueError, "<= n_sam"),
        (lambda: knnc_dask.NearestNeighbors().fit(X).kneighbors(None, 900), ValueError, "< n_sam"),
        (lambda: knnc_dask.NearestNeighbors().fit(X).kneighbors(Q, 1.5), TypeError, "integer"),
        (lambda: knnc_dask.KNeighborsClassifier().fit(X, Y[:9]), ValueError, "900 rows"),
        (lambda: knnc_dask.NearestNeighbors(0).fit(X), ValueError, "'n_neighbors'"),
        (lambda: knnc_dask.KNeighborsClassifier(2.5).fit(X, Y), ValueError, "'n_neighbors'"),
        (lambda: knnc_dask.KNeighborsRegressor(p=-1).fit(X, Y), ValueError, "'p'"),
        (lambda: knnc_dask.KNeighborsClassifier().fit(X), ValueError, "requires y"),
        (lambda: knnc_dask.KNeighborsClassifier(weights="x").fit(X, Y), ValueError, "weights"),
    ],
)
def test_what_is_refused(make: Any, error: type[Exception], why: str) -> None:
    with pytest.raises(error, match=why):
        make()


def test_chunks_travel_without_their_index() -> None:
    encodings = encodings_of(X.dtype)
    narrowed = rows_of_chunks.narrow(X, X.shape, X.dtype, encodings)
    chunk = _chunks.make_chunk(narrowed, Y, encodings[0], "sqeuclidean", "auto", 1)
    queries = rows_of_chunks.prepare(Q, Q.shape, Q.dtype, encodings[0])
    state = pickle.dumps(chunk)
    assert len(state) < X.nbytes + Y.nbytes + 1000
    back = pickle.loads(state)
    answers = back.search(queries, 3, 5, 1), chunk.search(queries, 3, 5, 1)
    for got, want in zip(*answers, strict=True):
        np.testing.assert_array_equal(got, want)
    assert dask.sizeof.sizeof(chunk) >= 2 * X.nbytes


def test_threads_of_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_chunks, "effective_n_threads", lambda n_jobs: n_jobs or 8)
    assert _chunks.task_threads(None) == 8
    seen: list[int] = []
    thread = threading.Thread(
        target=lambda: seen.extend(_chunks.task_threads(n) for n in (None, 3))
    )
    thread.start()
    thread.join()
    assert seen == [2, 3]  # four of Dask's threads at a time
    monkeypatch.setattr(multiprocessing, "parent_process", object)
    assert (_chunks.task_threads(None), _chunks.task_threads(3)) == (2, 3)  # of Dask's processes


def test_threads_of_a_process() -> None:
    share = max(1, effective_n_threads(None) // dask.system.CPU_COUNT)
    tasks = [dask.delayed(_chunks.task_threads)(None), dask.delayed(_chunks.task_threads)(3)]
    assert dask.compute(*tasks, scheduler="processes", num_workers=1) == (share, 3)
