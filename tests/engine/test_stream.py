"""Rows that are packed on the way of each search: the same answers, whatever the chunks."""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from knnc.engine.auto import Policy
from knnc.engine.codes.coding import Coding
from knnc.engine.index import Index
from knnc.engine.packed import PackedRows, nbytes_for
from knnc.engine.scan import streamed as stream
from knnc.engine.scan.brute import NO_SELF
from knnc.engine.scan.streamed import StreamedRows, search_in_blocks
from knnc.engine.system import memory, pages
from knnc.engine.system.progress import progress
from tests.engine.prune_support import blobs
from tests.engine.support import METRICS, Bytes, assert_same, draw, known_answer, run_child
from tests.oracle import oracle_kneighbors

# Codes of few rows fit into a small memory only if they are learnt from few.
SMALL_SAMPLE = Policy(coding=Coding(sample_bytes=1 << 18))


@pytest.fixture(autouse=True)
def tiny_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """As small as the limit says, down to a single row."""
    monkeypatch.setattr(stream, "FEWEST_BYTES", 1)


def _limit(rows: Bytes, chunk_rows: int) -> int:
    """A limit of memory with which chunks have so many rows."""
    return stream.CHUNKS_AT_ONCE * chunk_rows * (rows.shape[1] + 8)


def _streamed(rows: Bytes, metric: str, chunk_rows: int) -> StreamedRows:
    streamed = StreamedRows(rows, metric, None, _limit(rows, chunk_rows))
    assert streamed.chunk_rows == chunk_rows
    return streamed


@pytest.mark.parametrize("chunk_rows", [1, 7, 48, 100, 500])
@pytest.mark.parametrize("palette", ["few", "duplicates", "zeros"])
def test_any_chunks_give_the_same_answer(metric: str, palette: str, chunk_rows: int) -> None:
    rows, queries = draw(1, 401, 21, palette), draw(2, 33, 21, palette)
    streamed = _streamed(rows, metric, chunk_rows)
    for k, n_threads in ((1, 3), (12, 1), (12, 3), (400, 1)):
        note = f"{k=} {n_threads=}"
        expected = known_answer(metric, k, (1, 401, 21, palette), (2, 33, 21, palette))
        assert_same(streamed.search(queries, k, n_threads, NO_SELF, None), expected, note)
        expected = known_answer(metric, k, (1, 401, 21, palette), None)
        assert_same(streamed.search(rows, k, n_threads, 0, None), expected, note)
    assert len(streamed.search(queries[:0], 2, 2, NO_SELF, None)[0]) == 0


@pytest.mark.parametrize("metric", METRICS)
def test_features_of_more_than_one_block(metric: str) -> None:
    rows, queries = draw(1, 40, 32_900), draw(2, 5, 32_900)
    rows[:, ::2] = 0
    answer = _streamed(rows, metric, 9).search(queries, 6, 2, NO_SELF, None)
    assert_same(answer, oracle_kneighbors(rows, queries, 6, metric))


def test_columns_that_are_constant_in_some_chunks_only(metric: str) -> None:
    rows, queries = draw(1, 300, 64), draw(2, 20, 64)
    for start in range(0, 300, 50):
        rows[start : start + 50, start // 50 :: 3] = start
    answer = _streamed(rows, metric, 50).search(queries, 9, 2, NO_SELF, None)
    assert_same(answer, oracle_kneighbors(rows, queries, 9, metric))


def test_rows_that_are_not_contiguous(metric: str) -> None:
    wide = draw(1, 200, 34)
    rows, queries = wide[::-2, 4:], draw(2, 20, 30)
    answer = _streamed(rows, metric, 11).search(queries, 9, 2, NO_SELF, None)
    assert_same(answer, oracle_kneighbors(np.ascontiguousarray(rows), queries, 9, metric))


@pytest.mark.parametrize("limit", [-1, 0, 300, 700, 1 << 50])
@pytest.mark.parametrize("sort", [False, True])
def test_all_rows_within_a_distance(metric: str, limit: int, sort: bool) -> None:
    rows, queries = draw(1, 301, 9, "few"), draw(2, 40, 9, "few")
    limit = limit if metric == "sqeuclidean" else limit // 50
    whole, parts = Index(rows, metric), Index(rows, metric, max_memory=_limit(rows, 30))
    assert parts.is_streamed
    for given in (queries, None):
        for return_distance in {True, sort}:
            options = {"return_distance": return_distance, "sort": sort, "n_threads": 2}
            for got, want in zip(
                parts.within(given, limit, **options),
                whole.within(given, limit, **options),
                strict=True,
            ):
                np.testing.assert_array_equal(got, want, strict=True)


@pytest.mark.parametrize("joined", [1, 50, 1 << 18])
@pytest.mark.parametrize("sort", [False, True])
def test_what_is_within_a_distance_in_several_chunks(
    joined: int, sort: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In order whatever is put in order at a time: ties, queries that find nothing, and all."""
    monkeypatch.setattr(stream, "_JOINED", joined)
    rows = draw(1, 301, 4, "few")
    queries = np.vstack([draw(2, 30, 4, "few"), np.full((40, 4), 255, np.uint8), rows[:20]])
    whole, parts = Index(rows), Index(rows, max_memory=_limit(rows, 30))
    for given in (queries, queries[30:70], queries[:0], None):
        for limit in (0, 9, 1 << 20):
            options = {"return_distance": True, "sort": sort, "n_threads": 2}
            found = parts.within(given, limit, **options)
            for got, want in zip(found, whole.within(given, limit, **options), strict=True):
                np.testing.assert_array_equal(got, want, strict=True)


def test_queries_that_are_not_contiguous() -> None:
    """A copy of some at a time: each block leaves its own rows out."""
    rows = draw(1, 200, 34, "few")[::-2, 4:]
    copied = np.ascontiguousarray(rows)
    index, whole = Index(rows, max_memory=_limit(rows, 11)), Index(copied)
    for given, same in ((None, None), (rows, copied)):
        calls: list[tuple[int, int]] = []
        with progress(lambda *call, calls=calls: calls.append(call)):
            answer = index.search(given, 9, n_threads=2)
        assert_same(answer, oracle_kneighbors(copied, same, 9, "sqeuclidean"))
        assert calls[-1] == (len(rows), len(rows))
        assert calls == sorted(set(calls))
        for sort in (False, True):
            for got, want in zip(
                index.within(given, 3000, sort=sort),
                whole.within(same, 3000, sort=sort),
                strict=True,
            ):
                np.testing.assert_array_equal(got, want, strict=True)


def test_signals_are_heard_while_neighbours_are_put_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At most so many of them, or those of one query, between two."""
    rows = draw(1, 3000, 4)
    index = Index(rows, max_memory=_limit(rows, 200))
    monkeypatch.setattr(stream, "_JOINED", 5000)
    order, asked = stream._order, []

    def interrupted(parts: object, first: int, last: int, sort: bool) -> object:
        asked.append(last - first)
        if len(asked) == 3:
            signal.raise_signal(signal.SIGINT)
        return order(parts, first, last, sort)  # type: ignore[arg-type]

    monkeypatch.setattr(stream, "_order", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            index.within(rows[:20], 1 << 20, sort=True)
    finally:
        signal.signal(signal.SIGINT, before)
    assert asked == [1, 1, 1]


def test_memory_of_what_is_within_a_distance() -> None:
    """That of the result and of one chunk's share of it; it was four times the result."""
    report = run_child("within_in_chunks", 30_000, module="peaks")
    if report["peak"] is None:
        pytest.skip("the system does not tell the peak of memory")
    print(f"\n{report['peak'] / report['result']:.2f} times the result")
    assert report["peak"] < 1.8 * report["result"]


def test_some_of_the_rows(metric: str) -> None:
    rows, where = draw(1, 300, 9, "few"), np.flatnonzero(draw(3, 300, 1)[:, 0] > 99)
    part = _streamed(rows, metric, 17).among(where)
    among = np.ascontiguousarray(rows[where])
    answer = part.search(rows, 4, 2, NO_SELF, None)
    assert_same(answer, oracle_kneighbors(among, rows, 4, metric))
    answer = search_in_blocks(part, rows, where, 4, 2, are_part=True, progress=None)
    assert_same(answer, oracle_kneighbors(among, None, 4, metric))


def test_an_index_streams_what_is_larger_than_its_limit() -> None:
    rows = draw(1, 500, 20)
    packed = nbytes_for("sqeuclidean", None, *rows.shape)
    assert not Index(rows).is_streamed
    assert not Index(rows, max_memory=packed).is_streamed
    index = Index(rows, max_memory=packed - 1)
    assert index.is_streamed
    assert index.nbytes_packed == 0
    assert_same(index.search(rows, 3), oracle_kneighbors(rows, rows, 3, "sqeuclidean"))
    with memory.config_context(max_memory=100):
        assert Index(rows).is_streamed
        assert not Index(rows, max_memory=packed).is_streamed


@pytest.mark.parametrize("n_features", [1, 5, 64, 784, 40_000])
def test_what_rows_take_when_they_are_packed(metric: str, n_features: int) -> None:
    """Of narrow rows several times their bytes, for each has a term and fills a step."""
    rows = draw(5, 99, n_features)
    packed = PackedRows(rows, metric, None, 1)
    assert nbytes_for(metric, None, *rows.shape) == packed.nbytes
    index = Index(rows, metric, max_memory=packed.nbytes - 1)
    assert index.is_streamed


def test_codes_and_packed_rows_are_limited_together() -> None:
    """Beside the codes there is no room for the rows: what codes are no good for is streamed."""
    rows = blobs(12_000, 1_024, 20, 6)
    limit = nbytes_for("sqeuclidean", None, *rows.shape)
    at_once = replace(SMALL_SAMPLE, wide_queries=0)
    index, whole = Index(rows, max_memory=limit, policy=at_once), Index(rows, policy=at_once)
    assert index.is_pruned
    assert whole.is_pruned
    many = 600  # which codes are no good for
    for found, expected in zip(
        index.search(rows[:9], many), whole.search(rows[:9], many), strict=True
    ):
        np.testing.assert_array_equal(found, expected)
    assert index.nbytes_packed <= limit < whole.nbytes_packed


@pytest.mark.parametrize("metric", ["sqeuclidean", "manhattan"])
def test_codes_in_memory_and_rows_elsewhere(metric: str, tmp_path: Path) -> None:
    """Few neighbours by the codes, many by all rows; and "auto" where the codes are small."""
    rng = np.random.default_rng(0)
    centres = rng.integers(0, 256, (30, 1024))
    rows = centres[rng.integers(0, 30, 9000)] + rng.integers(-9, 9, (9000, 1024))
    rows = rows.clip(0, 255).astype(np.uint8)
    rows.tofile(tmp_path / "rows")
    mapped = np.memmap(tmp_path / "rows", np.uint8, "r", shape=rows.shape)
    forced = Index(mapped, metric, algorithm="pruned", max_memory=1 << 20)
    chosen = Index(mapped, metric, max_memory=rows.nbytes - 1, policy=SMALL_SAMPLE)
    too_little = Index(mapped, metric, max_memory=rows.nbytes // 5, policy=SMALL_SAMPLE)
    whole = Index(rows, metric, algorithm="brute")
    assert too_little.is_streamed
    assert not too_little.is_pruned
    for index in (forced, chosen, too_little):
        assert index.is_streamed
        assert index.nbytes_packed < rows.nbytes * 0.6
        for k in (3, 500):
            assert_same(
                index.search(rows[:50], k, n_threads=2), whole.search(rows[:50], k, n_threads=2)
            )
    assert forced.is_pruned
    assert chosen.is_pruned


@pytest.mark.skipif(sys.platform != "linux", reason="what is resident is told by /proc")
def test_of_rows_on_disk_only_those_that_codes_leave_are_read(tmp_path: Path) -> None:
    rows = blobs(40_000, 1_024, 20, 1)
    rows.tofile(tmp_path / "rows")
    mapped = np.memmap(tmp_path / "rows", np.uint8, "r", shape=rows.shape)
    queries = rows[::20_000].copy()
    index = Index(mapped, algorithm="pruned", max_memory=1 << 20, n_threads=2)

    def resident() -> int:
        """Kilobytes of the file in this process's memory."""
        maps = Path("/proc/self/smaps").read_text().split(str(tmp_path / "rows"))[1]
        return int(maps.partition("Rss:")[2].split()[0])

    expected = Index(rows, algorithm="brute").search(queries, 3)
    assert resident() > 35_000
    mapped._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]
    assert resident() < 400
    assert_same(index.search(queries, 3, n_threads=2), expected)
    assert 0 < resident() < 10_000  # a page brings its neighbours along


@pytest.mark.skipif(sys.platform != "linux", reason="Linux's mlock")
def test_pages_that_are_locked_stay_where_they_are(tmp_path: Path) -> None:
    """The system refuses to drop them; the search goes on."""
    rows = draw(1, 3_000, 64)
    rows.tofile(tmp_path / "rows")
    mapped = np.memmap(tmp_path / "rows", np.uint8, "r", shape=rows.shape)
    place = ctypes.c_void_p(mapped.ctypes.data), ctypes.c_size_t(mapped.nbytes)
    if ctypes.CDLL(None, use_errno=True).mlock(*place) != 0:
        pytest.skip(os.strerror(ctypes.get_errno()))
    index = Index(mapped, max_memory=_limit(rows, 500))
    assert_same(index.search(rows[:9], 3), oracle_kneighbors(rows, rows[:9], 3, "sqeuclidean"))


@pytest.mark.parametrize("n_queries", [1, 90])
def test_progress(n_queries: int) -> None:
    rows = draw(1, 300, 9)
    index = Index(rows, max_memory=_limit(rows, 10))
    for search in (
        lambda: index.search(rows[:n_queries], 2, n_threads=2),
        lambda: index.within(rows[:n_queries], 99, n_threads=2),
    ):
        calls: list[tuple[int, int]] = []
        with progress(lambda *call, calls=calls: calls.append(call)):
            search()
        assert calls[-1] == (n_queries, n_queries)
        assert calls == sorted(set(calls))
        assert len(calls) >= min(n_queries, 20)


class _DiskError(Exception):
    pass


@pytest.mark.parametrize("failing", ["reader", "callback"])
def test_an_error_ends_the_search_and_its_thread(
    failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = draw(1, 300, 9)
    streamed = _streamed(rows, "sqeuclidean", 10)
    before = set(threading.enumerate())

    def fail(*_: object) -> None:
        raise _DiskError

    pack = streamed._read
    with monkeypatch.context() as patch:
        if failing == "reader":
            patch.setattr(streamed, "_read", lambda first, last: fail() if first else pack(0, last))
        callback = fail if failing == "callback" else None
        with pytest.raises(_DiskError):
            streamed.search(rows, 2, 2, NO_SELF, callback)
    for thread in set(threading.enumerate()) - before:
        thread.join(20)
        assert not thread.is_alive()
    answer = streamed.search(rows, 2, 2, NO_SELF, None)
    assert_same(answer, oracle_kneighbors(rows, rows, 2, "sqeuclidean"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no os.kill(SIGINT)")
def test_ctrl_c_while_a_disk_is_slow() -> None:
    report = run_child("interrupt_slow_disk", module="stream_children")
    print(f"\n{report}")
    assert report["raised"] == "KeyboardInterrupt", report
    assert min(report["latency"]) < 1.0, report
    assert report["exact_after"]


def test_several_threads_search_the_same_rows() -> None:
    rows = draw(1, 900, 30)
    streamed = _streamed(rows, "sqeuclidean", 50)
    answers: list[object] = []

    def search() -> None:
        answers.append(streamed.search(rows, 3, 2, 0, None))

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for answer in answers:
        assert_same(answer, oracle_kneighbors(rows, None, 3, "sqeuclidean"))
    assert len(answers) == 4


# --- where an array lies ---


def test_memory_maps_are_found(tmp_path: Path) -> None:
    draw(1, 100, 50).tofile(tmp_path / "rows")
    assert pages.mapping_of(draw(1, 9, 9)) is None
    for mode, shared in (("r", True), ("r+", True), ("c", False)):
        mapped = np.memmap(tmp_path / "rows", np.uint8, mode, offset=7, shape=(99, 50))
        for view in (mapped, np.asarray(mapped), np.asarray(mapped)[3:9, 2:]):
            found = pages.mapping_of(view)
            assert found is not None
            base, start, known = found
            assert known == shared
            assert base[start] == view[0, 0]
    with open(tmp_path / "rows", "rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    found = pages.mapping_of(np.frombuffer(mapped, np.uint8)[30:])
    assert found is not None
    assert found[1:] == (30, False)


def test_private_changes_of_a_map_are_not_dropped(tmp_path: Path) -> None:
    rows = draw(1, 5000, 8)
    rows.tofile(tmp_path / "rows")
    for mode in ("c", "r+"):
        mapped = np.memmap(tmp_path / "rows", np.uint8, mode, shape=rows.shape)
        mapped[::7] = 9
        rows[::7] = 9
        answer = Index(mapped, max_memory=0).search(rows[:20], 3)
        assert_same(answer, oracle_kneighbors(rows, rows[:20], 3, "sqeuclidean"))
        np.testing.assert_array_equal(mapped, rows)


# --- the setting ---


def test_the_limit_in_force() -> None:
    assert memory.get_config() == {"max_memory": None}
    with memory.config_context(max_memory=np.int64(5)):
        assert memory.get_config() == {"max_memory": 5}
        with memory.config_context(max_memory=7):
            assert memory.get_config() == {"max_memory": 7}
        assert memory.get_config() == {"max_memory": 5}
    try:
        memory.set_config(max_memory=9)
        with memory.config_context(max_memory=None):
            assert memory.get_config() == {"max_memory": 9}
    finally:
        memory.set_config(max_memory=None)
    assert memory.get_config() == {"max_memory": None}


@pytest.mark.parametrize(
    ("limit", "error"), [(-1, ValueError), (1.5, TypeError), ("1GB", TypeError), (True, TypeError)]
)
def test_limits_that_are_none(limit: object, error: type[Exception]) -> None:
    for use in (
        lambda: memory.config_context(max_memory=limit).__enter__(),
        lambda: memory.set_config(max_memory=limit),
        lambda: Index(draw(1, 9, 9), max_memory=limit),
    ):
        with pytest.raises(error, match="max_memory must"):
            use()
