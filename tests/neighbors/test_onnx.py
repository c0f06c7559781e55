"""Models in the ONNX format, as onnxruntime computes them."""

from __future__ import annotations

import re
import sys
from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import knnc
from knnc.onnx import register_converters
from tests.pages import ROOT

RNG = np.random.default_rng(0)
BYTES, QUERIES = RNG.integers(0, 256, (2, 200, 20), np.uint8)
LABELS = RNG.integers(0, 3, 200)
ROWS = {
    "bytes": (BYTES, QUERIES, "integer"),
    "pixels": (BYTES / 255, QUERIES / 255, "integer"),
    "floats": (*RNG.normal(size=(2, 200, 20)), "float"),
}


@pytest.fixture(params=ROWS)
def rows(request: pytest.FixtureRequest) -> tuple[Any, Any, str]:
    return ROWS[request.param]


@pytest.fixture(params=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _far_apart(estimator: Any, X: Any, queries: Any) -> Any:
    """The queries whose neighbours differ in their distances by more than float32 may round."""
    nn = knnc.NearestNeighbors(metric=estimator.effective_metric_).fit(X)
    dist, _ = nn.kneighbors(queries, estimator.n_neighbors + 1)
    kept = queries[(np.diff(dist) > 1e-4 * dist[:, 1:]).all(axis=1)]
    assert len(kept) > 50
    return kept


def _answers(estimator: Any, queries: Any, dtype: str, **options: Any) -> list[Any]:
    """What a model of the estimator answers."""
    skl2onnx = pytest.importorskip("skl2onnx", reason="needs the extra 'onnx'")
    onnxruntime = pytest.importorskip("onnxruntime", reason="runs models")
    register_converters()
    cast = queries.astype(dtype)
    model = skl2onnx.to_onnx(
        estimator, cast[:1], options={id(estimator): options} if options else None
    )
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    answers: list[Any] = session.run(None, {"X": cast})
    return answers


@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean", "manhattan", "cosine"])
def test_neighbours(rows: tuple[Any, Any, str], dtype: str, metric: str) -> None:
    X, queries, engine = rows
    nn = knnc.NearestNeighbors(n_neighbors=4, metric=metric).fit(X)
    assert nn.engine_ == ("float" if metric == "cosine" else engine)
    queries = _far_apart(nn, X, queries)
    ind, dist = _answers(nn, queries, dtype)
    expected, nearest = nn.kneighbors(queries)
    np.testing.assert_array_equal(ind, nearest)
    np.testing.assert_allclose(dist, expected, rtol=1e-5 if dtype == "float32" else 1e-12)
    assert nn.radius == 1.0


@pytest.mark.parametrize("labels", [LABELS, np.array(["a", "b", "c"])[LABELS]])
def test_classification(rows: tuple[Any, Any, str], dtype: str, labels: Any) -> None:
    X, queries, engine = rows
    clf = knnc.KNeighborsClassifier(7, p=1).fit(X, labels)
    assert clf.engine_ == engine
    queries = _far_apart(clf, X, queries)
    named, shares = _answers(clf, queries, dtype, zipmap=False)
    np.testing.assert_array_equal(named, clf.predict(queries))
    np.testing.assert_allclose(shares, clf.predict_proba(queries), rtol=1e-6)


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_regression(rows: tuple[Any, Any, str], dtype: str, n_outputs: int) -> None:
    X, queries, _ = rows
    y = RNG.normal(size=(200, n_outputs)).astype(dtype)
    regressor = knnc.KNeighborsRegressor(7).fit(X, y)
    queries = _far_apart(regressor, X, queries)
    (predicted,) = _answers(regressor, queries, dtype)
    np.testing.assert_allclose(predicted, regressor.predict(queries), rtol=1e-3, atol=1e-5)


def test_what_the_documentation_shows() -> None:
    pytest.importorskip("skl2onnx", reason="needs the extra 'onnx'")
    page = ROOT / "docs" / "sklearn.md"
    if not page.exists():
        pytest.skip("this test is not beside the documents")
    (block,) = re.findall(r"```py\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    names = {"KNeighborsClassifier": knnc.KNeighborsClassifier, "X": BYTES * 1.0, "y": LABELS}
    exec(compile(block, str(page), "exec"), names)
    assert names["model"].graph.node  # type: ignore[attr-defined]


def test_in_a_pipeline() -> None:
    pipeline = make_pipeline(StandardScaler(), knnc.KNeighborsClassifier()).fit(BYTES * 1.0, LABELS)
    named, _ = _answers(pipeline, QUERIES, "float64", zipmap=False)
    np.testing.assert_array_equal(named, pipeline.predict(QUERIES * 1.0))


@pytest.mark.parametrize("estimator", [knnc.KNeighborsClassifier, knnc.KNeighborsRegressor])
@pytest.mark.parametrize("weights", ["distance", None])
def test_weights_that_would_be_wrong(estimator: Any, weights: Any) -> None:
    fitted = estimator(weights=weights).fit(BYTES, LABELS)
    with pytest.raises(NotImplementedError, match=f"must be 'uniform', got {weights!r}"):
        _answers(fitted, QUERIES, "float32")


def test_without_skl2onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ImportError, match=r'ONNX needs skl2onnx.*pip install "knnc\[onnx\]"'):
        register_converters()
