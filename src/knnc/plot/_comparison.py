"""Classifiers side by side, on several data sets."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from knnc.plot._base import MARKERS, QUIET, SERIES, Display, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ComparisonDisplay", "Outcome", "compare_classifiers"]


@dataclass(frozen=True)
class Outcome:
    """The result of a classifier on a data set.

    Attributes
    ----------
    classifier, dataset : str
        The names of both.
    accuracy : float
        The share of test rows with the right label.
    fit_seconds, predict_seconds : float
        Seconds that one call of ``fit`` and one of ``predict`` took.
    converged : bool
        Whether ``fit`` ended before the limit of its iterations.
    """

    classifier: str
    dataset: str
    accuracy: float
    fit_seconds: float
    predict_seconds: float
    converged: bool

    @property
    def seconds(self) -> float:
        """Both times together."""
        return self.fit_seconds + self.predict_seconds


def compare_classifiers(
    classifiers: Mapping[str, Any],
    datasets: Mapping[str, Sequence[ArrayLike]],
    *,
    on_start: Callable[[str, str], object] | None = None,
) -> list[Outcome]:
    """Fit a clone of each classifier to each data set, and predict its test rows.

    Parameters
    ----------
    classifiers : mapping of str to classifier
        Not yet fitted.
    datasets : mapping of str to (X, y, X_test, y_test)
    on_start : callable, default=None
        Called as ``on_start(classifier, dataset)`` before each, with their names.

    Returns
    -------
    outcomes : list of Outcome
        Ordered by data set, then by classifier.

    Examples
    --------
    >>> from knnc import KNeighborsClassifier
    >>> from knnc.datasets import load_dataset
    >>> from knnc.plot import compare_classifiers
    >>> train, test = load_dataset("digits")
    >>> rows = train.data, train.target, test.data, test.target
    >>> (outcome,) = compare_classifiers({"1-NN": KNeighborsClassifier(1)}, {"digits": rows})
    >>> round(outcome.accuracy, 3)
    0.962
    """
    outcomes = []
    for dataset, (X, y, X_test, y_test) in datasets.items():
        for name, classifier in classifiers.items():
            if on_start is not None:
                on_start(name, dataset)
            outcomes.append(_try(name, dataset, clone(classifier), X, y, X_test, y_test))
    return outcomes


def _try(
    name: str, dataset: str, classifier: Any, X: Any, y: Any, X_test: Any, y_test: Any
) -> Outcome:
    start = perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        classifier.fit(X, y)
        fitted = perf_counter()
        y_pred = classifier.predict(X_test)
        done = perf_counter()
    converged = True
    for warning in caught:
        if issubclass(warning.category, ConvergenceWarning):
            converged = False
        else:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
    accuracy = float(np.mean(y_pred == np.asarray(y_test)))
    return Outcome(name, dataset, accuracy, fitted - start, done - fitted, converged)


class ComparisonDisplay(Display):
    """The accuracy of each classifier on each data set, the best on top.

    Parameters
    ----------
    outcomes : iterable of Outcome
        What :func:`compare_classifiers` found: each classifier on each data set.
    ours : collection of str, default=()
        The classifiers whose names are set in bold.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What :meth:`plot` drew into.
    figure_ : matplotlib Figure
        The figure of that Axes.
    classifiers : list of str
        The classifiers, the best first on the hardest data set: the one with the lowest mean
        accuracy.
    datasets : list of str
        The data sets, in the order in which they were given.

    See Also
    --------
    PixelPairsDisplay : How hard the data sets are for a single pixel.
    """

    _style: ClassVar[dict[str, Any]] = {"fontsize": 13, "pad": 26}

    def __init__(self, *, outcomes: Iterable[Outcome], ours: Collection[str] = ()) -> None:
        self.outcomes = list(outcomes)
        self.ours = set(ours)
        self.datasets = list(dict.fromkeys(o.dataset for o in self.outcomes))
        names = list(dict.fromkeys(o.classifier for o in self.outcomes))
        found = {(o.classifier, o.dataset): o.accuracy for o in self.outcomes}
        if not found or len(found) != len(names) * len(self.datasets):
            raise ValueError("each classifier needs one outcome on each data set")
        table = np.array([[found[name, dataset] for dataset in self.datasets] for name in names])
        order = np.argsort(-table[:, table.mean(axis=0).argmin()], kind="stable")
        self.classifiers = [names[at] for at in order]
        self.accuracy = table[order]

    @classmethod
    def from_estimators(
        cls,
        classifiers: Mapping[str, Any],
        datasets: Mapping[str, Sequence[ArrayLike]],
        *,
        ours: Collection[str] = (),
        title: str | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Fit each classifier to each data set and draw the accuracies.

        Parameters
        ----------
        classifiers, datasets
            As for :func:`compare_classifiers`.
        ours : collection of str, default=()
            The classifiers whose names are set in bold.
        title : str, default=None
            A line above the accuracies.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : ComparisonDisplay
        """
        outcomes = compare_classifiers(classifiers, datasets)
        return cls(outcomes=outcomes, ours=ours).plot(ax=ax, title=title)

    def _draw(self, ax: Axes | None) -> Axes:
        n = len(self.classifiers)
        ax = new_axes(ax, 9, 1.4 + 0.4 * n)
        per_cent = 100 * self.accuracy
        rows = np.arange(n)
        if len(self.datasets) > 1:
            ax.hlines(rows, per_cent.min(axis=1), per_cent.max(axis=1), color="#cccccc", lw=2)
        for at, dataset in enumerate(self.datasets):
            ax.scatter(
                per_cent[:, at],
                rows,
                s=55,
                marker=MARKERS[at % len(MARKERS)],
                color=SERIES[at % len(SERIES)],
                label=dataset,
                zorder=3,
            )
            self._write_values(ax, at)
        ax.set(yticks=rows, ylim=(n - 0.4, -0.8), xlabel="Accuracy on test images, %")
        ax.set_yticklabels(self.classifiers)
        for label in ax.get_yticklabels():
            if label.get_text() in self.ours:
                label.set_fontweight("bold")
        left = max(0.0, np.floor((per_cent.min() - 4) / 10) * 10)
        ax.set_xlim(left, 100 + 0.07 * (100 - left))
        ax.tick_params(axis="y", length=0)
        ax.grid(axis="x", alpha=0.3, linewidth=0.6)
        ax.set_axisbelow(True)
        ax.spines[["top", "right", "left"]].set_visible(False)
        ax.legend(
            loc="lower left",
            bbox_to_anchor=(0, 1.0),
            ncols=len(self.datasets),
            frameon=False,
            handletextpad=0.2,
            borderaxespad=0.1,
        )
        return ax

    def _write_values(self, ax: Axes, at: int) -> None:
        """Write the lowest accuracy of a row left of its mark, and the highest right of it."""
        for row, values in enumerate(100 * self.accuracy):
            first, last = values.min(), values.max()
            if values[at] not in (first, last):
                continue
            left = values[at] == first and (first != last or at == 0) and len(values) > 1
            ax.annotate(
                f"{values[at]:.1f}",
                (values[at], row),
                xytext=(-7 if left else 7, 0),
                textcoords="offset points",
                ha="right" if left else "left",
                va="center",
                fontsize=8.5,
                color=QUIET,
            )
