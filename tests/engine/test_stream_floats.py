"""Float rows of a memory map that are larger than the limit: read a chunk at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import knnc
from knnc.engine.index import Index
from knnc.engine.scan import streamed
from knnc.engine.scan.brute import NO_SELF
from knnc.engine.scan.streamed_floats import StreamedFloats
from knnc.engine.system.progress import progress
from tests.engine.support import METRICS, assert_same
from tests.float_oracle import float_table, nearest, within

SHAPE = (700, 20)
MAX_MEMORY = 1 << 15
ALL_METRICS = (*METRICS, "cosine")


def mapped_rows(folder: Path, dtype: Any) -> Any:
    random = np.random.default_rng(5)
    rows = random.normal(size=SHAPE).astype(dtype)
    rows[400:460] = rows[:60]  # ties between chunks
    np.save(folder / "rows.npy", rows)
    return np.load(folder / "rows.npy", mmap_mode="r")


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamed, "FEWEST_BYTES", 1 << 14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: Any) -> None:
    """For more queries than a chunk has rows, whatever their dtype."""
    rows = mapped_rows(tmp_path, np.float32)
    queries = np.random.default_rng(2).normal(size=(2_000, SHAPE[1])).astype(dtype)
    read: list[tuple[int, int]] = []
    whole = StreamedFloats._read

    def counted(self: StreamedFloats, first: int, last: int) -> Any:
        read.append((first, last))
        return whole(self, first, last)

    monkeypatch.setattr(StreamedFloats, "_read", counted)
    index = Index(rows, "chebyshev", max_memory=MAX_MEMORY)
    for search in (lambda: index.search(queries, 3), lambda: index.within(queries, 0)):
        read.clear()
        search()
        assert len(read) > 1
        assert sum(last - first for first, last in read) == SHAPE[0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("metric", ALL_METRICS)
@pytest.mark.parametrize("n_threads", [1, 3])
def test_answers(tmp_path: Path, dtype: Any, metric: str, n_threads: int) -> None:
    rows = mapped_rows(tmp_path, dtype)
    index = Index(rows, metric, max_memory=MAX_MEMORY)
    assert index.is_streamed
    assert index.scan()[0] == "streamed"
    own = np.asarray(rows, np.float64)
    queries = own[::14] + np.random.default_rng(1).normal(size=(50, SHAPE[1])) / 9
    for asked, leave_out in ((queries, False), (own, True)):
        table = float_table(rows, asked, metric)
        given = None if leave_out else asked
        for k in (1, 30, SHAPE[0] - 1):
            got = index.search(given, k, n_threads=n_threads)
            assert_same(got, nearest(table, k, leave_out=leave_out), f"{k=}")
        limit = int(np.quantile(table, 0.02))
        for sort in (False, True):
            found = index.within(given, limit, n_threads=n_threads, sort=sort)
            expected = within(table, limit, sort=sort, leave_out=leave_out)
            for part, right in zip(found, expected, strict=True):
                np.testing.assert_array_equal(part, right)
        _, none, ind = index.within(given, limit, return_distance=False)
        assert none is None
        np.testing.assert_array_equal(ind, within(table, limit, leave_out=leave_out)[2])


def test_chunks_of_one_row(tmp_path: Path) -> None:
    """A row is no neighbour of its own, and then its chunk has none for it."""
    rows = mapped_rows(tmp_path, np.float32)[:40]
    scan = StreamedFloats(rows, "sqeuclidean", 1)
    scan.chunk_rows = 1
    own = np.asarray(rows, np.float64)
    expected = nearest(float_table(rows, own, "sqeuclidean"), 5, leave_out=True)
    assert_same(scan.search(own, 5, 2, 0, None), expected)
    assert scan.search(own[:0], 5, 2, NO_SELF, None)[0].shape == (0, 5)


def test_what_is_not_streamed(tmp_path: Path) -> None:
    rows = mapped_rows(tmp_path, np.float32)
    assert not Index(rows).is_streamed, "there is room"
    assert not Index(np.array(rows), max_memory=0).is_streamed, "they are in memory already"
    narrow = np.ascontiguousarray(rows[:, :3])
    assert Index(narrow).scan()[0] == "tree"
    assert Index(narrow, max_memory=1_000).scan()[0] == "brute", "no room for the tree"


def test_codes_need_room(tmp_path: Path) -> None:
    """Beyond the limit there are none, however many queries come; "pruned" insists on them."""
    random = np.random.default_rng(2)
    np.save(tmp_path / "rows.npy", random.normal(size=(6_000, 64)).astype(np.float32))
    rows = np.load(tmp_path / "rows.npy", mmap_mode="r")
    queries = random.normal(size=(600, 64))
    table = float_table(rows, queries[:20], "sqeuclidean")
    for options, is_pruned in (
        ({"max_memory": 1 << 19}, False),
        ({"max_memory": 1 << 19, "algorithm": "pruned"}, True),
        ({}, True),
    ):
        index = Index(rows, n_threads=2, policy=_always(), **options)
        index.search(queries, 3, n_threads=2)
        assert index.is_pruned == is_pruned
        assert_same(index.search(queries[:20], 3, n_threads=2), nearest(table, 3))


def _always() -> Any:
    from dataclasses import replace

    from knnc.engine.auto import Policy

    return replace(Policy(), late_float_pairs=0, trial=lambda *_: True)


def test_progress(tmp_path: Path) -> None:
    index = Index(mapped_rows(tmp_path, np.float32), max_memory=MAX_MEMORY)
    said: list[int] = []
    with progress(lambda done, total: said.append(done)):
        index.search(None, 3)
    assert said == sorted(said)
    assert said[-1] == SHAPE[0]
    assert len(said) > 2


def test_estimators(tmp_path: Path) -> None:
    """What is in memory is read from a file instead, with the same answers."""
    rows = mapped_rows(tmp_path, np.float64)
    labels = np.arange(SHAPE[0]) % 3
    expected = knnc.KNeighborsClassifier().fit(np.array(rows), labels)
    with knnc.config_context(max_memory=MAX_MEMORY):
        mapped = knnc.KNeighborsClassifier().fit(rows, labels)
    assert mapped.engine_ == "float"
    assert mapped._lazy_index.get(1).is_streamed
    assert np.shares_memory(mapped._rows, rows)
    queries = np.array(rows[::7]) + 0.01
    np.testing.assert_array_equal(mapped.predict(queries), expected.predict(queries))
    for got, right in zip(mapped.kneighbors(), expected.kneighbors(), strict=True):
        np.testing.assert_array_equal(got, right)
    mask = np.arange(SHAPE[0]) % 4 == 1
    for got, right in zip(
        mapped.kneighbors(queries, row_mask=mask),
        expected.kneighbors(queries, row_mask=mask),
        strict=True,
    ):
        np.testing.assert_array_equal(got, right)
