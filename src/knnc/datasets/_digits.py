"""The digits that come with scikit-learn: nothing to download."""

from __future__ import annotations

from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from knnc.datasets import _descr
from knnc.datasets._bunch import make_bunch

# Row 1,029 starts a run of the text that every writer wrote out (it begins 0 to 9, three times),
# so the split falls between two runs; eight of the fourteen are before it.
N_TRAIN = 1029


@overload
def load_digits(*, return_X_y: Literal[False] = ...) -> Bunch: ...
@overload
def load_digits(*, return_X_y: Literal[True]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]: ...


def load_digits(*, return_X_y: bool = False) -> Any:
    """Load the 8 x 8 digits that come with scikit-learn, as uint8.

    ==============  ===================
    Samples         1,797
    Features        64, integers 0..16
    Classes         10
    ==============  ===================

    Parameters
    ----------
    return_X_y : bool, default=False
        If True, return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    bunch : sklearn.utils.Bunch
        With the keys

        data : ndarray of shape (1797, 64), dtype uint8
            One image a row. The values are 0 to 16, not 0 to 255: counts of ink dots.
        images : ndarray of shape (1797, 8, 8), dtype uint8
            The same memory, as images.
        target : ndarray of shape (1797,), dtype int64
            The digits, 0 to 9.
        target_names : ndarray of shape (10,), dtype str
            The text of each label. (scikit-learn's own `load_digits` has integers here.)
        feature_names : list of str
            ``pixel_<row>_<column>``.
        DESCR : str
            Where the data come from, their licence, what to cite.
    (data, target) : tuple of ndarray
        If `return_X_y` is True.

    Examples
    --------
    >>> from knnc.datasets import load_digits
    >>> digits = load_digits()
    >>> digits.data.shape, digits.data.dtype, digits.data.max().item()
    ((1797, 64), dtype('uint8'), 16)
    """
    # Not at import: sklearn.datasets brings a good deal with it that `knnc.datasets` never uses.
    from sklearn.datasets import load_digits as sklearn_digits

    source = sklearn_digits()
    images = np.ascontiguousarray(source.images, dtype=np.uint8)
    bunch = make_bunch(images, source.target, [str(name) for name in range(10)], _descr.DIGITS)
    return (bunch.data, bunch.target) if return_X_y else bunch


def split_digits() -> tuple[Bunch, Bunch]:
    """The digits as (train, test); ``DESCR`` says how they are split, and why."""
    whole = load_digits()
    n_test = len(whole.data) - N_TRAIN
    descr = _descr.DIGITS + _descr.DIGITS_SPLIT.format(n_train=N_TRAIN, n_test=n_test)
    parts = (slice(None, N_TRAIN), slice(N_TRAIN, None))
    train, test = (
        make_bunch(whole.images[part], whole.target[part], whole.target_names, descr)
        for part in parts
    )
    return train, test
