"""What people put around neighbours, on real digits: it works as around scikit-learn's.

The estimators of either library in the same place, and the integer engine underneath ours.
"""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
import sklearn.neighbors
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import DBSCAN
from sklearn.ensemble import StackingClassifier
from sklearn.feature_selection import VarianceThreshold
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import TSNE, Isomap
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline

import knnc

N = 400


@pytest.fixture(scope="module")
def some(digits: SimpleNamespace) -> SimpleNamespace:
    """The first 400 digits, and 100 more."""
    return SimpleNamespace(
        X=digits.X[:N], y=digits.y[:N], Q=digits.X[N : N + 100], true=digits.y[N : N + 100]
    )


def test_feature_names_and_set_output(some: SimpleNamespace) -> None:
    names = [f"pixel {i}" for i in range(64)]
    frame, queries = pd.DataFrame(some.X, columns=names), pd.DataFrame(some.Q, columns=names)
    pipeline = make_pipeline(VarianceThreshold(), knnc.KNeighborsClassifier(3))
    pipeline.set_output(transform="pandas").fit(frame, some.y)
    kept = pipeline[0].get_feature_names_out()
    assert len(kept) < 64
    np.testing.assert_array_equal(pipeline[-1].feature_names_in_, kept)
    assert pipeline[-1].engine_ == "integer"
    plain = knnc.KNeighborsClassifier(3).fit(some.X, some.y).predict(some.Q)
    np.testing.assert_array_equal(pipeline.predict(queries), plain)
    with pytest.raises(ValueError, match="feature names should match"):
        pipeline[-1].predict(queries[kept[::-1]])
    graph = knnc.KNeighborsTransformer(n_neighbors=3).fit(frame)
    assert graph.get_feature_names_out().tolist()[:1] == ["kneighborstransformer0"]


@pytest.mark.parametrize(
    "estimator",
    [knnc.KNeighborsClassifier(3), knnc.RadiusNeighborsClassifier(25.0, outlier_label=-1)],
    ids=lambda e: type(e).__name__,
)
@pytest.mark.filterwarnings("ignore:Outlier label")
def test_metadata_routing(some: SimpleNamespace, estimator: Any) -> None:
    """score takes sample_weight, asked for as scikit-learn's does."""
    weights = np.random.default_rng(0).random(N)
    with sklearn.config_context(enable_metadata_routing=True):
        asking = sklearn.base.clone(estimator).set_score_request(sample_weight=True)
        weighted = cross_val_score(asking, some.X, some.y, cv=3, params={"sample_weight": weights})
        plain = cross_val_score(sklearn.base.clone(estimator), some.X, some.y, cv=3)
    assert (weighted != plain).any()
    np.testing.assert_allclose(weighted, plain, atol=0.05)


def test_a_grid_on_all_processes(some: SimpleNamespace) -> None:
    grid = {"n_neighbors": [1, 3, 10], "weights": ["uniform", "distance"]}
    with warnings.catch_warnings(action="ignore"):  # how a backend stops its workers is its affair
        ours, theirs = (
            GridSearchCV(module.KNeighborsClassifier(), grid, cv=3, n_jobs=-1).fit(some.X, some.y)
            for module in (knnc, sklearn.neighbors)
        )
    assert ours.best_estimator_.engine_ == "integer"
    np.testing.assert_allclose(
        ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"], atol=0.01
    )
    assert ours.score(some.Q, some.true) == pytest.approx(theirs.score(some.Q, some.true), abs=0.02)


def test_cross_val_predict(some: SimpleNamespace) -> None:
    """With one neighbour, for which nothing ties in these digits."""
    ours, theirs = (
        cross_val_predict(
            module.KNeighborsClassifier(1), some.X, some.y, cv=4, method="predict_proba"
        )
        for module in (knnc, sklearn.neighbors)
    )
    np.testing.assert_allclose(ours, theirs)


def test_a_pipeline_with_a_memory(some: SimpleNamespace, tmp_path) -> None:
    """The neighbours are found once and cached, for every k that is tried after."""
    steps = [
        ("graph", knnc.KNeighborsTransformer(n_neighbors=12)),
        ("vote", knnc.KNeighborsClassifier(metric="precomputed")),
    ]
    pipeline = Pipeline(steps, memory=str(tmp_path))
    for k in (1, 5, 12):
        pipeline.set_params(vote__n_neighbors=k).fit(some.X, some.y)
        direct = knnc.KNeighborsClassifier(k).fit(some.X, some.y)
        assert direct.engine_ == "integer"
        assert pipeline[-1].engine_ == "sklearn"  # which reads the graph
        np.testing.assert_array_equal(pipeline.predict(some.Q), direct.predict(some.Q))
    assert len(list(tmp_path.rglob("output.pkl"))) == 1


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibrated(some: SimpleNamespace, method: str) -> None:
    ours, theirs = (
        CalibratedClassifierCV(module.KNeighborsClassifier(1), method=method, cv=3)
        .fit(some.X, some.y)
        .predict_proba(some.Q)
        for module in (knnc, sklearn.neighbors)
    )
    np.testing.assert_allclose(ours.sum(axis=1), 1.0)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.filterwarnings("ignore:scipy.optimize:DeprecationWarning")  # an old scikit-learn's
def test_stacked(some: SimpleNamespace) -> None:
    stacks = [
        StackingClassifier(
            [("l2", module.KNeighborsClassifier(3)), ("l1", module.KNeighborsClassifier(3, p=1))],
            final_estimator=LogisticRegression(max_iter=200),
            cv=3,
        ).fit(some.X, some.y)
        for module in (knnc, sklearn.neighbors)
    ]
    assert {estimator.engine_ for estimator in stacks[0].estimators_} == {"integer"}
    ours, theirs = (stack.score(some.Q, some.true) for stack in stacks)
    assert ours == pytest.approx(theirs, abs=0.03)
    assert ours > 0.8


def _graphs(transformer: str, X: Any, **parameters: Any) -> list[Any]:
    """The same graph made by either library; where nothing ties, the same edges."""
    made = [getattr(module, transformer)(**parameters) for module in (knnc, sklearn.neighbors)]
    graphs = [maker.fit_transform(rows) for maker, rows in zip(made, (X, X * 1.0), strict=True)]
    assert made[0].engine_ == "integer"
    return graphs


def test_tsne(some: SimpleNamespace) -> None:
    options = {"metric": "precomputed", "init": "random", "random_state": 0, "perplexity": 10}
    graph, _ = _graphs("KNeighborsTransformer", some.X[:200], n_neighbors=199)
    points = TSNE(**options, max_iter=300).fit_transform(graph)
    assert points.shape == (200, 2)
    near = sklearn.neighbors.KNeighborsClassifier(3).fit(points[::2], some.y[:200:2])
    assert near.score(points[1::2], some.y[1:200:2]) > 0.7


def test_dbscan(some: SimpleNamespace) -> None:
    for radius in (18.0, 22.0):
        labels = [
            DBSCAN(eps=radius, min_samples=5, metric="precomputed").fit_predict(graph)
            for graph in _graphs("RadiusNeighborsTransformer", some.X, radius=radius)
        ]
        np.testing.assert_array_equal(*labels)
        assert labels[0].max() > 3
        direct = DBSCAN(eps=radius, min_samples=5).fit_predict(some.X.astype(np.float64))
        np.testing.assert_array_equal(labels[0], direct)


def test_isomap(some: SimpleNamespace) -> None:
    """Of pixels divided by 255; of the ones that tie either library may take another."""
    pixels = some.X / 255.0
    embedded = [
        make_pipeline(
            module.KNeighborsTransformer(n_neighbors=30),
            Isomap(n_neighbors=30, metric="precomputed", eigen_solver="dense"),
        ).fit(pixels)
        for module in (knnc, sklearn.neighbors)
    ]
    assert embedded[0][0].engine_ == "integer"
    errors = [pipeline[-1].reconstruction_error() for pipeline in embedded]
    np.testing.assert_allclose(*errors, rtol=1e-2)
    assert embedded[0].transform(some.Q / 255.0).shape == (100, 2)


def test_neighbours_have_the_form_that_umap_takes(some: SimpleNamespace) -> None:
    """Each row comes first among its own neighbours, or a twin of it with a smaller index."""
    dist, ind = knnc.NearestNeighbors(n_neighbors=15).fit(some.X).kneighbors(some.X)
    assert ind.shape == dist.shape == (N, 15)
    assert (ind.dtype.kind, dist.dtype.kind) == ("i", "f")
    assert (dist[:, 0] == 0.0).all()
    assert (np.diff(dist) >= 0.0).all()
    np.testing.assert_array_equal(some.X[ind[:, 0]], some.X)
    assert (ind[:, 0] <= np.arange(N)).all()


def test_umap(some: SimpleNamespace) -> None:
    umap = pytest.importorskip("umap", reason="needs umap-learn")
    nn = knnc.NearestNeighbors(n_neighbors=15).fit(some.X)
    dist, ind = nn.kneighbors(some.X)
    with warnings.catch_warnings(action="ignore"):
        points = umap.UMAP(precomputed_knn=(ind, dist), random_state=0).fit_transform(some.X)
    assert points.shape == (N, 2)
