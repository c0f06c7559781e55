"""Rows that are no NumPy arrays: tensors, array-API arrays, frames whose columns bear odd names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import cross_val_score

import knnc
from tests.neighbors.support import any_bytes, assert_same

X, Y = any_bytes(1, 60, 6), np.arange(60) % 3
ODD_NAMES = [
    ["dtype", "shape", "ndim", "data", "size", "flags"],
    ["toarray", "kneighbors", "radius_neighbors", "hasobject", "__array__", "engine_"],
]


class Tensor:
    """As torch's: an array of its own kind, with a dtype that is not NumPy's."""

    def __init__(self, values: Any) -> None:
        self.values = np.asarray(values)
        self.dtype = f"tensor.{self.values.dtype}"
        self.shape, self.ndim = self.values.shape, self.values.ndim
        self.data = self

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(self.values, dtype=dtype)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: Any) -> Tensor:
        return Tensor(self.values[index])


def _torch(values: Any) -> Any:
    return pytest.importorskip("torch").tensor(values)


def _array_api(values: Any) -> Any:
    return pytest.importorskip("array_api_strict").asarray(values)


def _polars(values: Any) -> Any:
    return pytest.importorskip("polars").DataFrame(values, schema=ODD_NAMES[0])


MAKERS = {
    "stand-in": Tensor,
    "torch": _torch,
    "array API": _array_api,
    "pandas": lambda values: pd.DataFrame(values, columns=ODD_NAMES[0]),
    "pandas methods": lambda values: pd.DataFrame(values, columns=ODD_NAMES[1]),
    "pandas object": lambda values: pd.DataFrame(values, columns=ODD_NAMES[0]).astype(object),
    "polars": _polars,
}
ROWS = {"integer": X, "float": X + 0.5}


@pytest.mark.parametrize("engine", ROWS)
@pytest.mark.parametrize("maker", MAKERS)
def test_answers_are_those_of_an_array(maker: str, engine: str) -> None:
    made, rows = MAKERS[maker](ROWS[engine]), ROWS[engine]
    search = {"n_neighbors": 3, "radius": 150.0}
    nn, of_array = (knnc.NearestNeighbors(**search).fit(A) for A in (made, rows))
    assert nn.engine_ == of_array.engine_ == engine
    assert_same(nn.kneighbors(made), of_array.kneighbors(rows))
    for got, expected in zip(
        nn.radius_neighbors(made)[1], of_array.radius_neighbors(rows)[1], strict=True
    ):
        np.testing.assert_array_equal(got, expected)
    for graph, argument in ((knnc.kneighbors_graph, 3), (knnc.radius_neighbors_graph, 150.0)):
        assert (graph(made, argument) != graph(rows, argument)).nnz == 0
    for cls in (
        knnc.KNeighborsClassifier,
        knnc.KNeighborsRegressor,
        lambda: knnc.RadiusNeighborsClassifier(400.0),
        lambda: knnc.RadiusNeighborsRegressor(400.0),
    ):
        got, expected = cls().fit(made, Y), cls().fit(rows, Y)
        for method in ("predict", "predict_proba"):
            if hasattr(got, method):
                np.testing.assert_array_equal(
                    getattr(got, method)(made), getattr(expected, method)(rows)
                )
    grown = knnc.KNeighborsClassifier().partial_fit(made, Y).partial_fit(made, Y)
    assert grown.n_samples_fit_ == 2 * len(X)


@pytest.mark.parametrize("maker", ["stand-in", "torch", "pandas"])
def test_cross_validation(maker: str) -> None:
    scores = cross_val_score(knnc.KNeighborsClassifier(), MAKERS[maker](X), Y, cv=3)
    np.testing.assert_array_equal(scores, cross_val_score(knnc.KNeighborsClassifier(), X, Y, cv=3))


@pytest.mark.parametrize("engine", ROWS)
def test_none_in_a_frame_with_a_column_named_dtype(engine: str) -> None:
    frame = pd.DataFrame(ROWS[engine], columns=ODD_NAMES[0]).astype(object)
    nn = knnc.NearestNeighbors().fit(frame)
    frame.iloc[3, 2] = None
    with pytest.raises(ValueError, match="contains NaN"):
        nn.kneighbors(frame)
