"""Estimators that read pages."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("PIL", reason="reading pages needs the extra 'ocr'")
pytest.importorskip("skimage", reason="reading pages needs the extra 'ocr'")


@pytest.fixture(scope="session")
def mnist_reader(mnist: SimpleNamespace) -> Any:
    """Nearest neighbours on gradients, fitted on the training images of MNIST."""
    from sklearn.pipeline import make_pipeline

    from knnc import KNeighborsClassifier
    from knnc.image import HOG

    reader = make_pipeline(HOG(), KNeighborsClassifier(3))
    return reader.fit(mnist.train, mnist.train_labels)


@pytest.fixture(scope="session")
def digits_reader() -> Any:
    """Fitted on the first writers' digits of those that come with scikit-learn."""
    from knnc import KNeighborsClassifier
    from knnc.datasets import load_dataset
    from knnc.ocr import training_rows

    train, _ = load_dataset("digits")
    return KNeighborsClassifier(3).fit(*training_rows(train, normalised=False))
