"""Makes leaning writing upright and centres it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnc.image.base import Images, ImageTransformer, chunks

__all__ = ["Deskew"]

Floats = NDArray[np.float64]


class Deskew(ImageTransformer):
    """Shear each image until it stands upright, and centre its mass.

    The slant is the covariance of x and y divided by the variance of y, weighted by the pixels'
    values. Each row is moved sideways against the slant. A row moves by at most its distance from
    the centre, which is 45 degrees. Pixels that move in from outside are 0. A blank image is
    unchanged.

    Parameters
    ----------
    deskew : bool, default=True
        Whether to shear.
    center : bool, default=True
        Whether to move the centre of mass to the middle of the image.
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
    >>> import numpy as np
    >>> from knnc.image import Deskew
    >>> Deskew().fit_transform(200 * np.eye(5, dtype=np.uint8).reshape(1, -1)).reshape(5, 5)
    array([[  0,   0, 200,   0,   0],
           [  0,   0, 200,   0,   0],
           [  0,   0, 200,   0,   0],
           [  0,   0, 200,   0,   0],
           [  0,   0, 200,   0,   0]], dtype=uint8)
    """

    def __init__(
        self, *, deskew: bool = True, center: bool = True, image_shape: Any = None
    ) -> None:
        self.deskew = deskew
        self.center = center
        self.image_shape = image_shape

    def _transform_images(self, images: Images) -> Images:
        out = np.empty_like(images, order="C")
        for part in chunks(len(images), images[0].size):
            out[part] = self._straight(images[part])
        return out.reshape(len(images), -1)

    def _straight(self, images: Images) -> Images:
        height, width = self.image_shape_
        middle, slope = _moments(images)
        to = (np.array([height, width]) - 1) / 2 if self.center else middle
        moved = images.astype(np.float64)
        if self.center:
            down = np.broadcast_to((middle - to)[:, :1], (len(images), width))
            moved = np.moveaxis(_slide(np.moveaxis(moved, 1, 2), down), 2, 1)
        right = np.zeros((len(images), height))
        if self.center:
            right += (middle - to)[:, 1:]
        if self.deskew:
            center_row = to[..., 0] if self.center else middle[:, 0]
            right += slope[:, np.newaxis] * (np.arange(height) - center_row.reshape(-1, 1))
        return np.rint(_slide(moved, right)).astype(np.uint8)


def _moments(images: Images) -> tuple[Floats, Floats]:
    """Centres of mass, (n_images, 2) as row and column, and slants in columns a row.

    Sums are whole numbers, and each result is rounded once or twice.
    """
    n_images, height, width = images.shape
    row, column = (axis.ravel() for axis in np.mgrid[:height, :width])
    powers = np.array([np.ones_like(row), row, column, row * row, row * column], dtype=np.int64)
    mass, y, x, yy, yx = powers @ images.reshape(n_images, -1).astype(np.int64).T
    blank = mass == 0
    center = np.stack([y, x], axis=1) / np.maximum(mass, 1)[:, np.newaxis]
    center[blank] = (height - 1) / 2, (width - 1) / 2
    spread = mass * yy - y * y
    slope = (mass * yx - y * x) / np.maximum(spread, 1)
    slope[spread == 0] = 0
    return center, np.clip(slope, -1, 1)


def _slide(images: Floats, steps: Floats) -> Floats:
    """Move row r of image i left by `steps[i, r]` pixels; (n_images, rows, columns)."""
    width = images.shape[2]
    whole = np.floor(steps)
    share = (steps - whole)[..., np.newaxis]
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1)))
    # A larger step gives zeros too.
    at = np.arange(width) + whole[..., np.newaxis]
    first = np.clip(at + 1, 0, width + 1).astype(np.intp)
    second = np.clip(at + 2, 0, width + 1).astype(np.intp)
    near: Floats = np.take_along_axis(padded, first, axis=2) * (1 - share)
    near += np.take_along_axis(padded, second, axis=2) * share
    return near
