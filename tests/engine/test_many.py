"""Searches for many neighbours, which list rows within a limit guessed from a sample."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from knnc.engine.auto import Policy
from knnc.engine.floats import FloatRows
from knnc.engine.index import Index
from knnc.engine.packed import PackedRows
from knnc.engine.scan import brute, floats, many, radius
from knnc.engine.system.progress import progress
from tests.engine.support import METRICS, THREADS, assert_exact, assert_same
from tests.float_oracle import float_table, nearest
from tests.oracle import oracle_kneighbors

ALWAYS = replace(Policy(), least_listed=1, least_queries_listed=1)
N_ROWS = 700


def some_rows(kind: str) -> Any:
    random = np.random.default_rng(3)
    if kind == "few values":
        return random.integers(0, 2, (N_ROWS, 6), np.uint8)
    if kind == "all equal":
        return np.full((N_ROWS, 6), 7, np.uint8)
    if kind == "two blocks":  # panels of several thousand features are added up in parts
        return random.integers(0, 256, (N_ROWS // 4, 70_000), np.uint8)
    return random.integers(0, 256, (N_ROWS, 40), np.uint8)


@pytest.mark.parametrize("kind", ["bytes", "few values", "all equal"])
@pytest.mark.parametrize("n_threads", [2, 7])
@pytest.mark.parametrize("k", [1, 40, N_ROWS - 1])
def test_bytes(kind: str, metric: str, n_threads: int, k: int) -> None:
    rows = some_rows(kind)
    index = Index(rows, metric, algorithm="brute", policy=ALWAYS)
    assert_exact(index, rows, rows[:50] ^ 1, k, metric, n_threads=n_threads)
    assert_exact(index, rows, None, k, metric, n_threads=n_threads)


def test_wide_bytes(metric: str) -> None:
    rows = some_rows("two blocks")
    index = Index(rows, metric, algorithm="brute", policy=ALWAYS)
    assert_exact(index, rows, rows[:20] ^ 1, 30, metric)


@cache
def _float_tables(dtype: Any, kind: str, metric: str) -> tuple[Any, Any, Any, Any]:
    """Rows, queries, and the oracle's keys of the queries and of the rows."""
    rows = some_rows(kind).astype(dtype)
    rows[:, 0] /= 3
    queries = rows[:50].astype(np.float64) + 0.1
    tables = (float_table(rows, of, metric) for of in (queries, rows.astype(np.float64)))
    return rows, queries, *tables


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["bytes", "few values", "all equal"])
@pytest.mark.parametrize("metric", [*METRICS, "cosine"])
@pytest.mark.parametrize("k", [1, 40, N_ROWS - 1])
def test_floats(dtype: Any, kind: str, metric: str, k: int) -> None:
    rows, queries, of_queries, of_rows = _float_tables(dtype, kind, metric)
    index = Index(rows, metric, algorithm="brute", policy=ALWAYS)
    answer = nearest(of_queries, k)
    for n_threads in THREADS:
        assert_same(index.search(queries, k, n_threads=n_threads), answer)
    answer = nearest(of_rows, k, leave_out=True)
    assert_same(index.search(None, k, n_threads=2), answer)


@pytest.mark.parametrize("which", [slice(0, 300), slice(-300, None)])
def test_a_sample_that_misleads_costs_only_time(which: slice) -> None:
    """The limit is too small, so that a second look lists all rows; or lists all at once."""
    bytes_of = some_rows("bytes")
    queries = np.ascontiguousarray(bytes_of[:30])
    by_distance = oracle_kneighbors(bytes_of, queries[:1], N_ROWS, "sqeuclidean")[1][0]
    rows = np.ascontiguousarray(bytes_of[by_distance])
    options = queries, 100, 2, brute.NO_SELF, None
    for kind in (np.uint8, np.float64):
        if kind == np.uint8:
            scans: Any = brute.search, radius.search
            packed, sample = (
                PackedRows(part, "sqeuclidean", "sqeuclidean_u8_serial", 1)
                for part in (rows, rows[which])
            )
        else:
            scans = floats.search, floats.within
            packed, sample = (
                FloatRows(np.ascontiguousarray(part, np.float64), "sqeuclidean")
                for part in (rows, rows[which])
            )
        asked = queries.astype(kind), *options[1:]
        got = many.search(*scans, packed, lambda sample=sample: sample, *asked)
        assert_same(got, scans[0](packed, *asked))


def test_pieces_and_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """Queries come in pieces, and what is told never goes back."""
    monkeypatch.setattr(many, "PAIRS", 7 * N_ROWS)
    rows = some_rows("few values")
    index = Index(rows, algorithm="brute", policy=ALWAYS)
    said: list[int] = []
    with progress(lambda done, total: said.append(done)):
        assert_exact(index, rows, None, 40, "sqeuclidean", n_threads=2)
    assert said == sorted(said)
    assert (len(said), said[-1]) == (N_ROWS // 7, N_ROWS)


def test_when() -> None:
    policy = Policy()
    assert policy.lists_for(policy.least_listed, policy.least_queries_listed)
    assert not policy.lists_for(policy.least_listed - 1, 10_000)
    assert not policy.lists_for(10_000, policy.least_queries_listed - 1)
