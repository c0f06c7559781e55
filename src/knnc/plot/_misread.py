"""Misread images, and the neighbours behind the mistakes."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knnc.plot._base import QUIET, RIGHT, WRONG, Display, as_images
from knnc.plot._mosaic import Mosaic, need_two_lines, places, same_precision

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["MisreadDisplay"]


# Height of the line of text that replaces images, in units of an image.
_ONE_LINE = 0.4


class MisreadDisplay(Display):
    """Misread images, each beside the training images nearest to it.

    Parameters
    ----------
    images : array-like of shape (n_images, height, width)
        The misread images.
    y_true, y_pred : array-like of shape (n_images,)
        The true label of each image, and the predicted one.
    neighbor_images : array-like of shape (n_images, n_neighbors, height, width)
        The training images nearest to each image, the nearest first.
    neighbor_labels : array-like of shape (n_images, n_neighbors)
        Their labels.
    distances : array-like of shape (n_images, n_neighbors)
        Their distances, in the units of the estimator's metric.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What :meth:`plot` drew into.
    figure_ : matplotlib Figure
        The figure of that Axes.

    See Also
    --------
    ReadDisplay : Images with the label that was read.
    """

    _meanings: ClassVar[dict[str, str]] = {
        "misread, or a neighbour with another label": WRONG,
        "a neighbour with the true label": RIGHT,
    }
    _first: ClassVar[str] = WRONG  # frame of the image at the left
    nothing: ClassVar[str] = "None was misread."

    def __init__(
        self,
        *,
        images: ArrayLike,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        neighbor_images: ArrayLike,
        neighbor_labels: ArrayLike,
        distances: ArrayLike,
    ) -> None:
        self.images = np.asarray(images)
        self.y_true = np.asarray(y_true)
        self.y_pred = np.asarray(y_pred)
        self.neighbor_images = np.asarray(neighbor_images)
        self.neighbor_labels = np.asarray(neighbor_labels)
        self.distances = np.asarray(distances)
        parts = self.y_true, self.y_pred, self.neighbor_images, self.neighbor_labels, self.distances
        if any(len(part) != len(self.images) for part in parts):
            raise ValueError(
                f"images has {len(self.images)} rows; y_true, y_pred, neighbor_images, "
                "neighbor_labels and distances need as many, and have "
                f"{', '.join(str(len(part)) for part in parts)}"
            )

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: ArrayLike,
        y: ArrayLike,
        *,
        X_train: ArrayLike,
        y_train: ArrayLike,
        y_pred: ArrayLike | None = None,
        image_shape: tuple[int, int] | None = None,
        n_neighbors: int = 5,
        n_images: int = 8,
        n_columns: int = 2,
        title: str | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Find the rows that a fitted classifier misreads and draw the first ``n_images`` of them.

        Parameters
        ----------
        estimator : fitted classifier with ``kneighbors``
            Or a Pipeline whose last step has ``kneighbors``, or a voting classifier whose first
            estimator has it.
        X : array-like of shape (n_samples, n_features)
            The rows to read.
        y : array-like of shape (n_samples,)
            Their true labels.
        X_train, y_train : array-like of shape (n_samples_fit, ...) and (n_samples_fit,)
            The images and labels to show for the neighbours, in the order of the fit. The images
            may differ from the fitted rows, for example if the rows are features of the images.
        y_pred : array-like of shape (n_samples,), default=None
            What ``estimator.predict(X)`` returns, if you have computed it already.
        image_shape : tuple of int (height, width), default=None
            Height and width of each image. None: the images are square.
        n_neighbors, n_images, n_columns : int
            How many neighbours to show beside each image, how many misread images to show at most,
            and how many of them side by side.
        title : str, default=None
            A line above the images.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : MisreadDisplay
        """
        X, y, y_train = np.asarray(X), np.asarray(y), np.asarray(y_train)
        y_pred = estimator.predict(X) if y_pred is None else np.asarray(y_pred)
        misread = np.flatnonzero(y_pred != y)[:n_images]
        train_images = as_images(X_train, image_shape)
        if len(misread):
            distances, ind = _neighbors(estimator, X[misread], n_neighbors)
            n_train = min(len(train_images), len(y_train))
            if ind.max() >= n_train:
                raise ValueError(
                    f"training row {ind.max()} is a neighbour, but X_train or y_train has only "
                    f"{n_train} rows: pass all rows of the fit"
                )
        else:
            distances, ind = np.empty((0, n_neighbors)), np.empty((0, n_neighbors), dtype=np.intp)
        display = cls(
            images=as_images(X[misread], image_shape),
            y_true=y[misread],
            y_pred=y_pred[misread],
            neighbor_images=train_images[ind],
            neighbor_labels=y_train[ind],
            distances=distances,
        )
        return display.plot(ax=ax, n_columns=n_columns, title=title)

    def plot(self, ax: Axes | None = None, *, n_columns: int = 2, title: str | None = None) -> Self:
        """Draw into ``ax``, or into a figure of its own.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        n_columns : int, default=2
            Misread images, each with its neighbours, side by side.
        title : str, default=None
            A line above the images.

        Returns
        -------
        self : MisreadDisplay
        """
        n_neighbors = self.distances.shape[1]
        n_columns = max(1, min(n_columns, len(self.images)))
        n_rows = ceil(len(self.images) / n_columns)
        long = need_two_lines(self.y_true, self.y_pred, self.neighbor_labels)
        step_x, step_y, gap, gutter = 1.2, 1.5 + 0.3 * long, 0.45, 0.9
        block = 1 + gap + step_x * n_neighbors - 0.2
        sheet = Mosaic(
            ax,
            self.images,
            self.neighbor_images,
            width=n_columns * (block + gutter) - gutter + 0.1,
            height=step_y * n_rows or _ONE_LINE,
        )
        written = same_precision(self.distances)
        for i, (x, y) in enumerate(places(len(self.images), n_columns, block + gutter, step_y)):
            self._plot_one(sheet, i, x, y, (x + 1 + gap, step_x), written[i], long=long)
        if len(self.images):
            sheet.explain(self._meanings)
        else:
            sheet.caption(self.nothing, 0.05, -1.0, color=QUIET)
        return self._drawn(sheet.ax, title)

    def _caption(self, i: int) -> str:
        """The caption of the i-th misread image."""
        return f"{self.y_pred[i]}, is {self.y_true[i]}"

    def _plot_one(
        self,
        sheet: Mosaic,
        i: int,
        x: float,
        y: float,
        beside: tuple[float, float],
        distances: list[str],
        *,
        long: bool,
    ) -> None:
        """Draw an image at (x, y) and its neighbours: `beside` is the first one's x, and a step."""
        sheet.image(self.images[i], x, y, edge=self._first, thick=True)
        said = self._caption(i)
        said = said.replace(", ", ",\n") if long else said
        sheet.caption(said, x + 0.5, y, ha="center", weight="bold", color=self._first)
        for j, image in enumerate(self.neighbor_images[i]):
            label, at = self.neighbor_labels[i, j], beside[0] + beside[1] * j
            colour = RIGHT if label == self.y_true[i] else WRONG
            sheet.image(image, at, y, edge=colour, thick=False)
            sheet.caption(f"{label}", at, y, weight="bold", color=colour)
            # Under a long label, else on its line.
            below = {"x": at, "y": y + 0.27} if long else {"x": at + 1, "y": y, "ha": "right"}
            sheet.caption(distances[j], color=QUIET, **below)


def _neighbors(estimator: Any, X: NDArray[Any], n_neighbors: int) -> tuple[Any, Any]:
    """Distances and indices of the training rows nearest to X, as the estimator finds them."""
    if hasattr(estimator, "kneighbors"):
        return estimator.kneighbors(X, n_neighbors=n_neighbors)  # type: ignore[no-any-return]
    if hasattr(estimator, "steps"):
        last = estimator.steps[-1][1]
        return _neighbors(last, estimator[:-1].transform(X), n_neighbors)
    if hasattr(estimator, "estimators_"):
        return _neighbors(estimator.estimators_[0], X, n_neighbors)
    raise TypeError(f"{type(estimator).__name__} has no kneighbors")
