"""Training images of any data set in the form in which characters are read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from knnc.ocr._glyphs import SIDE, normalise

__all__ = ["training_rows"]


def training_rows(
    train: Bunch, *, normalised: bool, transposed: bool = False
) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """Rows and labels to fit an estimator for :func:`knnc.ocr.read_page` on.

    Parameters
    ----------
    train : sklearn.utils.Bunch
        As :mod:`knnc.datasets` has them.
    normalised : bool
        Whether the images are in the form of MNIST already.
    transposed : bool, default=False
        Whether they are stored column by column, as EMNIST's are.

    Returns
    -------
    rows : ndarray of shape (n, 784), dtype uint8
    labels : ndarray of shape (n,), dtype str
        The texts of the labels.

    Raises
    ------
    ValueError
        If the images are not grey ones of two dimensions.
    """
    images = train.images
    if images.ndim != 3:
        raise ValueError(f"training images of shape {images.shape[1:]} are no grey images")
    if transposed:
        images = images.transpose(0, 2, 1)
    if normalised and images.shape[1:] == (SIDE, SIDE):
        rows = np.ascontiguousarray(images).reshape(len(images), -1)
    else:
        rows = normalise(images)
    return rows, np.asarray(train.target_names)[train.target]
