"""Typical code of a user, for mypy: nothing here needs a cast, and a wrong type is an error."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import knnc
from knnc import KNeighborsClassifier, KNeighborsClassifierCV, NearestNeighbors
from knnc.datasets import load_dataset
from knnc.image import HOG, DistortionKNeighborsClassifier
from knnc.inspection import disputed_labels, near_duplicates
from knnc.ocr import Page, read_page


def read_digits(k: int) -> float:
    """Fit, score, look at neighbours."""
    train, test = load_dataset("digits")
    classifier = KNeighborsClassifier(n_neighbors=k, weights="distance", n_jobs=2)
    labels: NDArray[Any] = classifier.fit(train.data, train.target).predict(test.data)
    distances, indices = classifier.kneighbors(test.data, return_distance=True)
    only: NDArray[np.int64] = classifier.kneighbors(test.data, 3, return_distance=False)
    assert distances.shape == indices.shape
    assert only.shape == (len(test.data), 3)
    assert labels.shape == test.target.shape
    return float(np.mean(labels == test.target))


def tune() -> dict[str, Any]:
    """Everything about a data set that one search tells."""
    train, _ = load_dataset("digits")
    tuned = KNeighborsClassifierCV(range(1, 6), cv=3).fit(train.data, train.target)
    disputed = disputed_labels(tuned)
    pairs = near_duplicates(train.data, radius=2.0)
    return {**tuned.best_params_, "disputed": len(disputed), "pairs": len(pairs)}


def show(done: int, total: int) -> None:
    """Tell how far a search is."""
    print(done, "of", total)


def search_images(images: NDArray[np.uint8]) -> NDArray[Any]:
    """Features, and neighbours with a bar."""
    rows = HOG((4,), image_shape=(8, 8)).fit_transform(images.reshape(len(images), -1))
    with knnc.progress(show):
        graph = NearestNeighbors(n_neighbors=2).fit(rows).kneighbors_graph()
    return np.asarray(graph.sum(axis=1))


def read(path: str, estimator: DistortionKNeighborsClassifier) -> str:
    """The text on a page."""
    page: Page = read_page(path, estimator, min_confidence=0.5)
    return page.text
