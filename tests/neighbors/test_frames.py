"""Frames, pipelines and set_output: what scikit-learn makes of them reaches the engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import issparse
from sklearn.feature_selection import VarianceThreshold
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler
from sklearn.utils import check_array

import knnc
from tests.neighbors.support import any_bytes, assert_same, oracle, twins

pl = pytest.importorskip("polars", reason="needs the extra 'test-frames'")

X, Q, Y = any_bytes(1, 60, 4), any_bytes(2, 20, 4), np.arange(60) % 3
NAMES = ["a", "b", "c", "d"]
FRAMES = {
    "pandas uint8": lambda A: pd.DataFrame(A, columns=NAMES),
    "pandas int64": lambda A: pd.DataFrame(A.astype(np.int64), columns=NAMES),
    "pandas mixed": lambda A: pd.DataFrame(A, columns=NAMES).astype({"a": "float32", "c": "int16"}),
    "pandas UInt8": lambda A: pd.DataFrame(A, columns=NAMES).astype("UInt8"),
    "pandas object": lambda A: pd.DataFrame(A, columns=NAMES).astype(object),
    "polars uint8": lambda A: pl.DataFrame(A, schema=NAMES),
    "polars mixed": lambda A: pl.DataFrame(A, schema=NAMES).with_columns(
        pl.col("b").cast(pl.Float64)
    ),
}


def _names(estimator: Any) -> list[str] | None:
    """An older scikit-learn sees none in a frame of a newer polars."""
    return list(getattr(estimator, "feature_names_in_", [])) or None


@pytest.mark.filterwarnings("ignore:.*feature names:UserWarning")  # of such a scikit-learn
@pytest.mark.parametrize("queries", FRAMES)
@pytest.mark.parametrize("fit", FRAMES)
def test_frames(fit: str, queries: str) -> None:
    nn, theirs = twins(n_neighbors=3)
    nn.fit(FRAMES[fit](X))
    assert nn.engine_ == "integer"
    assert _names(nn) == _names(theirs.fit(FRAMES[fit](X)))
    assert _names(nn) == NAMES or fit.startswith("polars")
    assert_same(nn.kneighbors(FRAMES[queries](Q)), oracle(X, Q, 3, "euclidean"))


def test_numbers_in_a_frame_keep_their_names() -> None:
    nn = knnc.NearestNeighbors(n_neighbors=3).fit(FRAMES["pandas int64"](X) + 0.5)
    assert nn.engine_ == "float"
    assert nn.feature_names_in_.tolist() == NAMES
    nn.kneighbors(FRAMES["pandas int64"](Q))


def test_a_frame_of_sparse_columns() -> None:
    frame = pd.DataFrame(X * (X > 128), columns=NAMES).astype(pd.SparseDtype("uint8", 0))
    nn = knnc.NearestNeighbors(n_neighbors=3).fit(frame)
    if not issparse(check_array(frame, accept_sparse="csr")):
        pytest.skip("this pandas needs a later SciPy to make it sparse")
    assert nn.engine_ == "sklearn"
    expected = knnc.NearestNeighbors(n_neighbors=3).fit(X * (X > 128)).kneighbors(Q)
    with pytest.warns(UserWarning, match="valid feature names"):
        np.testing.assert_allclose(nn.kneighbors(Q)[0], expected[0])
    with pytest.raises(ValueError, match="X is sparse"):
        nn.set_params(algorithm="pruned").fit(frame)


@pytest.mark.parametrize("output", ["default", "pandas", "polars"])
def test_set_output(output: str) -> None:
    keep = VarianceThreshold().set_output(transform=output)
    frame: Any = FRAMES["pandas uint8"](X)
    pipeline = make_pipeline(keep, knnc.KNeighborsClassifier(3)).fit(frame, Y)
    assert pipeline[-1].engine_ == "integer"
    plain = knnc.KNeighborsClassifier(3).fit(X, Y)
    queries = FRAMES["pandas uint8"](Q)
    np.testing.assert_array_equal(pipeline.predict(queries), plain.predict(Q))
    np.testing.assert_array_equal(pipeline.predict_proba(queries), plain.predict_proba(Q))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_min_max_scaled_pixels_are_narrowed(dtype: type) -> None:
    """It multiplies by 1/255 where each feature goes from 0 to 255."""
    pixels = np.vstack([X, np.zeros((1, 4)), np.full((1, 4), 255)]).astype(dtype)
    pipeline = make_pipeline(MinMaxScaler(), knnc.KNeighborsClassifier(3))
    pipeline.fit(pixels, np.arange(62) % 3)
    assert pipeline[-1].engine_ == "integer"
    rows = pixels.astype(np.uint8)
    dist, ind = pipeline[-1].kneighbors(pipeline[0].transform(Q.astype(dtype)))
    expected = oracle(rows, Q, 3, "euclidean")
    np.testing.assert_array_equal(ind, expected[1])
    np.testing.assert_allclose(dist, expected[0] / 255, rtol=1e-15)
    scaled = make_pipeline(StandardScaler(), knnc.KNeighborsClassifier()).fit(X, Y)
    assert scaled[-1].engine_ == "float"


def test_model_selection() -> None:
    grid = GridSearchCV(knnc.KNeighborsClassifier(), {"n_neighbors": [1, 3], "p": [1, 2]}, cv=3)
    grid.fit(X, Y)
    assert grid.best_estimator_.engine_ == "integer"
    divide = FunctionTransformer(lambda A: A / np.float32(255))
    labels = cross_val_predict(make_pipeline(divide, knnc.KNeighborsClassifier(3)), X, Y, cv=3)
    np.testing.assert_array_equal(
        labels, cross_val_predict(knnc.KNeighborsClassifier(3), X, Y, cv=3)
    )
