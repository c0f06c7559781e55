"""All rows within a distance, by every kernel: the oracle's rows, distances and order."""

from __future__ import annotations

import signal
import sys
import threading
from itertools import cycle, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knnc.engine.index import Index
from knnc.engine.metrics import PRUNED_METRICS
from knnc.engine.packed import BLOCK_FEATURES, PackedRows
from knnc.engine.scan import radius
from knnc.engine.scan.brute import NO_SELF
from knnc.engine.system.progress import progress
from tests.engine.support import (
    METRICS,
    PALETTES,
    THREADS,
    Bytes,
    distance_table,
    draw,
    metric_of,
    run_child,
)
from tests.float_oracle import within
from tests.oracle import oracle_distances, oracle_within

# (rows, features): a part of a panel, a part of a tile, several blocks of panels.
SHAPES = [(1, 1), (49, 64), (333, 65), (2500, 9)]
LONG_SHAPES = [(3000, 5), (700, 300), (90, BLOCK_FEATURES + 9)]


def _assert_within(
    index: Index, rows: Bytes, queries: Bytes | None, limit: int, n_threads: int = 2
) -> None:
    """In either order the index's answer equals the oracle's, to the last bit."""
    note = f"{rows.shape} {limit=} {n_threads=} {index.kernel}"
    table = distance_table(rows, queries, index.metric)
    for sort in (False, True):
        got = index.within(queries, limit, n_threads=n_threads, sort=sort)
        expected = within(table, limit, sort=sort, leave_out=queries is None)
        for a, b in zip(got, expected, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=note, strict=True)
    without = index.within(queries, limit, n_threads=n_threads, return_distance=False)
    assert without[1] is None
    np.testing.assert_array_equal(without[0], got[0])
    if not got[1].size or queries is not None:
        assert len(without[2]) == len(got[2])


def _limits(rows: Bytes, query: Bytes, metric: str) -> list[int]:
    """None, only equal rows, just below, at and above a distance that occurs, all."""
    occurring = np.sort(oracle_distances(rows, query, metric))
    middle, largest = int(occurring[len(rows) // 2]), int(occurring[-1])
    return [-1, 0, middle - 1, middle, middle + 1, largest - 1, largest, 2**63 - 1]


@pytest.mark.parametrize("palette", ["uniform", "few", "duplicates"])
@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_equals_the_oracle(kernel: str, n: int, d: int, palette: str) -> None:
    rows, queries = draw(1, n, d, palette), draw(2, 9, d, palette)
    index = Index(rows, metric_of(kernel), kernel=kernel)
    for limit in _limits(rows, queries[0], index.metric):
        _assert_within(index, rows, queries, limit)


@pytest.mark.parametrize(("n", "n_queries"), [(75_000, 1), (1200, 170)])
def test_any_number_of_threads(kernel: str, n: int, n_queries: int) -> None:
    """One query divides the rows among threads, many are divided; less work is one thread's."""
    rows, queries = draw(3, n, 40, "few"), draw(4, n_queries, 40, "few")
    index = Index(rows, metric_of(kernel), kernel=kernel)
    middle = _limits(rows, queries[0], index.metric)[3]
    for n_threads in THREADS:
        _assert_within(index, rows, queries, middle, n_threads)


@pytest.mark.parametrize("palette", ["uniform", "few", "zeros"])
def test_lists_of_every_length_are_sorted(metric: str, palette: str) -> None:
    """Few, rather few and many rows are sorted each in a way of their own."""
    rows, queries = draw(17, 6000, 40, palette), draw(18, 2, 40, palette)
    index = Index(rows, metric)
    occurring = np.sort(oracle_distances(rows, queries[0], metric))
    for n in (1, 2, 47, 48, 49, 200, 4095, 4096, 4097, 6000):
        _assert_within(index, rows, queries, int(occurring[n - 1]))


@pytest.mark.parametrize("palette", ["uniform", "duplicates", "zeros"])
def test_leave_one_out(kernel: str, palette: str) -> None:
    """By index, whether or not a row has duplicates."""
    rows = draw(5, 150, 30, palette)
    index = Index(rows, metric_of(kernel), kernel=kernel)
    for limit in _limits(rows, rows[0], index.metric):
        _assert_within(index, rows, None, limit)
    one = Index(rows[:1], metric_of(kernel), kernel=kernel)
    _assert_within(one, rows[:1], None, 2**63 - 1)


@pytest.mark.parametrize("d", [BLOCK_FEATURES + 1, 2 * BLOCK_FEATURES + 40])
def test_wide_rows(kernel: str, d: int) -> None:
    """Sums of several blocks pass 2**31."""
    rows, queries = draw(6, 30, d, "constant rows"), draw(7, 5, d, "constant rows")
    index = Index(rows, metric_of(kernel), kernel=kernel)
    for limit in (0, int(oracle_distances(rows, queries[0], index.metric)[7]), 2**62):
        _assert_within(index, rows, queries, limit, 1)
    _assert_within(index, rows, None, limit)


@pytest.mark.parametrize("value", [0, 255])
def test_what_constant_columns_add_counts(kernel: str, value: int) -> None:
    """More than the limit leaves for the columns that vary, for some of the queries."""
    rows = np.full((200, 900), value, np.uint8)
    rows[:, 450:460] = draw(8, 200, 10, "few")
    queries = np.full((9, 900), value, np.uint8)
    queries[:, 450:460] = draw(9, 9, 10, "few")
    queries[::2, :5] = 255 - value
    index = Index(rows, metric_of(kernel), kernel=kernel)
    for query in queries[:2]:
        for limit in _limits(rows, query, index.metric):
            _assert_within(index, rows, queries, limit)


@pytest.mark.parametrize(
    ("metric", "shape", "n_threads"),
    [(*case, n) for case, n in zip(product(METRICS, LONG_SHAPES), cycle(THREADS), strict=False)],
)
def test_many_looks_at_signals(metric: str, shape: tuple[int, int], n_threads: int) -> None:
    """However finely a slow machine cuts the work, each list is in the order of the rows."""
    rows, queries = draw(10, *shape, "few"), draw(11, 20, shape[1], "few")
    packed = PackedRows(rows, metric, None, 1, drop_constant=True)
    limit = int(np.median(oracle_distances(rows, queries[0], metric)))
    calls: list[int] = []
    for points, first_self in ((queries, NO_SELF), (rows[: len(queries)], 0)):
        for sort in (False, True):
            got = radius.search(
                packed, points, limit, n_threads, first_self, True, sort,
                lambda done, _: calls.append(done), seconds=1e-9,
            )  # fmt: skip
            for i in range(len(points)):
                own = slice(got[0][i], got[0][i + 1])
                expected = oracle_within(rows, points[i : i + 1], limit, metric, sort=sort)
                keep = expected[2] != i + first_self
                np.testing.assert_array_equal(got[2][own], expected[2][keep])
                np.testing.assert_array_equal(got[1][own], expected[1][keep])
    assert len(calls) >= 4


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 200),
    n_queries=st.integers(0, 40),
    d=st.integers(1, 40),
    palette=st.sampled_from(list(PALETTES)),
    which=st.integers(0, 7),
    n_threads=st.integers(1, 4),
)
def test_any_data(metric: str, seed, n, n_queries, d, palette, which, n_threads) -> None:
    rows, queries = draw(seed, n, d, palette), draw(seed + 1, n_queries, d, palette)
    index = Index(rows, metric)
    limit = _limits(rows, rows[-1], metric)[which]
    _assert_within(index, rows, queries, limit, n_threads)
    _assert_within(index, rows, None, limit, n_threads)


@pytest.mark.parametrize("metric", PRUNED_METRICS)
def test_a_pruned_index_answers_too(metric: str) -> None:
    rows, queries = draw(12, 900, 30, "few"), draw(13, 20, 30, "few")
    index = Index(rows, metric, algorithm="pruned")
    for limit in _limits(rows, queries[0], metric):
        _assert_within(index, rows, queries, limit)


def test_errors() -> None:
    rows = draw(14, 20, 4)
    index = Index(rows)
    for queries in (rows.astype(np.int64), rows[:, :3], rows[:, ::-1], rows[0]):
        with pytest.raises((TypeError, ValueError)):
            index.within(queries, 3)
    with pytest.raises(TypeError, match="limit must be an integer"):
        index.within(rows, 2.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="n_threads"):
        index.within(rows, 3, n_threads=0)
    with pytest.raises(ValueError, match="sort takes distances"):
        index.within(rows, 3, return_distance=False, sort=True)


def test_progress_is_told_and_can_end_it() -> None:
    rows = draw(15, 20_000, 3)
    index = Index(rows)
    seen: list[tuple[int, int]] = []
    with progress(lambda done, total: seen.append((done, total))):
        index.within(rows[:3000], 10)
    assert len(seen) > 3
    assert seen[-1] == (3000, 3000)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})

    class Enough(Exception):
        pass

    def stop(done: int, total: int) -> None:
        raise Enough

    with progress(stop), pytest.raises(Enough):
        index.within(rows, 10)
    _assert_within(index, rows, rows[:3], 10)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs POSIX signals")
@pytest.mark.parametrize("sort", [False, True])
def test_ctrl_c_stops_it(sort: bool) -> None:
    rows = draw(16, 50_000, 200)
    index = Index(rows)
    began, done = threading.Event(), [0]

    def interrupt() -> None:
        began.wait()
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    def note(so_far: int, total: int) -> None:
        done[0] = so_far
        began.set()

    thread = threading.Thread(target=interrupt)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread.start()
    try:
        with progress(note), pytest.raises(KeyboardInterrupt):
            index.within(None, 100_000, sort=sort)
    finally:
        began.set()
        thread.join()
        signal.signal(signal.SIGINT, before)
    assert 0 < done[0] < len(rows) // 2
    _assert_within(index, rows, rows[:2], 1_900_000)


@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_AS as Linux has it")
def test_no_memory_is_an_error() -> None:
    """Whatever it is that does not fit: a list, the arrays of a chunk or those of the result."""
    report = run_child("within_without_memory", module="peaks")
    assert report["errors"] == ["MemoryError"] * len(report["errors"])
    assert len(report["errors"]) > 3
    assert report["afterwards"]
