"""Images with the labels that were read."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from knnc.plot._base import RIGHT, WRONG, Display, as_images, check_together
from knnc.plot._mosaic import Mosaic, need_two_lines, places

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ReadDisplay"]


class ReadDisplay(Display):
    """Images, each with the label that was read.

    Parameters
    ----------
    images : array-like of shape (n_images, height, width)
        What was read, in reading order.
    y_true, y_pred : array-like of shape (n_images,)
        The label each image has, and the one that was read.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What :meth:`plot` drew into.
    figure_ : matplotlib Figure
        The figure of that Axes.

    See Also
    --------
    MisreadDisplay : The misread ones beside their nearest neighbours.
    """

    def __init__(self, *, images: ArrayLike, y_true: ArrayLike, y_pred: ArrayLike) -> None:
        self.images = np.asarray(images)
        self.y_true = np.asarray(y_true)
        self.y_pred = np.asarray(y_pred)
        check_together(
            (len(self.images), "images"),
            (len(self.y_true), "true labels"),
            (len(self.y_pred), "read ones"),
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        X: ArrayLike,
        image_shape: tuple[int, int] | None = None,
        n_images: int = 48,
        n_columns: int = 12,
        title: str | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Draw the first ``n_images`` rows of X with labels that were read before.

        Parameters
        ----------
        y_true, y_pred : array-like of shape (n_samples,)
            The label each row has, and the one that was read.
        X : array-like of shape (n_samples, n_features) or (n_samples, height, width)
            The images.
        image_shape : tuple of int (height, width), default=None
            Height and width of each image. None: the images are square.
        n_images, n_columns : int
            How many images at most, and how many side by side.
        title : str, default=None
            A line above the images.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : ReadDisplay
        """
        display = cls(
            images=as_images(np.asarray(X)[:n_images], image_shape),
            y_true=np.asarray(y_true)[:n_images],
            y_pred=np.asarray(y_pred)[:n_images],
        )
        return display.plot(ax=ax, n_columns=n_columns, title=title)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike,
        *,
        image_shape: tuple[int, int] | None = None,
        n_images: int = 48,
        n_columns: int = 12,
        title: str | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Read the first ``n_images`` rows of X with a fitted classifier and draw them.

        The parameters are those of :meth:`from_predictions`; ``y`` holds the true labels.
        """
        X = np.asarray(X)[:n_images]
        y_pred = estimator.predict(X)
        return cls.from_predictions(
            np.asarray(y)[:n_images],
            y_pred,
            X=X,
            image_shape=image_shape,
            n_images=n_images,
            n_columns=n_columns,
            title=title,
            ax=ax,
        )

    def plot(
        self, ax: Axes | None = None, *, n_columns: int = 12, title: str | None = None
    ) -> Self:
        """Draw into ``ax``, or into a figure of its own.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        n_columns : int, default=12
            Images side by side.
        title : str, default=None
            A line above the images.

        Returns
        -------
        self : ReadDisplay
        """
        n_rows = max(1, ceil(len(self.images) / n_columns))
        long = need_two_lines(self.y_true, self.y_pred)
        step_x, step_y = 1.2 + 0.15 * long, 1.5 + 0.3 * long
        sheet = Mosaic(
            ax, self.images, width=step_x * n_columns - 0.2 + 0.1, height=step_y * n_rows
        )
        for i, (x, y) in enumerate(places(len(self.images), n_columns, step_x, step_y)):
            right = bool(self.y_true[i] == self.y_pred[i])
            sheet.image(self.images[i], x, y, edge=RIGHT if right else WRONG, thick=not right)
            text = f"{self.y_pred[i]}"
            if not right:
                text += f",{chr(10) if long else ' '}is {self.y_true[i]}"
            sheet.caption(
                text, x + 0.5, y, ha="center", weight="bold", color=RIGHT if right else WRONG
            )
        sheet.explain({"read right": RIGHT, "misread": WRONG})
        return self._drawn(sheet.ax, title)
