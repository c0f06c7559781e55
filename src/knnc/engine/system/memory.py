"""How much memory the engine may take for what it makes of training rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from numbers import Integral
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray

from knnc.engine.system.pages import mapping_of

__all__ = [
    "checked_max_memory",
    "config_context",
    "get_config",
    "limit_for",
    "set_config",
]

_max_memory: ContextVar[int | None] = ContextVar("knnc_max_memory", default=None)
_everywhere: int | None = None


@contextmanager
def config_context(*, max_memory: int | None) -> Iterator[None]:
    """Limit the memory for training rows of the estimators fitted inside a ``with`` block.

    Parameters
    ----------
    max_memory : int or None
        Bytes that may be taken for what is made of the training rows: packed rows, codes, or the
        chunks that they are read in. Rows that would take more stay where they are, in memory or
        on disk, and each search reads them from the first to the last, a chunk at a time. The
        answers are the same. Less than 4 MiB counts as 4 MiB. None: what holds outside the block,
        or without one, for rows of a memory map (:class:`numpy.memmap`) scikit-learn's
        `working_memory`, which is 1 GiB unless configured otherwise, and for rows in memory no
        limit.

    Raises
    ------
    TypeError, ValueError
        If `max_memory` is no integer or negative.

    Notes
    -----
    It is no parameter of the estimators, so that theirs remain scikit-learn's: an estimator can
    be cloned, tuned and replaced by scikit-learn's own, and how much memory there is is a matter
    of the machine and not of the model. What counts is the setting when rows are made ready: at
    fit, or at the first search of an estimator that was loaded. It is a context variable, like
    that of :func:`knnc.progress`. The queries and the answers are not counted.

    What stays where it is are uint8 and bool rows, in any memory layout; int8 and other numbers are
    narrowed into memory at fit.

    Do not make the file of a memory map shorter while an estimator uses it: the next search would
    end the process with SIGBUS. Replace the file instead, as :func:`knnc.load` says.

    ``algorithm="pruned"`` keeps the codes in memory whatever they take, and reads of the rows
    only those that the codes leave; "auto" does so where the codes are within the limit and pay.

    Examples
    --------
    >>> import numpy as np, knnc
    >>> X = np.arange(40, dtype=np.uint8).reshape(20, 2)
    >>> with knnc.config_context(max_memory=1 << 30):
    ...     nn = knnc.NearestNeighbors(n_neighbors=1).fit(X)
    >>> nn.kneighbors(X[7:8], return_distance=False)
    array([[7]])
    """
    token = _max_memory.set(checked_max_memory(max_memory))
    try:
        yield
    finally:
        _max_memory.reset(token)


def set_config(*, max_memory: int | None) -> None:
    """Limit the memory for training rows everywhere: see :func:`knnc.config_context`."""
    global _everywhere
    _everywhere = checked_max_memory(max_memory)


def get_config() -> dict[str, int | None]:
    """The settings in force here, as :func:`knnc.config_context` takes them."""
    inside = _max_memory.get()
    return {"max_memory": _everywhere if inside is None else inside}


def checked_max_memory(max_memory: Any) -> int | None:
    """The limit as an integer, or None.

    Raises
    ------
    TypeError, ValueError
        If it is no integer or negative.
    """
    if max_memory is None:
        return None
    if not isinstance(max_memory, Integral) or isinstance(max_memory, bool):
        raise TypeError(f"max_memory must be an integer or None, got {max_memory!r}.")
    if max_memory < 0:
        raise ValueError(f"max_memory must not be negative, got {max_memory}.")
    return int(max_memory)


def limit_for(rows: NDArray[np.uint8]) -> int | None:
    """Bytes that may be made of these rows, by the settings in force here; None: no limit."""
    limit = get_config()["max_memory"]
    if limit is None and mapping_of(rows) is not None:
        limit = int(min(sklearn.get_config()["working_memory"], 1 << 40)) << 20
    return limit
