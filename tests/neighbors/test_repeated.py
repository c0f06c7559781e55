"""Fits and searches that are repeated, as by a grid search, share an index and its answers."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sklearn
import sklearn.neighbors
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

import knnc
from knnc.engine.index import Index
from knnc.neighbors.repeated import RepeatedIndex, Repeats, repeats, same
from tests.engine.prune_support import at_once

ROWS = np.random.default_rng(0).integers(0, 256, (4_000, 80), np.uint8)
LABELS = ROWS[:, 0] // 64
GRID = {"n_neighbors": [1, 3, 5, 7, 9, 20, 40], "weights": ["uniform", "distance"]}


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    repeats.forget()
    yield
    repeats.forget()


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Counts indexes that are made, and searches that they do."""
    counts = {"indexes": 0, "searches": 0}
    make, search = Index.__init__, Index.search

    def counted_make(self: Index, *arguments: Any, **options: Any) -> None:
        counts["indexes"] += 1
        make(self, *arguments, **options)

    def counted_search(self: Index, *arguments: Any, **options: Any) -> Any:
        counts["searches"] += 1
        return search(self, *arguments, **options)

    monkeypatch.setattr(Index, "__init__", counted_make)
    monkeypatch.setattr(Index, "search", counted_search)
    return counts


def scores(estimator: Any, X: Any, grid: Any) -> Any:
    return GridSearchCV(estimator, grid, cv=3, refit=False).fit(X, LABELS).cv_results_


@pytest.mark.parametrize("is_scaled", [False, True])
def test_a_grid_search(is_scaled: bool, work: dict[str, int]) -> None:
    """Scores are scikit-learn's; of 14 candidates two make an index a fold, and three search."""
    found = []
    for module in (knnc, sklearn.neighbors):
        estimator, grid = module.KNeighborsClassifier(), GRID
        if is_scaled:
            estimator = Pipeline([("scale", StandardScaler()), ("kneighbors", estimator)])
            grid = {f"kneighbors__{name}": values for name, values in GRID.items()}
        found.append(scores(estimator, ROWS.astype(np.float64) / 7, grid)["mean_test_score"])
    np.testing.assert_array_equal(*found)
    assert work == {"indexes": 3 * 2, "searches": 3 * (1 + len([16, 40]))}


def test_leave_one_out_and_other_queries_have_answers_of_their_own(work: dict[str, int]) -> None:
    expected = {}
    for turn in range(4):
        nn = knnc.NearestNeighbors(n_neighbors=3).fit(ROWS.copy())
        for name, queries in (("none", None), ("some", ROWS[:500]), ("others", ROWS[500:] ^ 1)):
            dist, ind = nn.kneighbors(queries)
            if turn == 0:
                expected[name] = dist.copy(), ind.copy()
            np.testing.assert_array_equal(dist, expected[name][0])
            np.testing.assert_array_equal(ind, expected[name][1])
            dist[:], ind[:] = -1, -1  # an answer is the caller's own
    assert work == {"indexes": 2, "searches": 6}


def test_progress_is_told_of_a_kept_answer() -> None:
    for _ in range(3):
        said: list[tuple[int, int]] = []
        nn = knnc.NearestNeighbors(n_neighbors=3).fit(ROWS)
        with knnc.progress(lambda done, total, said=said: said.append((done, total))):
            nn.kneighbors(ROWS[:500])
        assert said[-1] == (500, 500)


def kept_index(rows: Any = ROWS) -> RepeatedIndex:
    for _ in range(2):
        nn = knnc.NearestNeighbors().fit(rows)
    index = nn._lazy_index.get(1)
    assert isinstance(index, RepeatedIndex)
    return index


def test_an_index_that_is_let_go_of_keeps_no_answers(work: dict[str, int]) -> None:
    """It may live on for hours in an estimator."""
    index = kept_index()
    before = index.nbytes_kept
    for _ in range(2):
        index.search(ROWS[:500], 3)
    assert work["searches"] == 1
    assert index.nbytes_kept > before
    repeats.forget()
    assert index.nbytes_kept == before
    for _ in range(2):
        assert (index.search(ROWS[:500], 3)[1][:, 0] == range(500)).all()
    assert work["searches"] == 3
    assert index.nbytes_kept == before


def test_answers_that_took_little_or_are_large_are_not_kept(work: dict[str, int]) -> None:
    index = kept_index()
    before = index.nbytes_kept
    for _ in range(2):
        index.search(ROWS[:50], 3)
    with sklearn.config_context(working_memory=8):
        for _ in range(2):  # 500 x 600 of 16 bytes are 4.8 MB, of which four would be kept
            index.search(ROWS[:500], 300)
    assert work["searches"] == 4
    assert index.nbytes_kept == before


def test_any_other_k_is_refused_although_an_answer_is_kept() -> None:
    index = kept_index()
    index.search(ROWS[:500], 3)
    for k in (0, -1, len(ROWS) + 1):
        with pytest.raises(ValueError, match="k must be from 1"):
            index.search(ROWS[:500], k)
    with pytest.raises(ValueError, match="k must be from 1"):
        index.search(None, len(ROWS))


def test_what_was_used_last_stays() -> None:
    first, second = kept_index(), kept_index(ROWS ^ 1)
    first.search(ROWS[:500], 3)
    room = first.nbytes_kept + second.nbytes_kept
    with sklearn.config_context(working_memory=(room >> 20) + 1):
        for mask in range(2, 40):
            kept_index(ROWS ^ mask)
            first.search(ROWS[:500], 3)
    assert kept_index() is first
    assert kept_index(ROWS ^ 1) is not second


def test_content_decides() -> None:
    """A row that differs in one byte, or was changed after the fit, is another row."""
    rows = ROWS.copy()
    for _ in range(3):
        nn = knnc.NearestNeighbors(n_neighbors=1).fit(rows)
    assert isinstance(nn._lazy_index.get(1), RepeatedIndex)
    query = rows[1001:1002].copy()
    assert nn.kneighbors(query)[1] == 1001
    rows[1001] ^= 255
    again = knnc.NearestNeighbors(n_neighbors=1).fit(rows)
    assert again.kneighbors(query)[0] > 0
    queries = query.copy()
    assert again.kneighbors(queries)[0] > 0
    queries[:] = rows[1001]
    assert again.kneighbors(queries)[0] == 0
    assert nn.kneighbors(query)[1] == 1001, "the first index is over rows of its own"


def test_metric_algorithm_and_dtype_make_other_indexes() -> None:
    made = set()
    for options in ({}, {"metric": "manhattan"}, {"algorithm": "brute"}):
        for X in (ROWS, ROWS / np.float32(7), ROWS / np.float64(7)):
            fits = [knnc.NearestNeighbors(**options).fit(X) for _ in range(3)]
            first, second, third = (id(nn._lazy_index.get(1)) for nn in fits)
            assert first != second == third
            made.add(third)
            fits_kept.append(fits)
    assert len(made) == 9
    fits_kept.clear()


fits_kept: list[Any] = []  # so that no index takes the place of another


def test_small_rows_limits_and_memory_maps_keep_nothing(tmp_path: Any) -> None:
    np.save(tmp_path / "rows.npy", ROWS)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    for _ in range(3):
        knnc.NearestNeighbors().fit(ROWS[:1_000])
        knnc.NearestNeighbors().fit(mapped)
        with knnc.config_context(max_memory=1 << 40):
            knnc.NearestNeighbors().fit(ROWS)
        with sklearn.config_context(working_memory=0):
            knnc.NearestNeighbors().fit(ROWS)
    assert repeats.nbytes == 0


def test_working_memory_bounds_what_is_kept() -> None:
    with sklearn.config_context(working_memory=3):
        for shift in range(8):
            for _ in range(2):
                nn = knnc.NearestNeighbors().fit(ROWS ^ shift)
                nn.kneighbors(ROWS[:500])
            assert 0 < repeats.nbytes < 3 << 20
        first, last = (knnc.NearestNeighbors().fit(ROWS ^ shift) for shift in (0, 7))
    assert last._lazy_index.get(1) is nn._lazy_index.get(1)
    assert first.kneighbors(ROWS[:5])[0].shape == (5, 5)


def test_time_ends_it() -> None:
    some = Repeats(seconds=0.3)
    for _ in range(2):
        index = some.index(ROWS, "sqeuclidean", "auto", 1)
    assert some.index(ROWS, "sqeuclidean", "auto", 1) is index
    assert some.nbytes > ROWS.nbytes
    deadline = time.monotonic() + 30
    while some.nbytes and time.monotonic() < deadline:
        time.sleep(0.05)
    assert some.nbytes == 0


def test_nothing_is_kept_without_a_thread_that_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python raises RuntimeError if there is no memory for a thread: a fit takes no harm of it."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    some = Repeats(seconds=0.3)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        for _ in range(3):
            index = some.index(ROWS, "sqeuclidean", "auto", 1)
            assert some.nbytes == 0
            assert (index.search(ROWS[:5], 1, n_threads=1)[1][:, 0] == range(5)).all()
    for _ in range(2):
        some.index(ROWS, "sqeuclidean", "auto", 1)
    assert some.nbytes > ROWS.nbytes
    some.forget()


def test_a_failed_search_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        nn = knnc.NearestNeighbors(n_neighbors=4).fit(ROWS)
    for k in (0, len(ROWS) + 1):
        with pytest.raises(ValueError, match="n_neighbors"):
            nn.kneighbors(ROWS[:5], k)
    with monkeypatch.context() as patch:

        def stopped(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(Index, "search", stopped)
        with pytest.raises(KeyboardInterrupt):
            nn.kneighbors(ROWS[:5])
    assert (nn.kneighbors(ROWS[:5])[1][:, 0] == range(5)).all()
    assert nn.kneighbors(ROWS[:5], len(ROWS))[0].shape == (5, len(ROWS))


def test_threads_share_it() -> None:
    expected = knnc.NearestNeighbors().fit(ROWS).kneighbors(ROWS[:500])[1]

    def fit_and_search() -> Any:
        found = [
            knnc.NearestNeighbors().fit(ROWS.copy()).kneighbors(ROWS[:500])[1] for _ in range(3)
        ]
        return np.array(found)

    answers = at_once([fit_and_search] * 4)
    assert len(answers) == 4
    for answer in answers:
        np.testing.assert_array_equal(answer, [expected] * 3)


def _kept_in_child(queue: Any) -> None:
    before = repeats.nbytes
    for _ in range(3):
        nn = knnc.NearestNeighbors(n_jobs=1).fit(ROWS)
    queue.put((before, repeats.nbytes, nn.kneighbors(ROWS[:3])[1][:, 0].tolist()))


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="processes are not forked here"
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_begins_anew() -> None:
    for _ in range(2):
        knnc.NearestNeighbors(n_jobs=1).fit(ROWS)
    assert repeats.nbytes
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_kept_in_child, args=(queue,))
    child.start()
    before, after, nearest = queue.get(timeout=60)
    child.join()
    assert before == 0
    assert after > ROWS.nbytes
    assert nearest == [0, 1, 2]


def test_same() -> None:
    a = np.arange(700_001, dtype=np.uint8)
    b = a.copy()
    assert same(a, b)
    assert same(None, None)
    assert not same(a, None)
    assert not same(a, a.reshape(1, -1))
    assert not same(a, a.view(np.int8))
    b[-1] ^= 1
    assert not same(a, b)
    zeros = np.zeros(3)
    assert not same(zeros, -zeros), "bytes are compared, not numbers"
