"""Fit owns offset and scale; each query row is judged by itself, whatever else is in the batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

import knnc
from knnc.engine.encoding import encode_rows
from tests.engine.test_narrow import F32, F64, FITS, ROW_KINDS, draw_rows, pixels
from tests.neighbors.support import any_bytes, assert_same, oracle, twins

METRICS = ["euclidean", "sqeuclidean", "manhattan", "chebyshev", "hamming"]


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """These searches are tiny and many: on a busy machine starting threads takes all the time."""
    with threadpool_limits(1):
        yield


def _fit_rows(fit: str, rng: np.random.Generator, n: int, d: int) -> npt.NDArray[Any]:
    """n rows of d of the values of a fit, the odd ones among them so that it stays that fit."""
    values = FITS[fit].ravel()
    rows = rng.choice(values, (n, d))
    rows[0, 0] = values[1]  # 1/255 is no byte 0 or 1, so the scale cannot be mistaken
    if fit.endswith("1/255"):  # nor the table: somewhere the two differ
        other = pixels(values.dtype.newbyteorder("=").type, False).ravel()
        rows[1, 0] = values[np.flatnonzero(values != other)[0]]
    return rows


@pytest.mark.parametrize("fit", FITS)
@given(
    kinds=st.lists(st.sampled_from(list(ROW_KINDS)), min_size=1, max_size=7),
    dtype=st.sampled_from(["uint8", "int8", "int64", "float16", "float32", "float64", ">f8"]),
    metric=st.sampled_from(METRICS),
    seed=st.integers(0, 2**32 - 1),
    d=st.integers(1, 20),
    off=st.booleans(),
)
def test_a_mixed_batch_equals_each_row_alone(fit, kinds, dtype, metric, seed, d, off) -> None:
    rng = np.random.default_rng(seed)
    X = _fit_rows(fit, rng, 30, d)
    Q = draw_rows(rng, kinds, dtype, d, off_by_an_ulp=off)
    nn = knnc.NearestNeighbors(n_neighbors=6, metric=metric).fit(X)
    assert nn.engine_ == "integer"
    together = nn.kneighbors(Q)
    alone = [nn.kneighbors(Q[i : i + 1]) for i in range(len(Q))]
    assert_same(together, tuple(map(np.concatenate, zip(*alone, strict=True))))
    order = rng.permutation(len(Q))
    assert_same(nn.kneighbors(Q[order]), (together[0][order], together[1][order]))


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("metric", METRICS)
def test_each_answer_is_right_whoever_gives_it(fit: str, metric: str) -> None:
    """Against plain float64 distances between the numbers themselves."""
    rng = np.random.default_rng(17)
    X = _fit_rows(fit, rng, 40, 7)
    nn = knnc.NearestNeighbors(n_neighbors=40, metric=metric).fit(X)
    for dtype in ("uint8", "int64", "float32", "float64"):
        Q = draw_rows(rng, list(ROW_KINDS), dtype, 7)
        dist, ind = nn.kneighbors(Q)
        difference = Q[:, np.newaxis].astype(F64) - X.astype(F64)
        expected = {
            "euclidean": np.sqrt((difference**2).sum(axis=2)),
            "sqeuclidean": (difference**2).sum(axis=2),
            "manhattan": np.abs(difference).sum(axis=2),
            "chebyshev": np.abs(difference).max(axis=2),
            "hamming": (difference != 0).mean(axis=2),
        }[metric]
        if metric == "hamming":  # such a row differs in every feature, as numbers
            bytes_, taken = encode_rows(Q, nn._encoding)
            expected[taken] = (bytes_[:, np.newaxis] != nn._rows).mean(axis=2)
        # A row of another dtype's table is taken for the same pixels: 1e-7 of it apart. The
        # matrix product of scikit-learn cancels: 1e-10 of the squared norms.
        scale = {"euclidean": 1e-3, "hamming": 0}.get(metric, 1e-6)
        atol = scale * np.abs(difference).max() * (7 if metric == "manhattan" else 1)
        np.testing.assert_allclose(
            dist, np.take_along_axis(expected, ind, axis=1), rtol=1e-6, atol=atol
        )
        assert (np.diff(dist, axis=1) >= 0).all()
        assert (np.sort(ind, axis=1) == np.arange(40)).all()


@pytest.mark.parametrize("dtype", [F32, F64])
@pytest.mark.parametrize("multiplied", [False, True])
def test_after_pixels_zeros_and_ones_are_bytes_0_and_255(dtype: type, multiplied: bool) -> None:
    X = any_bytes(1, 30, 8)
    X[0], X[1] = 0, 255
    nn = knnc.NearestNeighbors(n_neighbors=1).fit(pixels(dtype, multiplied, X))
    assert nn.engine_ == "integer"
    black, white = np.zeros((1, 8)), np.ones((1, 8))
    for convert in (dtype, F64, F32, np.float16, np.longdouble, np.uint8, np.int64, bool):
        for image, row in ((black, 0), (white, 1)):
            dist, ind = nn.kneighbors(image.astype(convert))
            assert (dist.item(), ind.item()) == (0.0, row)
    mixed = np.array([[0.0, 1.0] * 4])
    expected = oracle(X, (mixed * 255).astype(np.uint8), 30, "manhattan")
    manhattan = knnc.NearestNeighbors(n_neighbors=30, metric="l1").fit(pixels(dtype, multiplied, X))
    assert_same(manhattan.kneighbors(mixed), (expected[0] / 255, expected[1]))


def test_after_zeros_and_ones_pixels_are_no_bytes(searches) -> None:
    X = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    nn = knnc.NearestNeighbors(n_neighbors=1).fit(X)
    assert nn._encoding.divisor == 1
    gray = np.array([[128 / 255, 1.0]])
    dist, _ = nn.kneighbors(gray)
    assert searches.queries == 0
    np.testing.assert_allclose(dist, [[127 / 255]], rtol=1e-12)
    nn.kneighbors(np.vstack([X, gray, X * 255]))
    assert searches.queries == 6  # whole numbers up to 255 are representable, the gray row is not


@pytest.mark.parametrize("fit", ["float32 / 255", "float32 * 1/255", "float64 / 255"])
def test_either_table_of_either_float_is_taken(fit: str, searches) -> None:
    X = any_bytes(2, 40, 5)
    make = {
        "float32 / 255": lambda A: pixels(F32, False, A),
        "float32 * 1/255": lambda A: pixels(F32, True, A),
        "float64 / 255": lambda A: pixels(F64, False, A),
    }
    nn = knnc.NearestNeighbors(n_neighbors=3, metric="manhattan").fit(make[fit](X))
    Q = any_bytes(3, 12, 5)
    dist, ind = oracle(X, Q, 3, "manhattan")
    for dtype in (F32, F64):
        for multiplied in (False, True):
            assert_same(nn.kneighbors(pixels(dtype, multiplied, Q)), (dist / 255, ind))
    assert searches.queries == 4 * len(Q)


@pytest.mark.parametrize("dtype", [F32, F64])
def test_one_ulp_off_and_mixed_tables_are_scikit_learns(dtype: type, searches) -> None:
    X = pixels(dtype, False, any_bytes(4, 40, 5))
    nn = knnc.NearestNeighbors(n_neighbors=1).fit(X)
    off = X[:8].copy()
    off[:, 2] = np.nextafter(off[:, 2], dtype(2))
    _, ind = nn.kneighbors(off)
    assert searches.queries == 0
    np.testing.assert_array_equal(ind[:, 0], np.arange(8))
    b = np.flatnonzero(pixels(dtype, False).ravel() != pixels(dtype, True).ravel())
    row = np.zeros((1, 5), dtype=dtype)
    row[0, 0] = pixels(dtype, False).ravel()[b[0]]
    row[0, 1] = pixels(dtype, True).ravel()[b[1]]
    nn.kneighbors(row)
    assert searches.queries == 0


@pytest.mark.parametrize("make", ["int8", "uint8"])
def test_bytes_and_signed_bytes_are_told_apart(make: str, searches) -> None:
    X = np.array([[0, 100], [127, 3], [60, 60]], dtype=make)
    nn = knnc.NearestNeighbors(n_neighbors=1).fit(X)
    Q = np.array([[0, 100], [-1, 100], [0, 128], [127, 4]])
    dist, ind = nn.kneighbors(Q)
    np.testing.assert_allclose(dist[:, 0], [0, 1, 28, 1], rtol=1e-12)
    assert ind[:, 0].tolist() == [0, 0, 0, 1]
    assert searches.queries == 3  # int8 holds -1 but not 128, uint8 the other way round


def test_odd_rows_are_at_the_distances_that_scikit_learn_finds() -> None:
    """In float64, over the fitted numbers."""
    X = any_bytes(5, 3000, 16)
    Q = X[:400] + np.random.default_rng(6).random((400, 16))
    for metric in METRICS:
        ours, theirs = twins(n_neighbors=7, metric=metric, algorithm="brute")
        got = ours.fit(X).kneighbors(Q)
        expected = theirs.fit(X.astype(F64)).kneighbors(Q)
        if metric not in ("chebyshev", "hamming"):  # of which one feature, or none, makes a tie
            np.testing.assert_array_equal(got[1], expected[1])
        np.testing.assert_allclose(got[0], expected[0], rtol=1e-9)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("n", "d"), [(5000, 784), (20_000, 30), (300, 2)])
def test_odd_rows_do_not_feel_the_batch_at_real_sizes(metric: str, n: int, d: int) -> None:
    """To the last bit, indices of ties included."""
    X = any_bytes(9, n, d) if d > 2 else any_bytes(9, n, d) // 64
    Q = X[: 300 if d < 100 else 70] + np.random.default_rng(10).random((1, d)).round(1)
    nn = knnc.NearestNeighbors(metric=metric).fit(X)
    _, representable = encode_rows(Q, nn._encoding)
    assert not representable.any()
    together = nn.kneighbors(Q)
    with threadpool_limits(3):
        assert_same(nn.kneighbors(Q), together)
        assert_same(nn.kneighbors(Q[:2]), (together[0][:2], together[1][:2]))
    for size in (1, 3, 33, 64):
        some = slice(5, 5 + size)
        assert_same(nn.kneighbors(Q[some]), (together[0][some], together[1][some]))
        among_bytes = np.vstack([X[:9].astype(F64), Q[some]])
        got = nn.kneighbors(among_bytes)
        assert_same((got[0][9:], got[1][9:]), (together[0][some], together[1][some]))
