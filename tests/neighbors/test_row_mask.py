"""Searches among the rows of a mask, and distances as integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse

import knnc
from knnc.engine.index import Index
from knnc.neighbors import row_mask
from tests.neighbors.support import METRICS, any_bytes, assert_same, assert_same_error, few_values
from tests.oracle import oracle_kneighbors


def masks(n: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    few_out = np.ones(n, dtype=bool)
    few_out[rng.integers(0, n, 7)] = False
    return {
        "sparse": rng.random(n) < 0.1,
        "half": rng.random(n) < 0.5,
        "few left out": few_out,
        "all": np.ones(n, dtype=bool),
    }


def among(search: Any, mask: Any) -> Any:
    """(dist, ind) of a search of the masked rows alone, under the indices of all rows."""
    dist, ind = search
    return dist, np.flatnonzero(mask)[ind]


@pytest.mark.parametrize("metric", ["euclidean", "manhattan"])
@pytest.mark.parametrize("algorithm", ["brute", "pruned"])
@pytest.mark.parametrize("name", ["sparse", "half", "few left out", "all"])
def test_neighbours_are_those_of_the_masked_rows_alone(metric: str, algorithm: str, name: str):
    X, queries = few_values(0, 400, 5), few_values(1, 30, 5)
    mask = masks(400)[name]
    nn = knnc.NearestNeighbors(metric=metric, algorithm=algorithm).fit(X)
    alone = knnc.NearestNeighbors(metric=metric).fit(X[mask])
    for _ in range(3):  # an index made for the mask, made again, kept
        assert_same(
            nn.kneighbors(queries, 9, row_mask=mask), among(alone.kneighbors(queries, 9), mask)
        )
    np.testing.assert_array_equal(
        nn.kneighbors(queries, 9, return_distance=False, row_mask=list(mask)),
        np.flatnonzero(mask)[alone.kneighbors(queries, 9, return_distance=False)],
    )


@pytest.mark.parametrize("name", ["sparse", "half", "few left out", "all"])
def test_without_queries_every_row_is_one_and_never_its_own(name: str) -> None:
    X = few_values(0, 300, 4)
    mask = masks(300)[name]
    nn = knnc.NearestNeighbors().fit(X)
    dist, ind = nn.kneighbors(n_neighbors=6, row_mask=mask)
    alone = knnc.NearestNeighbors().fit(X[mask])
    assert_same((dist[mask], ind[mask]), among(alone.kneighbors(n_neighbors=6), mask))
    if not mask.all():
        found = among(alone.kneighbors(X[~mask], 6), mask)
        assert_same((dist[~mask], ind[~mask]), found)


def test_progress_of_a_search_in_two_parts() -> None:
    X = few_values(0, 300, 4)
    seen: list[tuple[int, int]] = []
    with knnc.progress(lambda done, total: seen.append((done, total))):
        knnc.NearestNeighbors().fit(X).kneighbors(n_neighbors=3, row_mask=masks(300)["half"])
    assert seen == sorted(seen)
    assert seen[-1] == (300, 300)


def test_odd_rows_among_the_queries() -> None:
    X = any_bytes(0, 200, 6)
    queries = any_bytes(1, 12, 6).astype(np.float64)
    queries[::3] += 0.25
    for mask in masks(200).values():
        nn = knnc.NearestNeighbors().fit(X)
        alone = knnc.NearestNeighbors().fit(X[mask])
        assert_same(
            nn.kneighbors(queries, 4, row_mask=mask), among(alone.kneighbors(queries, 4), mask)
        )


@pytest.mark.parametrize("algorithm", ["brute", "kd_tree", "ball_tree"])
@pytest.mark.parametrize("make", [np.asarray, sparse.csr_matrix], ids=["dense", "sparse"])
def test_scikit_learns_search(algorithm: str, make: Any) -> None:
    if make is not np.asarray and algorithm != "brute":
        algorithm = "auto"
    rng = np.random.default_rng(0)
    X, queries = make(rng.normal(size=(150, 4))), make(rng.normal(size=(20, 4)))
    parameters = {
        "algorithm": algorithm,
        "metric": "minkowski",
        "p": 3 if make is np.asarray else 1,
    }
    mask = masks(150)["half"]
    nn = knnc.NearestNeighbors(**parameters).fit(X)
    assert nn.engine_ == "sklearn"
    alone = knnc.NearestNeighbors(**parameters).fit(X[np.flatnonzero(mask)])
    assert_same(nn.kneighbors(queries, 5, row_mask=mask), among(alone.kneighbors(queries, 5), mask))
    dist, ind = nn.kneighbors(n_neighbors=5, row_mask=mask)
    inside = np.flatnonzero(mask)
    assert_same((dist[mask], ind[mask]), among(alone.kneighbors(n_neighbors=5), mask))
    found = among(alone.kneighbors(X[np.flatnonzero(~mask)], 5), mask)
    assert_same((dist[~mask], ind[~mask]), found)
    assert np.isin(ind, inside).all()


@pytest.mark.parametrize("algorithm", ["brute", "ball_tree"])
def test_parameters_of_the_metric(algorithm: str) -> None:
    rng = np.random.default_rng(0)
    X, queries = rng.normal(size=(150, 4)), rng.normal(size=(20, 4))
    given = {"V": np.array([1.0, 0.01, 9.0, 2.0])}
    parameters = {"algorithm": algorithm, "metric": "seuclidean", "metric_params": given}
    mask = masks(150)["half"]
    nn = knnc.NearestNeighbors(**parameters).fit(X)
    alone = knnc.NearestNeighbors(**parameters).fit(X[mask])
    assert_same(nn.kneighbors(queries, 5, row_mask=mask), among(alone.kneighbors(queries, 5), mask))


def test_codes_of_the_masked_rows_when_it_is_searched_again() -> None:
    X, queries = few_values(0, 400, 9), few_values(1, 3, 9)
    whole = Index(X, "sqeuclidean", algorithm="pruned")
    masked = row_mask.MaskedIndex(whole, X, masks(400)["half"])
    made = []
    for again in (False, False, True, True):
        masked.search(queries, 2, n_threads=1, again=again)
        assert masked._made is not None
        made.append(masked._made)
    assert [algorithm for algorithm, _ in made] == ["brute", "brute", "pruned", "pruned"]
    assert made[0][1] is made[1][1]
    assert made[2][1] is made[3][1]
    assert made[3][1].is_pruned


def test_scikit_learns_search_of_rows_with_many_duplicates() -> None:
    X = np.full((40, 2), 0.3)
    dist, ind = knnc.NearestNeighbors().fit(X).kneighbors(n_neighbors=3, row_mask=np.arange(40) > 9)
    assert not dist.any()
    assert (ind > 9).all()
    assert (ind != np.arange(40)[:, np.newaxis]).all()


def test_precomputed_distances() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(60, 3))
    matrix = np.linalg.norm(points[:, np.newaxis] - points, axis=2)
    nn = knnc.NearestNeighbors(metric="precomputed").fit(matrix)
    plain = knnc.NearestNeighbors(algorithm="brute").fit(points)
    mask = masks(60)["half"]
    for X, Y in ((None, None), (matrix[:9], points[:9])):
        dist, ind = nn.kneighbors(X, 4, row_mask=mask)
        expected = plain.kneighbors(Y, 4, row_mask=mask)
        np.testing.assert_array_equal(ind, expected[1])
        np.testing.assert_allclose(dist, expected[0], atol=1e-7)  # of sums of squares


@pytest.mark.parametrize(
    ("shift", "d", "engine"), [(0.0, 3, "integer"), (0.25, 20, "float"), (0.25, 3, "float")]
)
def test_a_mask_of_too_few_rows_is_said_in_scikit_learns_words(
    shift: float, d: int, engine: str
) -> None:
    X = few_values(0, 50, d) + shift
    mask = np.arange(50) % 10 == 0
    nn, alone = knnc.NearestNeighbors().fit(X), knnc.NearestNeighbors().fit(X[mask])
    assert nn.engine_ == engine
    nn.kneighbors(X, 5, row_mask=mask)
    nn.kneighbors(None, 4, row_mask=mask)
    assert_same_error(
        lambda: nn.kneighbors(X[:8], 6, row_mask=mask), lambda: alone.kneighbors(X[:8], 6)
    )
    with pytest.raises(ValueError, match=r"n_neighbors < n_samples_fit.* = 5, n_samples = 50"):
        nn.kneighbors(None, 5, row_mask=mask)
    with pytest.raises(ValueError, match="n_samples_fit = 0"):
        nn.kneighbors(X, 1, row_mask=np.zeros(50, dtype=bool))


def test_what_is_no_mask() -> None:
    nn = knnc.NearestNeighbors().fit(few_values(0, 50, 3))
    with pytest.raises(TypeError, match="boolean"):
        nn.kneighbors(row_mask=np.arange(50))
    with pytest.raises(ValueError, match=r"shape \(49,\)"):
        nn.kneighbors(row_mask=np.ones(49, dtype=bool))
    with pytest.raises(ValueError, match=r"shape \(50, 1\)"):
        nn.kneighbors(row_mask=np.ones((50, 1), dtype=bool))


def test_the_index_of_a_mask_is_kept_until_another_comes(monkeypatch: Any) -> None:
    made: list[int] = []

    class Counted(Index):
        def __init__(self, rows: Any, *args: Any, **options: Any) -> None:
            made.append(len(rows))
            super().__init__(rows, *args, **options)

    monkeypatch.setattr(row_mask, "Index", Counted)
    X = few_values(0, 200, 4)
    nn = knnc.NearestNeighbors(n_neighbors=3).fit(X)
    mask = np.arange(200) < 60
    first = nn.kneighbors(X, row_mask=mask)
    assert_same(nn.kneighbors(X, row_mask=mask.copy()), first)
    assert made == [60]
    mask[60:90] = True  # what is kept is a copy: a changed mask is another one
    assert (nn.kneighbors(X, row_mask=mask)[1][60:90, 0] == nn.kneighbors(X[60:90])[1][:, 0]).any()
    assert made == [60, 90]
    nn.fit(X[::-1].copy())
    nn.kneighbors(X, row_mask=mask)
    assert made == [60, 90, 90]


# ---- return_distance="exact"


@pytest.mark.parametrize("metric", sorted(METRICS))
@pytest.mark.parametrize(
    "encoded", [lambda X: X, lambda X: X / 255, lambda X: X.astype(np.float32)],
    ids=["bytes", "pixels", "floats"],
)  # fmt: skip
def test_exact_distances_are_the_integers(metric: str, encoded: Any) -> None:
    X, queries = any_bytes(0, 90, 7), any_bytes(1, 12, 7)
    nn = knnc.NearestNeighbors(metric=metric).fit(encoded(X))
    for mask in (None, np.arange(90) % 3 > 0):
        rows = np.arange(90) if mask is None else np.flatnonzero(mask)
        dist, ind = nn.kneighbors(encoded(queries), 5, return_distance="exact", row_mask=mask)
        expected = oracle_kneighbors(X[rows], queries, 5, METRICS[metric])
        np.testing.assert_array_equal(dist, expected[0], strict=True)
        np.testing.assert_array_equal(ind, rows[expected[1]])
    dist, _ = nn.kneighbors(n_neighbors=5, return_distance="exact")
    assert dist.dtype == np.int64
    np.testing.assert_array_equal(dist, oracle_kneighbors(X, None, 5, METRICS[metric])[0])


def test_exact_distances_of_other_numbers_there_are_none() -> None:
    X = any_bytes(0, 20, 3)
    for algorithm, engine in (("brute", "float"), ("kd_tree", "sklearn")):
        floats = knnc.NearestNeighbors(n_neighbors=2, algorithm=algorithm).fit(X + 0.5)
        with pytest.raises(ValueError, match=f"engine_ is '{engine}'"):
            floats.kneighbors(X, return_distance="exact")
    queries = X.astype(np.float64)
    queries[:3] += 0.25
    with pytest.raises(ValueError, match="3 of 20 are not"):
        knnc.NearestNeighbors(n_neighbors=2).fit(X).kneighbors(queries, return_distance="exact")
    with pytest.raises(ValueError, match="'exact', got 'squared'"):
        floats.kneighbors(X, return_distance="squared")
