"""Every kernel compiled in, forced by name, against the oracle: one body of tests for all.

The shapes straddle whatever a kernel may block by: features by 4, 32 or 64, rows by 16 to 64,
queries by 4 to 12, and the widths where 32-bit sums come to their end (32,768, 32,897 and 33,025
features with a sign, 66,051 without).
"""

from __future__ import annotations

import sys
from functools import cache
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knnc.engine.index import Index
from tests.engine.support import (
    PALETTES,
    THREADS,
    Answer,
    Bytes,
    algorithms_of,
    assert_exact,
    assert_same,
    draw,
    known_answer,
    metric_of,
    run_child,
)
from tests.oracle import oracle_kneighbors

WIDTHS = [*range(1, 71), 127, 128, 129, 255, 256, 257, 784]
WIDE = [8_192, 16_384, 32_767, 32_768, 32_769, 32_896, 32_897, 33_024, 33_025, 33_026]
VERY_WIDE = [40_000, 65_536, 66_051, 66_052, 150_528]
COUNTS = [*range(1, 71), 95, 96, 97, 127, 128, 129, 191, 192, 193, 255, 256, 257]


@pytest.mark.parametrize("d", WIDTHS)
def test_every_width(kernel: str, d: int) -> None:
    metric = metric_of(kernel)
    for palette in ("uniform", "extremes", "few"):
        rows, queries = draw(1, 131, d, palette), draw(2, 13, d, palette)
        index = Index(rows, metric, algorithm="brute", kernel=kernel)
        assert index.kernel == kernel
        assert_exact(index, rows, queries, 9, metric)


@cache
def _wide(metric: str, d: int) -> tuple[Bytes, Bytes, Answer, Answer]:
    """Rows, queries, and the answers with every row in them: for the queries, leaving one out."""
    extremes = np.repeat(np.array([[0], [255], [128], [127], [255], [0]], np.uint8), d, axis=1)
    rows = np.concatenate([draw(1, 9, d), extremes, draw(2, 5, d, "extremes")])
    queries = np.concatenate([extremes[:5], draw(3, 2, d), draw(4, 1, d, "sign bit")])
    n = len(rows)
    answer = oracle_kneighbors(rows, queries, n, metric)
    return rows, queries, answer, oracle_kneighbors(rows, None, n - 1, metric)


@pytest.mark.parametrize("d", WIDE + VERY_WIDE)
def test_widths_where_32_bit_sums_end(kernel: str, d: int) -> None:
    rows, queries, (dist, ind), left_out = _wide(metric_of(kernel), d)
    index = Index(rows, metric_of(kernel), algorithm="brute", kernel=kernel)
    for k in (1, 3, len(rows)):  # with k = n the largest distance of all is an answer too
        assert_same(index.search(queries, k, n_threads=2), (dist[:, :k], ind[:, :k]), f"{k=}")
    assert_same(index.search(queries[:1], 2, n_threads=3), (dist[:1, :2], ind[:1, :2]))
    assert_same(index.search(None, len(rows) - 1, n_threads=2), left_out)


@pytest.mark.parametrize("d", [784, 33_025, 40_000])
@pytest.mark.parametrize(("row", "query"), [(0, 0), (0, 255), (255, 0), (255, 255), (128, 255)])
def test_nothing_but_one_value(kernel: str, d: int, row: int, query: int) -> None:
    metric = metric_of(kernel)
    rows, queries = np.full((50, d), row, np.uint8), np.full((3, d), query, np.uint8)
    dist, ind = Index(rows, metric, algorithm="brute", kernel=kernel).search(
        queries, 50, n_threads=2
    )
    diff = abs(row - query)
    expected = {
        "sqeuclidean": d * diff**2,
        "manhattan": d * diff,
        "chebyshev": diff,
        "hamming": d * (diff != 0),
    }
    np.testing.assert_array_equal(dist, np.full((3, 50), expected[metric]))
    np.testing.assert_array_equal(ind, np.tile(np.arange(50), (3, 1)))


def test_every_number_of_rows(kernel: str) -> None:
    metric = metric_of(kernel)
    for n in [*COUNTS, 1023, 1024, 1025, 4095, 4096, 4097]:
        rows, queries = draw(5, n, 6, "few"), draw(6, 5, 6, "few")
        index = Index(rows, metric, algorithm="brute", kernel=kernel)
        for k in sorted({1, min(n, 5), n}):
            assert_exact(index, rows, queries, k, metric)


def test_every_number_of_queries(kernel: str) -> None:
    metric = metric_of(kernel)
    rows, queries = draw(7, 100, 10, "few"), draw(8, max(COUNTS), 10, "few")
    index = Index(rows, metric, algorithm="brute", kernel=kernel)
    expected = oracle_kneighbors(rows, queries, 4, metric)
    for q in COUNTS:
        answer = index.search(queries[:q], 4, n_threads=2)
        assert_same(answer, (expected[0][:q], expected[1][:q]), f"{q=}")


@pytest.mark.parametrize("d", [3, 64, 130, 784])
@pytest.mark.parametrize("palette", PALETTES)
def test_palettes(kernel: str, palette: str, d: int) -> None:
    metric = metric_of(kernel)
    rows = draw(9, 700, d, palette)
    queries = np.concatenate([rows[690:], draw(10, 6, d), draw(11, 6, d, "sign bit")])
    index = Index(rows, metric, algorithm="brute", kernel=kernel)
    for k in (1, 20):
        assert_exact(index, rows, queries, k, metric)


@pytest.mark.parametrize("order", ["nearer and nearer", "farther and farther"])
def test_sorted_rows_fill_the_heap_in_the_worst_order(kernel: str, order: str) -> None:
    metric = metric_of(kernel)
    rows = draw(12, 2000, 9)
    rows = rows[np.argsort(rows.sum(axis=1, dtype=np.int64), kind="stable")]
    rows = np.ascontiguousarray(rows[::-1]) if order == "nearer and nearer" else rows
    index = Index(rows, metric, algorithm="brute", kernel=kernel)
    for k in (1, 2, 100, 1999, 2000):
        assert_exact(index, rows, np.zeros((4, 9), np.uint8), k, metric)


@pytest.mark.parametrize("palette", ["few", "uniform", "duplicates"])
def test_the_first_j_of_k_are_the_j_of_j(kernel: str, palette: str) -> None:
    metric = metric_of(kernel)
    rows, queries = draw(13, 211, 5, palette), draw(14, 17, 5, palette)
    index = Index(rows, metric, algorithm="brute", kernel=kernel)
    dist, ind = oracle_kneighbors(rows, queries, 211, metric)
    for j in range(1, 212):
        assert_same(index.search(queries, j, n_threads=2), (dist[:, :j], ind[:, :j]), f"{j=}")


@pytest.mark.parametrize(
    ("n", "d", "k"), [(6_000, 37, 10), (400, 784, 5), (5_003, 40, 1_000), (8, 70, 8)]
)
def test_any_threads_and_any_batch_size(kernel: str, n: int, d: int, k: int) -> None:
    """Batches of 60 and 16 are enough work for several threads; smaller ones run on one."""
    metric = metric_of(kernel)
    rows_of, queries_of = (15, n, d, "few"), (16, 60, d, "few")
    queries = draw(*queries_of)
    index = Index(draw(*rows_of), metric, algorithm="brute", kernel=kernel)
    dist, ind = known_answer(metric, k, rows_of, queries_of)
    for n_threads, size in (*product(THREADS, (60, 16)), (2, 1), (2, 7)):
        for start in range(0, 60, size):
            part = slice(start, start + size)
            answer = index.search(queries[part], k, n_threads=n_threads)
            assert_same(answer, (dist[part], ind[part]), f"{n_threads=} {part}")


@pytest.mark.parametrize("palette", ["few", "zeros", "uniform"])
def test_few_queries_on_many_rows(kernel: str, palette: str) -> None:
    """The rows are then what is split, and the parts merged: ties sit on both sides of a seam.

    There are just enough rows for one query to be worth several threads.
    """
    metric, n = metric_of(kernel), 42_003
    rows_of, queries_of = (17, n, 80, palette), (18, 3, 80, palette)
    queries = draw(*queries_of)
    index = Index(draw(*rows_of), metric, algorithm="brute", kernel=kernel)
    dist, ind = known_answer(metric, n, rows_of, queries_of)
    for n_threads in (1, 2, 7):
        for q, k in ((1, 1), (1, 3000), (2, 11), (3, 1), (3, n)):
            answer = index.search(queries[:q], k, n_threads=n_threads)
            assert_same(answer, (dist[:q, :k], ind[:q, :k]), f"{q=} {k=} {n_threads=}")


@pytest.mark.parametrize("n", [1, 2, 17, 65, 300])
def test_many_queries_on_few_rows(kernel: str, n: int) -> None:
    metric = metric_of(kernel)
    rows_of, queries_of, k = (19, n, 60, "few"), (20, 2_003, 60, "few"), min(n, 70)
    queries = draw(*queries_of)
    index = Index(draw(*rows_of), metric, algorithm="brute", kernel=kernel)
    expected = known_answer(metric, k, rows_of, queries_of)
    for n_threads in THREADS:
        assert_same(index.search(queries, k, n_threads=n_threads), expected, f"{n_threads=}")


def _slow(index: Index) -> Index:
    """The index, which takes the machine for a slow one: chunks and steps are small at first."""
    index._prepared.packed(1).pace = 1.0
    return index


@pytest.mark.parametrize("n_threads", [1, 3])
def test_work_that_takes_many_chunks(kernel: str, n_threads: int) -> None:
    """The same forty queries over and over, in chunks that do not divide by forty.

    The first chunk of a slow machine has at most 1,536 queries a thread.
    """
    metric = metric_of(kernel)
    rows_of, queries_of = (24, 300, 64, "few"), (25, 40, 64, "few")
    index = _slow(Index(draw(*rows_of), metric, algorithm="brute", kernel=kernel))
    dist, ind = (np.tile(part, (150, 1)) for part in known_answer(metric, 9, rows_of, queries_of))
    answer = index.search(np.tile(draw(*queries_of), (150, 1)), 9, n_threads=n_threads)
    assert_same(answer, (dist, ind))


@pytest.mark.parametrize("n_threads", [1, 3])
def test_few_queries_whose_rows_take_many_steps(kernel: str, n_threads: int) -> None:
    """The first step of a slow machine is one panel, and each is at most eight times the last."""
    metric = metric_of(kernel)
    rows_of, queries_of = (26, 400, 900, "few"), (27, 12, 900, "few")
    queries = draw(*queries_of)
    # Each row twenty times, copy c of row r as row 400 c + r: the index decides every answer.
    rows = np.tile(draw(*rows_of), (20, 1))
    index = _slow(Index(rows, metric, algorithm="brute", kernel=kernel))
    dist, ind = known_answer(metric, 400, rows_of, queries_of)
    copies = ind[:, :, np.newaxis] + 400 * np.arange(20)
    pairs = np.repeat(dist, 20, axis=1), copies.reshape(len(queries), -1)
    order = np.lexsort((pairs[1], pairs[0]), axis=1)[:, :50]
    expected = tuple(np.take_along_axis(part, order, axis=1) for part in pairs)
    assert_same(index.search(queries, 50, n_threads=n_threads), (expected[0], expected[1]))


@pytest.mark.parametrize("palette", ["duplicates", "zeros", "few", "uniform"])
@pytest.mark.parametrize(("n", "d"), [(2, 3), (49, 5), (300, 64), (120, 784)])
def test_leave_one_out_is_by_index(kernel: str, palette: str, n: int, d: int) -> None:
    metric = metric_of(kernel)
    index = Index(draw(21, n, d, palette), metric, algorithm="brute", kernel=kernel)
    dist, ind = known_answer(metric, n - 1, (21, n, d, palette), None)
    few = min(7, n - 1)
    for k, n_threads in [*((few, n) for n in THREADS), (1, 3), (n - 1, 2)]:
        answer = index.search(None, k, n_threads=n_threads)
        assert_same(answer, (dist[:, :k], ind[:, :k]), f"{k=} {n_threads=}")
        assert not np.any(answer[1] == np.arange(n)[:, np.newaxis])


def _at_offset(values: Bytes, offset: int) -> Bytes:
    """A C-contiguous copy that starts ``offset`` bytes into its memory."""
    room = np.zeros(values.size + 128, dtype=np.uint8)
    start = -room.ctypes.data % 64 + offset
    view = room[start : start + values.size].reshape(values.shape)
    view[:] = values
    return view


@pytest.mark.parametrize("offset", [0, 1, 4, 16, 33, 63])
def test_memory_at_any_address(kernel: str, offset: int) -> None:
    metric = metric_of(kernel)
    rows = _at_offset(draw(22, 150, 67), offset)
    queries = _at_offset(draw(23, 14, 67), 63 - offset)
    assert_exact(Index(rows, metric, algorithm="brute", kernel=kernel), rows, queries, 6, metric)


@pytest.fixture(scope="module")
def searches_at_the_end() -> dict[str, int]:
    """How many searches of each kernel, in one child: what it imports takes longer than a kernel.

    A child that is killed fails the tests of all kernels, and says at which it was.
    """
    if sys.platform == "win32":
        pytest.skip("mprotect is not a function of Windows")
    searches: dict[str, int] = run_child("search_at_the_end_of_memory", module="kernel_children")
    return searches


def test_nothing_is_read_past_the_end(kernel: str, searches_at_the_end: dict[str, int]) -> None:
    """In a child, rows and queries end at a page that may not be touched."""
    assert searches_at_the_end[kernel] > 80


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 400),
    d=st.one_of(st.integers(1, 70), st.sampled_from([255, 256, 257, 784])),
    q=st.integers(1, 40),
    palettes=st.tuples(st.sampled_from(list(PALETTES)), st.sampled_from(list(PALETTES))),
    from_rows=st.booleans(),
    n_threads=st.sampled_from(THREADS),
    data=st.data(),
)
def test_hypothesis(
    kernel: str,
    seed: int,
    n: int,
    d: int,
    q: int,
    palettes: tuple[str, str],
    from_rows: bool,
    n_threads: int,
    data: st.DataObject,
) -> None:
    metric = metric_of(kernel)
    rows, queries = draw(seed, n, d, palettes[0]), draw(seed + 1, q, d, palettes[1])
    if from_rows:  # half of the queries are rows, so that zero distances occur
        queries[::2] = rows[np.arange(len(queries[::2])) % n]
    algorithm = data.draw(st.sampled_from(algorithms_of(metric)), label="algorithm")
    index = Index(rows, metric, algorithm=algorithm, kernel=kernel)
    k = data.draw(st.one_of(st.integers(1, n), st.integers(1, min(n, 10))), label="k")
    assert_exact(index, rows, queries, k, metric, n_threads)
    if 1 < n <= 120:
        assert_exact(index, rows, None, min(k, n - 1), metric, n_threads)
