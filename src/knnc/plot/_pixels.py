"""How well a single pixel tells two classes apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knnc.plot._base import Display, check_together, ink_on, names_of, new_axes, turn_if_long

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["PixelPairs", "PixelPairsDisplay", "best_single_pixels"]

# Accuracies at the ends of the colours: below the first few pairs are, 0.5 is a coin.
_WORST, _BEST = 0.65, 1.0
_SENTENCE = (
    "one class\n\nEach number: the images of two classes that the best pixel\n"
    "tells rightly, in per cent; chance gives 50."
)


@dataclass(frozen=True)
class PixelPairs:
    """For each pair of classes the pixel that tells them apart best, and how well it does.

    Attributes
    ----------
    labels : ndarray of shape (n_classes,)
        The classes.
    pairs : ndarray of shape (n_pairs, 2), dtype intp
        Which two of `labels`, the first before the second.
    pixel : ndarray of shape (n_pairs,), dtype intp
        The pixel, an index into a row.
    threshold : ndarray of shape (n_pairs,), dtype uint8
        A value up to this is taken for one class, a larger one for the other.
    second_above : ndarray of shape (n_pairs,), dtype bool
        Whether a larger one is taken for the second class.
    accuracy : ndarray of shape (n_pairs,), dtype float64
        The share of each class that is told rightly, averaged over both; 0.5 is chance.
    """

    labels: NDArray[Any]
    pairs: NDArray[np.intp]
    pixel: NDArray[np.intp]
    threshold: NDArray[np.uint8]
    second_above: NDArray[np.bool_]
    accuracy: NDArray[np.float64]


def best_single_pixels(
    X: ArrayLike, y: ArrayLike, *, X_test: ArrayLike | None = None, y_test: ArrayLike | None = None
) -> PixelPairs:
    """Find for each pair of classes the pixel and threshold that tell them apart best.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features), dtype uint8
        The rows by which pixel and threshold are chosen.
    y : array-like of shape (n_samples,)
        Their labels, of two classes at least.
    X_test, y_test : array-like, default=None
        The rows on which accuracies are measured. None takes X again, which makes them look better
        than they are.

    Returns
    -------
    found : PixelPairs

    Raises
    ------
    ValueError
        If X is not of bytes, if there are fewer than two classes, if a class has no test row, or
        if test rows have other pixels or no labels.

    Examples
    --------
    >>> from knnc.datasets import load_dataset
    >>> from knnc.plot import best_single_pixels
    >>> train, test = load_dataset("digits")
    >>> found = best_single_pixels(
    ...     train.data, train.target, X_test=test.data, y_test=test.target
    ... )
    >>> len(found.pairs), round(float(found.accuracy.min()), 2)
    (45, 0.65)
    """
    X, y = _rows(X, y, "X")
    if (X_test is None) != (y_test is None):
        raise ValueError("pass both X_test and y_test, or neither")
    labels = np.unique(y)
    if len(labels) < 2:
        raise ValueError(f"y needs two classes at least, got {len(labels)}")
    shares = [_at_most(X[y == label]) for label in labels]
    pairs = np.array(list(combinations(range(len(labels)), 2)), dtype=np.intp)
    pixel = np.empty(len(pairs), dtype=np.intp)
    threshold = np.empty(len(pairs), dtype=np.uint8)
    above = np.empty(len(pairs), dtype=np.bool_)
    for at, (first, second) in enumerate(pairs):
        # A threshold is right about shares[first] of one class and 1 - shares[second] of the
        # other, or about the rest of both.
        gain = shares[first] - shares[second]
        pixel[at], threshold[at] = np.unravel_index(np.abs(gain).argmax(), gain.shape)
        above[at] = gain[pixel[at], threshold[at]] > 0
    if X_test is None:
        rows, truth = X, y
    else:
        rows, truth = _rows(X_test, y_test, "X_test")
        if rows.shape[1] != X.shape[1]:
            raise ValueError(
                f"X_test must have {X.shape[1]} pixels a row as X, got {rows.shape[1]}"
            )
    by_class = [rows[truth == label] for label in labels]
    if min(map(len, by_class)) == 0:
        raise ValueError("each class needs a row in X_test, and one has none")
    accuracy = np.empty(len(pairs))
    for at, (first, second) in enumerate(pairs):
        over = [(by_class[c][:, pixel[at]] > threshold[at]).mean() for c in (first, second)]
        right = (1 - over[0] + over[1]) / 2
        accuracy[at] = right if above[at] else 1 - right
    return PixelPairs(labels, pairs, pixel, threshold, above, accuracy)


def _rows(X: Any, y: Any, name: str) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    X, y = np.asarray(X), np.asarray(y)
    if X.dtype != np.uint8 or X.ndim != 2 or not X.shape[1]:
        raise ValueError(
            f"{name} must be uint8 of shape (n_samples, n_features), got {X.dtype} of {X.shape}"
        )
    check_together((len(X), "rows"), (len(y), "labels"))
    return X, y


def _at_most(X: NDArray[np.uint8]) -> NDArray[np.float32]:
    """For each pixel and value the share of rows in which the pixel is at most that."""
    counts = np.array([np.bincount(column, minlength=256) for column in X.T])
    shares: NDArray[np.float32] = (counts.cumsum(axis=1) / len(X)).astype(np.float32)
    return shares


class PixelPairsDisplay(Display):
    """How well the best single pixel tells each pair of classes apart.

    Parameters
    ----------
    found : PixelPairs
        What :func:`best_single_pixels` found.
    names : sequence of str, default=None
        What each class is called; None takes its label.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What :meth:`plot` drew into.
    figure_ : matplotlib Figure
        The figure of that Axes.
    im_ : matplotlib AxesImage
        The accuracies as colours.

    See Also
    --------
    ComparisonDisplay : How well classifiers do on several data sets.
    """

    im_: Any
    _style: ClassVar[dict[str, Any]] = {"fontsize": 12}

    def __init__(self, *, found: PixelPairs, names: Sequence[str] | None = None) -> None:
        self.found = found
        self.names = [str(v) for v in (found.labels if names is None else names)]
        check_together((len(found.labels), "classes"), (len(self.names), "names"))

    @classmethod
    def from_rows(
        cls,
        X: ArrayLike,
        y: ArrayLike,
        *,
        X_test: ArrayLike | None = None,
        y_test: ArrayLike | None = None,
        target_names: Sequence[str] | None = None,
        title: str | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Find the best pixels and draw how well they do.

        Parameters
        ----------
        X, y, X_test, y_test
            As for :func:`best_single_pixels`.
        target_names : sequence of str, default=None
            ``target_names[label]`` is what a class is called; None takes the label itself.
        title : str, default=None
            Title. None: a title with the median and the lowest accuracy.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : PixelPairsDisplay
        """
        found = best_single_pixels(X, y, X_test=X_test, y_test=y_test)
        return cls(found=found, names=names_of(found.labels, target_names)).plot(ax=ax, title=title)

    def _draw(self, ax: Axes | None) -> Axes:
        n = len(self.names)
        side = float(np.clip(0.62 * n, 4.0, 20))
        ax = new_axes(ax, side + 1.2, side + 0.9)
        table = np.full((n, n), np.nan)
        table[self.found.pairs[:, 1], self.found.pairs[:, 0]] = self.found.accuracy
        shown = table[1:, :-1]
        self.im_ = ax.imshow(shown, cmap="viridis", vmin=_WORST, vmax=_BEST)
        for (i, j), value in np.ndenumerate(shown):
            if not np.isnan(value):
                ax.text(
                    j,
                    i,
                    f"{100 * value:.0f}",
                    ha="center",
                    va="center",
                    fontsize=min(10, 120 / n),
                    color=ink_on(self.im_.cmap(self.im_.norm(value))),
                )
        ax.set(xticks=range(n - 1), yticks=range(n - 1))
        ax.set_yticklabels(self.names[1:])
        turn_if_long(ax.set_xticklabels(self.names[:-1]))
        ax.set(xlabel=_SENTENCE, ylabel="the other class")
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        return ax

    def _drawn(self, ax: Axes, title: str | None, **style: Any) -> Self:
        if title is None:
            median, least = np.median(self.found.accuracy), self.found.accuracy.min()
            title = f"Two classes told apart by one pixel, % (median {100 * median:.0f}, "
            title += f"least {100 * least:.0f})"
        return super()._drawn(ax, title, **style)
