"""What others read of a fitted estimator: the rows and the metric, in the units of X."""

from __future__ import annotations

import gc
import pickle
import subprocess
import sys
import textwrap
import weakref
from typing import Any

import numpy as np
import pytest
import sklearn.neighbors
from sklearn.manifold import Isomap, LocallyLinearEmbedding
from sklearn.metrics._pairwise_distances_reduction import (
    ArgKmin,
    ArgKminClassMode,
    RadiusNeighbors,
    RadiusNeighborsClassMode,
)

import knnc
from tests.engine.support import child_environment
from tests.neighbors.support import TWINS, any_bytes, assert_same, twins

X, Q = any_bytes(1, 60, 7), any_bytes(2, 9, 7)
Y = np.arange(60) % 3
FITS = {
    "uint8": lambda A: A,
    "bool": lambda A: A > 127,
    "int8": lambda A: (A.astype(np.int16) - 128).astype(np.int8),
    "int64": lambda A: A.astype(np.int64),
    "float64": lambda A: A.astype(np.float64),
    "float32 / 255": lambda A: A.astype(np.float32) / np.float32(255),
    "float64 / 255": lambda A: A / 255.0,
    "float64 * 1/255": lambda A: A * (1 / 255),
}
READ = ("_fit_X", "_y", "_tree", "_fit_method", "n_samples_fit_", "n_features_in_", "classes_")
READ += ("effective_metric_", "effective_metric_params_", "outputs_2d_")


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("cls", TWINS, ids=lambda cls: cls.__name__)
def test_attributes_are_what_scikit_learn_has(cls: type, fit: str) -> None:
    """But for what `docs/differences.md` states: LocalOutlierFactor computes in float64."""
    ours, theirs = twins(cls, algorithm="brute")
    rows = FITS[fit](X)
    for estimator in (ours, theirs):
        estimator.fit(rows, Y)
    assert ours.engine_ == "integer"
    for name in READ:
        assert hasattr(ours, name) == hasattr(theirs, name)
        got, expected = getattr(ours, name, None), getattr(theirs, name, None)
        same_dtype = name == "_fit_X" and cls is not knnc.LocalOutlierFactor
        if isinstance(expected, np.ndarray):
            np.testing.assert_array_equal(got, expected, strict=same_dtype)
        else:
            assert got == expected


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("cls", TWINS, ids=lambda cls: cls.__name__)
def test_a_fit_on_a_fitted_estimator_is_one_on_its_rows(cls: type, fit: str) -> None:
    rows, queries = FITS[fit](X), FITS[fit](Q)
    ours = knnc.NearestNeighbors().fit(cls().fit(rows, Y))
    assert ours.engine_ == "integer"
    assert_same(ours.kneighbors(queries), knnc.NearestNeighbors().fit(rows).kneighbors(queries))


@pytest.mark.parametrize("fit", FITS)
def test_scikit_learn_takes_the_rows_of_a_fitted_search(fit: str) -> None:
    rows, queries = FITS[fit](X), FITS[fit](Q)
    for parameters in ({}, {"algorithm": "brute"}, {"metric": "manhattan"}):
        theirs = sklearn.neighbors.NearestNeighbors(n_neighbors=3, **parameters)
        expected, _ = theirs.fit(rows).kneighbors(queries)
        got, _ = theirs.fit(knnc.NearestNeighbors(**parameters).fit(rows)).kneighbors(queries)
        np.testing.assert_allclose(got, expected)


def test_digits_in_units_of_one(digits: Any) -> None:
    P = digits.X / 255.0
    theirs = sklearn.neighbors.KNeighborsClassifier()
    score = theirs.fit(knnc.NearestNeighbors().fit(P), digits.y).score(P, digits.y)
    assert score == theirs.fit(sklearn.neighbors.NearestNeighbors().fit(P), digits.y).score(
        P, digits.y
    )
    assert score > 0.9


@pytest.mark.parametrize("fit", ["uint8", "float64", "float32 / 255", "float64 / 255"])
def test_manifolds_read_the_rows(fit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = FITS[fit](X)
    for manifold in (
        Isomap(n_neighbors=12),
        LocallyLinearEmbedding(n_neighbors=12, eigen_solver="dense"),
        LocallyLinearEmbedding(n_neighbors=12, method="ltsa", eigen_solver="dense"),
    ):
        expected = manifold.fit_transform(rows)
        module = sys.modules[type(manifold).__module__]
        with monkeypatch.context() as patch:
            patch.setattr(module, "NearestNeighbors", knnc.NearestNeighbors)
            got = manifold.fit_transform(rows)
        assert isinstance(manifold.nbrs_, knnc.NearestNeighbors)
        np.testing.assert_allclose(np.abs(got), np.abs(expected), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("n", [1, 2, 60])
@pytest.mark.parametrize("n_features", [1, 7])
def test_an_inherited_search_meets_the_engine(
    fit: str, n: int, n_features: int, searches: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """scikit-learn's own methods, called on ours, find no floats that they could search."""

    def never(*args: object, **kwargs: object) -> None:
        raise AssertionError("searched elsewhere")

    for search in (ArgKmin, ArgKminClassMode, RadiusNeighbors, RadiusNeighborsClassMode):
        if n > 1:  # one row is contiguous whatever its strides are; every search finds it
            monkeypatch.setattr(search, "compute", never)
    rows, queries = FITS[fit](X[:n, :n_features]), FITS[fit](Q[:, :n_features])
    for cls, parameters in (
        (knnc.KNeighborsClassifier, {"n_neighbors": 1}),
        (knnc.RadiusNeighborsClassifier, {"radius": 9999.0}),
    ):
        ours, parent = cls(**parameters).fit(rows, Y[:n]), TWINS[cls]
        for method in ("predict", "predict_proba"):
            got = getattr(parent, method)(ours, queries)
            np.testing.assert_array_equal(got, getattr(ours, method)(queries))
    assert searches.calls >= 4


def test_rows_are_decoded_when_read_and_not_kept() -> None:
    P = X / 255.0
    nn = knnc.NearestNeighbors().fit(P)
    rows = nn._fit_X
    assert nn._fit_X is rows
    assert_same(nn.kneighbors(rows), nn.kneighbors(P))
    gone = weakref.ref(rows)
    assert len(pickle.dumps(nn)) < X.nbytes + 2000
    del rows
    gc.collect()
    assert gone() is None
    other = pickle.loads(pickle.dumps(nn))
    np.testing.assert_array_equal(other._fit_X, P, strict=True)
    nn.partial_fit(Q / 255.0)
    np.testing.assert_array_equal(nn._fit_X, np.vstack([P, Q / 255.0]))
    nn.fit(X + 0.5)
    np.testing.assert_array_equal(nn._fit_X, X + 0.5)
    assert not hasattr(knnc.NearestNeighbors(), "_fit_X")


# ---- other names in sklearn.neighbors

_IMPOSTORS = """
import numpy as np
import sklearn.neighbors

def impostor(name):
    def never(self, *args, **kwargs):
        raise AssertionError(f"{name} is an impostor's")
    return type(name, (getattr(sklearn.neighbors, name),), {
        "__module__": "impostor", "fit": never, "_fit": never, "kneighbors": never,
        "radius_neighbors": never, "predict": never,
    })

def replace():
    for name in sklearn.neighbors.__all__:
        if isinstance(getattr(sklearn.neighbors, name), type) and not name.endswith("Tree"):
            setattr(sklearn.neighbors, name, impostor(name))
        elif name.endswith("graph"):
            setattr(sklearn.neighbors, name, None)
"""
_SEARCHES = """
rng = np.random.default_rng(0)
X, y = rng.integers(0, 256, (50, 5), dtype=np.uint8), np.arange(50) % 2
for name in knnc.neighbors.__all__:
    cls = getattr(knnc.neighbors, name)
    if isinstance(cls, type):
        assert not any(c.__module__ == "impostor" for c in cls.__mro__), cls.__mro__
for rows, engine in ((X, "integer"), (X + 0.5, "float")):
    mask = y == 1
    nn = knnc.NearestNeighbors(n_neighbors=3, radius=300.0).fit(rows)
    assert nn.engine_ == engine
    nn.kneighbors(rows), nn.radius_neighbors(rows), nn.kneighbors(rows, row_mask=mask)
    knnc.kneighbors_graph(rows, 3), knnc.radius_neighbors_graph(rows, 90.0, include_self=True)
    for name in ("KNeighborsClassifier", "KNeighborsRegressor", "RadiusNeighborsRegressor"):
        estimator = getattr(knnc, name)().fit(rows, y)
        assert estimator.engine_ == engine
        estimator.predict(rows)
    knnc.LocalOutlierFactor(5).fit_predict(rows)
    knnc.KNeighborsClassifierCV([1, 3]).fit(rows, y).predict(rows)
print("done")
"""


@pytest.mark.parametrize("order", ["before", "after"])
def test_replaced_names_are_no_base_classes(order: str) -> None:
    """scikit-learn-intelex puts its own classes in the place of scikit-learn's."""
    imports = "\nimport knnc, knnc.neighbors\n"
    _run(_IMPOSTORS + ("replace()" + imports if order == "before" else imports + "replace()"))


@pytest.mark.parametrize("order", ["before", "after"])
def test_beside_scikit_learn_intelex(order: str) -> None:
    pytest.importorskip("sklearnex")
    patch, imports = "patch_sklearn()\n", "import knnc, knnc.neighbors\n"
    beginning = "import numpy as np\nfrom sklearnex import patch_sklearn\n"
    _run(beginning + (patch + imports if order == "before" else imports + patch))


def _run(beginning: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(beginning) + "\n" + _SEARCHES],
        env=child_environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout == "done\n", done.stderr
