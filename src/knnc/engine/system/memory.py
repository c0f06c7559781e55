"""How much memory the engine may take for training rows: the setting, and the plan made from it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import sklearn
from numpy.typing import NDArray

from knnc.engine.system.pages import mapping_of

__all__ = [
    "MemoryPlan",
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
        Bytes for everything that is made of the training rows: packed rows, codes, or chunks of
        rows. Rows that need more are streamed: they stay in memory or on disk, and each search
        reads them a chunk at a time. The answers are the same. Less than 4 MiB counts as 4 MiB.
        None applies the setting outside the block. Without any setting, rows in memory have no
        limit. The limit for rows of a memory map (:class:`numpy.memmap`) is then scikit-learn's
        `working_memory`, by default 1 GiB.

    Raises
    ------
    TypeError, ValueError
        If `max_memory` is no integer or negative.

    Notes
    -----
    The limit is not a parameter of the estimators, because memory belongs to the machine and not
    to the model. So the estimators keep scikit-learn's parameters, and can be cloned and tuned.

    knnc reads the setting when it prepares the rows for searching: at fit, or at the first search
    of an estimator that was loaded. Like the setting of :func:`knnc.progress`, it is a context
    variable. The memory of queries and answers does not count.

    knnc streams uint8 and bool rows in any memory layout, and C-contiguous float32 and float64 rows
    of a memory map. fit copies all others into memory.

    ``algorithm="pruned"`` always has its codes in memory, even beyond the limit, and reads only the
    rows that the codes do not rule out. ``algorithm="auto"`` uses codes only within the limit, and
    only if they save time.

    Do not make the file of a memory map shorter while an estimator uses it: the next search would
    end the process with SIGBUS. Replace the file instead, as :func:`knnc.load` says.

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
    """Limit the memory for training rows in the whole process: see :func:`knnc.config_context`."""
    global _everywhere
    _everywhere = checked_max_memory(max_memory)


def get_config() -> dict[str, int | None]:
    """Return the current settings: a dict of the arguments of :func:`knnc.config_context`."""
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


def limit_for(rows: NDArray[Any]) -> int | None:
    """Bytes that may be made of these rows, by the settings in force here; None: no limit."""
    limit = get_config()["max_memory"]
    if limit is None and mapping_of(rows) is not None:
        limit = int(min(sklearn.get_config()["working_memory"], 1 << 40)) << 20
    return limit


@dataclass(frozen=True)
class MemoryPlan:
    """How training rows are searched: packed in memory, or streamed from where they are.

    Attributes
    ----------
    max_memory : int or None
        Bytes for everything that is made of the rows; None is no limit.
    nbytes_packed : int
        Bytes of the packed rows.
    """

    max_memory: int | None
    nbytes_packed: int

    @classmethod
    def for_rows(
        cls,
        rows: NDArray[Any],
        nbytes_packed: int | None = None,
        max_memory: int | None = None,
    ) -> MemoryPlan:
        """The plan for some rows.

        Parameters
        ----------
        rows : ndarray of shape (n_samples_fit, n_features)
        nbytes_packed : int or None, default=None
            None, while the kernel is not known: the bytes of the rows. No kernel packs them into
            fewer, so rows that are streamed by this plan are streamed with any kernel.
        max_memory : int or None, default=None
            None is the setting in force here, see :func:`limit_for`.

        Raises
        ------
        TypeError, ValueError
            If `max_memory` is no integer or negative.
        """
        limit = checked_max_memory(max_memory)
        return cls(
            limit_for(rows) if limit is None else limit,
            rows.nbytes if nbytes_packed is None else nbytes_packed,
        )

    def has_room_for(self, nbytes: int) -> bool:
        """Whether so many bytes are within the limit."""
        return self.max_memory is None or nbytes <= self.max_memory

    def is_streamed(self, beside: int = 0) -> bool:
        """Whether rows are streamed because there is no room to pack them beside so many bytes."""
        return not self.has_room_for(beside + self.nbytes_packed)

    def room_for_chunks(self, beside: int = 0) -> int:
        """Bytes that streaming may take for chunks of rows beside so many bytes."""
        return 0 if self.max_memory is None else max(0, self.max_memory - beside)

    def may_copy(self, nbytes: int) -> bool:
        """Whether some of the rows, of so many bytes, may be copied to be searched by themselves.

        Half of the limit is for the copy, and half for what is made of it. Otherwise they are
        streamed too.
        """
        return self.max_memory is None or nbytes <= self.max_memory // 2
