"""A data set on one sheet: a few rows of images for each class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knnc.plot._base import NARROWEST, Display, as_images, check_together, names_of, new_axes
from knnc.plot._mosaic import levels_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["SpriteDisplay"]

# Between classes, as a share of an image's height.
_GAP = 0.35
# Between images, as a share of their side.
_APART = 0.06


class SpriteDisplay(Display):
    """The images of a data set, class by class, some rows each.

    Parameters
    ----------
    images : array-like of shape (n_classes, n_images, height, width)
        The images of each class, in the order in which they are shown.
    names : sequence of str
        What each class is called.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What :meth:`plot` drew into.
    figure_ : matplotlib Figure
        The figure of that Axes.

    See Also
    --------
    ReadDisplay : Images with the labels that were read.

    Examples
    --------
    >>> from knnc.datasets import load_digits
    >>> from knnc.plot import SpriteDisplay
    >>> digits = load_digits()
    >>> display = SpriteDisplay.from_rows(digits.data, digits.target, n_columns=20)
    >>> display.images.shape
    (10, 60, 8, 8)
    >>> display.figure_.savefig("digits.png")  # doctest: +SKIP
    """

    def __init__(self, *, images: ArrayLike, names: Sequence[str]) -> None:
        self.images = np.asarray(images)
        self.names = list(names)
        check_together((len(self.images), "classes of images"), (len(self.names), "names"))

    @classmethod
    def from_rows(
        cls,
        X: ArrayLike,
        y: ArrayLike,
        *,
        target_names: Sequence[str] | None = None,
        image_shape: tuple[int, int] | None = None,
        rows_a_class: int = 3,
        n_columns: int = 30,
        title: str | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Draw the first images of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, height, width)
            The images.
        y : array-like of shape (n_samples,)
            Their labels.
        target_names : sequence of str, default=None
            ``target_names[label]`` is what a class is called; None takes the label itself.
        image_shape : tuple of int (height, width), default=None
            Height and width of each image. None: the images are square.
        rows_a_class : int, default=3
            Number of rows of images for each class.
        n_columns : int, default=30
            Number of images in a row.
        title : str, default=None
            A line above the images.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : SpriteDisplay
        """
        X, y = np.asarray(X), np.asarray(y)
        check_together((len(X), "images"), (len(y), "labels"))
        labels = np.unique(y)
        n_images = rows_a_class * n_columns
        first = [np.flatnonzero(y == label)[:n_images] for label in labels]
        shape = as_images(X[:1], image_shape).shape[1:]
        paper = X.min() if X.size else 0  # where a class has no more
        images = np.full((len(labels), n_images, *shape), paper, dtype=X.dtype)
        for at, rows in enumerate(first):
            images[at, : len(rows)] = X[rows].reshape(len(rows), *shape)
        display = cls(images=images, names=names_of(labels, target_names))
        return display.plot(ax=ax, n_columns=n_columns, title=title)

    @classmethod
    def from_estimator(cls, estimator: Any, X: ArrayLike, **options: Any) -> Self:
        """Draw images class by class as a fitted classifier reads them.

        Parameters
        ----------
        estimator : fitted classifier
        X : array-like of shape (n_samples, n_features)
            The rows to read.
        **options
            As :meth:`from_rows` takes them.

        Returns
        -------
        display : SpriteDisplay
        """
        return cls.from_rows(X, estimator.predict(np.asarray(X)), **options)

    def plot(
        self, ax: Axes | None = None, *, n_columns: int = 30, title: str | None = None
    ) -> Self:
        """Draw into ``ax``, or into a figure of its own.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        n_columns : int, default=30
            Images in a row.
        title : str, default=None
            A line above the images.

        Returns
        -------
        self : SpriteDisplay
        """
        n_classes, n_images, height, width = self.images.shape
        n_rows = -(-n_images // n_columns)
        units = n_classes * (n_rows + _GAP)
        unit = min(0.42, 14 / n_columns, 20 / max(units, 1))  # inches
        longest = max(map(len, self.names), default=0)
        wide = max(n_columns * unit + 0.6 + 0.11 * longest, NARROWEST)
        ax = new_axes(ax, wide, units * unit * height / width + 0.6)
        vmin, vmax = levels_of(self.images)
        sheets = [_sheet(images, n_rows, n_columns, paper=vmin) for images in self.images]
        tall, broad = sheets[0].shape if sheets else (1, 1)
        step = tall + _GAP * height
        for at, sheet in enumerate(sheets):
            ax.imshow(
                sheet,
                extent=(0, broad, at * step + tall, at * step),
                cmap="gray_r",
                vmin=vmin,
                vmax=vmax,
            )
        ax.set(
            xlim=(0, broad),
            ylim=(max(n_classes * step - _GAP * height, 1), 0),
            xticks=[],
            yticks=[at * step + tall / 2 for at in range(n_classes)],
            aspect="equal",
            anchor="NW",
        )
        ax.set_yticklabels(self.names, fontsize=12)
        ax.tick_params(length=0, pad=8)
        ax.spines[:].set_visible(False)
        return self._drawn(ax, title, fontsize=13, pad=10)


def _sheet(images: NDArray[Any], n_rows: int, n_columns: int, *, paper: float) -> NDArray[Any]:
    """Images (n, height, width) side by side, a little apart; empty places are paper."""
    n_images, height, width = images.shape
    gap = max(1, round(_APART * max(height, width)))
    cells = np.full((n_rows * n_columns, height + gap, width + gap), paper, dtype=images.dtype)
    cells[:n_images, :height, :width] = images
    rows = cells.reshape(n_rows, n_columns, height + gap, width + gap).swapaxes(1, 2)
    return rows.reshape(n_rows * (height + gap), n_columns * (width + gap))[:-gap, :-gap]
