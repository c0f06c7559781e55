"""The pruned search gives the bits of brute force: data made to break its bounds, and real data.

Every case runs on every kernel, on 1, 2 and 3 threads, in one batch and one query at a time, and
against itself with each row left out. `CASES` says what each of them is meant to break.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knnc.engine import index as index_module
from knnc.engine import summaries
from knnc.engine.index import Index
from knnc.engine.progress import progress
from knnc.engine.prune import row_order
from tests.engine.support import (
    PALETTES,
    Answer,
    Bytes,
    assert_exact,
    assert_same,
    draw,
    metric_of,
)
from tests.oracle import oracle_kneighbors

THREADS = (1, 2, 3)
IMAGES = ("mnist", "fashion_mnist")
Case = tuple[Bytes, Bytes]


def pruned(rows: Bytes, metric: str, kernel: str | None = None, n_threads: int = 2) -> Index:
    """The index under test."""
    index = Index(rows, metric, algorithm="pruned", kernel=kernel, n_threads=n_threads)
    assert index.is_pruned
    return index


# --- rows and queries made to break bounds ---


def _pixels(values: npt.NDArray[Any]) -> Bytes:
    return np.ascontiguousarray(np.clip(np.rint(values), 0, 255), dtype=np.uint8)


def _near(rows: Bytes, n: int, seed: int) -> Bytes:
    """Rows with a few features changed: near one row, and as near to its duplicates."""
    rng = np.random.default_rng(seed)
    copies = rows[rng.integers(0, len(rows), size=n)].copy()
    for i, copy in enumerate(copies[n // 3 :]):
        at = rng.integers(0, rows.shape[1], size=1 + i % 4)
        copy[at] = np.clip(copy[at].astype(int) + rng.choice([-1, 1, 40, 255], len(at)), 0, 255)
    return copies


def _unseen(n: int) -> npt.NDArray[np.int64]:
    """Rows that are not in the sample from which codes are learnt."""
    return np.setdiff1d(np.arange(n), summaries.sample_rows(np.arange(n)))  # type: ignore[arg-type]


def _blobs(n: int, d: int, n_blobs: int, seed: int) -> Bytes:
    """Sorted by blob, as data are that come sorted by class."""
    rng = np.random.default_rng(seed)
    centres = rng.integers(40, 216, size=(n_blobs, 1, d))
    plane = rng.standard_normal((6, d)) * 12
    spread = rng.standard_normal((n_blobs, n // n_blobs, 6)) @ plane
    noise = rng.standard_normal((n_blobs, n // n_blobs, d))
    return _pixels((centres + spread + noise).reshape(-1, d))


def _sorted_by_class() -> Case:
    rows = _blobs(6_000, 150, 10, 1)
    return rows, _near(rows, 40, 2)


def _two_far_clusters() -> Case:
    rng = np.random.default_rng(3)
    low = rng.integers(0, 4, size=(900, 100))
    rows = _pixels(np.concatenate([low, 255 - low[::-1]]))
    between = np.full((1, 100), 127, np.uint8)
    return rows, np.concatenate([_near(rows, 16, 4), between, between + 1])


def _outliers() -> Case:
    """Thirty rows that no sample sees, cut off at 127 steps, and queries at them and beyond."""
    rng = np.random.default_rng(5)
    rows = rng.integers(120, 130, size=(5_000, 24)).astype(np.uint8)
    far = _unseen(len(rows))[::29][:30]
    rows[far] = draw(6, len(far), 24, "extremes")
    queries = [rows[far[:8]], 255 - rows[far[8:12]], _near(rows[far], 8, 7), _near(rows, 8, 8)]
    return rows, np.concatenate(queries)


def _one_outlier() -> Case:
    rows = np.full((4_200, 30), 9, np.uint8)
    rows[:, ::2] += draw(9, 4_200, 15, "few")
    rows[_unseen(len(rows))[50]] = 255
    ends = np.repeat(np.array([[255], [254], [200], [0]], np.uint8), 30, axis=1)
    return rows, np.concatenate([ends, _near(rows, 12, 10)])


def _large_coordinates() -> Case:
    """Noise, and one row in a hundred with a few features far off."""
    rng = np.random.default_rng(11)
    rows = rng.integers(0, 6, size=(5_000, 70)).astype(np.uint8)
    for row in _unseen(len(rows))[::18]:
        rows[row, rng.integers(0, 70, size=3)] = rng.integers(128, 256, size=3)
    spiked = rows[rows.max(axis=1) > 100]
    return rows, np.concatenate([_near(rows, 12, 12), spiked[:6], _near(spiked, 14, 13)])


def _duplicates() -> Case:
    """Forty of each of thirty rows, the copies far apart: more ties than neighbours."""
    kinds = draw(14, 30, 110)
    rows = np.tile(kinds, (40, 1))
    return rows, np.concatenate([kinds[:8], _near(rows, 16, 15)])


def _one_dimension() -> Case:
    """Codes that lose nothing, and many rows at the same distance: bounds without room.

    Rows are odd, so that the best distance of an even query is known from the seeds, and every
    row that ties with it is at the limit.
    """
    values = np.repeat(np.arange(1, 256, 2, dtype=np.uint8), 30)  # their mean is 128
    rows = np.random.default_rng(16).permutation(values)[:, np.newaxis]
    return np.ascontiguousarray(rows), np.arange(0, 256, 7, dtype=np.uint8)[:, np.newaxis].copy()


def _steps(sums: npt.NDArray[np.int64], size: int = 8) -> Bytes:
    """As many features for each number, which add up to it and never fall when it grows."""
    parts = (sums[:, :, np.newaxis] + np.arange(size)) // size
    return np.ascontiguousarray(parts.reshape(len(sums), -1), dtype=np.uint8)


def _ladders() -> Case:
    """For Manhattan: sums that are whole steps, but for twelve rows that lose half a step twice.

    They are rounded away from the queries, so that their codes are twice as far as they are; all
    else that is as near comes after them. Their errors count in no panel but the last. The last
    twelve queries are themselves rounded away from half of their nearest rows.
    """
    rng = np.random.default_rng(17)
    at = rng.integers(0, 12, size=(2_880, 3))
    at[:, 0] += (at.sum(axis=1) + 1) % 2  # the sum is odd, that of a query is even
    queries = rng.integers(2, 10, size=(24, 3))
    queries[:, 0] += queries.sum(axis=1) % 2
    sums = 8 * at
    sums[:12] = 8 * queries[:12] + np.array([4, 4, 0])
    between = 8 * (queries[12:] + np.array([1, 0, 0])) + np.array([4, 4, 0])
    return _steps(sums), _steps(np.concatenate([8 * queries, between]))


def _small_ladders() -> Case:
    """The same for fine codes: queries that lose half a step twice, in pairs with no coarse loss.

    Neighbours vary together, so that a coarse group is two of them.
    """
    rng = np.random.default_rng(60)
    at = rng.integers(0, 3, size=(9_000, 6))
    at[:, 1::2] = np.where(rng.random((9_000, 3)) < 0.5, at[:, ::2], at[:, 1::2])
    parity = at.sum(axis=1) % 2
    queries = 4 * at[parity == 0][:30]
    queries[:, :2] = 2, 6  # with 0 and 4, or with 4 and 8, the sum is odd
    queries[:, 2] += 4 * (queries.sum(axis=1) // 4 % 2)
    queries = np.concatenate([queries, queries[:, [2, 3, 0, 1, 4, 5]]])
    return _steps(4 * at[parity == 1][:2_880], 4), _steps(queries, 4)


def _mirrored() -> Case:
    """Features that vary against each other: a sum in which half of them are subtracted."""
    base = draw(18, 1_200, 40, "sign bit")
    rows = np.ascontiguousarray(np.concatenate([base, 255 - base], axis=1))
    return rows, np.concatenate([_near(rows, 16, 19), draw(20, 6, 80, "extremes")])


def _odd_and_even() -> Case:
    """One dimension of 255 steps: even values lose nothing, the few odd ones half a step."""
    rng = np.random.default_rng(17)
    values = 2 * rng.choice(128, size=3_000, p=np.linspace(2, 0, 128) / 128)
    odd = rng.choice(3_000, size=40, replace=False)
    values[odd] += 1
    rows = values.astype(np.uint8)[:, np.newaxis]
    return np.ascontiguousarray(rows), np.arange(0, 256, 5, dtype=np.uint8)[:, np.newaxis].copy()


def _rows_of_one_value() -> Case:
    """Sums that are whole steps: the same for Manhattan, with ties on either side of a query."""
    values = np.random.default_rng(18).integers(0, 256, size=(3_000, 1)).astype(np.uint8)
    queries = np.arange(0, 256, 11, dtype=np.uint8)[:, np.newaxis]
    return np.repeat(values, 64, axis=1), np.repeat(queries, 64, axis=1)


def _one_of_64() -> Case:
    """All but one feature constant: a sum of eight is a byte, and loses up to half a step."""
    rows = np.full((3_000, 64), 50, np.uint8)
    rows[:, 30] = np.random.default_rng(19).integers(0, 256, size=3_000)
    queries = np.full((26, 64), 50, np.uint8)
    queries[:, 30] = np.arange(0, 256, 10)
    return rows, queries


def _all_equal() -> Case:
    rows = np.full((700, 70), 77, np.uint8)
    return rows, np.concatenate([rows[:2], draw(20, 2, 70), np.zeros_like(rows[:1])])


def _black_and_white() -> Case:
    rows = np.zeros((900, 200), np.uint8)
    rows[::3] = 255
    grey = np.repeat(np.array([[127], [128]], np.uint8), 200, axis=1)
    return rows, np.concatenate([rows[:2], grey, draw(21, 3, 200, "extremes")])


def _palette(name: str, n: int, d: int) -> Callable[[], Case]:
    def make() -> Case:
        rows = draw(22, n, d, name)
        return rows, np.concatenate([_near(rows, 12, 23), draw(24, 4, d), draw(25, 4, d, name)])

    return make


CASES: Mapping[str, Callable[[], Case]] = {
    "sorted by class": _sorted_by_class,
    "two far clusters": _two_far_clusters,
    "outliers": _outliers,
    "one outlier": _one_outlier,
    "few large coordinates": _large_coordinates,
    "duplicates": _duplicates,
    "one dimension": _one_dimension,
    "odd and even": _odd_and_even,
    "ladders": _ladders,
    "small ladders": _small_ladders,
    "mirrored": _mirrored,
    "rows of one value": _rows_of_one_value,
    "one feature of 64": _one_of_64,
    "all equal": _all_equal,
    "black and white": _black_and_white,
    "random bytes": _palette("uniform", 2_000, 230),
    "values 0 to 3": _palette("few", 3_000, 40),
    "few of many ties": _palette("few", 3_000, 3),
    "extremes": _palette("extremes", 1_500, 300),
    "constant rows": _palette("constant rows", 1_500, 90),
}
LARGEST_K = 60


@cache
def _case(name: str) -> Case:
    return CASES[name]()


@cache
def _known(name: str, metric: str) -> Answer:
    rows, queries = _case(name)
    return oracle_kneighbors(rows, queries, LARGEST_K, metric)


LEFT_OUT_ROWS = 400


@cache
def _known_left_out(name: str, metric: str) -> Answer:
    return oracle_kneighbors(_some_rows(name), None, 7, metric)


def _some_rows(name: str) -> Bytes:
    rows = _case(name)[0]
    return np.ascontiguousarray(rows[:: -(-len(rows) // LEFT_OUT_ROWS)])


def _check(index: Index, queries: Bytes, known: Answer, ks: tuple[int, ...], each: int) -> None:
    """Whole batches, and every `each`-th query by itself, on any number of threads."""
    dist, ind = known
    for n_threads in THREADS:
        for k in ks:
            answer = index.search(queries, k, n_threads=n_threads)
            assert_same(answer, (dist[:, :k], ind[:, :k]), f"{k=} {n_threads=}")
        for i in range(0, len(queries), each):
            answer = index.search(queries[i : i + 1], ks[1], n_threads=n_threads)
            expected = dist[i : i + 1, : ks[1]], ind[i : i + 1, : ks[1]]
            assert_same(answer, expected, f"query {i} alone, {n_threads=}")


@pytest.mark.parametrize("name", CASES)
def test_cases(kernel: str, name: str) -> None:
    rows, queries = _case(name)
    metric = metric_of(kernel)
    _check(pruned(rows, metric, kernel), queries, _known(name, metric), (1, 5, LARGEST_K), 5)


@pytest.mark.parametrize("name", CASES)
def test_cases_leave_one_out(kernel: str, name: str) -> None:
    metric = metric_of(kernel)
    dist, ind = _known_left_out(name, metric)
    index = pruned(_some_rows(name), metric, kernel)
    for n_threads, k in ((1, 7), (2, 1), (3, 7)):
        answer = index.search(None, k, n_threads=n_threads)
        assert_same(answer, (dist[:, :k], ind[:, :k]), f"{k=} {n_threads=}")


# --- shapes ---


@pytest.mark.parametrize("d", [1, 2, 3, 7, 63, 64, 65, 66, 190, 191, 192, 193, 784])
def test_widths_about_the_number_of_axes(kernel: str, d: int) -> None:
    metric = metric_of(kernel)
    for palette in ("few", "uniform"):
        rows = draw(26, 500, d, palette)
        index = pruned(rows, metric, kernel)
        assert_exact(index, rows, _near(rows, 11, 27), 9, metric)
        assert_exact(index, rows, draw(28, 3, d, "extremes"), 3, metric, 1)


@pytest.mark.parametrize("d", [2, 70])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 47, 48, 49])
def test_fewer_rows_than_axes_and_every_k(kernel: str, n: int, d: int) -> None:
    metric = metric_of(kernel)
    rows, queries = draw(29, n, d, "few"), draw(30, 5, d, "few")
    index = pruned(rows, metric, kernel)
    dist, ind = oracle_kneighbors(rows, queries, n, metric)
    for k in range(1, n + 1):
        assert_same(index.search(queries, k, n_threads=2), (dist[:, :k], ind[:, :k]), f"{k=}")
    if n > 1:
        assert_exact(index, rows, None, n - 1, metric)
        assert_exact(index, rows, None, 1, metric)
    for wrong in (0, n + 1):
        with pytest.raises(ValueError, match=f"k must be from 1 to {n}, got {wrong}"):
            index.search(queries, wrong, n_threads=2)


@pytest.mark.parametrize("palette", ["few", "uniform", "duplicates"])
def test_k_from_1_to_n(kernel: str, palette: str) -> None:
    """The first j of k are the j of j, with seeds that are all rows or fewer than k."""
    metric = metric_of(kernel)
    rows = draw(31, 501, 20, palette)
    queries = _near(rows, 7, 32)
    index = pruned(rows, metric, kernel)
    dist, ind = oracle_kneighbors(rows, queries, 501, metric)
    for k in [*range(1, 60), *range(61, 502, 11), 500, 501]:
        assert_same(index.search(queries, k, n_threads=2), (dist[:, :k], ind[:, :k]), f"{k=}")
    assert_exact(index, rows, None, 500, metric)


@cache
def _many_blocks(metric: str) -> tuple[Bytes, Bytes, Answer]:
    rows = np.tile(draw(33, 4_000, 72, "few"), (3, 1))
    queries = _near(rows, 60, 34)
    return rows, queries, oracle_kneighbors(rows, queries, 12, metric)


def test_rows_of_many_panel_blocks_and_queries_of_many_chunks(kernel: str) -> None:
    """Ties on both sides of every seam: the index decides, and codes lie in another order."""
    metric = metric_of(kernel)
    rows, queries, (dist, ind) = _many_blocks(metric)
    index = pruned(rows, metric, kernel)
    expected = np.tile(dist, (8, 1)), np.tile(ind, (8, 1))
    for n_threads in THREADS:
        answer = index.search(np.tile(queries, (8, 1)), 12, n_threads=n_threads)
        assert_same(answer, expected, f"{n_threads=}")
        for i in range(0, 60, 15):
            answer = index.search(queries[i : i + 1], 12, n_threads=n_threads)
            assert_same(answer, (dist[i : i + 1], ind[i : i + 1]), f"query {i}, {n_threads=}")


def test_the_widest_rows() -> None:
    """Squared Euclidean only: groups of that many features take minutes and gigabytes."""
    rows = np.concatenate([draw(35, 60, 32_768, "extremes"), draw(36, 9, 32_768, "constant rows")])
    ends = np.repeat(np.array([[0], [255], [128]], np.uint8), 32_768, axis=1)
    index = pruned(rows, "sqeuclidean")
    queries = np.concatenate([ends, _near(rows, 4, 37)])
    assert_exact(index, rows, queries, 69, "sqeuclidean")
    assert_exact(index, rows, queries, 3, "sqeuclidean")


def test_wider_rows_are_refused(metric: str) -> None:
    rows = np.zeros((3, 32_769), np.uint8)
    with pytest.raises(ValueError, match="at most 32768 features, got 32769"):
        Index(rows, metric, algorithm="pruned")
    index = Index(rows, metric)
    assert not index.is_pruned
    assert_exact(index, rows, rows, 3, metric)


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 900),
    d=st.one_of(st.integers(1, 9), st.sampled_from([16, 64, 66, 130, 200])),
    palettes=st.tuples(st.sampled_from(list(PALETTES)), st.sampled_from(list(PALETTES))),
    divisor=st.sampled_from([1, 1, 5, 60]),
    far=st.integers(0, 3),
    n_threads=st.sampled_from(THREADS),
    data=st.data(),
)
def test_hypothesis(
    kernel: str,
    seed: int,
    n: int,
    d: int,
    palettes: tuple[str, str],
    divisor: int,
    far: int,
    n_threads: int,
    data: st.DataObject,
) -> None:
    """Rows of one palette, few of another among them, and queries a few steps from rows."""
    metric = metric_of(kernel)
    rows = draw(seed, n, d, palettes[0]) // np.uint8(divisor)
    rows[np.random.default_rng(seed).integers(0, n, size=far)] = draw(seed, far, d, palettes[1])
    queries = np.concatenate([_near(rows, 9, seed), draw(seed + 1, 3, d, palettes[1])])
    index = pruned(rows, metric, kernel, n_threads)
    k = data.draw(st.one_of(st.integers(1, min(n, 10)), st.integers(1, n)), label="k")
    assert_exact(index, rows, queries, k, metric, n_threads)
    if 1 < n <= 200:
        assert_exact(index, rows, None, min(k, n - 1), metric, n_threads)


# --- real data ---


@cache
def _letters(metric: str, rows: bytes) -> Answer:
    table = np.frombuffer(rows, np.uint8).reshape(-1, 16)
    return oracle_kneighbors(table[:16_000], table[16_000::60], 31, metric)


def test_letters_are_full_of_ties(letters: SimpleNamespace, kernel: str) -> None:
    rows, queries = letters.X[:16_000], np.ascontiguousarray(letters.X[16_000::60])
    metric = metric_of(kernel)
    known = _letters(metric, letters.X.tobytes())
    assert np.any(known[0][:, 30] == known[0][:, 29]), "no tie at the cut: this set proves little"
    _check(pruned(rows, metric, kernel), queries, known, (1, 30, 31), 20)


def test_letters_leave_one_out(letters: SimpleNamespace, metric: str) -> None:
    rows = letters.X[:2_000]
    assert_exact(pruned(rows, metric), rows, None, 8, metric)


def test_mnist_on_all_rows(mnist: SimpleNamespace, kernel: str) -> None:
    """Hundreds of queries on 60,000 rows of 784, on every kernel, as brute force answers them."""
    _check_images(mnist, "mnist", metric_of(kernel), kernel)


@pytest.mark.parametrize("name", IMAGES)
def test_images_on_all_rows(request: pytest.FixtureRequest, name: str, metric: str) -> None:
    """And some of them as NumPy does."""
    images = request.getfixturevalue(name)
    index = _check_images(images, name, metric, None)
    assert_exact(index, images.train, images.test[::1_500].copy(), 10, metric)


def _check_images(images: SimpleNamespace, name: str, metric: str, kernel: str | None) -> Index:
    queries, (dist, ind) = _brute_images(images, name, metric)
    index = pruned(images.train, metric, kernel)
    for n_threads, k in ((1, 1), (2, 10), (3, 5)):
        answer = index.search(queries, k, n_threads=n_threads)
        assert_same(answer, (dist[:, :k], ind[:, :k]), f"{k=} {n_threads=}")
        for i in range(0, len(queries), 50):
            one = index.search(queries[i : i + 1], k, n_threads=n_threads)
            assert_same(one, (dist[i : i + 1, :k], ind[i : i + 1, :k]), f"query {i}")
    return index


_brute_answers: dict[tuple[str, str], tuple[Bytes, Answer]] = {}


def _brute_images(images: SimpleNamespace, name: str, metric: str) -> tuple[Bytes, Answer]:
    """Some queries and what brute force, which other tests prove, answers; once for all."""
    if (name, metric) not in _brute_answers:
        queries = np.ascontiguousarray(images.test[::40])
        index = Index(images.train, metric, algorithm="brute")
        _brute_answers[name, metric] = queries, index.search(queries, 10, n_threads=2)
    return _brute_answers[name, metric]


@pytest.mark.parametrize("name", IMAGES)
def test_images_sorted_by_class_leave_one_out(
    request: pytest.FixtureRequest, name: str, metric: str
) -> None:
    images = request.getfixturevalue(name)
    order = np.argsort(images.test_labels, kind="stable")
    rows = np.ascontiguousarray(images.test[order][::3])
    expected = Index(rows, metric, algorithm="brute").search(None, 10, n_threads=2)
    index = pruned(rows, metric)
    for n_threads in THREADS:
        answer = index.search(None, 10, n_threads=n_threads)
        assert_same(answer, expected, f"{n_threads=}")


def test_sift(sift_photos: SimpleNamespace, metric: str) -> None:
    rows, queries = sift_photos.X[:90_000], np.ascontiguousarray(sift_photos.X[90_000::60])
    expected = Index(rows, metric, algorithm="brute").search(queries, 10, n_threads=2)
    index = pruned(rows, metric)
    for n_threads in THREADS:
        assert_same(index.search(queries, 10, n_threads=n_threads), expected, f"{n_threads=}")
    assert_exact(index, rows, queries[::40].copy(), 10, metric)


# --- the index around it ---


def test_a_memmap_as_rows(tmp_path: Path, metric: str) -> None:
    rows = _blobs(5_000, 60, 10, 38)
    (tmp_path / "rows").write_bytes(rows.tobytes())
    mapped = np.memmap(tmp_path / "rows", dtype=np.uint8, mode="r", shape=rows.shape)
    assert_exact(pruned(mapped, metric), rows, _near(rows, 12, 39), 5, metric)


def test_no_queries_no_neighbours(metric: str) -> None:
    answer = pruned(draw(40, 9, 3), metric).search(np.empty((0, 3), np.uint8), 2, n_threads=2)
    assert_same(answer, (np.empty((0, 2), np.int64), np.empty((0, 2), np.int64)))


def test_progress_counts_every_query(metric: str) -> None:
    rows = _blobs(2_000, 90, 10, 41)
    calls: list[tuple[int, int]] = []
    index = pruned(rows, metric)
    with progress(lambda done, total: calls.append((done, total))):
        index.search(rows[:1_500], 3, n_threads=2)
    done = [call[0] for call in calls]
    assert {call[1] for call in calls} == {1_500}
    assert len(done) > 1
    assert done == sorted(set(done))
    assert done[-1] == 1_500


def test_an_error_in_progress_leaves_the_index_in_order(metric: str) -> None:
    rows = _blobs(2_000, 90, 10, 42)
    index = pruned(rows, metric)

    def stop(done: int, total: int) -> None:
        raise RuntimeError(f"{done} of {total}")

    with progress(stop), pytest.raises(RuntimeError, match="of 1500"):
        index.search(rows[:1_500], 3, n_threads=2)
    assert_exact(index, rows, _near(rows, 9, 43), 5, metric)


def test_searches_of_several_threads_at_once(metric: str) -> None:
    rows = _blobs(4_000, 90, 10, 44)
    queries = _near(rows, 80, 45)
    index = pruned(rows, metric)
    expected = index.search(queries, 6, n_threads=1)
    answers = _at_once(
        [lambda n=n: index.search(queries, 6, n_threads=n) for n in (1, 2, 1, 2, 3)]  # type: ignore[misc]
    )
    for answer in answers:
        assert_same(answer, expected)


def _at_once(calls: list[Callable[[], Answer]]) -> list[Answer]:
    """What each call returns, all of them made at one moment from threads of their own."""
    barrier = threading.Barrier(len(calls))
    answers: dict[int, Answer] = {}

    def run(i: int) -> None:
        barrier.wait(timeout=30)
        answers[i] = calls[i]()

    threads = [threading.Thread(target=run, args=(i,), daemon=True) for i in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(answers) == len(calls), "a thread failed or hangs"
    return [answers[i] for i in range(len(calls))]


@pytest.mark.parametrize("n", [1, 2, 99, 100, 4_999])
def test_the_order_of_codes(n: int) -> None:
    """Every row once; the hundredth with the largest errors last, ascending; else no pattern."""
    errors = np.sqrt(draw(46, n, 1)[:, 0].astype(np.float64))
    order = row_order(errors)
    np.testing.assert_array_equal(np.sort(order), np.arange(n))
    n_rough = n // 100
    rough = errors[order[n - n_rough :]]
    np.testing.assert_array_equal(rough, np.sort(errors)[n - n_rough :])
    if n > 1_000:
        assert abs(np.corrcoef(order[: n - n_rough], np.arange(n - n_rough))[0, 1]) < 0.1


# --- "auto" ---


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
    monkeypatch.setattr(ways, "search", made.through("brute", ways.search))
    pruned_search = made.through("pruned", index_module.search_pruned)
    monkeypatch.setattr(index_module, "search_pruned", pruned_search)
    return made


AUTO_ROWS = _blobs(2_000, 200, 10, 47)


@pytest.mark.parametrize("faster", ["brute", "pruned"])
def test_auto_takes_what_is_faster_and_answers_alike(
    searches: _Searches, metric: str, faster: str
) -> None:
    index = searches.make_index(faster, metric)
    queries = _near(AUTO_ROWS, 30, 48)
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
    queries = _near(AUTO_ROWS, 20, 49)
    answers = _at_once([lambda: index.search(queries, 1_000, n_threads=1)] * 4)
    assert len(packings) == 1
    expected = oracle_kneighbors(AUTO_ROWS, queries, 1_000, metric)
    for answer in answers:
        assert_same(answer, expected)


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        pytest.param(draw(50, 11_000, 784), "no code tells them apart", id="random bytes"),
        pytest.param(_blobs(40_000, 191, 10, 51), "narrow", id="191 features"),
        pytest.param(_blobs(10_000, 784, 10, 52), "small", id="7.8 MB"),
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


@pytest.mark.parametrize("name", IMAGES)
def test_auto_prunes_images(request: pytest.FixtureRequest, name: str) -> None:
    """Brute force takes ten times as long here: no clock is as wrong as that."""
    images = request.getfixturevalue(name)
    index = Index(images.train, "sqeuclidean", algorithm="auto", n_threads=2)
    assert index.is_pruned
    queries, known = _brute_images(images, name, "sqeuclidean")
    assert_same(index.search(queries, 10, n_threads=2), known)
    assert index.nbytes_packed < images.train.nbytes
