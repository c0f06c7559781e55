"""Pickles of estimators: they carry a version, and a newer form is refused.

:mod:`knnc._moved` lists the modules that older pickles name. Files that hold no code are
:mod:`knnc.persistence`.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from sklearn.exceptions import InconsistentVersionWarning

from knnc import _compat
from knnc._version import __version__
from knnc.engine.encoding import Encoding

if TYPE_CHECKING:  # the class that stands after the mixin
    from sklearn.base import BaseEstimator as _Estimator
else:
    _Estimator = object

__all__ = ["MarkedStateMixin", "warn_of_sklearn_version"]

# The version of what __getstate__ returns. A reader refuses a newer one. Version 1 held an
# `Encoding`; version 2 holds its state, so that a pickle names no class but the estimator's.
_STATE_FORMAT = 2


class MarkedStateMixin(_Estimator):
    """Adds versions to the state of an estimator, and checks them in a state that is set.

    A state of a newer format is a ValueError, and so is a state without versions. A state of
    another scikit-learn gives scikit-learn's own warning.
    """

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())
        if "_encoding" in state:
            state["_encoding"] = state["_encoding"].state()
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
        warn_of_sklearn_version(name, sklearn_version, stacklevel=3)
        if isinstance(state.get("_encoding"), dict):
            state["_encoding"] = Encoding.restored(state["_encoding"])
        super().__setstate__(state)


def warn_of_sklearn_version(name: str, sklearn_version: str, *, stacklevel: int) -> None:
    """Give scikit-learn's warning if another version of it wrote the estimator.

    Parameters
    ----------
    name : str
        The class of the estimator.
    sklearn_version : str
    stacklevel : int
        As in :func:`warnings.warn`; 2 is the caller of this function.
    """
    if sklearn_version != _compat.SKLEARN_VERSION:
        warnings.warn(
            InconsistentVersionWarning(
                estimator_name=name,
                current_sklearn_version=_compat.SKLEARN_VERSION,
                original_sklearn_version=sklearn_version,
            ),
            stacklevel=stacklevel,
        )
