"""One thread of BLAS for small products: more would wait for each other, and for ours."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

# A signal's handler may run inside a block, and fit something itself.
_lock = threading.RLock()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Within the block BLAS uses one thread; Python threads that ask at once take turns.

    The number is the process's own: it is saved on the way in and restored on the way out. Of two
    blocks that overlapped, the second would save the limit of the first, and restore that for good.
    """
    with _lock, threadpool_limits(limits=1, user_api="blas"):
        yield


def _new_lock() -> None:
    """A fork copies a lock as it is, and a thread that held it does not live on in the child."""
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock)
