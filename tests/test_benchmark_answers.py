"""The benchmark's check of answers: right ones pass, and each kind of wrong one is told."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import knnc

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
if not (BENCHMARKS / "answers.py").exists():
    pytest.skip("the benchmarks are not beside the tests", allow_module_level=True)
sys.path.append(str(BENCHMARKS))
answers = import_module("answers")
sys.path.remove(str(BENCHMARKS))
Answer, by_numpy, compare = answers.Answer, answers.by_numpy, answers.compare

RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 5, (300, 20), np.uint8), RNG.integers(0, 5, (40, 20), np.uint8)
FLOATS = BYTES[0] * 1.5 - 2.75, BYTES[1] * 1.5 - 2.75
METRICS = ("euclidean", "manhattan", "chebyshev", "hamming")


def _truth(rows: Any, queries: Any, metric: str, radius: float | None = None) -> Any:
    nn = knnc.NearestNeighbors(n_neighbors=7, metric=metric).fit(rows)
    if radius is None:
        return Answer.of_table(*nn.kneighbors(queries))
    dist, ind = nn.radius_neighbors(queries, radius)
    indptr = np.concatenate(([0], np.cumsum([len(own) for own in ind])))
    return Answer(indptr, np.concatenate(dist), np.concatenate(ind))


@pytest.mark.parametrize(
    ("arrays", "metric"),
    [*((BYTES, m) for m in METRICS), *((FLOATS, m) for m in (*METRICS, "cosine"))],
)
@pytest.mark.parametrize("kind", ["nearest", "radius"])
def test_answers(arrays: Any, metric: str, kind: str) -> None:
    rows, queries = arrays
    radius = None
    if kind == "radius":
        radius = float(np.median(_truth(rows, queries, metric).dist))
    options: dict[str, Any] = {"metric": metric, "squared": False, "radius": radius}
    truth = by_numpy(rows, queries, metric, k=7, radius=radius)
    found = _truth(rows, queries, metric, radius)
    assert compare(found, truth, rows, queries, arithmetic="same", **options) is None
    single = replace(found, dist=found.dist.astype(np.float32))
    assert compare(single, truth, rows, queries, arithmetic="float32", **options) is None
    part = found.first(9)
    assert compare(part, truth, rows, queries, arithmetic="same", **options) is None
    wrong = [replace(found, dist=found.dist * 1.01), _with_a_far_row(found, rows, queries)]
    for answer in wrong:
        for arithmetic in ("same", "exact", "float32"):
            assert compare(answer, truth, rows, queries, arithmetic=arithmetic, **options)
    swapped = replace(found, dist=np.nextafter(found.dist, np.inf))
    assert compare(swapped, truth, rows, queries, arithmetic="same", **options)


def _with_a_far_row(found: Any, rows: Any, queries: Any) -> Any:
    """A neighbour of the last query that has some replaced by one that is none, as it is told."""
    at = found.indptr[1:][np.diff(found.indptr) > 0][-1] - 1
    query = queries[found.of_query[at]]
    far = int(np.abs(rows.astype(float) - query).sum(axis=1).argmax())
    ind = found.ind.copy()
    ind[at] = far
    return replace(found, ind=ind)


def test_the_same_row_twice() -> None:
    found = _truth(*BYTES, "euclidean")
    ind = found.ind.copy()
    ind[1] = ind[0]
    answer = replace(found, ind=ind)
    for arithmetic in ("same", "exact", "float32"):
        options = {"metric": "euclidean", "squared": False, "arithmetic": arithmetic}
        assert compare(answer, found, *BYTES, **options)


def test_a_radius_takes_as_many_rows_as_it_says() -> None:
    rows, queries = FLOATS
    radius = answers.radius_of(rows, queries, 20)
    truth = by_numpy(rows, queries, "euclidean", k=0, radius=radius)
    assert 18 <= len(truth.ind) / len(queries) <= 30  # there are ties
