"""Pictures of what an estimator read, and of the neighbours that made it do so.

The displays follow scikit-learn's conventions: a constructor that takes what is to be drawn,
``from_estimator`` that computes it, and ``plot(ax=None)`` that draws it into one Axes and keeps
``figure_`` and ``ax_``. matplotlib is imported when something is drawn, and pyplot never: a figure
made here belongs to the caller, needs no screen and is freed with the last reference to it.
"""

from __future__ import annotations

from math import ceil, isqrt
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

__all__ = ["MisreadDisplay", "ReadDisplay", "as_images", "require_matplotlib"]

# Colours that the common colour-vision deficiencies keep apart; no fact is told by colour alone.
RIGHT = "#0072B2"
WRONG = "#D55E00"
_QUIET = "#6b6b6b"


def require_matplotlib() -> None:
    """Raise an ImportError that names the extra if matplotlib is not installed."""
    try:
        import matplotlib.figure  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in ("matplotlib", "PIL"):
            raise
        raise ImportError(
            f'Drawing needs {error.name}, which is not installed: pip install "knnc[plot]"'
        ) from error


def as_images(X: ArrayLike, image_shape: tuple[int, int] | None) -> NDArray[Any]:
    """Rows (n, d) or images (n, height, width) as images; without a shape a row is a square."""
    X = np.asarray(X)
    if image_shape is None:
        if X.ndim == 3:
            return X
        side = isqrt(X.shape[-1])
        image_shape = (side, side)
        if side * side != X.shape[-1]:
            raise ValueError(
                f"rows of {X.shape[-1]} features are no square images: "
                "pass image_shape=(height, width)"
            )
    if len(X) and np.prod(X.shape[1:]) != np.prod(image_shape):
        raise ValueError(
            f"image_shape={image_shape!r} asks for {np.prod(image_shape)} features a row, "
            f"X has {np.prod(X.shape[1:])}"
        )
    return X.reshape(len(X), *image_shape)


class _Mosaic:
    """An Axes laid out as a sheet of unit-sized images with captions, in units of one image."""

    def __init__(
        self, ax: Axes | None, *, width: float, height: float, vmin: float, vmax: float
    ) -> None:
        if ax is None:
            from matplotlib.figure import Figure

            inches_a_unit = min(0.8, 14 / width)
            figure = Figure(
                figsize=(width * inches_a_unit + 0.4, height * inches_a_unit + 1.0),
                layout="constrained",
            )
            ax = figure.add_subplot()
        self.ax = ax
        self._levels: dict[str, Any] = {
            "cmap": "gray_r",
            "vmin": vmin,
            "vmax": vmax,
            "interpolation": "nearest",
        }
        box = ax.get_window_extent()
        unit = min(box.width / width, box.height / height) * 72.0 / ax.figure.dpi
        self.fontsize = float(np.clip(0.21 * unit, 4.5, 11.0))
        ax.set(xlim=(0, width), ylim=(height, 0), aspect="equal", autoscale_on=False)
        ax.set_axis_off()

    def image(self, image: NDArray[Any], x: float, y: float, *, edge: str, thick: bool) -> None:
        """Draw one image with its upper left corner at (x, y), framed in the colour ``edge``."""
        from matplotlib.patches import Rectangle

        self.ax.imshow(image, extent=(x, x + 1, y + 1, y), aspect="equal", **self._levels)
        frame = Rectangle(
            (x, y), 1, 1, fill=False, edgecolor=edge, linewidth=2.2 if thick else 1.0, zorder=3
        )
        self.ax.add_patch(frame)

    def caption(self, text: str, x: float, y: float, **style: Any) -> None:
        """Write ``text`` under the image whose upper left corner is at (x, y)."""
        placed: dict[str, Any] = {"fontsize": self.fontsize, "va": "top", "ha": "left"}
        self.ax.text(x, y + 1.07, text, **(placed | style))

    def finish(self, title: str | None, legend: dict[str, str]) -> None:
        """Add the title, and a legend of what each frame colour means."""
        from matplotlib.patches import Patch

        if title:
            self.ax.set_title(title, loc="left")
        if legend:
            self.ax.legend(
                handles=[
                    Patch(facecolor="none", edgecolor=colour, linewidth=1.8, label=meaning)
                    for meaning, colour in legend.items()
                ],
                loc="upper left",
                bbox_to_anchor=(0.0, 0.0),
                borderaxespad=0.2,
                ncols=len(legend),
                frameon=False,
                fontsize=min(10.0, self.fontsize + 1),
                handlelength=1.2,
            )


def _levels(*images: NDArray[Any]) -> tuple[float, float]:
    """The least and the largest value of several stacks of images, so that all share one scale."""
    filled = [stack for stack in images if stack.size]
    if not filled:
        return 0.0, 1.0
    return float(min(s.min() for s in filled)), float(max(s.max() for s in filled))


def _same_precision(distances: NDArray[Any]) -> list[list[str]]:
    """Numbers as text, all with the decimals that give the largest four digits."""
    largest = float(distances.max(initial=1.0))
    decimals = int(np.clip(3 - np.floor(np.log10(largest)), 0, 4))
    return [[f"{value:.{decimals}f}" for value in row] for row in distances]


class ReadDisplay:
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

    ax_: Axes
    figure_: Figure | SubFigure

    def __init__(self, *, images: ArrayLike, y_true: ArrayLike, y_pred: ArrayLike) -> None:
        self.images = np.asarray(images)
        self.y_true = np.asarray(y_true)
        self.y_pred = np.asarray(y_pred)
        if not len(self.images) == len(self.y_true) == len(self.y_pred):
            raise ValueError(
                f"{len(self.images)} images, {len(self.y_true)} true labels and "
                f"{len(self.y_pred)} read ones do not go together"
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
            The shape of a row's image; None takes it for a square.
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
        require_matplotlib()
        n_rows = max(1, ceil(len(self.images) / n_columns))
        step_x, step_y = 1.2, 1.5
        vmin, vmax = _levels(self.images)
        sheet = _Mosaic(
            ax,
            width=step_x * n_columns - 0.2 + 0.1,
            height=step_y * n_rows,
            vmin=vmin,
            vmax=vmax,
        )
        for i, image in enumerate(self.images):
            x, y = 0.05 + step_x * (i % n_columns), 0.05 + step_y * (i // n_columns)
            right = bool(self.y_true[i] == self.y_pred[i])
            sheet.image(image, x, y, edge=RIGHT if right else WRONG, thick=not right)
            text = f"{self.y_pred[i]}" if right else f"{self.y_pred[i]}, is {self.y_true[i]}"
            sheet.caption(
                text, x + 0.5, y, ha="center", weight="bold", color=RIGHT if right else WRONG
            )
        sheet.finish(title, {"read right": RIGHT, "misread": WRONG})
        self.ax_ = sheet.ax
        self.figure_ = sheet.ax.figure
        return self


class MisreadDisplay:
    """Misread images, each beside the training images nearest to it.

    Parameters
    ----------
    images : array-like of shape (n_images, height, width)
        The misread images.
    y_true, y_pred : array-like of shape (n_images,)
        The label each image has, and the one that was read.
    neighbor_images : array-like of shape (n_images, n_neighbors, height, width)
        For each the training images nearest to it, the nearest first.
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
    _nothing: ClassVar[str] = "none was misread"

    ax_: Axes
    figure_: Figure | SubFigure

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
        X : array-like of shape (n_samples, n_features)
            The rows to read.
        y : array-like of shape (n_samples,)
            Their true labels.
        X_train, y_train : array-like of shape (n_samples_fit, ...) and (n_samples_fit,)
            The images and labels to show for the neighbours, in the order of the fit. The images
            need not be the fitted rows, which may be features that nobody can look at.
        y_pred : array-like of shape (n_samples,), default=None
            What ``estimator.predict(X)`` gives, if that is known already.
        image_shape : tuple of int (height, width), default=None
            The shape of a row's image; None takes it for a square.
        n_neighbors, n_images, n_columns : int
            Neighbours beside each image, misread images at most, and how many of them side by side.
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
            distances, ind = estimator.kneighbors(X[misread], n_neighbors=n_neighbors)
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
        require_matplotlib()
        n_neighbors = self.distances.shape[1]
        n_columns = max(1, min(n_columns, len(self.images)))
        n_rows = max(1, ceil(len(self.images) / n_columns))
        step_x, step_y, gap, gutter = 1.2, 1.5, 0.45, 0.9
        block = 1 + gap + step_x * n_neighbors - 0.2
        vmin, vmax = _levels(self.images, self.neighbor_images)
        sheet = _Mosaic(
            ax,
            width=n_columns * (block + gutter) - gutter + 0.1,
            height=step_y * n_rows,
            vmin=vmin,
            vmax=vmax,
        )
        written = _same_precision(self.distances)
        for i in range(len(self.images)):
            x = 0.05 + (i % n_columns) * (block + gutter)
            y = 0.05 + (i // n_columns) * step_y
            self._plot_one(sheet, i, x, y, first=x + 1 + gap, step=step_x, distances=written[i])
        sheet.finish(title, self._meanings if len(self.images) else {})
        if not len(self.images):
            sheet.caption(self._nothing, 0.05, -1.0, color=_QUIET)
        self.ax_ = sheet.ax
        self.figure_ = sheet.ax.figure
        return self

    def _caption(self, i: int) -> str:
        """What stands under the i-th misread image."""
        return f"{self.y_pred[i]}, is {self.y_true[i]}"

    def _plot_one(
        self,
        sheet: _Mosaic,
        i: int,
        x: float,
        y: float,
        *,
        first: float,
        step: float,
        distances: list[str],
    ) -> None:
        """One misread image at (x, y) and its neighbours from ``first`` on, ``step`` apart."""
        sheet.image(self.images[i], x, y, edge=WRONG, thick=True)
        sheet.caption(self._caption(i), x + 0.5, y, ha="center", weight="bold", color=WRONG)
        for j, image in enumerate(self.neighbor_images[i]):
            label, at = self.neighbor_labels[i, j], first + step * j
            colour = RIGHT if label == self.y_true[i] else WRONG
            sheet.image(image, at, y, edge=colour, thick=False)
            sheet.caption(f"{label}", at, y, weight="bold", color=colour)
            sheet.caption(distances[j], at + 1, y, ha="right", color=_QUIET)
