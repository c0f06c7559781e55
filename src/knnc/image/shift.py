"""Images moved by whole pixels."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np

from knnc.image.base import Images, ImageTransformer

__all__ = ["Shift"]


class Shift(ImageTransformer):
    """Move images by whole pixels, and mirror them: more images to train with.

    Parameters
    ----------
    down, right : int, default=0
        Pixels to move by; negative numbers move up and left. Pixels that move in are `fill`.
    mirror : bool, default=False
        Whether left and right change places first.
    fill : int, default=0
        Byte of the pixels that move in.
    image_shape : (int, int) or None, default=None
        Height and width; None for a square.

    Attributes
    ----------
    image_shape_ : (int, int)
        Height and width.
    n_features_in_ : int
        Pixels.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, if X has names that are all strings.

    Examples
    --------
    >>> from knnc.image import Shift
    >>> Shift(right=1, image_shape=(1, 4)).fit_transform([[1, 2, 3, 4]])
    array([[0, 1, 2, 3]], dtype=uint8)
    """

    def __init__(
        self,
        down: int = 0,
        right: int = 0,
        *,
        mirror: bool = False,
        fill: int = 0,
        image_shape: Any = None,
    ) -> None:
        self.down = down
        self.right = right
        self.mirror = mirror
        self.fill = fill
        self.image_shape = image_shape

    def _check_parameters(self) -> None:
        for name in ("down", "right"):
            if not isinstance(getattr(self, name), Integral):
                raise ValueError(f"{name} must be an integer, got {getattr(self, name)!r}.")
        if not isinstance(self.fill, Integral) or not 0 <= self.fill <= 255:
            raise ValueError(f"fill must be an integer from 0 to 255, got {self.fill!r}.")

    def _transform_images(self, images: Images) -> Images:
        if self.mirror:
            images = images[:, :, ::-1]
        out = np.full(images.shape, self.fill, dtype=np.uint8)
        height, width = self.image_shape_
        target_rows, source_rows = _overlap(int(self.down), height)
        target_columns, source_columns = _overlap(int(self.right), width)
        out[:, target_rows, target_columns] = images[:, source_rows, source_columns]
        return out.reshape(len(images), -1)


def _overlap(step: int, side: int) -> tuple[slice, slice]:
    """Slices: where the pixels that stay inside go, and where they come from."""
    step = max(-side, min(side, step))
    return slice(max(0, step), side + min(0, step)), slice(max(0, -step), side - max(0, step))
