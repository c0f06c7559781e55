"""Rows of floats: every kernel gives the oracle's neighbours and keys, to the last bit."""

from __future__ import annotations

import signal
import sys
import threading
from itertools import cycle, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knnc.engine.floats import FloatRows, all_float_kernels, available_float_kernels
from knnc.engine.scan import floats as float_search
from knnc.engine.scan.brute import NO_SELF
from tests.engine.float_support import DTYPES, LARGEST_KEY, PALETTES, Rows, draw_floats
from tests.engine.support import THREADS, run_child
from tests.float_oracle import FLOAT_METRICS, distances_of, float_keys, float_kneighbors

MODULE = "float_children"
# Each metric with each type of rows once, the numbers of threads in turn.
IN_TURN = [
    (*kind, n) for kind, n in zip(product(FLOAT_METRICS, DTYPES), cycle(THREADS), strict=False)
]

# The three distances of two queries, worked out once.
KNOWN_SQEUCLIDEAN = [
    ["0x1.9887b510f7e73p+7", "0x1.b7ee2fa130decp+7", "0x1.1dc03be4a7354p+8"],
    ["0x1.6462751cc114bp+7", "0x1.943fe1225ea21p+7", "0x1.ae982f9c7f803p+7"],
]
KNOWN_MANHATTAN = [
    ["0x1.c34f0d877990cp+6", "0x1.d1692bc0d103ap+6", "0x1.0d0bac444d5c5p+7"],
    ["0x1.a43d5303efdb0p+6", "0x1.c83d0563404ccp+6", "0x1.e44eb65a37f2cp+6"],
]
KNOWN_COSINE = [
    ["0x1.e2d7461c8a17ap+0", "0x1.ebf29add5da6cp+0", "0x1.22db7d9894956p+1"],
    ["0x1.0bafac6415ad7p+1", "0x1.0cca9775ca82cp+1", "0x1.1bb009cd2ee08p+1"],
]


@pytest.fixture(scope="session", params=all_float_kernels())
def kernel(request: pytest.FixtureRequest) -> str:
    """Every kernel compiled in; one that cannot run here is skipped."""
    name: str = request.param
    if name not in available_float_kernels():
        pytest.skip(f"the kernel {name} cannot run on this CPU")
    return name


@pytest.fixture(scope="session", params=FLOAT_METRICS)
def metric(request: pytest.FixtureRequest) -> str:
    """Each metric in turn."""
    name: str = request.param
    return name


@pytest.fixture(scope="session", params=DTYPES)
def dtype(request: pytest.FixtureRequest) -> str:
    """Each type of rows in turn."""
    name: str = request.param
    return name


# --- the oracle ---


@pytest.mark.parametrize("d", [1, 7, 8, 9, 100])
def test_the_oracle_agrees_with_plain_sums(metric: str, d: int) -> None:
    rows, query = draw_floats(1, 30, d), draw_floats(2, 1, d)[0]
    diff = np.abs(rows - query)
    plain = {
        "sqeuclidean": (diff**2).sum(axis=1),
        "manhattan": diff.sum(axis=1),
        "chebyshev": diff.max(axis=1),
        "hamming": (diff != 0).mean(axis=1),
        "cosine": 1 - rows @ query / np.linalg.norm(rows, axis=1) / np.linalg.norm(query),
    }
    got = distances_of(float_keys(rows, query, metric), metric, d)
    np.testing.assert_allclose(got, plain[metric], rtol=1e-9, atol=1e-15)


def test_whole_numbers_are_exact() -> None:
    rows, query = draw_floats(3, 50, 300, "ties"), draw_floats(4, 1, 300, "ties")[0]
    exact = ((rows.astype(np.int64) - query.astype(np.int64)) ** 2).sum(axis=1)
    got = float_keys(rows, query, "sqeuclidean").view(np.float64)
    np.testing.assert_array_equal(got, exact.astype(np.float64))


# --- the answers ---


@pytest.mark.parametrize("palette", PALETTES)
@pytest.mark.filterwarnings("ignore:overflow")
def test_equals_the_oracle(kernel: str, metric: str, dtype: str, palette: str) -> None:
    for n, d in ((1, 1), (30, 1), (20, 7), (25, 8), (20, 9), (31, 40)):
        rows = Rows(draw_floats(5, n, d, palette), dtype, metric, kernel)
        queries = draw_floats(6, 11, d, palette)
        queries[::3] = rows.values[np.arange(0, 11, 3) % n]
        for k in {1, (n + 1) // 2, n}:
            rows.assert_search(queries, k)
        rows.assert_search(queries[:1], n)
        for limit in rows.limits(queries[0]):
            rows.assert_within(queries, limit)


@pytest.mark.parametrize(("metric", "dtype", "n_threads"), IN_TURN)
@pytest.mark.parametrize("n_queries", [1, 30, 150])
def test_any_number_of_threads(metric: str, dtype: str, n_threads: int, n_queries: int) -> None:
    """Few queries divide the rows among threads, many are divided themselves."""
    rows = Rows(draw_floats(7, 70_000 // n_queries, 15, "tenths"), dtype, metric, None, n_threads)
    queries = draw_floats(8, n_queries, 15, "tenths")
    rows.assert_search(queries, 20, n_threads)
    rows.assert_within(queries, rows.limits(queries[0])[3], n_threads)


@pytest.mark.parametrize("palette", ["normal", "duplicates", "rows of zeros"])
def test_leave_one_out(kernel: str, metric: str, dtype: str, palette: str) -> None:
    """A row is left out by its index, whether or not it has duplicates."""
    rows = Rows(draw_floats(9, 90, 5, palette), dtype, metric, kernel)
    for k in (1, 8, 89):
        rows.assert_search(None, k)
    for limit in rows.limits(np.asarray(rows.values[3], np.float64)):
        rows.assert_within(None, limit)


def test_wide_rows(kernel: str, metric: str, dtype: str) -> None:
    rows = Rows(draw_floats(10, 9, 40_000), dtype, metric, kernel)
    queries = draw_floats(11, 3, 40_000)
    rows.assert_search(queries, 9)
    rows.assert_search(queries[:1], 4)
    rows.assert_within(queries, rows.limits(queries[0])[3])


@pytest.mark.parametrize(("metric", "dtype", "n_threads"), IN_TURN)
@pytest.mark.parametrize(("n_queries", "n", "d"), [(1, 7_000, 300), (40, 1_500, 21)])
def test_many_looks_at_signals(
    metric: str, dtype: str, n_threads: int, n_queries: int, n: int, d: int
) -> None:
    """However finely a slow machine cuts the work, the answers are the same."""
    rows = Rows(draw_floats(12, n, d, "ties"), dtype, metric)
    queries = draw_floats(13, n_queries, d, "ties")
    rows.assert_search(queries, 30, n_threads, seconds=1e-4)
    rows.assert_within(queries, rows.limits(queries[0])[2], n_threads, seconds=1e-4)


@pytest.mark.parametrize("palette", ["normal", "overflow", "equal"])
@pytest.mark.filterwarnings("ignore:overflow")
def test_lists_of_every_length_are_sorted(metric: str, palette: str) -> None:
    """Keys use all bits but the sign, whichever way a list is sorted."""
    rows = Rows(draw_floats(14, 4200, 3, palette), "float64", metric)
    queries = draw_floats(15, 2, 3, palette)
    keys = np.sort(float_keys(rows.values, queries[0], metric))
    for n in (1, 2, 47, 48, 49, 4096, 4097, 4200):
        rows.assert_within(queries, int(keys[n - 1]))


def test_ties_go_by_index(kernel: str, metric: str, dtype: str) -> None:
    rows = Rows(draw_floats(16, 300, 6, "equal"), dtype, metric, kernel)
    queries = draw_floats(17, 6, 6)
    for n_threads in THREADS:
        ind = float_search.search(rows.engine, queries, 7, n_threads, NO_SELF, None)[1]
        assert ind.tolist() == [list(range(7))] * 6


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 120),
    n_queries=st.integers(0, 30),
    d=st.integers(1, 40),
    palette=st.sampled_from(list(PALETTES)),
    dtype=st.sampled_from(DTYPES),
    kernel=st.sampled_from(available_float_kernels()),
    n_threads=st.integers(1, 4),
    which=st.integers(0, 6),
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_any_data(
    metric: str, seed, n, n_queries, d, palette, dtype, kernel, n_threads, which
) -> None:
    rows = Rows(draw_floats(seed, n, d, palette), dtype, metric, kernel)
    queries = draw_floats(seed + 1, n_queries, d, palette)
    rows.assert_search(queries, 1 + seed % n, n_threads)
    limit = rows.limits(np.asarray(rows.values[-1], np.float64))[which]
    rows.assert_within(queries, limit, n_threads)
    rows.assert_within(None, limit, n_threads)
    if n > 1:
        rows.assert_search(None, 1 + seed % (n - 1), n_threads)


def test_keys_are_never_negative(kernel: str, metric: str, dtype: str) -> None:
    """Zeros of either sign are one number."""
    rows = Rows(draw_floats(18, 60, 9, "rows of zeros"), dtype, metric, kernel)
    queries = -draw_floats(18, 60, 9, "rows of zeros")
    for points in (queries, queries[:1]):
        keys = float_search.search(rows.engine, points, 60, 1, NO_SELF, None)[0]
        assert keys.min() >= 0


def test_cosine_of_zeros_is_one(kernel: str, dtype: str) -> None:
    values = np.array([[0.0, -0.0, 0.0], [1.0, 2.0, 0.5]])
    rows = Rows(values, dtype, "cosine", kernel)
    keys, ind = float_search.search(rows.engine, values, 2, 1, NO_SELF, None)
    distances = distances_of(keys, "cosine", 3).tolist()
    assert distances == [[1.0, 1.0], [0.0, 1.0]]
    assert ind.tolist() == [[0, 1], [1, 0]]


def test_bits_that_are_written_down(kernel: str) -> None:
    """Order, rounding and fusing show in these: other ways to add give other last bits."""
    rows, queries = draw_floats(19, 3, 100), draw_floats(20, 2, 100)
    expected = {
        "sqeuclidean": KNOWN_SQEUCLIDEAN,
        "manhattan": KNOWN_MANHATTAN,
        "cosine": KNOWN_COSINE,
    }
    for metric, keys in expected.items():
        engine = FloatRows(rows, metric, kernel)
        got = float_search.search(engine, queries, 3, 1, NO_SELF, None)[0]
        assert [[value.hex() for value in row] for row in got.view(np.float64).tolist()] == keys


# --- what comes in ---


def test_no_queries_no_neighbours(metric: str, dtype: str) -> None:
    rows = Rows(draw_floats(21, 9, 3), dtype, metric)
    rows.assert_search(np.empty((0, 3)), 2, 2)
    rows.assert_within(np.empty((0, 3)), LARGEST_KEY, 2)


def test_rows_are_neither_copied_nor_changed(metric: str, dtype: str) -> None:
    rows = Rows(draw_floats(22, 50, 4, "tenths"), dtype, metric)
    copy, queries = rows.values.copy(), draw_floats(23, 8, 4, "tenths")
    rows.values.flags.writeable = queries.flags.writeable = False
    rows.assert_search(queries, 3)
    np.testing.assert_array_equal(rows.values, copy)
    if dtype != "uint8" and metric != "cosine":
        rows.values.flags.writeable = True
        rows.values[:] = rows.values[::-1].copy()
        rows.assert_search(queries, 3)


@pytest.mark.parametrize(
    ("rows", "table"),
    [
        (np.zeros((3, 4), np.int64), None),
        (np.zeros((3, 4), np.float16), None),
        (np.zeros((3, 4), np.uint8), None),
        (np.zeros((3, 4), np.uint8), np.zeros(255)),
        (np.zeros((3, 4)), np.zeros(256)),
        (np.zeros((4, 3)).T, None),
        (np.zeros((0, 4)), None),
        (np.zeros((4, 0)), None),
        (np.zeros(4), None),
    ],
)
def test_refused_rows(rows: Any, table: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        FloatRows(rows, "sqeuclidean", None, table)


def test_refused_arguments() -> None:
    rows = np.zeros((5, 4))
    with pytest.raises(ValueError, match=r"euclid.*sqeuclidean"):
        FloatRows(rows, "euclid")
    with pytest.raises(ValueError, match=r"f64_none.*f64_serial"):
        FloatRows(rows, "cosine", "f64_none")
    engine = FloatRows(rows, "manhattan")
    for width in (0, 3, 5):
        with pytest.raises(ValueError, match=f"{width} features.* 4"):
            float_search.search(engine, np.zeros((2, width)), 1, 1, NO_SELF, None)
    with pytest.raises(ValueError, match="return_distance"):
        float_search.within(engine, rows, 1, 1, NO_SELF, False, True, None)
    for queries in (rows.astype(np.float32), rows[:, ::-1], rows[0]):
        with pytest.raises((TypeError, ValueError)):
            float_search.search(engine, queries, 1, 1, NO_SELF, None)


@pytest.fixture(scope="module")
def searches_at_the_end() -> dict[str, int]:
    """How many searches of each kernel; one child for all, whose end fails the tests of all."""
    searches: dict[str, int] = run_child("search_at_the_end_of_memory", module=MODULE)
    return searches


@pytest.mark.skipif(sys.platform == "win32", reason="mprotect is not a function of Windows")
def test_nothing_beyond_the_rows_is_read(kernel: str, searches_at_the_end: dict[str, int]) -> None:
    assert searches_at_the_end[kernel] > 100


def test_disabled_cpu_features_count() -> None:
    names = "avx2,neon"
    report = run_child("choose", module=MODULE, KNNC_DISABLE_CPU_FEATURES=names)
    assert report["chosen"] == "f64_serial", report
    assert report["available"] == ["f64_serial"], report
    report = run_child("choose", module=MODULE)
    assert report["chosen"] == report["available"][0], report


# --- the floating-point mode ---


@pytest.fixture(scope="module")
def in_other_modes() -> dict[str, Any]:
    return run_child("search_in_other_modes", module=MODULE)


def test_the_callers_floating_point_mode_changes_nothing(
    kernel: str, in_other_modes: dict[str, Any]
) -> None:
    """Rounding upwards, subnormal numbers taken for zero: answers are the same, the mode stays."""
    report = in_other_modes[kernel]
    assert report["was_in_force"], report
    assert report["stays"], report
    assert report["wrong"] == [], report


def test_which_neighbours_are_found_does_not_depend_on_the_mode_either() -> None:
    report = run_child("fit_in_another_mode", module=MODULE)
    assert report["was_in_force"], report
    assert report["wrong"] == [], report


# --- long searches ---


@pytest.mark.parametrize("form", ["search", "one query", "within"])
def test_progress_counts_up_to_the_total(metric: str, form: str) -> None:
    engine = FloatRows(draw_floats(24, 3000, 20), metric)
    queries = draw_floats(25, 1 if form == "one query" else 200, 20)
    for n_threads in (1, 3):
        calls: list[tuple[int, int]] = []
        callers: set[int] = set()

        def watch(
            done: int,
            total: int,
            calls: list[tuple[int, int]] = calls,
            callers: set[int] = callers,
        ) -> None:
            calls.append((done, total))
            callers.add(threading.get_ident())

        if form == "within":
            float_search.within(
                engine, queries, 0, n_threads, NO_SELF, True, True, watch, seconds=1e-4
            )
        else:
            float_search.search(engine, queries, 3, n_threads, NO_SELF, watch, seconds=1e-4)
        total = len(queries)
        assert calls[-1] == (total, total)
        assert [done for done, _ in calls] == sorted({done for done, _ in calls})
        assert {shown for _, shown in calls} == {total}
        assert callers == {threading.get_ident()}
        assert form == "one query" or len(calls) > 3


class _Stop(Exception):
    pass


@pytest.mark.parametrize("n_threads", [1, 3])
def test_a_callback_that_raises_stops_the_search(metric: str, n_threads: int) -> None:
    rows = Rows(draw_floats(26, 3000, 20), "float64", metric)
    queries = draw_floats(27, 60, 20)
    stop = _Stop("enough")

    def refuse(done: int, total: int) -> None:
        raise stop

    for _ in range(2):
        with pytest.raises(_Stop) as caught:
            float_search.search(rows.engine, queries, 3, n_threads, NO_SELF, refuse)
        assert caught.value is stop
        with pytest.raises(_Stop):
            float_search.within(
                rows.engine, queries, LARGEST_KEY, n_threads, NO_SELF, True, False, refuse
            )
    rows.assert_search(queries, 3, n_threads)


LONG_SEARCHES = ("search", "few queries", "one query", "within", "all wanted")


@pytest.fixture(scope="module")
def long_searches() -> dict[str, Any]:
    return run_child("listen_and_interrupt_each", *LONG_SEARCHES, module=MODULE, timeout=600)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there is no setitimer")
@pytest.mark.parametrize("form", LONG_SEARCHES)
def test_signals_are_heard_all_the_way_and_ctrl_c_stops_it(
    form: str, long_searches: dict[str, Any]
) -> None:
    report = long_searches[form]
    print(f"\n{form}: {report}")
    assert report["heard"] >= 3, report
    assert min(report["longest_silence"]) < 1.0, report
    assert report["raised"] == "KeyboardInterrupt", report
    assert min(report["latency"]) < 1.0, report
    assert report["exact_after"], "the rows are of no use after Ctrl-C"


def test_the_answer_does_not_depend_on_the_batch(metric: str, dtype: str) -> None:
    rows = Rows(draw_floats(28, 400, 30), dtype, metric)
    queries = draw_floats(29, 25, 30)
    keys, ind = float_kneighbors(rows.values, queries, 40, metric)
    for size in (1, 2, 7, 25):
        for start in range(0, 25, size):
            part = slice(start, start + size)
            for j in (1, 40):
                got = float_search.search(rows.engine, queries[part], j, 2, NO_SELF, None)
                np.testing.assert_array_equal(got[0], keys[part, :j])
                np.testing.assert_array_equal(got[1], ind[part, :j])
