"""scikit-learn's own checks of an estimator, all of them, none excused."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

import knnc
from knnc.engine.encoding import Encoding
from knnc.neighbors import base, fitted_rows

ESTIMATORS = [
    knnc.KNeighborsClassifier(),
    knnc.KNeighborsClassifier(algorithm="brute", weights="distance", n_jobs=1),
    knnc.KNeighborsClassifier(algorithm="kd_tree"),
    knnc.KNeighborsRegressor(),
    knnc.KNeighborsRegressor(algorithm="brute", weights="distance"),
    knnc.KNeighborsTransformer(),
    knnc.KNeighborsTransformer(algorithm="brute", mode="connectivity"),
    knnc.KNeighborsClassifierCV(),
    knnc.KNeighborsClassifierCV([2, 3], weights=["distance"], metric=["l2", "cosine"], cv=2),
    knnc.KNeighborsRegressorCV(),
    knnc.KNeighborsRegressorCV(cv=3, refit=True),
    knnc.LocalOutlierFactor(),
    knnc.LocalOutlierFactor(algorithm="brute", novelty=True),
    knnc.RadiusNeighborsClassifier(),
    knnc.RadiusNeighborsClassifier(algorithm="brute", weights="distance"),
    knnc.RadiusNeighborsRegressor(),
    knnc.RadiusNeighborsTransformer(),
    knnc.NearestNeighbors(),
    knnc.NearestNeighbors(algorithm="brute"),
    knnc.NearestNeighbors(metric="cosine"),
]


def _all_checks(estimators):
    """Each with each check; some versions hand over a generator, which new pytests warn about."""
    marked = parametrize_with_checks(estimators)
    names, cases = marked.args
    return pytest.mark.parametrize(names, list(cases), ids=marked.kwargs["ids"])


@pytest.mark.filterwarnings("ignore")  # the checks provoke them, and look at those that matter
@_all_checks(ESTIMATORS)
def test_estimator_check(estimator, check) -> None:
    check(estimator)


@pytest.fixture
def _rounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take any number for the byte nearest to a multiple of it."""

    def bytes_of(X):
        rounded = np.rint(X.astype(float) * 8) + 128
        return np.ascontiguousarray(rounded.clip(0, 255), dtype=np.uint8)

    monkeypatch.setattr(fitted_rows, "encode_fit", lambda X: (bytes_of(X), Encoding(X.dtype)))
    monkeypatch.setattr(
        base, "encode_rows", lambda X, _: (bytes_of(X), np.ones(len(X), dtype=bool))
    )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("_rounded")
@_all_checks(
    [
        knnc.KNeighborsClassifier(),
        knnc.KNeighborsClassifierCV(),
        knnc.KNeighborsRegressorCV(),
        knnc.KNeighborsRegressor(),
        knnc.KNeighborsTransformer(),
        knnc.LocalOutlierFactor(),
        knnc.NearestNeighbors(),
        knnc.RadiusNeighborsClassifier(radius=8.0),
        knnc.RadiusNeighborsRegressor(radius=8.0),
        knnc.RadiusNeighborsTransformer(radius=8.0),
    ]
)
def test_estimator_check_on_the_integer_engine(estimator, check) -> None:
    """The checks' data are real numbers; rounded to bytes they reach the integer engine."""
    check(estimator)
