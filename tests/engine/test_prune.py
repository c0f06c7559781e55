"""The pruned search gives the bits of brute force: data made to break its bounds, and real data.

Every case runs on every kernel, on 1, 2 and 3 threads, in one batch and one query at a time, and
against itself with each row left out.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knnc.engine.codes.kinds import learn_quantizer, restored_quantizer
from knnc.engine.codes.order import row_order
from knnc.engine.dispatch import all_kernels
from knnc.engine.index import Index
from knnc.engine.metrics import PRUNED_METRICS
from knnc.engine.system.progress import progress
from tests.engine.prune_support import CASES, Case, at_once, blobs, brute_images, near, pruned
from tests.engine.support import (
    PALETTES,
    Answer,
    Bytes,
    assert_exact,
    assert_same,
    distance_table,
    draw,
    metric_of,
    require,
    run_child,
)
from tests.float_oracle import within
from tests.oracle import oracle_kneighbors

THREADS = (1, 2, 3)
IMAGES = ("mnist", "fashion_mnist")
LARGEST_K = 60


@pytest.fixture(scope="session", params=PRUNED_METRICS)
def metric(request: pytest.FixtureRequest) -> str:
    """Each metric that can be pruned."""
    name: str = request.param
    return name


@pytest.fixture(
    scope="session", params=[name for name in all_kernels() if metric_of(name) in PRUNED_METRICS]
)
def kernel(request: pytest.FixtureRequest) -> str:
    """Every kernel of those metrics."""
    name: str = request.param
    require(name)
    return name


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
def test_all_within_a_limit_equal_the_oracle(name: str, metric: str) -> None:
    """At limits that occur and beside them, in either order, alone and left out of their own."""
    rows, queries = _case(name)
    index = pruned(rows, metric)
    keys = np.sort(_known(name, metric)[0].ravel())
    table = distance_table(rows, queries, metric)
    for limit in (-1, 0, int(keys[len(keys) // 9]), int(keys[-1]) - 1):
        for some in (queries, queries[:1]):
            for sort in (False, True):
                got = index.within(some, limit, n_threads=2, sort=sort)
                expected = within(table[: len(some)], limit, sort=sort)
                for a, b in zip(got, expected, strict=True):
                    np.testing.assert_array_equal(a, b, strict=True)
        _, dist, ind = index.within(queries, limit, return_distance=False)
        assert dist is None
        np.testing.assert_array_equal(ind, index.within(queries, limit)[2])
    brute = Index(rows, metric, algorithm="brute")
    limit = int(keys[len(keys) // 9])
    left_out = index.within(None, limit, n_threads=2), brute.within(None, limit, n_threads=2)
    for a, b in zip(*left_out, strict=True):
        np.testing.assert_array_equal(a, b, strict=True)


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
        assert_exact(index, rows, near(rows, 11, 27), 9, metric)
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
    queries = near(rows, 7, 32)
    index = pruned(rows, metric, kernel)
    dist, ind = oracle_kneighbors(rows, queries, 501, metric)
    for k in [*range(1, 60), *range(61, 502, 11), 500, 501]:
        assert_same(index.search(queries, k, n_threads=2), (dist[:, :k], ind[:, :k]), f"{k=}")
    assert_exact(index, rows, None, 500, metric)


@cache
def _many_blocks(metric: str) -> tuple[Bytes, Bytes, Answer]:
    rows = np.tile(draw(33, 4_000, 72, "few"), (3, 1))
    queries = near(rows, 60, 34)
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


def test_the_widest_rows(metric: str) -> None:
    rows = np.concatenate([draw(35, 60, 32_768, "extremes"), draw(36, 9, 32_768, "constant rows")])
    ends = np.repeat(np.array([[0], [255], [128]], np.uint8), 32_768, axis=1)
    index = pruned(rows, metric)
    queries = np.concatenate([ends, near(rows, 4, 37)])
    assert_exact(index, rows, queries, 69, metric)
    assert_exact(index, rows, queries, 3, metric)


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
    queries = np.concatenate([near(rows, 9, seed), draw(seed + 1, 3, d, palettes[1])])
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
    """Hundreds of queries on 60,000 rows of 784, on every kernel, as brute force answers them.

    Plain C, which needs half a minute for their codes, has a tenth of them.
    """
    if kernel.endswith("_serial"):
        some = SimpleNamespace(train=mnist.train[:6_000].copy(), test=mnist.test[::10])
        _check_images(some, "a tenth of mnist", metric_of(kernel), kernel)
    else:
        _check_images(mnist, "mnist", metric_of(kernel), kernel)


def test_fashion_mnist_on_all_rows(fashion_mnist: SimpleNamespace, metric: str) -> None:
    """With the best kernel; test_search.py has the oracle's answers of both sets."""
    _check_images(fashion_mnist, "fashion_mnist", metric, None)


def _check_images(images: SimpleNamespace, name: str, metric: str, kernel: str | None) -> None:
    queries, (dist, ind) = brute_images(images, name, metric)
    index = pruned(images.train, metric, kernel)
    for n_threads, k in ((1, 1), (2, 10), (3, 5)):
        answer = index.search(queries, k, n_threads=n_threads)
        assert_same(answer, (dist[:, :k], ind[:, :k]), f"{k=} {n_threads=}")
        for i in range(0, len(queries), 50):
            one = index.search(queries[i : i + 1], k, n_threads=n_threads)
            assert_same(one, (dist[i : i + 1, :k], ind[i : i + 1, :k]), f"query {i}")


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
    rows = blobs(5_000, 60, 10, 38)
    (tmp_path / "rows").write_bytes(rows.tobytes())
    mapped = np.memmap(tmp_path / "rows", dtype=np.uint8, mode="r", shape=rows.shape)
    assert_exact(pruned(mapped, metric), rows, near(rows, 12, 39), 5, metric)


def test_no_queries_no_neighbours(metric: str) -> None:
    answer = pruned(draw(40, 9, 3), metric).search(np.empty((0, 3), np.uint8), 2, n_threads=2)
    assert_same(answer, (np.empty((0, 2), np.int64), np.empty((0, 2), np.int64)))


def test_progress_counts_every_query(metric: str) -> None:
    rows = blobs(2_000, 90, 10, 41)
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
    rows = blobs(2_000, 90, 10, 42)
    index = pruned(rows, metric)

    def stop(done: int, total: int) -> None:
        raise RuntimeError(f"{done} of {total}")

    with progress(stop), pytest.raises(RuntimeError, match="of 1500"):
        index.search(rows[:1_500], 3, n_threads=2)
    assert_exact(index, rows, near(rows, 9, 43), 5, metric)


def test_searches_of_several_threads_at_once(metric: str) -> None:
    rows = blobs(4_000, 90, 10, 44)
    queries = near(rows, 80, 45)
    index = pruned(rows, metric)
    expected = index.search(queries, 6, n_threads=1)
    answers = at_once(
        [lambda n=n: index.search(queries, 6, n_threads=n) for n in (1, 2, 1, 2, 3)]  # type: ignore[misc]
    )
    for answer in answers:
        assert_same(answer, expected)


@pytest.mark.parametrize("n", [1, 2, 99, 100, 4_999])
def test_the_order_of_codes(n: int) -> None:
    """Every row once; the hundredth with the largest errors last, ascending; else by cluster."""
    errors = np.sqrt(draw(46, n, 1)[:, 0].astype(np.float64))
    nearest = np.random.default_rng(47).integers(0, 7, size=n)
    nearest[nearest == 3] = 4  # an empty cluster
    order, starts = row_order(nearest, 7, errors)
    np.testing.assert_array_equal(np.sort(order), np.arange(n))
    n_rough = n // 100
    rough = errors[order[n - n_rough :]]
    np.testing.assert_array_equal(rough, np.sort(errors)[n - n_rough :])
    assert (starts[0], starts[-1], starts[4] - starts[3]) == (0, n - n_rough, 0)
    for cluster in range(7):
        part = order[starts[cluster] : starts[cluster + 1]]
        assert set(nearest[part]) <= {cluster}
        assert np.all(np.diff(part) > 0)


def test_made_up_codes_lead_no_search_astray() -> None:
    """Answers are whatever they are, but a slot that pads a tile has no list to write to."""
    assert run_child("search_made_up_codes", module="kernel_children")["searches"] >= 18


@pytest.mark.parametrize(
    ("name", "value"),
    [("shifts", [0, 1, 1, 2]), ("shifts", [0, 8, 0, 0]), ("stages", [20, 28, 48, 97])],
)
def test_made_up_stages_are_refused(name: str, value: list[int]) -> None:
    rows = draw(48, 300, 784)
    state = learn_quantizer(rows, "sqeuclidean", (20, 28, 48, 96), None, 1).state()
    options = 784, "sqeuclidean", None
    restored = restored_quantizer(state, *options, are_floats=False)
    assert restored.stages == (20, 28, 48, 96)
    changed = {**state, name: np.array(value)}
    with pytest.raises(ValueError, match=name):
        restored_quantizer(changed, *options, are_floats=False)
