"""scikit-learn's own checks of the image estimators, none excused.

The checks' data are real numbers, of any width. They are rounded to bytes here and taken for
images of one row; that rows which are no images are refused is tested in test_transformers.

One check cannot apply: check_classifiers_train wants an accuracy of 0.83 on points of a plane. As
an image of two pixels most of them look alike to the image distortion model, which lets either
pixel be matched with the other. With a distance that has the pixels in it the check passes.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from knnc.engine.encoding import Encoding
from knnc.image import (
    HOG,
    Blur,
    Deskew,
    DistortionKNeighborsClassifier,
    LocalDiscriminant,
    Shift,
    Stretch,
    base,
)
from tests.neighbors.test_checks import _all_checks


@pytest.fixture
def _any_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    def bytes_of(X: np.ndarray) -> np.ndarray:
        rounded = np.rint(X.astype(float) * 8) + 128
        return np.ascontiguousarray(rounded.clip(0, 255), dtype=np.uint8)

    monkeypatch.setattr(base, "encode_fit", lambda X: (bytes_of(X), Encoding(X.dtype)))
    monkeypatch.setattr(
        base, "encode_rows", lambda X, _: (bytes_of(X), np.ones(len(X), dtype=bool))
    )
    monkeypatch.setattr(base, "shape_of", lambda _, n_features: (1, n_features))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("_any_numbers")
@_all_checks(
    [
        HOG(),
        HOG(2, block_size=1),
        Deskew(),
        Blur(),
        Shift(right=1),
        Stretch(),
        LocalDiscriminant(2),
        DistortionKNeighborsClassifier(),
        DistortionKNeighborsClassifier(distance={"idm": 0.1, "pixels": 1.0}, n_jobs=1),
    ]
)
def test_estimator_check(estimator, check) -> None:
    if is_called(check, "check_classifiers_train") and getattr(estimator, "distance", "") == "idm":
        pytest.skip("points of a plane are no images to the image distortion model")
    check(estimator)


def is_called(check, name: str) -> bool:
    while isinstance(check, partial):
        check = check.func
    return check.__name__ == name
