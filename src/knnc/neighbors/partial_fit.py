"""Growth of a fitted estimator by more rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import is_classifier
from sklearn.utils import get_tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d, validate_data

from knnc._rollback import unchanged_after_error
from knnc.engine.encoding import encode_rows, widened
from knnc.neighbors import fallback
from knnc.neighbors.kneighbors_search import IntegerNeighborsMixin

if TYPE_CHECKING:
    _Base = IntegerNeighborsMixin
else:
    _Base = object

__all__ = ["PartialFitMixin"]


class PartialFitMixin(_Base):
    """Stands before :class:`IntegerNeighborsMixin` among an estimator's bases."""

    _y: NDArray[Any]
    classes_: Any
    outputs_2d_: bool

    def partial_fit(self, X: Any, y: Any = None, classes: Any = None) -> Self:
        """Add training rows to those of earlier fits.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            More rows. Their indices follow those of the rows before.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Their targets, for a classifier or regressor. New labels are allowed.
        classes : array-like of shape (n_classes,), a list of one for each output, or None, \
                default=None
            For a classifier: labels that `classes_` and `predict_proba` include, even if no row has
            them yet.

        Returns
        -------
        self : object
            The estimator, as one `fit` on all rows would have made it. One case is different:
            pixels divided by 255 may come in float32 first and in float64 later. knnc recognises
            both, although one array could not hold both. If partial_fit raises an error, the
            estimator is unchanged.

        Raises
        ------
        ValueError
            If X or y is not as stated, or does not fit the earlier rows. If the rows need
            scikit-learn's search and `algorithm="pruned"` is set. If distances are precomputed.

        Notes
        -----
        The first call on an unfitted estimator is a `fit`. With `engine_` "integer" the new rows
        are stored as bytes if the encoding that fit chose holds them all without loss. If not,
        the estimator is fitted anew to all rows as numbers. Another engine may then search them, so
        that the last bits of distances and the order of ties may change.

        Each call copies all rows, and the next search prepares them anew. So add many rows at a
        time rather than one by one. Rows of a memory map are copied into memory too. To keep rows
        on disk, append to the file and fit again, which copies nothing.

        Examples
        --------
        >>> import numpy as np
        >>> from knnc import KNeighborsClassifier
        >>> clf = KNeighborsClassifier(n_neighbors=1)
        >>> clf = clf.partial_fit(np.array([[0, 0], [9, 9]], dtype=np.uint8), ["a", "c"])
        >>> clf = clf.partial_fit(np.array([[5, 5]], dtype=np.uint8), ["b"])
        >>> clf.predict(np.array([[6, 5]], dtype=np.uint8)), clf.classes_
        (array(['b'], dtype='<U1'), array(['a', 'b', 'c'], dtype='<U1'))
        """
        if classes is not None and not is_classifier(self):
            raise ValueError(f"A {type(self).__name__} has no classes.")
        with unchanged_after_error(self):
            if "n_samples_fit_" in vars(self):
                self._validate_params()
                self._append(X, y)
            else:
                self.fit(X, y)
            if classes is not None:
                self._know(list(classes) if self.outputs_2d_ else [classes])
        return self

    def _append(self, X: Any, y: Any) -> None:
        if self.metric == "precomputed":
            raise ValueError("partial_fit cannot add rows to a matrix of precomputed distances.")
        finite = "allow-nan" if get_tags(self).input_tags.allow_nan else True
        options = {"accept_sparse": "csr", "ensure_all_finite": finite, "reset": False}
        if get_tags(self).target_tags.required:
            X, y = validate_data(self, X, y, multi_output=True, **options)
            y = self._targets_like_before(y)
        else:
            X, y = validate_data(self, X, **options), None
        X = fallback.as_numbers(X)
        if self.engine_ != "integer" or not self._append_bytes(X, y):
            self._fit_anew(X, y)

    def _targets_like_before(self, y: NDArray[Any]) -> NDArray[Any]:
        """Targets of as many outputs as there were before."""
        if is_classifier(self):
            check_classification_targets(y)
        before = self._y
        if before.ndim == 1:
            if y.ndim == 2 and y.shape[1] != 1:
                raise ValueError(f"y has {y.shape[1]} outputs, but had one before.")
            checked: NDArray[Any] = column_or_1d(y, warn=is_classifier(self))
            return checked
        if y.ndim != before.ndim or y.shape[1:] != before.shape[1:]:
            raise ValueError(f"y has shape {y.shape}, but had {before.shape} before.")
        return y

    def _append_bytes(self, X: Any, y: NDArray[Any] | None) -> bool:
        """Append, if bytes stand for all of X; whether they do."""
        dense = X.toarray() if issparse(X) else X
        rows, representable = encode_rows(dense, self._encoding)
        if not representable.all():
            return False
        if y is not None:
            self._append_targets(y)
        self._encoding = widened(self._encoding, X.dtype)
        self._rows = np.concatenate([self._rows, rows])
        self.n_samples_fit_ = len(self._rows)
        self._attach_index()
        return True

    def _append_targets(self, y: NDArray[Any]) -> None:
        if not is_classifier(self):
            self._y = np.concatenate([self._y, y])
            return
        n_before = len(self._y)
        self._know(list(y.T) if self.outputs_2d_ else [y])
        codes = np.empty((n_before + len(y), *self._y.shape[1:]), dtype=np.intp)
        codes[:n_before] = self._y
        by_output = codes.reshape(len(codes), -1)
        for output, names in enumerate(self._classes_by_output()):
            labels = y[:, output] if self.outputs_2d_ else y
            by_output[n_before:, output] = np.searchsorted(names, labels)
        self._y = codes

    def _know(self, more: list[Any]) -> None:
        """Add labels of each output to `classes_`, sorted, and give the rows their new codes."""
        by_output = self._classes_by_output()
        if len(more) != len(by_output):
            raise ValueError(f"classes are of {len(more)} outputs, y had {len(by_output)}.")
        codes = self._y.reshape(len(self._y), -1).copy()
        for output, (old, new) in enumerate(zip(by_output, more, strict=True)):
            names = np.unique(np.concatenate([old, column_or_1d(np.asarray(new))]))
            codes[:, output] = np.searchsorted(names, old.astype(names.dtype))[codes[:, output]]
            by_output[output] = names
        self._y = codes.reshape(self._y.shape)
        self.classes_ = by_output if self.outputs_2d_ else by_output[0]

    def _classes_by_output(self) -> list[NDArray[Any]]:
        return list(self.classes_) if self.outputs_2d_ else [self.classes_]

    def _fit_anew(self, X: Any, y: NDArray[Any] | None) -> None:
        """Fit to the rows there are, as numbers, and X."""
        known = None
        if y is not None and is_classifier(self):
            known = self._classes_by_output()
            old = self._y.reshape(len(self._y), -1)
            labels = np.empty(old.shape, dtype=np.result_type(*known))
            for output, classes in enumerate(known):
                labels[:, output] = classes[old[:, output]]
            y = np.concatenate([labels if self.outputs_2d_ else labels[:, 0], y])
        elif y is not None:
            y = np.concatenate([self._y, y])
        before = self._rows if self.engine_ == "float" else self._fit_X
        if issparse(before):
            together = scipy.sparse.vstack([before, X], format="csr")
        else:
            dense = X.toarray() if issparse(X) else X
            together = np.concatenate([np.asarray(before), dense])
        feature_names = vars(self).get("feature_names_in_")
        self._fit_somewhere(together, y)
        if feature_names is not None:
            self.feature_names_in_ = feature_names
        if known is not None:
            self._know(known)
