"""Contrast: makes the brightest pixel of the training images white."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from knnc._rollback import unchanged_after_error
from knnc.image.base import Images, ImageTransformer

__all__ = ["Stretch"]


class Stretch(ImageTransformer):
    """Multiply pixels so that the brightest of the training images becomes 255.

    Transformers that round to bytes need the whole range. The digits that come with scikit-learn,
    for example, have pixels from 0 to 16.

    Parameters
    ----------
    image_shape : (int, int) or None, default=None
        Height and width; None for a square.

    Attributes
    ----------
    brightest_ : int
        The largest byte of the training images.
    image_shape_ : (int, int)
        Height and width.
    n_features_in_ : int
        Pixels.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, if X has names that are all strings.

    Examples
    --------
    >>> from knnc.image import Stretch
    >>> Stretch().fit([[0, 4, 8, 16]]).transform([[0, 8, 16, 17]])
    array([[  0, 128, 255, 255]], dtype=uint8)
    """

    brightest_: int
    _table: NDArray[np.uint8]

    def __init__(self, *, image_shape: Any = None) -> None:
        self.image_shape = image_shape

    def fit(self, X: Any, y: Any = None) -> Self:
        """Find the brightest pixel.

        Parameters
        ----------
        X : array-like of shape (n_images, height * width)
            Images as rows: whole numbers from 0 to 255 of any dtype, or pixels divided by 255.
        y : object
            Ignored.

        Returns
        -------
        self : Stretch

        Raises
        ------
        ValueError
            If the rows are not images of that shape.
        """
        with unchanged_after_error(self):
            rows = self._fit_rows(X)
        self.brightest_ = int(rows.max())
        self._make_table()
        return self

    def _make_table(self) -> None:
        values = np.arange(256) * (255 / max(1, self.brightest_))
        self._table = np.rint(values).clip(0, 255).astype(np.uint8)

    def _transform_images(self, images: Images) -> Images:
        stretched: Images = self._table[images].reshape(len(images), -1)
        return stretched
