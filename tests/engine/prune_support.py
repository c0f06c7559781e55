"""What the tests of the pruned search share: data made to break its bounds, and known answers.

A case is rows and queries; what each is meant to break is said with it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from knnc.engine.codes import learning
from knnc.engine.index import Index
from tests.engine.support import Answer, Bytes, draw

Case = tuple[Bytes, Bytes]


def pruned(rows: Bytes, metric: str, kernel: str | None = None, n_threads: int = 2) -> Index:
    """The index under test."""
    index = Index(rows, metric, algorithm="pruned", kernel=kernel, n_threads=n_threads)
    assert index.is_pruned
    return index


_brute_answers: dict[tuple[str, str], tuple[Bytes, Answer]] = {}


def brute_images(images: SimpleNamespace, name: str, metric: str) -> tuple[Bytes, Answer]:
    """Some queries and what brute force, which other tests prove, answers; once for all."""
    if (name, metric) not in _brute_answers:
        queries = np.ascontiguousarray(images.test[::40])
        index = Index(images.train, metric, algorithm="brute")
        _brute_answers[name, metric] = queries, index.search(queries, 10, n_threads=2)
    return _brute_answers[name, metric]


def at_once(calls: list[Callable[[], Answer]]) -> list[Answer]:
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


# --- cases ---


def _pixels(values: npt.NDArray[Any]) -> Bytes:
    return np.ascontiguousarray(np.clip(np.rint(values), 0, 255), dtype=np.uint8)


def near(rows: Bytes, n: int, seed: int) -> Bytes:
    """Rows with a few features changed: near one row, and as near to its duplicates."""
    rng = np.random.default_rng(seed)
    copies = rows[rng.integers(0, len(rows), size=n)].copy()
    for i, copy in enumerate(copies[n // 3 :]):
        at = rng.integers(0, rows.shape[1], size=1 + i % 4)
        copy[at] = np.clip(copy[at].astype(int) + rng.choice([-1, 1, 40, 255], len(at)), 0, 255)
    return copies


def _unseen(n: int) -> npt.NDArray[np.int64]:
    """Rows that are not in the sample from which codes are learnt."""
    return np.setdiff1d(np.arange(n), learning.sample_rows(np.arange(n)))  # type: ignore[arg-type]


def blobs(n: int, d: int, n_blobs: int, seed: int) -> Bytes:
    """Sorted by blob, as data are that come sorted by class."""
    rng = np.random.default_rng(seed)
    centres = rng.integers(40, 216, size=(n_blobs, 1, d))
    plane = rng.standard_normal((6, d)) * 12
    spread = rng.standard_normal((n_blobs, n // n_blobs, 6)) @ plane
    noise = rng.standard_normal((n_blobs, n // n_blobs, d))
    return _pixels((centres + spread + noise).reshape(-1, d))


def _sorted_by_class() -> Case:
    rows = blobs(6_000, 150, 10, 1)
    return rows, near(rows, 40, 2)


def _two_far_clusters() -> Case:
    rng = np.random.default_rng(3)
    low = rng.integers(0, 4, size=(900, 100))
    rows = _pixels(np.concatenate([low, 255 - low[::-1]]))
    between = np.full((1, 100), 127, np.uint8)
    return rows, np.concatenate([near(rows, 16, 4), between, between + 1])


def _outliers() -> Case:
    """Thirty rows that no sample sees, cut off at 127 steps, and queries at them and beyond."""
    rng = np.random.default_rng(5)
    rows = rng.integers(120, 130, size=(5_000, 24)).astype(np.uint8)
    far = _unseen(len(rows))[::29][:30]
    rows[far] = draw(6, len(far), 24, "extremes")
    queries = [rows[far[:8]], 255 - rows[far[8:12]], near(rows[far], 8, 7), near(rows, 8, 8)]
    return rows, np.concatenate(queries)


def _one_outlier() -> Case:
    rows = np.full((4_200, 30), 9, np.uint8)
    rows[:, ::2] += draw(9, 4_200, 15, "few")
    rows[_unseen(len(rows))[50]] = 255
    ends = np.repeat(np.array([[255], [254], [200], [0]], np.uint8), 30, axis=1)
    return rows, np.concatenate([ends, near(rows, 12, 10)])


def _large_coordinates() -> Case:
    """Noise, and one row in a hundred with a few features far off."""
    rng = np.random.default_rng(11)
    rows = rng.integers(0, 6, size=(5_000, 70)).astype(np.uint8)
    for row in _unseen(len(rows))[::18]:
        rows[row, rng.integers(0, 70, size=3)] = rng.integers(128, 256, size=3)
    spiked = rows[rows.max(axis=1) > 100]
    return rows, np.concatenate([near(rows, 12, 12), spiked[:6], near(spiked, 14, 13)])


def _duplicates() -> Case:
    """Forty of each of thirty rows, the copies far apart: more ties than neighbours."""
    kinds = draw(14, 30, 110)
    rows = np.tile(kinds, (40, 1))
    return rows, np.concatenate([kinds[:8], near(rows, 16, 15)])


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
    return rows, np.concatenate([near(rows, 16, 19), draw(20, 6, 80, "extremes")])


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
        return rows, np.concatenate([near(rows, 12, 23), draw(24, 4, d), draw(25, 4, d, name)])

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
