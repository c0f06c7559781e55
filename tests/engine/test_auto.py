"""`algorithm="auto"`: what it chooses is a matter of time and never changes an answer."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from knnc.engine import index as index_module
from knnc.engine.codes.rows import CodedRows
from knnc.engine.index import PRUNED_METRICS, Index
from tests.engine.prune_support import at_once, blobs, brute_images, near, pruned
from tests.engine.support import Answer, Bytes, assert_exact, assert_same, draw, run_child
from tests.oracle import oracle_kneighbors


def test_the_clock_of_trials_is_finer_than_they_are() -> None:
    """One that stands still between two readings would have no search faster than another."""
    steps = []
    for _ in range(50):
        start = now = index_module.trial_clock()
        while now == start:
            now = index_module.trial_clock()
        steps.append(now - start)
    assert min(steps) < 1e-4


class _Searches(list[str]):
    """The searches that an index makes, in their order; one way can be made slow."""

    slow: str | None = None

    def through(self, name: str, search: Callable[..., Answer]) -> Callable[..., Answer]:
        def run(*arguments: Any) -> Answer:
            self.append(name)
            started = time.thread_time()
            while name == self.slow and time.thread_time() < started + 0.15:
                pass  # by the clock of a wall and by that of a processor
            return search(*arguments)

        return run

    def make_index(self, faster: str, metric: str) -> Index:
        """An index by "auto" for which one way is a hundred times as fast as the other."""
        self.slow = {"brute": "pruned", "pruned": "brute"}[faster]
        index = Index(AUTO_ROWS, metric, algorithm="auto", n_threads=2)
        self.slow = None
        assert set(self) == {"brute", "pruned"}, "both were tried"
        assert index.is_pruned == (faster == "pruned")
        self.clear()
        return index


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> _Searches:
    """Data need not be large for "auto" to try both, so that these tests are quick."""
    made, ways = _Searches(), index_module.search
    monkeypatch.setattr(index_module, "MIN_BYTES", 1)
    monkeypatch.setattr(index_module, "MIN_ROWS", 1)
    monkeypatch.setattr(ways, "search", made.through("brute", ways.search))
    pruned_search = made.through("pruned", index_module.search_pruned)
    monkeypatch.setattr(index_module, "search_pruned", pruned_search)
    return made


AUTO_ROWS = blobs(2_000, 200, 10, 47)


@pytest.fixture(scope="session", params=PRUNED_METRICS)
def metric(request: pytest.FixtureRequest) -> str:
    """Each metric that can be pruned."""
    name: str = request.param
    return name


@pytest.mark.parametrize("faster", ["brute", "pruned"])
def test_auto_takes_what_is_faster_and_answers_alike(
    searches: _Searches, metric: str, faster: str
) -> None:
    index = searches.make_index(faster, metric)
    queries = near(AUTO_ROWS, 30, 48)
    for k in (1, 5, 31, 32, 2_000):  # 31 is a 64th of the rows
        assert_exact(index, AUTO_ROWS, queries, k, metric)
    ways = ["brute"] * 5 if faster == "brute" else ["pruned"] * 3 + ["brute"] * 2
    assert searches == ways
    left_out = index.search(None, 9, n_threads=2)
    assert_same(left_out, Index(AUTO_ROWS, metric, algorithm="brute").search(None, 9, n_threads=2))


def test_auto_leaves_many_neighbours_to_brute_force(searches: _Searches, metric: str) -> None:
    """Rows are packed for it at the first such search; "pruned" stays what it says."""
    index = searches.make_index("pruned", metric)
    codes = index.nbytes_packed
    index.search(AUTO_ROWS[:9], 31, n_threads=2)
    assert index.nbytes_packed == codes
    assert_exact(index, AUTO_ROWS, AUTO_ROWS[:9], 32, metric)
    assert index.nbytes_packed >= codes + AUTO_ROWS.nbytes
    forced = pruned(AUTO_ROWS, metric)
    assert_exact(forced, AUTO_ROWS, AUTO_ROWS[:9], 2_000, metric)
    assert forced.nbytes_packed == codes
    assert searches == ["pruned", "brute", "pruned"]


def test_threads_that_search_by_brute_force_at_once_pack_once(
    monkeypatch: pytest.MonkeyPatch, searches: _Searches, metric: str
) -> None:
    index = searches.make_index("pruned", metric)
    packings: list[Any] = []
    pack = index_module.PackedRows

    def packed(*arguments: Any, **options: Any) -> Any:
        packings.append(arguments)
        time.sleep(0.3)  # time for the others to ask as well
        return pack(*arguments, **options)

    monkeypatch.setattr(index_module, "PackedRows", packed)
    queries = near(AUTO_ROWS, 20, 49)
    answers = at_once([lambda: index.search(queries, 1_000, n_threads=1)] * 4)
    assert len(packings) == 1
    expected = oracle_kneighbors(AUTO_ROWS, queries, 1_000, metric)
    for answer in answers:
        assert_same(answer, expected)


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        pytest.param(draw(50, 11_000, 784), "no code tells them apart", id="random bytes"),
        pytest.param(blobs(40_000, 191, 10, 51), "narrow", id="191 features"),
        pytest.param(blobs(10_000, 784, 10, 52), "small", id="7.8 MB"),
        pytest.param(blobs(8_190, 1_100, 10, 54), "few", id="8,190 rows"),
        pytest.param(draw(53, 300, 32_769, "constant rows"), "wide", id="32,769 features"),
    ],
)
def test_auto_does_not_even_try(
    monkeypatch: pytest.MonkeyPatch, metric: str, rows: Bytes, why: str
) -> None:
    def tried(*arguments: object) -> None:
        pytest.fail(f"codes were made of rows that are {why}")

    monkeypatch.setattr(Index, "_prune", tried)
    assert not Index(rows, metric, algorithm="auto").is_pruned


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> Bytes:
    """Rows that get codes after 100 queries, if those are faster."""
    monkeypatch.setattr(index_module, "MIN_BYTES", 1)
    monkeypatch.setattr(index_module, "MIN_ROWS", 1)
    monkeypatch.setattr(index_module, "LATE_QUERIES", 100)
    return blobs(2_000, 64, 10, 55)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[CodedRows]:
    """The codes that have been made; they win any trial."""
    codes: list[CodedRows] = []

    def win(index: Index, pruned: CodedRows, n_threads: int) -> bool:
        codes.append(pruned)
        return True

    monkeypatch.setattr(Index, "_is_faster", win)
    return codes


def test_narrow_rows_get_codes_after_many_queries(narrow: Bytes, made: list[CodedRows]) -> None:
    """Queries for more neighbours than codes are good for do not count."""
    index = Index(narrow, "sqeuclidean", algorithm="auto")
    queries = near(narrow, 50, 56)
    packed = index.nbytes_packed
    for k, n_made in [(5, 0), (32, 0), (31, 1), (5, 1), (32, 1)]:
        assert_exact(index, narrow, queries, k, "sqeuclidean")
        assert (len(made), index.is_pruned) == (n_made, n_made == 1)
        if k == 31:  # the packed rows made room for the codes
            assert index.nbytes_packed == made[0].nbytes
    assert index.nbytes_packed == made[0].nbytes + packed


def test_leave_one_out_is_as_many_queries_as_rows(narrow: Bytes, made: list[CodedRows]) -> None:
    index = Index(narrow, "sqeuclidean", algorithm="auto")
    brute = Index(narrow, "sqeuclidean", algorithm="brute")
    assert_same(index.search(None, 5, n_threads=2), brute.search(None, 5, n_threads=2))
    assert len(made) == 1


def test_narrow_rows_without_gain_are_tried_once(
    monkeypatch: pytest.MonkeyPatch, narrow: Bytes
) -> None:
    tried: list[int] = []

    def slower(index: Index, pruned: CodedRows, n_threads: int) -> bool:
        tried.append(n_threads)
        return False

    monkeypatch.setattr(Index, "_is_faster", slower)
    index = Index(narrow, "sqeuclidean", algorithm="auto")
    for _ in range(4):
        assert_exact(index, narrow, near(narrow, 60, 57), 5, "sqeuclidean")
    assert (len(tried), index.is_pruned) == (1, False)


@pytest.mark.parametrize("n_features", [64, 191])
def test_how_many_queries_are_many(
    monkeypatch: pytest.MonkeyPatch, made: list[CodedRows], n_features: int
) -> None:
    """The number that docs/engine.md gives."""
    monkeypatch.setattr(index_module, "MIN_BYTES", 1)
    monkeypatch.setattr(index_module, "MIN_ROWS", 1)
    rows = blobs(500, n_features, 10, 62)
    index = Index(rows, "sqeuclidean", algorithm="auto")
    index.search(near(rows, 16_383, 63), 1, n_threads=2)
    assert made == []
    index.search(rows[:1], 1)
    assert len(made) == 1


@pytest.mark.parametrize(
    ("n_features", "metric", "algorithm"),
    [(63, "sqeuclidean", "auto"), (64, "manhattan", "auto"), (64, "sqeuclidean", "brute")],
)
def test_other_narrow_rows_get_no_codes(
    narrow: Bytes, made: list[CodedRows], n_features: int, metric: str, algorithm: str
) -> None:
    rows = np.ascontiguousarray(narrow[:, :n_features])
    index = Index(rows, metric, algorithm=algorithm)
    assert_exact(index, rows, near(rows, 200, 58), 5, metric)
    assert made == []


def test_threads_that_come_when_codes_are_due_make_them_once(
    narrow: Bytes, made: list[CodedRows]
) -> None:
    index = Index(narrow, "sqeuclidean", algorithm="auto")
    queries = near(narrow, 90, 59)
    expected = oracle_kneighbors(narrow, queries, 7, "sqeuclidean")
    for answer in at_once([lambda: index.search(queries, 7, n_threads=1)] * 4):
        assert_same(answer, expected)
    assert len(made) == 1


def test_an_interrupt_while_codes_are_made_leaves_them_to_the_next_search(
    monkeypatch: pytest.MonkeyPatch, narrow: Bytes, made: list[CodedRows]
) -> None:
    index = Index(narrow, "sqeuclidean", algorithm="auto")
    queries = near(narrow, 120, 60)

    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(index_module, "CodedRows", interrupted)
        with pytest.raises(KeyboardInterrupt):
            index.search(queries, 5)
    assert not index.is_pruned
    assert_exact(index, narrow, queries, 5, "sqeuclidean")
    assert index.is_pruned


def test_searches_that_come_while_codes_are_made_do_not_wait(
    monkeypatch: pytest.MonkeyPatch, narrow: Bytes, made: list[CodedRows]
) -> None:
    """Neither those of the same index nor those of another, whose queries are counted too."""
    index = Index(narrow, "sqeuclidean", algorithm="auto")
    other = Index(narrow, "sqeuclidean", algorithm="auto")
    queries = near(narrow, 120, 64)
    prune, begun, ended = Index._prune, threading.Event(), threading.Event()

    def slow(index: Index, n_threads: int) -> CodedRows:
        begun.set()
        assert ended.wait(60)
        return prune(index, n_threads)

    monkeypatch.setattr(Index, "_prune", slow)
    expected = oracle_kneighbors(narrow, queries, 5, "sqeuclidean")
    with ThreadPoolExecutor() as pool:
        making = pool.submit(index.search, queries, 5)
        try:
            assert begun.wait(60)
            assert_same(pool.submit(index.search, queries, 5).result(60), expected)
            assert_exact(other, narrow, queries[:50], 5, "sqeuclidean")
            assert not making.done()
        finally:
            ended.set()
        assert_same(making.result(60), expected)
    assert index.is_pruned
    assert len(made) == 1


@pytest.mark.parametrize("n_features", [64, 200])
@pytest.mark.parametrize("step", ["learning.is_concentrated", "CodedRows", "search_pruned"])
def test_without_memory_for_codes_rows_are_compared_whole(
    monkeypatch: pytest.MonkeyPatch, narrow: Bytes, n_features: int, step: str
) -> None:
    """They are never needed; no later search tries again."""
    tried: list[object] = []

    def no_room(rows: object, *arguments: object) -> None:
        tried.append(rows)
        raise MemoryError("Unable to allocate 1 GiB")

    rows = blobs(2_000, n_features, 10, 65)
    queries = near(rows, 120, 66)
    monkeypatch.setattr(f"{index_module.__name__}.{step}", no_room)

    def searched() -> Index:
        index = Index(rows, "sqeuclidean", algorithm="auto")
        index.search(queries, 5)
        return index

    with pytest.warns(RuntimeWarning, match="no memory for codes.*Unable to allocate 1 GiB"):
        index = searched()
    for _ in range(3):
        assert_exact(index, rows, queries, 5, "sqeuclidean")
    assert (len(tried), index.is_pruned) == (1, False)
    if step == "CodedRows":
        with pytest.raises(MemoryError, match="1 GiB"):
            Index(rows, "sqeuclidean", algorithm="pruned")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_child_forked_while_a_thread_decides_decides_for_itself() -> None:
    report = run_child("fork_while_deciding")
    assert report["child"] == {"is_pruned": True, "exact": True}
    assert report["is_pruned"]


@pytest.mark.parametrize("metric", ["manhattan", "chebyshev"])
def test_what_is_restored_does_not_depend_on_kernels_of_other_metrics(
    monkeypatch: pytest.MonkeyPatch, metric: str
) -> None:
    algorithm = "pruned" if metric in PRUNED_METRICS else "brute"
    state = Index(AUTO_ROWS, metric, algorithm=algorithm).state()
    kernel_for = index_module.dispatch.kernel_for

    def other(asked: str, name: str | None) -> str:
        return "sqeuclidean_u8_serial" if asked == "sqeuclidean" else kernel_for(asked, name)

    def anew(*arguments: object) -> None:
        pytest.fail("made anew")

    monkeypatch.setattr(index_module.dispatch, "kernel_for", other)
    monkeypatch.setattr(Index, "_build", anew)
    index = Index.restored(state)
    assert_exact(index, AUTO_ROWS, near(AUTO_ROWS, 20, 67), 4, metric)


def test_a_restored_index_of_narrow_rows_counts_anew(narrow: Bytes, made: list[CodedRows]) -> None:
    """And one that has its codes makes no others."""
    queries = near(narrow, 60, 61)
    index = Index(narrow, "sqeuclidean", algorithm="auto")
    index.search(queries, 5)
    back = Index.restored(index.state())
    for n_made in (0, 1):
        assert_exact(back, narrow, queries, 5, "sqeuclidean")
        assert len(made) == n_made
    again = Index.restored(back.state())
    assert again.is_pruned
    for _ in range(2):
        assert_exact(again, narrow, queries, 5, "sqeuclidean")
    assert len(made) == 1


@pytest.mark.parametrize(
    ("shape", "n_rows"),
    [((9_000, 30), 4_096), ((5_000, 2_049), 4_094), ((3_000, 9_000), 1_024), ((900, 9_000), 900)],
)
def test_codes_of_wide_rows_are_learnt_from_fewer(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int], n_rows: int
) -> None:
    """From as many bytes, down to a number of rows that still tells axes apart."""
    samples: list[Bytes] = []

    def learn(sample: Bytes, *arguments: object) -> None:
        samples.append(sample)
        raise ZeroDivisionError

    monkeypatch.setattr(index_module, "Codes", learn)
    with pytest.raises(ZeroDivisionError):
        Index(np.zeros(shape, np.uint8), "sqeuclidean", algorithm="pruned")
    assert [len(sample) for sample in samples] == [n_rows]


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_auto_prunes_images(request: pytest.FixtureRequest, name: str) -> None:
    """Brute force takes ten times as long here: no clock is as wrong as that."""
    images = request.getfixturevalue(name)
    index = Index(images.train, "sqeuclidean", algorithm="auto", n_threads=2)
    assert index.is_pruned
    queries, known = brute_images(images, name, "sqeuclidean")
    assert_same(index.search(queries, 10, n_threads=2), known)
    assert index.nbytes_packed < images.train.nbytes
