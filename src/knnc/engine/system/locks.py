"""A lock that a forked child can take."""

from __future__ import annotations

import os
import threading
from weakref import WeakSet

__all__ = ["ForkSafeLock"]


class ForkSafeLock:
    """A reentrant lock that is a new one in a forked child.

    A fork copies a lock as it is, and the thread that held it does not exist in the child. The lock
    is reentrant because the handler of a signal runs in the thread that holds it, and may search.

    Examples
    --------
    >>> from knnc.engine.system.locks import ForkSafeLock
    >>> building = ForkSafeLock()
    >>> with building.held():
    ...     pass
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        _locks.add(self)

    def held(self) -> threading.RLock:
        """A context manager: the lock of this process.

        A child that is forked inside the block leaves it by the lock that it entered it by.
        """
        return self._lock


_locks: WeakSet[ForkSafeLock] = WeakSet()


def _renew() -> None:
    for lock in _locks:
        lock._lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
