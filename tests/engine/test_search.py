"""`Index` with the kernel it chooses itself: real data, the forms its input takes, its errors."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from knnc.engine.dispatch import available_kernels
from knnc.engine.index import Index
from tests.engine.support import (
    ALGORITHMS,
    THREADS,
    Answer,
    Bytes,
    algorithms_of,
    assert_exact,
    assert_same,
    draw,
    known_answer,
    metric_of,
)
from tests.oracle import oracle_kneighbors, verify_answer

IMAGES = ("mnist", "fashion_mnist")


# --- real data ---


@pytest.mark.parametrize("n_threads", THREADS)
def test_letters_are_full_of_ties(
    letters: SimpleNamespace, metric: str, n_threads: int, algorithm: str
) -> None:
    rows, queries = letters.X[:16_000], np.ascontiguousarray(letters.X[16_000::40])
    index = Index(rows, metric, algorithm=algorithm)
    dist, ind = _letters_answer(metric, rows.tobytes(), queries.tobytes())
    assert np.any(dist[:, 30] == dist[:, 29]), "no tie at the cut: this set proves little"
    for k in (1, 30, 31):
        answer = index.search(queries, k, n_threads=n_threads)
        assert_same(answer, (dist[:, :k], ind[:, :k]), f"{k=} {n_threads=}")
    for i in range(0, len(queries), 25):
        assert_same(
            index.search(queries[i : i + 1], 31, n_threads=n_threads), (dist[[i]], ind[[i]])
        )


@cache
def _letters_answer(metric: str, rows: bytes, queries: bytes) -> Answer:
    table, points = (np.frombuffer(part, np.uint8).reshape(-1, 16) for part in (rows, queries))
    return oracle_kneighbors(table, points, 31, metric)


def test_letters_leave_one_out(letters: SimpleNamespace, metric: str, algorithm: str) -> None:
    rows = letters.X[:2_000]
    assert_exact(Index(rows, metric, algorithm=algorithm), rows, None, 8, metric)


def test_digits(digits: SimpleNamespace, metric: str, algorithm: str) -> None:
    index = Index(digits.X, metric, algorithm=algorithm)
    assert_exact(index, digits.X, digits.X[::3].copy(), 7, metric)
    assert_exact(index, digits.X, None, 7, metric)


def test_opencv_digits(opencv_digits: SimpleNamespace, metric: str, algorithm: str) -> None:
    rows = opencv_digits.X.reshape(len(opencv_digits.X), -1)
    assert_exact(Index(rows, metric, algorithm=algorithm), rows, rows[::25].copy(), 11, metric)


@pytest.mark.parametrize("name", IMAGES)
def test_images_on_all_rows(request: pytest.FixtureRequest, name: str, metric: str) -> None:
    """60,000 rows of 784: every kernel of the metric, pruning, and what "auto" makes of them."""
    images = request.getfixturevalue(name)
    queries = np.ascontiguousarray(images.test[::2_500])
    dist, ind = oracle_kneighbors(images.train, queries, 20, metric)
    kernels = [kernel for kernel in available_kernels() if metric_of(kernel) == metric]
    ways = [("brute", kernel) for kernel in kernels]
    ways += [(way, None) for way in (*algorithms_of(metric), "auto") if way != "brute"]
    for way in ways:
        index = Index(images.train, metric, algorithm=way[0], kernel=way[1])
        assert_same(index.search(queries, 20, n_threads=2), (dist, ind), str(way))
        for part in (slice(0, 1), slice(1, 3)):
            answer = index.search(queries[part], 20, n_threads=2)
            assert_same(answer, (dist[part], ind[part]), f"{way} {part}")


@pytest.mark.parametrize("name", [*IMAGES, "sift_photos"])
def test_hundreds_of_queries_proved_by_a_float64_product(
    request: pytest.FixtureRequest, name: str
) -> None:
    """A float64 matrix product of bytes is exact: its partial sums are integers below 2**53."""
    data = request.getfixturevalue(name)
    rows, queries = (data.X, data.X[::100]) if name == "sift_photos" else (data.train, data.test)
    queries = np.ascontiguousarray(queries[:300])
    x, q = rows.astype(np.float64), queries.astype(np.float64)
    table = q @ x.T
    table *= -2
    table += np.einsum("ij,ij->i", x, x)
    table += np.einsum("ij,ij->i", q, q)[:, np.newaxis]
    for algorithm in ALGORITHMS:
        index = Index(rows, "sqeuclidean", algorithm=algorithm)
        verify_answer(table, *index.search(queries, 10, n_threads=2))


# --- the contract, whatever the algorithm; test_kernels.py has it for each kernel ---


@pytest.mark.parametrize("palette", ["few", "uniform"])
@pytest.mark.parametrize(("n", "d", "k"), [(5_003, 40, 60), (999, 784, 15)])
def test_any_threads_any_batch_any_j(
    metric: str, algorithm: str, palette: str, n: int, d: int, k: int
) -> None:
    rows, queries = draw(20, n, d, palette), draw(21, 25, d, palette)
    queries[::5] = rows[:5]
    index = Index(rows, metric, algorithm=algorithm)
    dist, ind = oracle_kneighbors(rows, queries, k, metric)
    for n_threads in THREADS:
        for size in (25, 1, 7):
            for start in range(0, 25, size):
                part = slice(start, start + size)
                answer = index.search(queries[part], k, n_threads=n_threads)
                assert_same(answer, (dist[part], ind[part]), f"{n_threads=} {part}")
        for j in (1, 2, 13):
            answer = index.search(queries, j, n_threads=n_threads)
            assert_same(answer, (dist[:, :j], ind[:, :j]), f"{n_threads=} {j=}")


@pytest.mark.parametrize("palette", ["zeros", "duplicates", "few", "constant rows"])
@pytest.mark.parametrize(("n", "d"), [(2, 1), (150, 9), (400, 300)])
def test_leave_one_out(metric: str, algorithm: str, palette: str, n: int, d: int) -> None:
    index = Index(draw(22, n, d, palette), metric, algorithm=algorithm)
    dist, ind = known_answer(metric, n - 1, (22, n, d, palette), None)
    for k in sorted({1, min(7, n - 1), n - 1}):
        for n_threads in THREADS:
            answer = index.search(None, k, n_threads=n_threads)
            assert_same(answer, (dist[:, :k], ind[:, :k]), f"{k=} {n_threads=}")


# --- the forms of the input ---


@pytest.mark.parametrize("offset", [0, 16, 17])
def test_a_memmap_as_rows(tmp_path: Path, metric: str, offset: int, algorithm: str) -> None:
    rows, queries = draw(1, 500, 50), draw(2, 12, 50)
    path = tmp_path / "rows"
    path.write_bytes(bytes(offset) + rows.tobytes())
    mapped = np.memmap(path, dtype=np.uint8, mode="r", offset=offset, shape=rows.shape)
    index = Index(mapped, metric, algorithm=algorithm)
    assert_exact(index, rows, queries, 5, metric)
    assert_exact(index, rows, None, 5, metric)
    assert_same(index.search(mapped[:9], 3, n_threads=2), index.search(rows[:9], 3, n_threads=2))


def test_read_only_input_is_searched_and_left_alone(metric: str, algorithm: str) -> None:
    rows, queries = draw(3, 90, 33), draw(4, 20, 33)
    copies = rows.copy(), queries.copy()
    for array in (rows, queries):
        array.flags.writeable = False
    assert_exact(Index(rows, metric, algorithm=algorithm), rows, queries, 5, metric)
    for array, copy in zip((rows, queries), copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_the_caller_owns_the_answer(metric: str, algorithm: str) -> None:
    rows, queries = draw(5, 90, 33), draw(6, 20, 33)
    index = Index(rows, metric, algorithm=algorithm)
    dist, ind = index.search(queries, 5, n_threads=2)
    dist[:], ind[:] = -1, -1
    assert_exact(index, rows, queries, 5, metric)


def test_no_queries_no_neighbours(metric: str, algorithm: str) -> None:
    dist, ind = Index(draw(7, 9, 3), metric, algorithm=algorithm).search(
        np.empty((0, 3), np.uint8), 2, n_threads=2
    )
    assert_same((dist, ind), (np.empty((0, 2), np.int64), np.empty((0, 2), np.int64)))


def test_what_an_index_says_of_itself(metric: str) -> None:
    rows = draw(8, 5000, 784)
    index = Index(rows, metric)
    assert index.kernel in available_kernels()
    assert metric_of(index.kernel) == metric
    assert isinstance(index.nbytes_packed, int)
    assert 0 <= index.nbytes_packed <= 1.5 * rows.nbytes


@pytest.mark.skipif(
    not os.environ.get("KNNC_LARGE_TESTS"),
    reason="takes 5 GB of memory: set KNNC_LARGE_TESTS=1 to run it",
)
def test_more_than_two_to_the_31_bytes(metric: str) -> None:
    n, d = 2_800_000, 784
    rows = np.zeros((n, d), dtype=np.uint8)
    rows[n - 1], rows[n - 5], rows[n - 7], rows[n - 60_000] = 255, 254, 254, 3
    queries = np.repeat(np.array([[255], [0], [3]], np.uint8), d, axis=1)
    index = Index(rows, metric, algorithm="brute", n_threads=2)
    dist, ind = index.search(queries, 5, n_threads=2)
    assert ind.tolist() == [
        [n - 1, n - 7, n - 5, n - 60_000, 0],
        [0, 1, 2, 3, 4],
        [n - 60_000, 0, 1, 2, 3],
    ]
    steps = np.array([[0, 1, 1, 252, 255], [0, 0, 0, 0, 0], [0, 3, 3, 3, 3]])
    expected = {
        "sqeuclidean": d * steps**2,
        "manhattan": d * steps,
        "chebyshev": steps,
        "hamming": d * (steps != 0),
    }
    np.testing.assert_array_equal(dist, expected[metric])


# --- errors ---

ROWS = draw(9, 20, 8)


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(ROWS.astype(np.int64), id="int64"),
        pytest.param(ROWS.astype(np.int8), id="int8"),
        pytest.param(ROWS.astype(np.float16), id="float16"),
        pytest.param(ROWS.astype(object), id="object"),
        pytest.param(np.asfortranarray(ROWS), id="Fortran order"),
        pytest.param(ROWS[:, ::2], id="columns with a step"),
        pytest.param(ROWS[::2], id="rows with a step"),
        pytest.param(ROWS[0], id="one dimension"),
        pytest.param(ROWS[np.newaxis], id="three dimensions"),
        pytest.param(ROWS.tolist(), id="list"),
        pytest.param(None, id="None"),
    ],
)
def test_only_contiguous_matrices_of_bytes_or_wider_floats(metric: str, rows: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        Index(rows, metric)
    if rows is not None:
        index = Index(ROWS, metric)
        with pytest.raises((ValueError, TypeError)):
            index.search(rows, 1, n_threads=2)


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0)])
def test_no_rows_or_no_features(metric: str, shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least one"):
        Index(np.empty(shape, np.uint8), metric)


@pytest.mark.parametrize("width", [0, 1, 7, 9, 16])
def test_wrong_width(metric: str, width: int) -> None:
    with pytest.raises(ValueError, match=f"{width} features.* 8"):
        Index(ROWS, metric).search(np.zeros((3, width), np.uint8), 1, n_threads=2)


@pytest.mark.parametrize("k", [0, -1, 21, 2**31, 2**63 - 1])
def test_k_out_of_range(metric: str, k: int) -> None:
    index = Index(ROWS, metric)
    for queries in (ROWS, ROWS[:1], None):
        with pytest.raises(ValueError, match=f"k .*{k}"):
            index.search(queries, k, n_threads=2)


def test_leave_one_out_has_one_row_less(metric: str) -> None:
    index = Index(ROWS, metric)
    assert index.search(None, 19, n_threads=2)[1].shape == (20, 19)
    with pytest.raises(ValueError, match=r"k .*19.*20"):
        index.search(None, 20, n_threads=2)
    with pytest.raises(ValueError, match=r"k .*1"):
        Index(ROWS[:1], metric).search(None, 1, n_threads=2)


@pytest.mark.parametrize("k", [1.5, "1", None])
def test_k_is_an_integer(metric: str, k: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        Index(ROWS, metric).search(ROWS, k, n_threads=2)


def test_k_may_be_a_numpy_integer(metric: str) -> None:
    index = Index(ROWS, metric)
    k: Any = np.int32(3)
    assert_same(index.search(ROWS, k, n_threads=2), index.search(ROWS, 3, n_threads=2))


@pytest.mark.parametrize("n_threads", [0, -1])
def test_at_least_one_thread(metric: str, n_threads: int) -> None:
    with pytest.raises(ValueError, match=f"n_threads .*{n_threads}"):
        Index(ROWS, metric).search(ROWS, 1, n_threads=n_threads)


@pytest.mark.parametrize("metric", ["euclidean", "l2", "", "cosine", None])
def test_unknown_metric(metric: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        Index(ROWS, metric)


@pytest.mark.parametrize("metric", ["chebyshev", "hamming"])
def test_a_metric_that_cannot_be_pruned(metric: str) -> None:
    with pytest.raises(ValueError, match=f"(?s)sqeuclidean.*{metric!r}.*'brute'"):
        Index(ROWS, metric, algorithm="pruned")
    assert not Index(ROWS, metric).is_pruned


def test_unknown_algorithm(metric: str) -> None:
    with pytest.raises(ValueError, match="guess"):
        Index(ROWS, metric, algorithm="guess")


def test_an_error_leaves_the_index_in_order(metric: str) -> None:
    queries: Bytes = draw(10, 6, 8)
    index = Index(ROWS, metric)
    with pytest.raises(ValueError, match="k "):
        index.search(queries, 21, n_threads=2)
    assert_exact(index, ROWS, queries, 3, metric)
