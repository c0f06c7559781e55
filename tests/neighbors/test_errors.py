"""Bad input gets scikit-learn's error, type and words, whichever engine would have served."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array, csr_matrix
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags

import knnc
from tests.neighbors.support import TWINS, any_bytes, assert_same_error, outcome, twins

X = any_bytes(1, 12, 4)
Y = np.arange(12) % 3
FITS = {"uint8": X, "int8": X.view(np.int8), "float64 / 255": X / 255, "float64": X + 0.25}


def _with(value: float) -> np.ndarray:
    bad = X.astype(np.float64)
    bad[3, 2] = value
    return bad


BAD_ARRAYS: dict[str, Any] = {
    "empty": np.empty((0, 4), dtype=np.uint8),
    "no features": np.empty((3, 0), dtype=np.uint8),
    "1-D": X[0],
    "1-D list": [1, 2, 3, 4],
    "0-D": np.uint8(3),
    "3-D": X[np.newaxis],
    "NaN": _with(np.nan),
    "inf": _with(np.inf),
    "-inf": _with(-np.inf),
    "float32 inf": _with(np.inf).astype(np.float32),
    "strings": [["a", "b", "c", "d"]],
    "string array": np.array([["1", "2", "3", "4"]]),
    "objects": np.array([["a", 1, 2, 3]], dtype=object),
    "ragged": [[1, 2, 3, 4], [1, 2]],
    "complex": X * 1j,
    "nothing": [],
    "dict": {"a": 1},
    "text": "images",
    "matrix": csr_matrix(X).todense(),
    "NaN in a frame": pd.DataFrame(_with(np.nan)),
}


@pytest.mark.parametrize("cls", TWINS)
@pytest.mark.parametrize("name", BAD_ARRAYS)
def test_fit_on_a_bad_array(cls: type, name: str) -> None:
    ours, theirs = twins(cls)
    bad = BAD_ARRAYS[name]
    y = ()
    if get_tags(ours).target_tags.required:
        y = (Y[: len(bad)],) if hasattr(bad, "__len__") else (Y,)
    assert_same_error(lambda: ours.fit(bad, *y), lambda: theirs.fit(bad, *y))
    assert not hasattr(ours, "engine_")


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("name", [*BAD_ARRAYS, "wrong width", "wrong width list", "sparse width"])
def test_queries_of_a_bad_array(fit: str, name: str) -> None:
    bad = {
        **BAD_ARRAYS,
        "wrong width": any_bytes(2, 3, 5),
        "wrong width list": [[1, 2, 3]],
        "sparse width": csr_array(any_bytes(2, 3, 5)),
    }[name]
    ours, theirs = twins(algorithm="brute")
    ours.fit(FITS[fit])
    theirs.fit(FITS[fit])
    assert_same_error(lambda: ours.kneighbors(bad), lambda: theirs.kneighbors(bad))
    assert_same_error(lambda: ours.radius_neighbors(bad), lambda: theirs.radius_neighbors(bad))
    ours, theirs = twins(knnc.KNeighborsClassifier, algorithm="brute", weights="distance")
    ours.fit(FITS[fit], Y)
    theirs.fit(FITS[fit], Y)
    for method in ("predict", "predict_proba", "kneighbors_graph"):
        assert_same_error(
            lambda m=method: getattr(ours, m)(bad), lambda m=method: getattr(theirs, m)(bad)
        )


SEARCHES = [
    "kneighbors",
    "kneighbors_graph",
    "radius_neighbors",
    "radius_neighbors_graph",
    "predict",
    "predict_proba",
    "score",
    "transform",
]


OPTIONS: dict[type, dict[str, Any]] = {
    knnc.LocalOutlierFactor: {"novelty": True, "n_neighbors": 3},
    knnc.RadiusNeighborsClassifier: {"radius": 500.0, "outlier_label": 0},
    knnc.RadiusNeighborsRegressor: {"radius": 500.0},
    knnc.RadiusNeighborsTransformer: {"radius": 500.0},
}


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("cls", TWINS)
def test_every_method_refuses_what_scikit_learns_does(cls: type, fit: str) -> None:
    """And leaves the estimator as it was."""
    ours, theirs = twins(cls, algorithm="brute", **OPTIONS.get(cls, {}))
    ours.fit(FITS[fit], Y)
    theirs.fit(FITS[fit], Y)
    before = dict(vars(ours))
    wide = {"too wide": any_bytes(2, 3, 5), "too narrow": csr_array(any_bytes(2, 3, 3))}
    for name, bad in {**BAD_ARRAYS, **wide}.items():
        for method in filter(partial(hasattr, theirs), [*SEARCHES, "decision_function"]):
            arguments = (bad, Y) if method == "score" else (bad,)
            if name == "nothing" and method == "score":
                arguments = (bad, [])
            expected, got = (
                outcome(lambda e=estimator, m=method, a=arguments: getattr(e, m)(*a))
                for estimator in (theirs, ours)
            )
            assert expected.error is not None, (name, method)
            assert (got.error, got.text) == (expected.error, expected.text), (name, method)
    assert vars(ours).keys() == before.keys()
    assert all(vars(ours)[name] is before[name] for name in before)


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("hide", [list, lambda rows: np.array(rows, dtype=object), pd.DataFrame])
def test_none_is_nan_in_every_disguise(fit: str, hide: Callable[[Any], Any]) -> None:
    """scikit-learn itself lets it pass into some searches."""
    bad = hide([[1, 2, 3, 4], [1, 2, 3, None]])
    nn = knnc.NearestNeighbors(n_neighbors=2).fit(FITS[fit])
    with pytest.raises(ValueError, match=r"Input X contains NaN|Input contains NaN"):
        nn.kneighbors(bad)
    with pytest.raises(ValueError, match=r"contains NaN"):
        nn.fit(bad)


BAD_K: dict[str, Callable[[Any], Any]] = {
    "more than rows": lambda nn: nn.kneighbors(X, 13),
    "more than rows, one query": lambda nn: nn.kneighbors(X[:1], 13),
    "as many as rows, leave-one-out": lambda nn: nn.kneighbors(None, 12),
    "more than rows, leave-one-out": lambda nn: nn.kneighbors(n_neighbors=99),
    "zero": lambda nn: nn.kneighbors(X, 0),
    "negative": lambda nn: nn.kneighbors(X, -3),
    "zero, leave-one-out": lambda nn: nn.kneighbors(None, 0),
    "half": lambda nn: nn.kneighbors(X, 2.5),
    "float": lambda nn: nn.kneighbors(X, 2.0),
    "negative float": lambda nn: nn.kneighbors(X, -2.5),
    "NaN": lambda nn: nn.kneighbors(X, float("nan")),
    "numpy float": lambda nn: nn.kneighbors(X, np.float64(3)),
    "graph": lambda nn: nn.kneighbors_graph(X, 13),
    "mode": lambda nn: nn.kneighbors_graph(X, 3, mode="nearest"),
    "k before X": lambda nn: nn.kneighbors("images", 0),
    "X before k": lambda nn: nn.kneighbors([[1, 2]], 13),
    "sorted without distances": lambda nn: nn.radius_neighbors(
        X, 1.0, return_distance=False, sort_results=True
    ),
}


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("name", BAD_K)
def test_a_bad_number_of_neighbors(fit: str, name: str) -> None:
    ours, theirs = twins(n_neighbors=3, algorithm="brute")
    ours.fit(FITS[fit])
    theirs.fit(FITS[fit])
    assert_same_error(lambda: BAD_K[name](ours), lambda: BAD_K[name](theirs))


@pytest.mark.parametrize("k", ["3", None, [3], np.array([3])])
@pytest.mark.parametrize("fit", ["uint8", "float64"])
def test_no_number_of_neighbors_at_all(k: Any, fit: str) -> None:
    nn = knnc.NearestNeighbors(n_neighbors=3).fit(FITS[fit])
    nn.n_neighbors = k
    with pytest.raises(TypeError, match="n_neighbors does not take"):
        nn.kneighbors(X)


@pytest.mark.parametrize("fit", ["uint8", "float64"])
def test_a_bad_number_set_after_fit(fit: str) -> None:
    nn = knnc.NearestNeighbors(n_neighbors=3).fit(FITS[fit])
    with pytest.raises(ValueError, match=r"Expected n_neighbors > 0\. Got 0"):
        nn.set_params(n_neighbors=0).kneighbors(X)
    with pytest.raises(ValueError, match="n_jobs == 0"):
        nn.set_params(n_neighbors=3, n_jobs=0, algorithm="kd_tree").fit(X + 0.5).kneighbors(X)
    with pytest.raises(ValueError, match="n_jobs == 0"):
        knnc.NearestNeighbors(n_jobs=0).fit(X)


def _no_distance(_a: Any, _b: Any) -> float:
    return 0.0


@pytest.mark.parametrize(
    "parameters",
    [
        {"n_neighbors": 0},
        {"n_neighbors": 2.5},
        {"p": 0},
        {"p": -1},
        {"metric": "euclid"},
        {"metric": "minkowski", "p": 0.5, "algorithm": "kd_tree"},
        {"metric_params": 3},
        {"leaf_size": 0},
        {"n_jobs": 1.5},
        {"algorithm": "kd_tree", "metric": "cosine"},
        {"algorithm": "ball_tree", "metric": "sqeuclidean"},
        {"algorithm": "kd_tree", "metric": _no_distance},
        {"algorithm": "ball_tree", "metric": "precomputed"},
    ],
    ids=lambda parameters: str({k: getattr(v, "__name__", v) for k, v in parameters.items()}),
)
@pytest.mark.parametrize("fit", ["uint8", "float64"])
def test_bad_parameters(parameters: dict[str, Any], fit: str) -> None:
    ours, theirs = twins(**parameters)
    assert_same_error(lambda: ours.fit(FITS[fit]), lambda: theirs.fit(FITS[fit]))


def test_a_bad_algorithm_is_told_all_there_are() -> None:
    with pytest.raises(ValueError, match="'algorithm' parameter of NearestNeighbors") as caught:
        knnc.NearestNeighbors(algorithm="quick").fit(X)
    for name in ("auto", "brute", "pruned", "kd_tree", "ball_tree"):
        assert name in str(caught.value)


BAD_Y: dict[str, Any] = {
    "missing": None,
    "continuous": np.linspace(0.1, 0.9, 12),
    "short": Y[:5],
    "3-D": np.zeros((12, 2, 2)),
    "NaN": np.full(12, np.nan),
    "empty": [],
    "scalar": 3,
}


@pytest.mark.parametrize("fit", ["uint8", "float64"])
@pytest.mark.parametrize("name", BAD_Y)
def test_bad_labels(fit: str, name: str) -> None:
    ours, theirs = twins(knnc.KNeighborsClassifier)
    assert_same_error(
        lambda: ours.fit(FITS[fit], BAD_Y[name]), lambda: theirs.fit(FITS[fit], BAD_Y[name])
    )


@pytest.mark.parametrize("cls", TWINS)
def test_not_fitted(cls: type) -> None:
    ours, theirs = twins(cls)
    assert [hasattr(ours, name) for name in SEARCHES] == [hasattr(theirs, n) for n in SEARCHES]
    for method in filter(partial(hasattr, ours), SEARCHES):
        arguments = (X, Y) if method == "score" else (X,)
        got = assert_same_error(
            lambda m=method, a=arguments: getattr(ours, m)(*a),
            lambda m=method, a=arguments: getattr(theirs, m)(*a),
        )
        assert got.error is NotFittedError


@pytest.mark.parametrize("fit", FITS)
def test_feature_names(fit: str) -> None:
    """The same error, or the same warning, where names and columns do not go together."""
    names = list("abcd")
    frame = pd.DataFrame(FITS[fit], columns=names)
    ours, theirs = twins(n_neighbors=2, algorithm="brute")
    ours.fit(frame)
    theirs.fit(frame)
    np.testing.assert_array_equal(ours.feature_names_in_, names)
    for other in (frame[["b", "a", "c", "d"]], frame.rename(columns={"a": "z"}), frame[["a"]]):
        assert_same_error(lambda o=other: ours.kneighbors(o), lambda o=other: theirs.kneighbors(o))
    np.testing.assert_allclose(ours.kneighbors(frame)[0], theirs.kneighbors(frame)[0], atol=1e-6)
    with pytest.warns(UserWarning, match="X does not have valid feature names") as caught:
        ours.kneighbors(FITS[fit])
    assert len(caught) == 1
    ours.fit(FITS[fit])
    assert not hasattr(ours, "feature_names_in_")
    with pytest.warns(UserWarning, match="X has feature names, but NearestNeighbors was fitted"):
        ours.kneighbors(frame)


@pytest.mark.parametrize("fit", ["uint8", "float64 / 255"])
@pytest.mark.parametrize("weights", ["uniform", lambda d: np.zeros_like(d)])
def test_zero_weights(fit: str, weights: Any) -> None:
    ours, theirs = twins(knnc.KNeighborsClassifier, weights=weights)
    ours.fit(FITS[fit], Y)
    theirs.fit(FITS[fit], Y)
    if weights == "uniform":
        np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
        return
    for method in ("predict", "predict_proba"):
        got = assert_same_error(
            lambda m=method: getattr(ours, m)(X), lambda m=method: getattr(theirs, m)(X)
        )
        assert "zero weights" in got.text
