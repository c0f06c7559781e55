"""The k-d tree of float rows of few features: no answer changes with it, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knnc.engine.auto import Policy
from knnc.engine.floats import FloatRows, available_float_kernels
from knnc.engine.index import Index
from knnc.engine.scan import floats
from knnc.engine.scan.brute import NO_SELF
from tests.engine.float_support import PALETTES, draw_floats
from tests.engine.support import THREADS, Answer
from tests.float_oracle import Int64, float_table, nearest, within

METRICS = ("sqeuclidean", "manhattan", "chebyshev", "hamming")


def _assert_same(got: Answer, expected: tuple[Int64, Int64]) -> None:
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_array_equal(a, b, strict=True)


@pytest.mark.parametrize("palette", list(PALETTES))
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("n", "d"), [(1, 1), (900, 2), (700, 5), (500, 15), (100, 17)])
def test_searches_equal_the_oracle(palette: str, metric: str, n: int, d: int) -> None:
    rows, queries = draw_floats(31, n, d, palette), draw_floats(32, 9, d, palette)
    queries[:3] = rows[:3]
    table = float_table(rows, queries, metric)
    for kernel in available_float_kernels():
        tree = floats.KDTree(FloatRows(rows, metric, kernel), 2)
        for k in {1, min(5, n), n}:
            _assert_same(floats.tree_search(tree, queries, k, 2, NO_SELF, None), nearest(table, k))
        limit = int(np.sort(table[0])[min(20, n - 1)])
        for bound in (-1, 0, limit - 1, limit, 2**63 - 1):
            for sort in (False, True):
                got = floats.tree_within(tree, queries, bound, 2, NO_SELF, True, sort, None)
                for a, b in zip(got, within(table, bound, sort=sort), strict=True):
                    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("n_values", [1, 2, 3, 50])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_of_equal_values_are_halved(n_values: int, dtype: type) -> None:
    """As many rows as leaves at four levels have, sorted, turned round, and as they come."""
    rows = np.random.default_rng(38).integers(0, n_values, (20_000, 3)).astype(dtype)
    rows[:, 1] = np.sort(rows[:, 1])
    rows[:, 2] = rows[::-1, 1]
    queries = rows[::2_000].astype(np.float64)
    of = FloatRows(rows, "sqeuclidean")
    got = floats.tree_search(floats.KDTree(of, 2), queries, 7, 2, NO_SELF, None)
    _assert_same(got, floats.search(of, queries, 7, 2, NO_SELF, None))


@given(
    st.integers(0, 10**6),
    st.integers(2, 800),
    st.integers(1, 15),
    st.sampled_from(list(PALETTES)),
    st.sampled_from(METRICS),
)
def test_rows_leave_themselves_out(seed: int, n: int, d: int, palette: str, metric: str) -> None:
    rows = draw_floats(seed, n, d, palette)
    table = float_table(rows, rows, metric)
    np.fill_diagonal(table, 2**63 - 1)
    tree = floats.KDTree(FloatRows(rows, metric), 1)
    k = 1 + seed % min(n - 1, 20)
    _assert_same(floats.tree_search(tree, rows, k, 1, 0, None), nearest(table, k))


@pytest.mark.parametrize("n_threads", THREADS)
def test_threads_and_batches(n_threads: int) -> None:
    rows, queries = draw_floats(33, 9_000, 3).astype(np.float32), draw_floats(34, 700, 3)
    expected = floats.search(FloatRows(rows, "sqeuclidean"), queries, 9, 1, NO_SELF, None)
    index = Index(rows, n_threads=n_threads)
    assert index.nbytes_packed > 0  # the tree
    _assert_same(index.search(queries, 9, n_threads=n_threads), expected)
    table = float_table(rows, queries, "sqeuclidean")
    tree = floats.KDTree(FloatRows(rows, "sqeuclidean"), n_threads)
    limit = int(expected[0][0, 3])
    got = floats.tree_within(tree, queries, limit, n_threads, NO_SELF, True, True, None)
    for a, b in zip(got, within(table, limit, sort=True), strict=True):
        np.testing.assert_array_equal(a, b)
    one_by_one = [index.search(queries[i : i + 1], 9, n_threads=n_threads) for i in range(20)]
    for j in range(2):
        np.testing.assert_array_equal(np.concatenate([a[j] for a in one_by_one]), expected[j][:20])


def test_progress_is_told_and_ends_at_all_queries() -> None:
    rows = draw_floats(35, 2_000, 2)
    tree = floats.KDTree(FloatRows(rows, "manhattan"), 1)
    told: list[tuple[int, int]] = []

    def tell(done: int, total: int) -> None:
        told.append((done, total))

    floats.tree_search(tree, rows, 3, 1, 0, tell)
    assert told == sorted(set(told))
    assert told[-1] == (2_000, 2_000)
    told.clear()
    floats.tree_within(tree, rows, 0, 1, 0, False, False, tell)
    assert told == sorted(set(told))
    assert told[-1] == (2_000, 2_000)


@pytest.mark.parametrize(
    ("d", "seconds", "wins", "has_codes"),
    [(6, 0.0, True, True), (6, 0.0, False, False), (5, 0.0, True, False), (6, 1e6, True, False)],
)
@pytest.mark.parametrize("metric", ["sqeuclidean", "manhattan"])
def test_codes_take_over_where_they_are_faster(
    metric: str, d: int, seconds: float, wins: bool, has_codes: bool
) -> None:
    """Rows of six features and more get codes when the tree has taken long, if a trial says so."""
    rows = draw_floats(36, 4_096, d)
    policy = Policy(
        trial=lambda *searches: wins, late_tree_seconds=seconds, late_tree_seconds_a_million=seconds
    )
    index = Index(rows, metric, policy=policy)
    assert not index.is_pruned
    index.search(rows, 1)
    assert index.is_pruned == has_codes
    some = rows[:9]
    _assert_same(index.search(some, 3), nearest(float_table(rows, some, metric), 3))


def test_codes_wait_for_as_much_time_as_they_take() -> None:
    """No query of 4,096 rows takes a second, and none less than a clock shows."""
    rows = draw_floats(37, 4_096, 6)
    tree = floats.KDTree(FloatRows(rows, "sqeuclidean"), 1)
    for seconds, a_million, least, most in (
        (0.0, 0.0, 0, 0),
        (10.0, 0.0, 10, 10**12),
        (0.0, 10.0 * 10**6 / rows.size, 10, 10**12),
    ):
        policy = Policy(late_tree_seconds=seconds, late_tree_seconds_a_million=a_million)
        assert least <= policy.tree_queries_to_code(tree, rows) <= most
