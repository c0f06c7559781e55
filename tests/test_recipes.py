"""Recipes are ordinary estimators: importable, clonable, changeable; and what they are good for."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone

from knnc.recipes import RECIPES, make_recipe

READERS = sorted(set(RECIPES) - {"plain"})


@pytest.mark.parametrize("name", RECIPES)
def test_it_is_an_ordinary_estimator(name: str, digits) -> None:
    estimator = clone(make_recipe(name, n_neighbors=4, n_jobs=2))
    X, y = digits.X[:600], digits.y[:600].astype(str)
    expected = estimator.fit(X, y).predict_proba(digits.X[600:650])
    again = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(again.predict_proba(digits.X[600:650]), expected)
    assert set(estimator.predict(digits.X[600:650])) <= set(y)


@pytest.mark.parametrize("name", READERS)
def test_better_than_pixels_on_what_it_was_not_tuned_on(name: str, digits) -> None:
    X, y = digits.X, digits.y
    plain = make_recipe("plain").fit(X[:1000], y[:1000]).score(X[1000:], y[1000:])
    assert make_recipe(name).fit(X[:1000], y[:1000]).score(X[1000:], y[1000:]) > plain


@pytest.mark.parametrize("name", READERS)
def test_threads_do_not_count(name: str, digits) -> None:
    X, y = digits.X[:400], digits.y[:400]
    shares = [
        make_recipe(name, n_jobs=n_jobs).fit(X, y).predict_proba(digits.X[400:500])
        for n_jobs in (1, 3)
    ]
    np.testing.assert_array_equal(*shares)


def test_handwriting_at_less_than_half_the_error(mnist) -> None:
    X, y = mnist.train[:2000], mnist.train_labels[:2000]
    Q, labels = mnist.train[59_500:], mnist.train_labels[59_500:]
    plain, fast = (1 - make_recipe(name).fit(X, y).score(Q, labels) for name in ("plain", "fast"))
    assert fast < plain / 2


def test_wrong_names() -> None:
    with pytest.raises(ValueError, match=r"'best'.*accurate, clothes, fast, plain"):
        make_recipe("best")
    with pytest.raises(ValueError, match=r"'fast' takes no metric, but n_neighbors"):
        make_recipe("fast", metric="l1")
