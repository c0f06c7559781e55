"""Columns that are constant over the rows are not compared; no answer may show it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knnc.engine.index import Index
from knnc.engine.packed import BLOCK_FEATURES, PackedRows, varying
from tests.engine.support import THREADS, Bytes, assert_exact, draw, metric_of


def _freeze(rows: Bytes, columns: np.ndarray, seed: int = 0) -> Bytes:
    """The rows with one value in each of some columns, which differs between the columns."""
    rows = rows.copy()
    rows[:, columns] = draw(seed, 1, rows.shape[1], "sign bit")[:, columns]
    return rows


def _columns(d: int, layout: str) -> np.ndarray:
    """Which columns are constant."""
    at = np.arange(d)
    return {
        "edges": (at < d // 4) | (at >= d - d // 5),
        "every other": at % 2 == 1,
        "first": at == 0,
        "all but the last": at < d - 1,
        "all": at >= 0,
    }[layout]


@pytest.mark.parametrize("palette", ["uniform", "few", "duplicates"])
@pytest.mark.parametrize("layout", ["edges", "every other", "first", "all but the last", "all"])
@pytest.mark.parametrize("d", [2, 33, 100, 784])
def test_the_same_answers(kernel: str, d: int, layout: str, palette: str) -> None:
    metric = metric_of(kernel)
    rows = _freeze(draw(1, 151, d, palette), _columns(d, layout))
    queries = np.concatenate([draw(2, 11, d, palette), draw(3, 3, d, "extremes"), rows[:3]])
    index = Index(rows, metric, algorithm="brute", kernel=kernel)
    for k in (1, 7, 151):
        assert_exact(index, rows, queries, k, metric)
    assert_exact(index, rows, queries[:1], 7, metric, n_threads=3)
    assert_exact(index, rows, None, 7, metric)


@pytest.mark.parametrize("value", [0, 255])
def test_what_is_dropped_may_outweigh_the_rest(kernel: str, value: int) -> None:
    """The limits in the kept columns are then small differences of large numbers."""
    metric = metric_of(kernel)
    rows = np.full((2000, 900), value, np.uint8)
    rows[:, 450:460] = draw(4, 2000, 10, "few")
    queries = np.full((9, 900), 255 - value, np.uint8)
    queries[:, 450:460] = draw(5, 9, 10, "few")
    index = Index(rows, metric, algorithm="brute", kernel=kernel)
    for n_threads in THREADS:
        for k in (1, 5, 2000):
            assert_exact(index, rows, queries, k, metric, n_threads)


def test_one_row_and_equal_rows(kernel: str) -> None:
    metric = metric_of(kernel)
    for n in (1, 2, 500):
        rows = np.repeat(draw(6, 1, 50), n, axis=0)
        index = Index(rows, metric, algorithm="brute", kernel=kernel)
        assert_exact(index, rows, draw(7, 5, 50), n, metric)
        assert_exact(index, rows, rows[:1], 1, metric)


def test_rows_wider_than_a_block(kernel: str) -> None:
    d = BLOCK_FEATURES + 40
    rows = _freeze(draw(8, 20, d), _columns(d, "edges"))
    index = Index(rows, metric_of(kernel), algorithm="brute", kernel=kernel)
    assert_exact(index, rows, draw(9, 3, d), 20, metric_of(kernel))


def test_it_saves_memory(kernel: str) -> None:
    rows = draw(10, 600, 400)
    whole = Index(rows, metric_of(kernel), algorithm="brute", kernel=kernel)
    frozen = _freeze(rows, _columns(400, "every other"))
    index = Index(frozen, metric_of(kernel), algorithm="brute", kernel=kernel)
    assert index.nbytes_packed < 0.55 * whole.nbytes_packed


def test_columns_are_dropped_only_if_that_saves_a_step(kernel: str) -> None:
    """16 features fill the steps of every kernel, and a step has 8 features at most."""
    metric, rows = metric_of(kernel), draw(11, 300, 16)
    dropped = [
        PackedRows(_freeze(rows, np.arange(16) < n), metric, kernel, 1, drop_constant=True).columns
        for n in range(10)
    ]
    assert dropped[0] is None
    first = next(n for n, columns in enumerate(dropped) if columns is not None)
    assert 16 % first == 0
    for n, columns in enumerate(dropped):
        if n < first:
            assert columns is None
        else:
            assert columns is not None
            assert (columns.n_kept, columns.n_dropped) == (16 - n, n)
    assert PackedRows(_freeze(rows, np.arange(16) < 9), metric, kernel, 1).columns is None


@pytest.mark.parametrize("n_threads", THREADS)
@pytest.mark.parametrize("n", [1, 2, 1023, 1024, 1025, 5000])
def test_one_value_that_differs_anywhere(n: int, n_threads: int) -> None:
    rows = np.repeat(draw(12, 1, 40), n, axis=0)
    assert not varying(rows, 1, n_threads).any()
    for at, row in enumerate({0, n // 2, n - 1} - ({0} if n == 1 else set())):
        rows[row, 7 * at] ^= 1 << at
        np.testing.assert_array_equal(varying(rows, 1, n_threads), (rows != rows[0]).any(axis=0))


def test_the_look_ends_when_too_few_can_be_constant() -> None:
    rows = _freeze(draw(13, 3000, 40), np.arange(40) < 3)
    assert np.count_nonzero(~varying(rows, 3, 2)) == 3
    assert varying(rows, 4, 2).all()


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 200),
    d=st.integers(1, 70),
    share=st.floats(0, 1),
    n_threads=st.sampled_from(THREADS),
)
def test_hypothesis(kernel: str, seed: int, n: int, d: int, share: float, n_threads: int) -> None:
    metric = metric_of(kernel)
    frozen = np.random.default_rng(seed).random(d) < share
    rows = _freeze(draw(seed, n, d, "few"), frozen, seed)
    queries = draw(seed + 1, 9, d, "sign bit")
    index = Index(rows, metric, algorithm="brute", kernel=kernel)
    assert_exact(index, rows, queries, min(n, 6), metric, n_threads)
    if n > 1:
        assert_exact(index, rows, None, min(n - 1, 6), metric, n_threads)
