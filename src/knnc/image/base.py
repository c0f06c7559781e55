"""What the image transformers share: rows that are images, and their shape."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from math import isqrt
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from knnc._pickling import MarkedStateMixin
from knnc._rollback import unchanged_after_error
from knnc.engine.encoding import Encoding, encode_fit, encode_rows

__all__ = [
    "ImageTransformer",
    "Images",
    "Shape",
    "bytes_of_fit",
    "bytes_of_queries",
    "chunks",
    "shape_of",
]

Images = NDArray[np.uint8]
Shape = tuple[int, int]

# Pixels worked on at a time, so that intermediate results stay in a cache.
_CHUNK = 1 << 18


def shape_of(image_shape: Any, n_features: int) -> Shape:
    """Height and width of images that are rows of `n_features` pixels.

    Parameters
    ----------
    image_shape : (int, int) or None
        None: a square.
    n_features : int

    Returns
    -------
    height, width : int

    Raises
    ------
    ValueError
        If `image_shape` is not a pair of positive integers or does not have that many pixels, or if
        it is None and no square has that many.
    """
    if image_shape is None:
        side = isqrt(n_features)
        if side * side != n_features:
            raise ValueError(
                f"rows of {n_features} features are no square images: give image_shape=(height, "
                "width)."
            )
        return side, side
    shape = tuple(image_shape) if isinstance(image_shape, (tuple, list, np.ndarray)) else ()
    if len(shape) != 2 or not all(isinstance(side, Integral) and int(side) >= 1 for side in shape):
        raise ValueError(
            f"image_shape must be (height, width), two positive integers, got {image_shape!r}."
        )
    height, width = int(shape[0]), int(shape[1])
    if height * width != n_features:
        raise ValueError(
            f"image_shape={height} x {width} has {height * width} pixels, and X has {n_features} "
            "features."
        )
    return height, width


def bytes_of_fit(X: NDArray[Any]) -> tuple[Images, Encoding]:
    """Pixels as bytes, and their encoding; a ValueError if they are not pixels."""
    narrowed = encode_fit(X)
    if narrowed is None:
        raise ValueError(
            "X must hold pixels: whole numbers from 0 to 255, or such numbers divided by 255."
        )
    return narrowed


def bytes_of_queries(X: NDArray[Any], encoding: Encoding) -> Images:
    """Pixels in the encoding of the fit; a ValueError if one has no byte there."""
    rows, representable = encode_rows(X, encoding)
    if not representable.all():
        raise ValueError(
            f"Row {int(np.flatnonzero(~representable)[0])} of X does not hold pixels of the "
            "encoding that was fitted."
        )
    return rows


class ImageTransformer(
    MarkedStateMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator, ABC
):
    """Base class of transformers of grey images as rows; they take bytes and return bytes.

    A subclass defines `_transform_images`, and `_check_parameters` if `image_shape` is not its only
    parameter to check.

    Attributes
    ----------
    image_shape_ : (int, int)
        Height and width.
    n_features_in_ : int
        Pixels.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, if X has names that are all strings.
    """

    image_shape: Any
    image_shape_: Shape
    n_features_in_: int
    _encoding: Encoding

    def fit(self, X: Any, y: Any = None) -> Self:
        """Check the parameters, and learn the shape and the encoding of the images.

        Parameters
        ----------
        X : array-like of shape (n_images, height * width)
            Images as rows: whole numbers from 0 to 255 of any dtype, or pixels divided by 255.
        y : object
            Ignored.

        Returns
        -------
        self : object
            The transformer. If fit raises, it is unchanged.

        Raises
        ------
        ValueError
            If the rows are not images of that shape, or a parameter is wrong.
        """
        with unchanged_after_error(self):
            self._fit_rows(X)
        return self

    def _fit_rows(self, X: Any) -> Images:
        """Do what fit does, and return the pixels as bytes."""
        X = validate_data(self, X, dtype="numeric")
        rows, self._encoding = bytes_of_fit(X)
        self.image_shape_ = shape_of(self.image_shape, rows.shape[1])
        self._check_parameters()
        return rows

    def transform(self, X: Any) -> Images:
        """Transform images.

        Parameters
        ----------
        X : array-like of shape (n_images, height * width)
            Images as rows, of the shape and encoding that were fitted.

        Returns
        -------
        T : ndarray of shape (n_images, n_features_out), uint8

        Raises
        ------
        ValueError
            If the rows are not images of the shape and encoding that were fitted.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype="numeric", reset=False)
        rows = bytes_of_queries(X, self._encoding)
        return self._transform_images(rows.reshape(len(rows), *self.image_shape_))

    def _check_parameters(self) -> None:
        """Raise a ValueError if a parameter is wrong; `image_shape_` is set already."""

    @abstractmethod
    def _transform_images(self, images: Images) -> Images:
        """Rows of bytes from images of shape (n_images, height, width)."""

    @property
    def _n_features_out(self) -> int:
        return self.n_features_in_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # bytes come out, whatever goes in
        return tags


def chunks(n_images: int, n_values: int) -> Iterator[slice]:
    """Slices of the images, small enough for a cache."""
    step = max(1, _CHUNK // max(1, n_values))
    return (slice(start, start + step) for start in range(0, n_images, step))
