"""Queries far from all rows: bounds in float32 rule rows out, and the answers stay exact."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from knnc.engine.floats import FloatRows
from knnc.engine.index import Index
from knnc.engine.scan import far, floats
from knnc.engine.scan.brute import NO_SELF
from knnc.engine.system.progress import progress
from tests.engine.support import assert_same
from tests.float_oracle import float_table, nearest

N_ROWS = 3_000
KINDS = (
    "far",
    "near",
    "off centre",
    "last bits",
    "all equal",
    "huge",
    "overflow",
    "too large for float32",
    "subnormal",
    "one huge feature",
)


def rows_and_queries(kind: str) -> tuple[Any, Any]:
    random = np.random.default_rng(7)
    rows, queries = random.normal(size=(N_ROWS, 30)), random.normal(size=(20, 30))
    if kind == "far":
        queries *= 300
    elif kind == "off centre":
        rows, queries = rows + 1e6, queries * 50 + 1e6
    elif kind == "last bits":  # float32 cannot tell them apart
        rows[:] = rows[0]
        rows[:, 3] += np.arange(N_ROWS)[::-1] * 2.0**-48
        queries *= 300
    elif kind == "all equal":
        rows[:] = rows[0]
    elif kind == "huge":
        rows, queries = rows * 1e15, queries * 1e17
    elif kind == "overflow":
        rows, queries = rows * 1e200, queries * 1e200
    elif kind == "too large for float32":
        rows[::7] *= 1e60
        queries[::2] *= 1e60
    elif kind == "subnormal":
        rows, queries = rows * 1e-310, queries * 1e-308
    elif kind == "one huge feature":
        rows[:, 5] *= 1e12
        queries[:, 5] *= 1e13
    return rows, queries


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_answers(kind: str, dtype: Any) -> None:
    rows, queries = rows_and_queries(kind)
    with np.errstate(over="ignore"):
        rows, queries = rows.astype(dtype), queries.astype(dtype).astype(np.float64)
    if not (np.isfinite(rows).all() and np.isfinite(queries).all()):
        pytest.skip("float32 has no such numbers")
    table = float_table(rows, queries, "sqeuclidean")
    packed = FloatRows(rows, "sqeuclidean")
    for k in (1, 5, 300):
        for n_threads in (1, 2):
            got = far.nearest(packed, queries, np.arange(len(queries)), None, k, n_threads, None)
            assert_same(got, nearest(table, k), f"{k=} {n_threads=}")
    own = np.arange(0, N_ROWS, N_ROWS // 40)[:40]
    selves = rows[own].astype(np.float64)
    table = float_table(rows, selves, "sqeuclidean")
    table[np.arange(len(own)), own] = np.iinfo(np.int64).max
    assert_same(
        far.nearest(packed, selves, np.arange(len(selves)), own, 4, 2, None), nearest(table, 4)
    )


def test_bounds_rule_nearly_all_rows_out() -> None:
    """Otherwise they would only cost time."""
    rows, queries = rows_and_queries("far")
    left = far._left(FloatRows(rows, "sqeuclidean"), queries, 5, 1)
    assert max(len(some) for some in left if some is not None) < 20
    assert all(some is not None for some in left)


def test_rows_left_are_not_collected_where_they_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """A million rows of 256 queries would take 6 GB."""
    rows, queries = rows_and_queries("last bits")
    sizes: list[int] = []
    concatenate = np.concatenate

    def counted(parts: Any, *options: Any, **named: Any) -> Any:
        sizes.append(sum(map(len, parts)))
        return concatenate(parts, *options, **named)

    monkeypatch.setattr(far, "_ROWS_AT_ONCE", 100)
    monkeypatch.setattr(far.np, "concatenate", counted)
    assert far._left(FloatRows(rows, "sqeuclidean"), queries, 5, 1) == [None] * len(queries)
    assert max(sizes) <= len(queries) * (far.MOST_LEFT * N_ROWS + 100)


def test_how_queries_are_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few are compared whole at once, as are those that the bounds do not serve; many in parts."""
    compared: list[tuple[int, int]] = []
    search = floats.search

    def counted(rows: FloatRows, queries: Any, *options: Any) -> Any:
        compared.append((rows.n_rows, len(queries)))
        return search(rows, queries, *options)

    monkeypatch.setattr(floats, "search", counted)
    monkeypatch.setattr(far, "_PAIRS", 8 * N_ROWS)
    rows, queries = rows_and_queries("far")
    rows[0::2] = rows[1]
    queries[3] = rows[1]  # half of the rows are equally near
    packed = FloatRows(rows, "sqeuclidean")
    table = float_table(rows, queries, "sqeuclidean")
    assert_same(
        far.nearest(packed, queries, np.arange(len(queries)), None, 5, 1, None), nearest(table, 5)
    )
    assert compared.count((N_ROWS, 1)) == 1
    assert len(compared) == len(queries)
    compared.clear()
    few = queries[: far.FEWEST_QUERIES - 1]
    assert_same(
        far.nearest(packed, few, np.arange(len(few)), None, 5, 1, None),
        nearest(table[: len(few)], 5),
    )
    assert compared == [(N_ROWS, len(few))]


def test_a_search_by_codes_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    left = far._left

    def counted(rows: FloatRows, queries: Any, *options: Any) -> Any:
        asked.append(len(queries))
        return left(rows, queries, *options)

    monkeypatch.setattr(far, "_left", counted)
    random = np.random.default_rng(3)
    rows = random.normal(size=(6_000, 64)).astype(np.float32)
    queries = random.normal(size=(300, 64))
    queries[::20] *= 500
    index = Index(rows, algorithm="pruned", n_threads=2)
    said: list[int] = []
    with progress(lambda done, total: said.append(done)):
        got = index.search(queries, 5, n_threads=2)
    assert_same(got, nearest(float_table(rows, queries, "sqeuclidean"), 5))
    assert asked == [15]
    assert said == sorted(said)
    assert said[-1] == len(queries)


@pytest.mark.parametrize("metric", ["sqeuclidean", "manhattan"])
def test_many_are_answered_some_at_a_time(monkeypatch: pytest.MonkeyPatch, metric: str) -> None:
    """So many are float64 at a time, and progress is told after each time, whoever is compared."""
    sizes: list[int] = []
    said: list[int] = []
    as_float64 = far.as_float64

    def counted(values: Any) -> Any:
        sizes.append(len(values))
        return as_float64(values)

    monkeypatch.setattr(far, "as_float64", counted)
    monkeypatch.setattr(far, "_QUERIES_AT_ONCE", 8)
    rows, queries = rows_and_queries("far")
    rows[0::2] = rows[1]
    queries[3] = rows[1]  # half of the rows are equally near
    at = np.arange(len(queries) - 1)[::-1]
    packed = FloatRows(rows, metric)
    asked = packed, queries.astype(np.float32), at, None, 5, 1, lambda done, n: said.append(done)
    table = float_table(rows, queries[at].astype(np.float32).astype(np.float64), metric)
    assert_same(far.nearest(*asked), nearest(table, 5))
    assert sizes == [8, 8, 3]
    assert said == sorted(said)
    assert {8, 16, 19} <= set(said)


def test_no_bounds_of_other_metrics() -> None:
    rows, queries = rows_and_queries("far")
    for metric in ("manhattan", "chebyshev"):
        got = far.nearest(
            FloatRows(rows, metric), queries, np.arange(len(queries)), None, 5, 2, None
        )
        assert_same(got, floats.search(FloatRows(rows, metric), queries, 5, 2, NO_SELF, None))
