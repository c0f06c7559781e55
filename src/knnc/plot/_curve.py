"""The score of each number of neighbours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone, is_classifier

from knnc.plot._base import MARKERS, SERIES, Display, check_together, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["NeighborsCurveDisplay"]

_PARAMETER = "n_neighbors"
# Scores of training rows, if there are some, do not match.
_IS_SPLIT = re.compile(r"split\d+_test_score").fullmatch


class NeighborsCurveDisplay(Display):
    """The validation curve of k: the score of each number of neighbours.

    Parameters
    ----------
    n_neighbors : array-like of int of shape (n_candidates,)
        The number of neighbours of each candidate.
    scores : array-like of shape (n_candidates,)
        Its mean score.
    errors : array-like of shape (n_candidates,), default=None
        The standard error of that mean over the folds; None draws no band.
    groups : array-like of str of shape (n_candidates,), default=None
        The name of each candidate's line; None joins all candidates by one line.
    best_index : int, default=None
        Index of the chosen candidate.
    score_name : str, default="Score"
        What the scores are.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What :meth:`plot` drew into.
    figure_ : matplotlib Figure
        The figure of that Axes.
    lines_ : list of matplotlib Line2D
        One line for each group, in the order of their first candidates.

    See Also
    --------
    knnc.KNeighborsClassifierCV : Scores all numbers of neighbours in one search.
    sklearn.model_selection.ValidationCurveDisplay : Scores any parameter, one value at a time.

    Examples
    --------
    >>> from knnc import KNeighborsClassifierCV, datasets
    >>> from knnc.plot import NeighborsCurveDisplay
    >>> digits = datasets.load_digits()
    >>> tuned = KNeighborsClassifierCV(range(1, 11)).fit(digits.data, digits.target)
    >>> display = NeighborsCurveDisplay.from_estimator(tuned)
    >>> [line.get_label() for line in display.lines_]
    ['weights: uniform', 'weights: distance']
    """

    lines_: list[Any]

    def __init__(
        self,
        *,
        n_neighbors: ArrayLike,
        scores: ArrayLike,
        errors: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        best_index: int | None = None,
        score_name: str = "Score",
    ) -> None:
        self.n_neighbors = np.asarray(n_neighbors)
        self.scores = np.asarray(scores)
        self.errors = None if errors is None else np.asarray(errors)
        self.groups = np.full(len(self.scores), "") if groups is None else np.asarray(groups)
        self.best_index = best_index
        self.score_name = score_name
        scored = len(self.scores), "scores"
        check_together(
            (len(self.n_neighbors), "numbers of neighbours"), scored, (len(self.groups), "groups")
        )
        if self.errors is not None:
            check_together(scored, (len(self.errors), "errors"))

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        y: Any = None,
        *,
        title: str | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Draw the scores that a search for the best parameters found.

        Parameters
        ----------
        estimator : KNeighborsClassifierCV, KNeighborsRegressorCV, GridSearchCV or alike
            A fitted search. If X and y are given, a clone of it is fitted. The search varies
            `n_neighbors`, of the estimator or of a step in it.
        X, y : default=None
            Data for the fit; None if the search is fitted.
        title : str, default=None
            A line above the curves.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : NeighborsCurveDisplay

        Raises
        ------
        ValueError
            If it is not such a search, has several scores, or did not vary n_neighbors.
        """
        if X is not None:
            estimator = clone(estimator).fit(X, y)
        if not hasattr(estimator, "cv_results_"):
            raise ValueError(
                f"this {type(estimator).__name__} has no cv_results_: pass a search such as "
                "KNeighborsClassifierCV, fitted or with X and y"
            )
        return cls.from_cv_results(
            estimator.cv_results_,
            best_index=getattr(estimator, "best_index_", None),
            score_name=_score_name(estimator),
        ).plot(ax=ax, title=title)

    @classmethod
    def from_cv_results(
        cls,
        cv_results: Mapping[str, Any],
        *,
        best_index: int | None = None,
        score_name: str = "Score",
    ) -> Self:
        """Make a display, not yet drawn, of the ``cv_results_`` of a search.

        Parameters
        ----------
        cv_results : mapping
            With the keys ``params``, ``mean_test_score`` and ``std_test_score``.
        best_index : int, default=None
            Index of the chosen candidate.
        score_name : str, default="Score"
            What the scores are.

        Returns
        -------
        display : NeighborsCurveDisplay

        Raises
        ------
        ValueError
            If there are several scores, or a candidate has no n_neighbors.
        """
        if "mean_test_score" not in cv_results:
            raise ValueError("the search has several scores; pass a search with one")
        params = cv_results["params"]
        varied = list(dict.fromkeys(key for candidate in params for key in candidate))
        keys = [key for key in varied if key.rpartition("__")[2] == _PARAMETER]
        if not keys:
            raise ValueError(f"the search has to vary {_PARAMETER}; it varied {', '.join(varied)}")
        if not all(keys[0] in candidate for candidate in params):
            raise ValueError(f"some candidates of the search have no {keys[0]}")
        n_splits = _n_splits(cv_results)
        varied.remove(keys[0])
        varied = [key for key in varied if len({str(p.get(key, "")) for p in params}) > 1]
        return cls(
            n_neighbors=[candidate[keys[0]] for candidate in params],
            scores=cv_results["mean_test_score"],
            errors=cv_results["std_test_score"] / np.sqrt(n_splits) if n_splits > 1 else None,
            groups=[
                ", ".join(f"{key.rpartition('__')[2]}: {p[key]}" for key in varied if key in p)
                for p in params
            ],
            best_index=best_index,
            score_name=score_name,
        )

    def _draw(self, ax: Axes | None) -> Axes:
        ax = new_axes(ax, 8, 5)
        self.lines_ = []
        for at, group in enumerate(dict.fromkeys(self.groups.tolist())):
            self._plot_group(ax, group, SERIES[at % len(SERIES)], MARKERS[at % len(MARKERS)])
        if self.best_index is not None:
            self._mark_best(ax, self.best_index)
        ax.set(xlabel="Number of neighbours, k", ylabel=self.score_name)
        ax.set_xticks(_ticks(int(self.n_neighbors.min()), int(self.n_neighbors.max())))
        ax.grid(alpha=0.3, linewidth=0.6)
        ax.spines[["top", "right"]].set_visible(False)
        if any(self.groups):
            ax.legend(frameon=False, loc="best")
        return ax

    def _plot_group(self, ax: Axes, group: str, colour: str, marker: str) -> None:
        where = np.flatnonzero(self.groups == group)
        where = where[np.argsort(self.n_neighbors[where], kind="stable")]
        k, scores = self.n_neighbors[where], self.scores[where]
        self.lines_ += ax.plot(
            k, scores, label=group, color=colour, marker=marker, markersize=4.5, linewidth=1.6
        )
        if self.errors is not None:
            error = self.errors[where]
            ax.fill_between(k, scores - error, scores + error, color=colour, alpha=0.15, lw=0)

    def _mark_best(self, ax: Axes, best: int) -> None:
        from matplotlib.patheffects import withStroke

        k, score = int(self.n_neighbors[best]), float(self.scores[best])
        ax.plot(
            [k], [score], "o", markersize=13, markerfacecolor="none", color="black", label="_best"
        )
        ax.annotate(
            f"k = {k}: {score:.4f}",
            (k, score),
            xytext=(10, 10),
            textcoords="offset points",
            fontsize=11,
            path_effects=[withStroke(linewidth=4, foreground="white")],
        )
        ax.margins(y=0.15)


def _ticks(least: int, most: int) -> list[int]:
    """The first number of neighbours, and round ones after it."""
    step = next(step for step in (1, 2, 5, *(10**n for n in range(1, 10))) if most <= 12 * step)
    return [least, *(k for k in range(step, most + 1, step) if k > least + step / 4)]


def _n_splits(cv_results: Mapping[str, Any]) -> int:
    return sum(_IS_SPLIT(key) is not None for key in cv_results)


def _score_name(estimator: Any) -> str:
    """A label for the axis of scores of a search."""
    scoring = getattr(estimator, "scoring", None)
    if scoring is None:
        name = "Accuracy" if is_classifier(estimator) else "Coefficient of determination"
    else:
        name = scoring if isinstance(scoring, str) else "Score"
    n_splits = _n_splits(estimator.cv_results_)
    if n_splits == 0:  # leave-one-out of this package has one score for all rows together
        return f"{name}, leave-one-out"
    return f"{name}, " + (f"mean of {n_splits} folds" if n_splits > 1 else "one split")
