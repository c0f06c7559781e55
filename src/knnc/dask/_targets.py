"""Labels and numbers that rows have: checked, as dask arrays cut as the rows are."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import dask
import dask.array as da
import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import DataConversionWarning
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array

from knnc.dask._tasks import known_lengths

__all__ = ["aligned", "check_finite", "check_labels", "classes_of", "labels_array", "numbers_array"]

_COLUMN = (
    "A column-vector y was passed when a 1d array was expected. Please change the shape of y to "
    "(n_samples,), for example using ravel()."
)


def labels_array(y: Any, lengths: tuple[int, ...]) -> tuple[Any, list[NDArray[Any]] | None]:
    """Labels in chunks of these lengths; and the classes of each output, if y is in memory."""
    y = _checked(y, sum(lengths))
    if y.ndim == 2 and y.shape[1] == 1:
        warnings.warn(_COLUMN, DataConversionWarning, stacklevel=4)
        y = y[:, 0]
    if isinstance(y, da.Array):
        return _cut(y, lengths), None
    check_classification_targets(y)
    return _cut(y, lengths), classes_of(y)


def numbers_array(y: Any, lengths: tuple[int, ...]) -> Any:
    """A regressor's targets in chunks of these lengths."""
    y = _checked(y, sum(lengths))
    if y.dtype.kind == "O":
        y = y.astype(np.float64)  # as scikit-learn has regressors do
    elif y.dtype.kind not in "biuf":
        raise ValueError(f"The targets of a regressor are numbers, got y of {y.dtype}.")
    return _cut(y, lengths)


def _checked(y: Any, n_rows: int) -> Any:
    """y as an array, whose values have been looked at if it is in memory."""
    y = _array(y)
    if y.ndim not in (1, 2) or len(y) != n_rows:
        raise ValueError(f"y must have a target for each of the {n_rows} rows, got {y.shape}.")
    return y


def _array(values: Any) -> Any:
    if isinstance(values, da.Array):
        return known_lengths(values)
    if dask.is_dask_collection(values):  # a column of a frame, say
        values = values.compute()
    return check_finite(values)


def _cut(y: Any, lengths: tuple[int, ...]) -> Any:
    """A dask array in chunks of whole rows of these lengths.

    The name of an array of objects is drawn: Dask makes it of strings with "-" between them, which
    ["a-b", "c"] and ["a", "b-c"] share.
    """
    outputs = y.shape[1:]
    if not isinstance(y, da.Array):
        name = False if y.dtype.hasobject else None
        return da.from_array(y, chunks=(lengths, *outputs), name=name)
    if y.chunks[0] != lengths:  # what is cut anew can be shorter than its chunks are
        y = da.map_blocks(_as_long_as_said, y, dtype=y.dtype, meta=y._meta)
    return y.rechunk({axis: (lengths, -1)[axis] for axis in range(y.ndim)})


def _as_long_as_said(block: Any, block_info: Any = None) -> Any:
    length = block_info[None]["chunk-shape"][0]
    if len(block) != length:
        raise ValueError(f"A chunk of y has {len(block)} rows, and y said {length}.")
    return block


def check_finite(y: Any) -> NDArray[Any]:
    """Targets as an array, without NaN and infinity."""
    checked: NDArray[Any] = check_array(
        y, ensure_2d=False, dtype=None, ensure_min_samples=0, input_name="y"
    )
    return checked


def classes_of(y: NDArray[Any]) -> list[NDArray[Any]]:
    """The classes of each output."""
    return [np.unique(column) for column in (y.T if y.ndim == 2 else [y])]


def check_labels(classes: Sequence[NDArray[Any]]) -> None:
    """What scikit-learn checks of labels, of classes instead.

    Each counts twice: with more classes than half of the rows it would warn, and there are rows
    that it does not see.
    """
    for names in classes:
        check_classification_targets(np.repeat(names, 2))


def aligned(values: Any, predicted: Any, name: str) -> Any:
    """One value, or one of each output, for each prediction, in the same chunks."""
    values = _array(values)
    if values.ndim == 2 and values.shape[1] == 1 and predicted.ndim == 1:
        values = values[:, 0]
    if len(values) != len(predicted):
        raise ValueError(
            "Found input variables with inconsistent numbers of samples: "
            f"{[len(values), len(predicted)]}"
        )
    if values.shape != predicted.shape:
        raise ValueError(f"{name} must be of shape {predicted.shape}, got {values.shape}.")
    return _cut(values, predicted.chunks[0])
