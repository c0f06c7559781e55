"""The state of an estimator: back after an error, and with a mark of its version when pickled."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sklearn.exceptions import InconsistentVersionWarning

from knnc import _compat
from knnc._version import __version__

if TYPE_CHECKING:  # the class that stands after the mixin
    from sklearn.base import BaseEstimator as _Estimator
else:
    _Estimator = object

__all__ = ["MarkedStateMixin", "unchanged_after_error"]

# Of what __getstate__ writes. A reader refuses a newer one.
_STATE_FORMAT = 1


@contextmanager
def unchanged_after_error(estimator: Any) -> Iterator[None]:
    """Give an estimator all its attributes back if the block raises."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


class MarkedStateMixin(_Estimator):
    """Has an estimator refuse a state that a later form of knnc wrote, or something else.

    One that was written with another scikit-learn gives scikit-learn's own warning.
    """

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())
        state["_knnc_state"] = (_STATE_FORMAT, __version__, _compat.SKLEARN_VERSION)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        written_by = state.pop("_knnc_state", None)
        name = type(self).__name__
        if written_by is None:
            raise ValueError(f"This is not the state of a {name} of knnc: it bears no version.")
        state_format, version, sklearn_version = written_by
        if state_format > _STATE_FORMAT:
            raise ValueError(
                f"This {name} was pickled by knnc {version}, in a form that knnc {__version__} "
                "does not know. Load it with that version or a later one."
            )
        if sklearn_version != _compat.SKLEARN_VERSION:
            warnings.warn(
                InconsistentVersionWarning(
                    estimator_name=name,
                    current_sklearn_version=_compat.SKLEARN_VERSION,
                    original_sklearn_version=sklearn_version,
                ),
                stacklevel=2,
            )
        super().__setstate__(state)
