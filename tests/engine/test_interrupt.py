"""A long search can be stopped, watched, and does not hold the interpreter up.

Times are printed (``pytest -s``) and only bounded generously: a hang must fail, a busy machine not.
Each is a pair, of the day and of the process on all its CPUs, and it is the smaller that counts.
"""

from __future__ import annotations

import signal
import sys
import threading
from typing import Any

import pytest

from knnc.engine import prepared
from knnc.engine.dispatch import all_kernels
from knnc.engine.index import Index
from knnc.engine.metrics import PRUNED_METRICS
from knnc.engine.system.progress import current, progress
from tests.engine.signal_children import ENOUGH
from tests.engine.support import METRICS, assert_exact, draw, run_child

SERIAL = next(name for name in all_kernels() if name.endswith("_serial"))
BEST = f"best {METRICS[0]}"
has_kill = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no os.kill(SIGINT)")
has_timer = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there is no setitimer")


# --- Ctrl-C ---


def _reports(function: str, cases: tuple[str, ...]) -> dict[str, Any]:
    """By case, from one child: what it imports takes longer than most of the cases."""
    return run_child("each", function, *cases, module="signal_children", timeout=600)


INTERRUPTED = (
    f"{SERIAL}, queries",
    f"{BEST}, queries",
    f"{SERIAL}, few queries",
    f"{BEST}, leave one out",
    f"{BEST}, pruned queries",
)
LISTENING = (
    f"{SERIAL}, queries",
    f"{BEST}, queries",
    f"{BEST}, few queries",
    f"{BEST}, all rows wanted",
    f"{BEST}, tiny rows",
    f"{BEST}, pruned queries",
    f"{BEST}, one query, all rows wanted",
)


@pytest.fixture(scope="module")
def interrupted() -> dict[str, Any]:
    return _reports("interrupt", INTERRUPTED)


@pytest.fixture(scope="module")
def listening() -> dict[str, Any]:
    return _reports("listen", LISTENING)


@has_kill
@pytest.mark.parametrize("case", INTERRUPTED)
def test_ctrl_c(case: str, interrupted: dict[str, Any]) -> None:
    report = interrupted[case]
    print(f"\n{case}: {report}")
    assert report["raised"] == "KeyboardInterrupt", report
    assert min(report["latency"]) < 1.0, report
    assert report["exact_after"], "the index is of no use after Ctrl-C"


@has_timer
@pytest.mark.parametrize("case", LISTENING)
def test_signals_are_heard_all_the_way(case: str, listening: dict[str, Any]) -> None:
    """Whenever Ctrl-C comes, also while answers are prepared or sorted.

    A handler that returns does not stop the search.
    """
    report = listening[case]
    print(f"\n{case}: {report}")
    if case.endswith("one query, all rows wanted"):  # it is also heard while they are sorted
        assert report["heard"] >= 8, report
    else:
        assert min(report["longest_silence"]) < 1.0, report
        assert report["heard"] >= 3, report
    assert report["exact_after"]


@has_timer
@pytest.mark.parametrize("metric", PRUNED_METRICS)
def test_signals_are_heard_while_rows_are_coded(metric: str) -> None:
    """Which is most of a fit; on one thread, where the interpreter's lock is given up as well."""
    report = run_child("listen_while_coding", metric, module="signal_children")
    print(f"\n{metric}: {report}")
    assert report["heard"] >= 3, report
    assert report["left_to_others"] > ENOUGH, report


# --- progress ---


def test_progress_counts_up_to_the_total(metric: str, algorithm: str) -> None:
    rows, queries = draw(1, 600, 784), draw(2, 333, 784)
    index = Index(rows, metric, algorithm=algorithm)
    for given, total in ((queries, 333), (queries[:1], 1), (None, 600)):
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

            with progress(watch):
                index.search(given, 5, n_threads=n_threads)
            assert calls[-1] == (total, total)
            assert calls == sorted(set(calls)), "done went back, or the same was said twice"
            assert all(type(done) is int and 0 <= done <= total for done, _ in calls)
            assert {shown for _, shown in calls} == {total}
            assert callers == {threading.get_ident()}


def test_queries_under_way_count_by_the_rows_that_they_have_seen() -> None:
    """All of them are one chunk, and the first step of a slow machine is one panel.

    There are fewer panels than queries, so that the first is told. How long the later steps are
    is up to the clock.
    """
    rows, queries = draw(1, 32, 40), draw(2, 64, 40)
    index = Index(rows, "sqeuclidean", algorithm="brute", kernel="sqeuclidean_u8_serial")
    packed = index._prepared.packed(1)
    packed.pace = 1.0
    assert packed.n_panels == 32
    calls: list[tuple[int, int]] = []
    with progress(lambda done, total: calls.append((done, total))):
        assert_exact(index, rows, queries, 5, "sqeuclidean")
    assert calls[0] == (2, 64)
    assert calls == sorted(calls)
    assert calls[-1] == (64, 64)


def test_a_long_search_reports_on_its_way() -> None:
    report = run_child("watch_long_search", module="signal_children")
    print(f"\n{report['calls']} calls in {report['seconds']:.2f} s")
    assert report["calls"] >= 3, report
    assert report["exact"]


def test_progress_is_in_force_inside_its_block_only() -> None:
    def outer(done: int, total: int) -> None: ...
    def inner(done: int, total: int) -> None: ...

    assert current() is None
    with progress(outer):
        assert current() is outer
        with progress(inner):
            assert current() is inner
        assert current() is outer
        with pytest.raises(ZeroDivisionError), progress(inner):
            raise ZeroDivisionError
        assert current() is outer
    assert current() is None


def test_the_callback_of_another_block_is_not_called() -> None:
    calls: list[tuple[int, int]] = []
    with progress(lambda done, total: calls.append((done, total))):
        pass
    rows = draw(3, 100, 9)
    assert_exact(Index(rows, "sqeuclidean"), rows, rows[:5].copy(), 2, "sqeuclidean")
    assert calls == []


class _Stop(Exception):
    pass


@pytest.mark.parametrize("n_queries", [1, 200])
@pytest.mark.parametrize("n_threads", [1, 3])
def test_a_callback_that_raises_stops_the_search(
    metric: str, algorithm: str, n_queries: int, n_threads: int
) -> None:
    rows, queries = draw(4, 900, 30), draw(5, n_queries, 30)
    index = Index(rows, metric, algorithm=algorithm)
    stop, calls = _Stop("enough"), []

    def refuse(done: int, total: int) -> None:
        calls.append(done)
        raise stop

    for expected_calls in (1, 2):  # twice: nothing is left locked by the first
        with progress(refuse), pytest.raises(_Stop) as caught:
            index.search(queries, 3, n_threads=n_threads)
        assert caught.value is stop
        assert len(calls) == expected_calls
        assert current() is None
    assert_exact(index, rows, queries, 3, metric, n_threads)


def test_a_callback_may_search() -> None:
    rows, queries = draw(6, 300, 12), draw(7, 40, 12)
    index = Index(rows, "sqeuclidean")
    inner_calls: list[tuple[int, int]] = []

    def search_again(done: int, total: int) -> None:
        with progress(lambda done, total: inner_calls.append((done, total))):
            assert_exact(index, rows, queries[:3], 2, "sqeuclidean")

    with progress(search_again):
        assert_exact(index, rows, queries, 4, "sqeuclidean")
    assert inner_calls[-1] == (3, 3)


# --- the interpreter's lock ---


@pytest.mark.parametrize("n_threads", [1, 2])
def test_other_python_threads_run_during_a_search(n_threads: int) -> None:
    report = run_child("share_lock", n_threads, module="signal_children")
    print(f"\n{n_threads} threads: {report}")
    assert report["left_to_others"] > ENOUGH, report


def test_ctrl_c_is_pythons_again() -> None:
    """No handler is installed and left behind."""
    before = signal.getsignal(signal.SIGINT)
    rows = draw(8, 50, 5)
    Index(rows, "sqeuclidean").search(rows, 2, n_threads=2)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_handler_may_search_while_rows_are_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs in the thread that packs, and waits for nobody then."""
    rows = draw(1, 300, 9)
    outer, inner = (Index(rows, "sqeuclidean", algorithm="pruned") for _ in range(2))
    packed_rows = prepared.PackedRows
    packed: list[Index] = []

    def interrupted(*arguments: object, **options: object) -> object:
        if not packed:
            packed.append(inner)
            inner._prepared.packed(1)  # as a handler that searches does
        return packed_rows(*arguments, **options)

    monkeypatch.setattr(prepared, "PackedRows", interrupted)
    thread = threading.Thread(target=outer._prepared.packed, args=(1,), daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive(), "it waits for itself"
    assert outer._prepared._packed is not None
    assert inner._prepared._packed is not None
