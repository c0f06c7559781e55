"""LocalDiscriminant: what it learns, that it is exact to apply, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

import knnc
from knnc.image import HOG, LocalDiscriminant


@pytest.fixture(scope="module")
def classes() -> tuple[np.ndarray, np.ndarray]:
    """Two classes apart in the first of six features, all others noise, the last most of all."""
    rng = np.random.default_rng(1)
    y = np.arange(400) % 2
    X = rng.normal(128, [4, 10, 10, 10, 10, 30], size=(400, 6))
    X[:, 0] += 16 * y
    return X.round().clip(0, 255).astype(np.uint8), y


def test_it_finds_what_tells_classes_apart(classes) -> None:
    X, y = classes
    fitted = LocalDiscriminant(1).fit(X[:300], y[:300])
    direction = np.abs(fitted.components_[:, 0]) * X.std(axis=0)
    assert direction.argmax() == 0
    read = {
        name: knnc.KNeighborsClassifier(5).fit(T[:300], y[:300]).score(T[300:], y[300:])
        for name, T in (("as it is", X), ("mapped", fitted.transform(X)))
    }
    assert read["mapped"] > read["as it is"] + 0.03


def test_the_map_is_what_it_says(classes) -> None:
    X, y = classes
    fitted = LocalDiscriminant(4).fit(X, y)
    T = fitted.transform(X)
    assert T.dtype == np.uint8
    assert T.shape == (400, 4)
    want = np.rint(X @ fitted.components_ + fitted.offset_).clip(0, 255)
    np.testing.assert_array_equal(T, want)
    assert 15 < T.astype(float).std(axis=0).max() < 25
    assert np.abs(T.mean(axis=0) - 128).max() < 2


def test_a_second_map_has_what_differs_most(classes) -> None:
    X, y = classes
    fitted = LocalDiscriminant(2).fit(X, y)
    np.testing.assert_array_equal(fitted._by(X, fitted._look), fitted._seen)
    assert fitted._seen.shape == X.shape  # of all directions, as there are fewer than 64
    spread = fitted._seen.astype(float).std(axis=0)
    assert spread[0] > spread[-1]


def test_it_whitens_what_differs_within_a_class(classes) -> None:
    X, y = classes
    T = LocalDiscriminant(6, shrinkage=1e-6, n_searched=399, n_local=199).fit_transform(X, y)
    spread = np.stack([T[y == c].astype(float).std(axis=0) for c in (0, 1)])
    assert spread.max() / spread.min() < 1.3


def test_one_row_or_many_one_thread_or_many(digits) -> None:
    features = HOG((2, 4)).fit_transform(digits.X)
    fitted = LocalDiscriminant(30, max_samples=500, n_jobs=1).fit(features, digits.y)
    T = fitted.transform(features)
    for start, stop in ((0, 1), (3, 5), (100, 777)):
        np.testing.assert_array_equal(fitted.transform(features[start:stop]), T[start:stop])
    again = clone(fitted).set_params(n_jobs=3).fit(features, digits.y)
    np.testing.assert_array_equal(again.components_, fitted.components_)


def test_real_digits(digits) -> None:
    X, y = digits.X, digits.y
    score = {
        n: make_pipeline(HOG((2, 4)), *steps, knnc.KNeighborsClassifier(3))
        .fit(X[:1000], y[:1000])
        .score(X[1000:], y[1000:])
        for n, steps in (("without", []), ("with", [LocalDiscriminant(40)]))
    }
    assert score["with"] >= score["without"]


@pytest.mark.parametrize(
    "y", [np.zeros(30, int), np.arange(30) % 2, np.arange(30) // 29], ids=["one", "two", "lone"]
)
def test_few_rows_or_classes(y) -> None:
    """No pair within or between classes: the map is still one."""
    X = np.random.default_rng(1).integers(0, 256, (30, 4), dtype=np.uint8)
    T = LocalDiscriminant(9).fit_transform(X, y)
    assert T.shape == (30, 4)
    assert T.std() > 0


def test_constant_rows() -> None:
    T = LocalDiscriminant(2).fit_transform(np.full((9, 4), 7, np.uint8), np.arange(9) % 2)
    assert (T == 128).all()


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"n_components": 0}, "n_components"),
        ({"n_local": 0}, "n_local"),
        ({"n_searched": 1.5}, "n_searched"),
        ({"max_samples": 0}, "max_samples"),
        ({"shrinkage": 0}, "shrinkage"),
        ({"shrinkage": np.nan}, "shrinkage"),
    ],
)
def test_wrong_parameters(params, words, classes) -> None:
    with pytest.raises(ValueError, match=words):
        LocalDiscriminant(**params).fit(*classes)


def test_wrong_input(classes) -> None:
    X, y = classes
    with pytest.raises(ValueError, match="hold pixels"):
        LocalDiscriminant().fit(X + 0.5, y)
    with pytest.raises(ValueError, match="hold pixels"):
        LocalDiscriminant().fit(X, y).transform(X + 0.5)
