"""Near-duplicates, beside all distances."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas
import pytest
from scipy import sparse

import knnc
from knnc._reports import duplicates
from knnc.inspection import near_duplicates
from tests.neighbors.support import any_bytes, few_values


def all_pairs(X: Any, radius: float, order: int) -> list[tuple[float, int, int]]:
    rows = X.astype(np.int64)
    found = []
    for i in range(len(rows)):
        apart = np.abs(rows[i + 1 :] - rows[i])
        dist = apart.sum(axis=1) if order == 1 else np.sqrt((apart * apart).sum(axis=1))
        found += [(float(d), i, i + 1 + j) for j, d in enumerate(dist) if d <= radius]
    return sorted(found)


@pytest.mark.parametrize("top", [2, 4])
@pytest.mark.parametrize("radius", [0, 1, 1.5, 100])
@pytest.mark.parametrize("metric", ["euclidean", "manhattan"])
def test_all_pairs_and_no_others(top: int, radius: float, metric: str) -> None:
    X = few_values(0, 70, 5, top)
    found = near_duplicates(X, radius, metric=metric)
    expected = all_pairs(X, radius, 1 if metric == "manhattan" else 2)
    got = [
        (d, *pair) for d, pair in zip(found.distances.tolist(), found.pairs.tolist(), strict=True)
    ]
    assert got == expected
    assert len(found) == len(expected) > 0


def test_more_duplicates_than_are_asked_for_at_first() -> None:
    X = any_bytes(0, 120, 6)
    X[::2] = 7
    found = near_duplicates(X)
    assert len(found) == 60 * 59 // 2
    (group,) = found.groups()
    np.testing.assert_array_equal(group, np.arange(0, 120, 2))


@pytest.mark.parametrize("top", [1, 2])
def test_rows_are_asked_again_in_parts(top: int, monkeypatch: Any) -> None:
    X = few_values(0, 90, 3, top)
    whole = near_duplicates(X)
    monkeypatch.setattr(duplicates, "_NEIGHBORS_AT_ONCE", 300)
    parts = near_duplicates(X)
    np.testing.assert_array_equal(parts.pairs, whole.pairs)
    assert len(whole) == len(all_pairs(X, 0, 2)) > 100


def test_groups_hang_together_by_pairs() -> None:
    X = np.array([[10], [50], [11], [52], [12], [90], [51], [10]], dtype=np.uint8)
    groups = near_duplicates(X, 1).groups()
    assert [group.tolist() for group in groups] == [[0, 2, 4, 7], [1, 3, 6]]
    assert near_duplicates(X[:2]).groups() == []


@pytest.mark.parametrize(
    "make",
    [
        lambda X: X * 1.7,
        lambda X: sparse.csr_matrix(X * 1.7),
        lambda X: pandas.DataFrame(X, columns=list("abcde")),
        lambda X: X / 255,
    ],
    ids=["floats", "sparse", "frame", "pixels"],
)
def test_other_rows_than_bytes(make: Any) -> None:
    X = few_values(0, 60, 5, 2)
    found = near_duplicates(make(X))
    np.testing.assert_array_equal(found.pairs, near_duplicates(X).pairs)
    assert len(found) > 20


def test_none_is_found() -> None:
    found = near_duplicates(np.arange(9, dtype=np.uint8).reshape(9, 1))
    assert len(found) == 0
    assert found.pairs.shape == (0, 2)
    assert len(found.to_frame()) == 0


def test_frame_of_pairs() -> None:
    found = near_duplicates(few_values(0, 60, 4, 2))
    frame = found.to_frame()
    assert list(frame.columns) == ["first", "second", "distance"]
    np.testing.assert_array_equal(frame[["first", "second"]].to_numpy(), found.pairs)


def test_errors() -> None:
    X = few_values(0, 9, 2)
    for radius in (-1, float("nan")):
        with pytest.raises(ValueError, match="radius must be"):
            near_duplicates(X, radius)
    with pytest.raises(ValueError, match="two rows"):
        near_duplicates(X[:1])
    with pytest.raises(ValueError, match="0 sample"):
        near_duplicates(X[:0])


def test_inspection_is_there_when_asked_for() -> None:
    assert knnc.inspection.near_duplicates is near_duplicates
