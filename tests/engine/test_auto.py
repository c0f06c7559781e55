"""`algorithm="auto"`: what it chooses is a matter of time and never changes an answer."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from knnc.engine import dispatch, prepared
from knnc.engine.auto import Policy, Trial
from knnc.engine.codes.coding import Coding
from knnc.engine.codes.rows import CodedRows
from knnc.engine.index import Index
from knnc.engine.metrics import PRUNED_METRICS
from tests.engine.prune_support import at_once, blobs, brute_images, near, pruned
from tests.engine.support import Bytes, assert_exact, assert_same, draw, run_child
from tests.oracle import oracle_kneighbors

Search = Callable[[], object]

AUTO_ROWS = blobs(2_000, 200, 10, 47)
# Data need not be large for "auto" to try codes, so that these tests are quick.
SMALL = Policy(min_bytes=1, min_rows=1, wide_queries=0)


@pytest.fixture(scope="session", params=PRUNED_METRICS)
def metric(request: pytest.FixtureRequest) -> str:
    """Each metric that can be pruned."""
    name: str = request.param
    return name


# --- the trial ---


def test_the_clock_of_trials_is_finer_than_they_are() -> None:
    """One that stands still between two readings would have no search faster than another."""
    steps = []
    clock = Trial().clock
    for _ in range(50):
        start = now = clock()
        while now == start:
            now = clock()
        steps.append(now - start)
    assert min(steps) < 1e-4


@dataclass
class _Clock:
    """A clock that only searches move, and how often each was run."""

    now: float = 0.0
    runs: list[str] = field(default_factory=list)

    def search(self, name: str, *seconds: float) -> Search:
        def run() -> None:
            self.now += seconds[min(self.runs.count(name), len(seconds) - 1)]
            self.runs.append(name)

        return run


@pytest.mark.parametrize(
    ("coded", "brute", "share", "is_faster"),
    [
        pytest.param([2.0], [3.0], 1.0, True, id="coded"),
        pytest.param([3.0], [2.0], 1.0, False, id="brute"),
        pytest.param([2.0], [2.0], 1.0, False, id="equal"),
        pytest.param([3.0], [2.0], 0.5, True, id="brute force of half of the rows"),
        pytest.param([9.0, 1.0], [2.0], 1.0, True, id="only the first run is slow"),
        pytest.param([2.0], [7.0, 7.0, 1.0], 1.0, False, id="only the third run is fast"),
    ],
)
def test_the_fastest_run_of_each_counts(
    coded: list[float], brute: list[float], share: float, is_faster: bool
) -> None:
    clock = _Clock()
    trial = Trial(repeats=3, seconds=1e9, clock=lambda: clock.now)
    searches = clock.search("coded", *coded), clock.search("brute", *brute)
    assert trial(*searches, share) == is_faster
    assert sorted(clock.runs) == ["brute"] * 3 + ["coded"] * 3


def test_a_trial_ends_once_codes_are_clearly_faster() -> None:
    clock = _Clock()
    trial = Trial(repeats=9, seconds=1e9, clear=4.0, clock=lambda: clock.now)
    assert trial(clock.search("coded", 1.0, 2.0), clock.search("brute", 4.5), 0.5)
    assert sorted(clock.runs) == ["brute"] * 2 + ["coded"] * 2


def test_a_trial_ends_when_its_time_is_over() -> None:
    clock = _Clock()
    trial = Trial(repeats=100, seconds=1.0, clock=lambda: clock.now)
    trial(clock.search("coded", 0.3), clock.search("brute", 0.1), 1.0)
    assert clock.runs.count("coded") == clock.runs.count("brute") == 3


# --- rows that are tried at once ---


def _slowed(search: Search) -> Search:
    def run() -> object:
        started = time.thread_time()
        while time.thread_time() < started + 0.15:
            pass  # by the clock of a wall and by that of a processor
        return search()

    return run


def _auto_index(faster: str, metric: str) -> Index:
    """An index by "auto", whose trial finds one way a hundred times as fast as the other."""
    tried: list[float] = []

    def trial(coded_search: Search, brute_search: Search, share: float) -> bool:
        tried.append(share)
        if faster == "brute":
            return Trial()(_slowed(coded_search), brute_search, share)
        return Trial()(coded_search, _slowed(brute_search), share)

    index = Index(AUTO_ROWS, metric, n_threads=2, policy=replace(SMALL, trial=trial))
    assert tried == [1.0]
    assert index.is_pruned == (faster == "pruned")
    return index


@pytest.mark.parametrize("faster", ["brute", "pruned"])
def test_auto_takes_what_is_faster_and_answers_alike(metric: str, faster: str) -> None:
    index = _auto_index(faster, metric)
    queries = near(AUTO_ROWS, 30, 48)
    for k in (1, 5, 31, 32, 2_000):  # 31 is a 64th of the rows
        assert_exact(index, AUTO_ROWS, queries, k, metric)
    left_out = index.search(None, 9, n_threads=2)
    assert_same(left_out, Index(AUTO_ROWS, metric, algorithm="brute").search(None, 9, n_threads=2))


@pytest.mark.parametrize(("k", "by_codes"), [(1, True), (31, True), (32, False), (2_000, False)])
def test_auto_leaves_many_neighbours_to_brute_force(metric: str, k: int, by_codes: bool) -> None:
    """Rows are packed for it at the first such search; "pruned" stays what it says."""
    index, forced = _auto_index("pruned", metric), pruned(AUTO_ROWS, metric)
    codes = index.nbytes_packed
    assert codes == forced.nbytes_packed
    assert_exact(index, AUTO_ROWS, AUTO_ROWS[:9], k, metric)
    if by_codes:
        assert index.nbytes_packed == codes
    else:
        assert index.nbytes_packed >= codes + AUTO_ROWS.nbytes
    assert_exact(forced, AUTO_ROWS, AUTO_ROWS[:9], k, metric)
    assert forced.nbytes_packed == codes


def test_threads_that_search_by_brute_force_at_once_pack_once(
    monkeypatch: pytest.MonkeyPatch, metric: str
) -> None:
    index = _auto_index("pruned", metric)
    packings: list[Any] = []
    pack = prepared.PackedRows

    def packed(*arguments: Any, **options: Any) -> Any:
        if len(arguments[0]) == len(AUTO_ROWS):  # not those of a sample
            packings.append(arguments)
            time.sleep(0.3)  # time for the others to ask as well
        return pack(*arguments, **options)

    monkeypatch.setattr(prepared, "PackedRows", packed)
    queries = near(AUTO_ROWS, 20, 49)
    answers = at_once([lambda: index.search(queries, 1_000, n_threads=1)] * 4)
    assert len(packings) == 1
    expected = oracle_kneighbors(AUTO_ROWS, queries, 1_000, metric)
    for answer in answers:
        assert_same(answer, expected)


class _NoCodes(Coding):
    """Codes that must not be made."""

    def encode(self, *arguments: object) -> CodedRows:
        raise AssertionError("codes were made")


@pytest.mark.parametrize(
    ("make", "arguments"),
    [
        pytest.param(draw, (50, 11_000, 784), id="random bytes, which no code tells apart"),
        pytest.param(blobs, (40_000, 191, 10, 51), id="narrow: 191 features"),
        pytest.param(blobs, (10_000, 784, 10, 52), id="small: 7.8 MB"),
        pytest.param(blobs, (8_190, 1_100, 10, 54), id="few: 8,190 rows"),
        pytest.param(draw, (53, 300, 32_769, "constant rows"), id="wide: 32,769 features"),
    ],
)
def test_auto_does_not_even_try(
    metric: str, make: Callable[..., Bytes], arguments: tuple[Any, ...]
) -> None:
    rows = make(*arguments)  # here, and not whenever tests are collected
    assert not Index(rows, metric, policy=Policy(coding=_NoCodes())).is_pruned


# --- narrow rows, which are tried after many queries ---


@pytest.fixture(scope="module")
def narrow() -> Bytes:
    """Rows that get codes after many queries, if those are faster."""
    return blobs(2_000, 64, 10, 55)


@dataclass
class _Trials:
    """Trials that are counted, and whose outcome is known."""

    outcome: bool = True
    n: int = 0

    def __call__(self, coded_search: Search, brute_search: Search, share: float) -> bool:
        self.n += 1
        return self.outcome

    def policy(self, late_queries: int = 100) -> Policy:
        return replace(SMALL, late_queries=late_queries, trial=self)


@pytest.fixture
def trials() -> _Trials:
    """Codes win any trial."""
    return _Trials()


def test_narrow_rows_get_codes_after_many_queries(narrow: Bytes, trials: _Trials) -> None:
    """Queries for more neighbours than codes are good for do not count."""
    index = Index(narrow, policy=trials.policy())
    queries = near(narrow, 50, 56)
    packed, codes = index.nbytes_packed, pruned(narrow, "sqeuclidean").nbytes_packed
    for k, n_tried in [(5, 0), (32, 0), (31, 1), (5, 1), (32, 1)]:
        assert_exact(index, narrow, queries, k, "sqeuclidean")
        assert (trials.n, index.is_pruned) == (n_tried, n_tried == 1)
        if k == 31:  # the packed rows made room for the codes
            assert index.nbytes_packed == codes
    assert index.nbytes_packed == codes + packed


def test_leave_one_out_is_as_many_queries_as_rows(narrow: Bytes, trials: _Trials) -> None:
    index = Index(narrow, policy=trials.policy())
    brute = Index(narrow, algorithm="brute")
    assert_same(index.search(None, 5, n_threads=2), brute.search(None, 5, n_threads=2))
    assert trials.n == 1


def test_narrow_rows_without_gain_are_tried_once(narrow: Bytes) -> None:
    trials = _Trials(outcome=False)
    index = Index(narrow, policy=trials.policy())
    for _ in range(4):
        assert_exact(index, narrow, near(narrow, 60, 57), 5, "sqeuclidean")
    assert (trials.n, index.is_pruned) == (1, False)


@pytest.mark.parametrize(("n_searches", "n_queries"), [(64, 1), (64, 32), (2, 1_024)])
def test_wide_rows_get_codes_after_many_queries(
    trials: _Trials, n_searches: int, n_queries: int
) -> None:
    """After 2,048, where fewer than 32 at a time count as 32; a radius search counts as well."""
    rows = blobs(500, 200, 10, 68)
    policy = replace(trials.policy(), wide_queries=Policy().wide_queries)
    for by_radius in (False, True):
        index = Index(rows, policy=policy)
        assert index.nbytes_packed == 0  # nothing is made of the rows before it is needed
        for i in range(n_searches):
            assert not index.is_pruned
            queries = rows[np.arange(i, i + n_queries) % 500]
            if by_radius:
                index.within(queries, 0)
            else:
                index.search(queries, 1)
        assert index.is_pruned


@pytest.mark.parametrize("n_features", [64, 191])
def test_how_many_queries_are_many(trials: _Trials, n_features: int) -> None:
    """The number that docs/engine.md gives."""
    rows = blobs(500, n_features, 10, 62)
    index = Index(rows, policy=trials.policy(late_queries=Policy().late_queries))
    index.search(near(rows, 16_383, 63), 1, n_threads=2)
    assert not index.is_pruned
    index.search(rows[:1], 1)
    assert index.is_pruned


@pytest.mark.parametrize(
    ("n_features", "metric", "algorithm"),
    [(63, "sqeuclidean", "auto"), (64, "manhattan", "auto"), (64, "sqeuclidean", "brute")],
)
def test_other_narrow_rows_get_no_codes(
    narrow: Bytes, trials: _Trials, n_features: int, metric: str, algorithm: str
) -> None:
    rows = np.ascontiguousarray(narrow[:, :n_features])
    index = Index(rows, metric, algorithm=algorithm, policy=trials.policy())
    assert_exact(index, rows, near(rows, 200, 58), 5, metric)
    assert (trials.n, index.is_pruned) == (0, False)


def test_threads_that_come_when_codes_are_due_make_them_once(
    narrow: Bytes, trials: _Trials
) -> None:
    index = Index(narrow, policy=trials.policy())
    queries = near(narrow, 90, 59)
    expected = oracle_kneighbors(narrow, queries, 7, "sqeuclidean")
    for answer in at_once([lambda: index.search(queries, 7, n_threads=1)] * 4):
        assert_same(answer, expected)
    assert trials.n == 1


def test_an_interrupt_while_codes_are_made_leaves_them_to_the_next_search(narrow: Bytes) -> None:
    interrupts = [KeyboardInterrupt()]

    class Interrupted(Coding):
        def encode(self, *arguments: Any) -> CodedRows:
            if interrupts:
                raise interrupts.pop()
            return super().encode(*arguments)

    policy = replace(_Trials().policy(), coding=Interrupted())
    index = Index(narrow, policy=policy)
    queries = near(narrow, 120, 60)
    with pytest.raises(KeyboardInterrupt):
        index.search(queries, 5)
    assert not index.is_pruned
    assert_exact(index, narrow, queries, 5, "sqeuclidean")
    assert index.is_pruned


def test_searches_that_come_while_codes_are_made_do_not_wait(
    narrow: Bytes, trials: _Trials
) -> None:
    """Neither those of the same index nor those of another, whose queries are counted too."""
    begun, ended = threading.Event(), threading.Event()

    class Slow(Coding):
        def encode(self, *arguments: Any) -> CodedRows:
            begun.set()
            assert ended.wait(60)
            return super().encode(*arguments)

    policy = replace(trials.policy(), coding=Slow())
    index, other = Index(narrow, policy=policy), Index(narrow, policy=policy)
    queries = near(narrow, 120, 64)
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
    assert trials.n == 1


@pytest.mark.parametrize("n_features", [64, 200])
@pytest.mark.parametrize("step", ["screen", "coding", "trial"])
def test_without_memory_for_codes_rows_are_compared_whole(n_features: int, step: str) -> None:
    """They are never needed; no later search tries again."""
    tried: list[object] = []

    def no_memory(*arguments: object) -> Any:
        tried.append(arguments)
        raise MemoryError("Unable to allocate 1 GiB")

    class NoMemory(Coding):
        def encode(self, *arguments: object) -> CodedRows:
            codes: CodedRows = no_memory(*arguments)
            return codes

    steps: dict[str, Any] = {"screen": no_memory, "coding": NoMemory(), "trial": no_memory}
    policy = replace(SMALL, late_queries=100, **{step: steps[step]})
    rows = blobs(2_000, n_features, 10, 65)
    queries = near(rows, 120, 66)

    def searched() -> Index:
        index = Index(rows, policy=policy)
        index.search(queries, 5)
        return index

    with pytest.warns(RuntimeWarning, match="no memory for codes.*Unable to allocate 1 GiB"):
        index = searched()
    for _ in range(3):
        assert_exact(index, rows, queries, 5, "sqeuclidean")
    assert (len(tried), index.is_pruned) == (1, False)
    if step == "coding":
        with pytest.raises(MemoryError, match="1 GiB"):
            Index(rows, algorithm="pruned", policy=policy)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_child_forked_while_a_thread_decides_decides_for_itself() -> None:
    report = run_child("fork_while_deciding", module="fork_children")
    assert report["child"] == {"is_pruned": True, "exact": True}
    assert report["is_pruned"]


# --- restored indexes ---


def _arrays(state: Any) -> list[np.ndarray]:
    """All arrays in a state, in their order."""
    if isinstance(state, np.ndarray):
        return [state]
    parts = state.values() if isinstance(state, dict) else ()
    return [array for part in parts for array in _arrays(part)]


@pytest.mark.parametrize("metric", ["manhattan", "chebyshev"])
def test_what_is_restored_does_not_depend_on_kernels_of_other_metrics(
    monkeypatch: pytest.MonkeyPatch, metric: str
) -> None:
    algorithm = "pruned" if metric in PRUNED_METRICS else "brute"
    state = Index(AUTO_ROWS, metric, algorithm=algorithm).state()
    kernel_for = dispatch.kernel_for

    def other(asked: str, name: str | None) -> str:
        return "sqeuclidean_u8_serial" if asked == "sqeuclidean" else kernel_for(asked, name)

    monkeypatch.setattr(dispatch, "kernel_for", other)
    index = Index.restored(state)
    largest = max(_arrays({**state, "rows": None}), key=lambda array: array.nbytes)
    assert any(np.shares_memory(largest, array) for array in _arrays(index.state())), "made anew"
    assert_exact(index, AUTO_ROWS, near(AUTO_ROWS, 20, 67), 4, metric)


def test_a_restored_index_of_narrow_rows_counts_anew(narrow: Bytes, trials: _Trials) -> None:
    """And one that has its codes makes no others."""
    queries, policy = near(narrow, 60, 61), trials.policy()
    index = Index(narrow, policy=policy)
    index.search(queries, 5)
    back = Index.restored(index.state(), policy=policy)
    for n_tried in (0, 1):
        assert_exact(back, narrow, queries, 5, "sqeuclidean")
        assert trials.n == n_tried
    again = Index.restored(back.state(), policy=policy)
    assert again.is_pruned
    for _ in range(2):
        assert_exact(again, narrow, queries, 5, "sqeuclidean")
    assert trials.n == 1


# --- what codes are learnt from ---


@pytest.mark.parametrize(
    ("shape", "n_rows"),
    [
        ((60_000, 30), 4_096),
        ((49_128, 2_049), 4_094),
        ((36_000, 30), 3_000),
        ((9_000, 30), 2_048),
        ((3_000, 9_000), 1_024),
        ((900, 9_000), 900),
    ],
)
def test_codes_of_wide_rows_are_learnt_from_fewer(shape: tuple[int, int], n_rows: int) -> None:
    """From as many bytes, and of few rows from half as many, but from enough to tell axes apart."""
    assert len(Coding().sample(np.zeros(shape, np.uint8))) == n_rows


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_auto_prunes_images(request: pytest.FixtureRequest, name: str) -> None:
    """Brute force takes ten times as long here: no clock is as wrong as that."""
    images = request.getfixturevalue(name)
    index = Index(images.train, "sqeuclidean", algorithm="auto", n_threads=2)
    index.search(images.test[:2_048], 1, n_threads=2)
    assert index.is_pruned
    queries, known = brute_images(images, name, "sqeuclidean")
    assert_same(index.search(queries, 10, n_threads=2), known)
    assert index.nbytes_packed < images.train.nbytes
