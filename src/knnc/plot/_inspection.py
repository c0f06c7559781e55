"""Pictures of doubtful labels and near-duplicates, as :mod:`knnc.plot` draws them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from knnc._reports.duplicates import NearDuplicates, near_duplicates
from knnc._reports.labels import Classifier, DisputedLabels, disputed_labels
from knnc.plot._base import QUIET, RIGHT, WRONG, as_images
from knnc.plot._misread import MisreadDisplay

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["DisputedLabelsDisplay", "NearDuplicatesDisplay"]


class DisputedLabelsDisplay(MisreadDisplay):
    """Training images with disputed labels, each beside its nearest neighbours.

    The parameters and attributes are those of :class:`knnc.plot.MisreadDisplay`: `y_true` are the
    labels of the images, `y_pred` the suggested ones.
    """

    _meanings: ClassVar[dict[str, str]] = {
        "a neighbour with another label": WRONG,
        "a neighbour with the disputed label": RIGHT,
    }
    nothing: ClassVar[str] = "No label is disputed."

    @classmethod
    def from_estimator(  # type: ignore[override]
        cls,
        estimator: Classifier,
        X: ArrayLike,
        y: ArrayLike,
        *,
        min_share: float = 0.5,
        image_shape: tuple[int, int] | None = None,
        n_images: int = 8,
        n_columns: int = 2,
        title: str | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Find disputed labels and draw the most doubtful of them.

        Parameters
        ----------
        estimator : KNeighborsClassifier or KNeighborsClassifierCV
            Fitted.
        X : array-like of shape (n_samples_fit, ...)
            The images to show for the training rows, in the order of the fit. They may differ from
            the fitted rows, which may be features.
        y : array-like of shape (n_samples_fit,)
            Their labels.
        min_share : float, default=0.5
            As for :func:`disputed_labels`.
        image_shape : tuple of int (height, width), default=None
            Height and width of each image. None: the images are square.
        n_images, n_columns : int
            Images at most, and how many of them, each with its neighbours, side by side.
        title : str, default=None
            A line above the images.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : DisputedLabelsDisplay
        """
        found = disputed_labels(estimator, min_share=min_share)
        display = cls.from_report(found, X, y, image_shape=image_shape, n_images=n_images)
        return display.plot(ax=ax, n_columns=n_columns, title=title)

    @classmethod
    def from_report(
        cls,
        disputed: DisputedLabels,
        X: ArrayLike,
        y: ArrayLike,
        *,
        image_shape: tuple[int, int] | None = None,
        n_images: int = 8,
    ) -> Self:
        """Make a display, not yet drawn, of the result of :func:`disputed_labels`.

        The parameters are those of :meth:`from_estimator`.
        """
        images, labels = as_images(X, image_shape), np.asarray(y)
        first = slice(n_images)
        return cls(
            images=images[disputed.index[first]],
            y_true=disputed.label[first],
            y_pred=disputed.suggested[first],
            neighbor_images=images[disputed.neighbors[first]],
            neighbor_labels=labels[disputed.neighbors[first]],
            distances=disputed.distances[first],
        )

    def _caption(self, i: int) -> str:
        return f"{self.y_true[i]}, or {self.y_pred[i]}?"


class NearDuplicatesDisplay(MisreadDisplay):
    """Pairs of images that are the same or nearly so.

    The parameters and attributes are those of :class:`knnc.plot.MisreadDisplay`: `images` are the
    first of each pair, `neighbor_images` the second, `y_true` and `neighbor_labels` their labels.
    """

    _meanings: ClassVar[dict[str, str]] = {
        "the first of a pair": QUIET,
        "the second, with the same label": RIGHT,
        "the second, with another label": WRONG,
    }
    _first: ClassVar[str] = QUIET
    nothing: ClassVar[str] = "There are no such pairs."

    @classmethod
    def from_rows(
        cls,
        X: Any,
        y: ArrayLike | None = None,
        *,
        radius: float = 0.0,
        metric: str = "euclidean",
        image_shape: tuple[int, int] | None = None,
        n_pairs: int = 16,
        n_columns: int = 4,
        title: str | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Find near-duplicates and draw the nearest pairs.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows, each of them an image.
        y : array-like of shape (n_samples,), default=None
            Their labels; None shows their indices.
        radius, metric
            As for :func:`near_duplicates`.
        image_shape : tuple of int (height, width), default=None
            Height and width of each image. None: the images are square.
        n_pairs, n_columns : int
            Pairs at most, and how many of them side by side.
        title : str, default=None
            A line above the images.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : NearDuplicatesDisplay
        """
        found = near_duplicates(X, radius, metric=metric)
        display = cls.from_report(found, X, y, image_shape=image_shape, n_pairs=n_pairs)
        return display.plot(ax=ax, n_columns=n_columns, title=title)

    @classmethod
    def from_report(
        cls,
        found: NearDuplicates,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        image_shape: tuple[int, int] | None = None,
        n_pairs: int = 16,
    ) -> Self:
        """Make a display, not yet drawn, of the result of :func:`near_duplicates`.

        The parameters are those of :meth:`from_rows`.
        """
        images = as_images(X, image_shape)
        labels = np.arange(len(images)) if y is None else np.asarray(y)
        first, second = found.pairs[:n_pairs].T
        return cls(
            images=images[first],
            y_true=labels[first],
            y_pred=labels[first],
            neighbor_images=images[second, np.newaxis],
            neighbor_labels=labels[second, np.newaxis],
            distances=found.distances[:n_pairs, np.newaxis],
        )

    def _caption(self, i: int) -> str:
        return f"{self.y_true[i]}"
