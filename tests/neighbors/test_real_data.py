"""On real images the labels are scikit-learn's wherever no tie decides."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import sklearn.neighbors

import knnc
from tests.neighbors.support import assert_same, oracle

N_QUERIES = 500
K = 5


def _exact_squared(rows: npt.NDArray[np.uint8], queries: npt.NDArray[np.uint8]) -> np.ndarray:
    """Squared Euclidean distances; every sum in it is an integer below 2**53, so exact."""
    Q, X = queries.astype(np.float64), rows.astype(np.float64)
    products = Q @ X.T
    products *= -2.0
    products += (X * X).sum(axis=1)
    products += (Q * Q).sum(axis=1)[:, np.newaxis]
    return products


def _without_ties(rows: Any, queries: Any, k: int) -> npt.NDArray[np.bool_]:
    """Queries whose k-th neighbour is nearer than the next: these have one set of neighbours."""
    clear = []
    for start in range(0, len(queries), 250):
        dist = _exact_squared(rows, queries[start : start + 250])
        dist.partition((k - 1, k), axis=1)
        clear.append(dist[:, k - 1] < dist[:, k])
    return np.concatenate(clear)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_labels_on_60000_images(name: str, request: pytest.FixtureRequest) -> None:
    images = request.getfixturevalue(name)
    Q = images.test[:N_QUERIES]
    theirs = sklearn.neighbors.KNeighborsClassifier(K, algorithm="brute")
    theirs.fit(images.train.astype(np.float32), images.train_labels)
    expected = theirs.predict(Q.astype(np.float32))
    clear = _without_ties(images.train, Q, K)
    assert clear.sum() > 0.9 * N_QUERIES
    for make in (lambda A: A, lambda A: A.astype(np.float32) / np.float32(255)):
        ours = knnc.KNeighborsClassifier(K).fit(make(images.train), images.train_labels)
        assert ours.engine_ == "integer"
        np.testing.assert_array_equal(ours.predict(make(Q))[clear], expected[clear])


def test_letters_are_full_of_ties(letters) -> None:
    """Against the oracle, ties and duplicates included, leave-one-out too."""
    X, y = letters.X, letters.y
    Q = X[::200]
    clf = knnc.KNeighborsClassifier(K).fit(X[:5000], y[:5000])
    answer = clf.kneighbors(Q)
    assert_same(answer, oracle(X[:5000], Q, K, "euclidean"))
    assert not _without_ties(X[:5000], Q, K).all()
    winners = [np.bincount(y[:5000][row]).argmax() for row in answer[1]]
    np.testing.assert_array_equal(clf.predict(Q), winners)
    some = knnc.NearestNeighbors(n_neighbors=K, metric="manhattan").fit(X[:1500])
    assert_same(some.kneighbors(), oracle(X[:1500], None, K, "manhattan"))


def test_manhattan_labels(mnist) -> None:
    rows, labels, Q = mnist.train[:5000], mnist.train_labels[:5000], mnist.test[:100]
    theirs = sklearn.neighbors.KNeighborsClassifier(K, p=1, algorithm="brute")
    expected = theirs.fit(rows.astype(np.float32), labels).predict(Q.astype(np.float32))
    ours = knnc.KNeighborsClassifier(K, p=1).fit(rows, labels)
    dist = ours.kneighbors(Q, K + 1)[0]
    clear = dist[:, K - 1] < dist[:, K]
    assert clear.sum() > 80
    np.testing.assert_array_equal(ours.predict(Q)[clear], expected[clear])
