"""Training rows whose label their neighbours dispute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from knnc._extras import require
from knnc.neighbors import KNeighborsClassifier, KNeighborsClassifierCV

__all__ = ["DisputedLabels", "disputed_labels", "leave_one_out_proba"]

Classifier = KNeighborsClassifier | KNeighborsClassifierCV


@dataclass(frozen=True)
class DisputedLabels:
    """Training rows whose neighbours have another label, the most doubtful first.

    Attributes
    ----------
    index : ndarray of shape (n_disputed,), intp
        Indices of the rows.
    label : ndarray of shape (n_disputed,)
        The label of each row.
    suggested : ndarray of shape (n_disputed,)
        The label that its neighbours vote for.
    label_share, suggested_share : ndarray of shape (n_disputed,), float64
        The shares of the votes for these two labels.
    neighbors : ndarray of shape (n_disputed, n_neighbors), intp
        The neighbours, nearest first.
    distances : ndarray of shape (n_disputed, n_neighbors), float64
        Their distances.
    """

    index: NDArray[np.intp]
    label: NDArray[Any]
    suggested: NDArray[Any]
    label_share: NDArray[np.float64]
    suggested_share: NDArray[np.float64]
    neighbors: NDArray[np.intp]
    distances: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.index)

    def to_frame(self) -> Any:
        """The report as a pandas DataFrame, without the neighbours.

        Returns
        -------
        frame : pandas.DataFrame
            With columns index, label, suggested, label_share and suggested_share.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        names = ("index", "label", "suggested", "label_share", "suggested_share")
        pandas = require("pandas", by="to_frame", install="pandas")
        return pandas.DataFrame({name: getattr(self, name) for name in names})


def leave_one_out_proba(estimator: Classifier) -> Any:
    """Class probabilities of each training row, from its neighbours among the other rows.

    Parameters
    ----------
    estimator : KNeighborsClassifier or KNeighborsClassifierCV
        Fitted.

    Returns
    -------
    p : ndarray of shape (n_samples_fit, n_classes), float64, or a list of one for each output
        Columns in the order of `classes_`. cleanlab calls this `pred_probs`.

    Raises
    ------
    ValueError
        If there are not more rows than neighbours.

    Examples
    --------
    >>> from knnc import KNeighborsClassifier, datasets
    >>> from knnc.inspection import leave_one_out_proba
    >>> digits = datasets.load_digits()
    >>> leave_one_out_proba(KNeighborsClassifier(4).fit(digits.data, digits.target)).shape
    (1797, 10)
    """
    return _classifier(estimator).predict_proba(None)


def disputed_labels(estimator: Classifier, *, min_share: float = 0.5) -> DisputedLabels:
    """Find the training rows whose label their neighbours dispute.

    Parameters
    ----------
    estimator : KNeighborsClassifier or KNeighborsClassifierCV
        Fitted, with one output. Its `n_neighbors` and `weights` decide the vote.
    min_share : float, default=0.5
        The share of the votes that another label needs at least.

    Returns
    -------
    disputed : DisputedLabels
        The rows for which another label has more votes than their own, and at least `min_share` of
        all votes. The row with the largest lead comes first; of equal leads, the smaller index.

    Raises
    ------
    ValueError
        If there are several outputs, if there are not more rows than neighbours, or if `min_share`
        is not between 0 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> from knnc import KNeighborsClassifier
    >>> from knnc.inspection import disputed_labels
    >>> X = np.array([[1], [2], [3], [4], [90], [91], [92], [93]], dtype=np.uint8)
    >>> y = ["small", "small", "large", "small", "large", "large", "large", "large"]
    >>> found = disputed_labels(KNeighborsClassifier(3).fit(X, y))
    >>> found.index, found.label, found.suggested
    (array([2]), array(['large'], dtype='<U5'), array(['small'], dtype='<U5'))
    """
    if not 0.0 <= min_share <= 1.0:
        raise ValueError(f"min_share must be from 0 to 1, got {min_share}.")
    classifier = _classifier(estimator)
    if classifier.outputs_2d_:
        raise ValueError("disputed_labels needs a classifier with one output.")
    dist, ind = classifier.kneighbors()
    shares = classifier._ballots_of(dist, ind).shares()
    rows = np.arange(len(ind))
    own = shares[rows, classifier._y]
    others = shares.copy()
    others[rows, classifier._y] = -1.0
    best = others.argmax(axis=1)
    lead = others[rows, best] - own
    found = np.flatnonzero((lead > 0.0) & (others[rows, best] >= min_share))
    found = found[np.argsort(-lead[found], kind="stable")]
    return DisputedLabels(
        index=found,
        label=classifier.classes_[classifier._y[found]],
        suggested=classifier.classes_[best[found]],
        label_share=own[found],
        suggested_share=others[found, best[found]],
        neighbors=ind[found],
        distances=dist[found],
    )


def _classifier(estimator: Classifier) -> KNeighborsClassifier:
    if isinstance(estimator, KNeighborsClassifierCV):
        check_is_fitted(estimator)
        best: KNeighborsClassifier = estimator.best_estimator_
        return best
    if not isinstance(estimator, KNeighborsClassifier):
        raise TypeError(
            f"estimator must be a classifier of knnc, got a {type(estimator).__name__}."
        )
    check_is_fitted(estimator)
    return estimator
