"""How many threads BLAS uses: one for small products, where more would wait for each other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from threadpoolctl import threadpool_limits

from knnc.engine.system.locks import ForkSafeLock

_limiting = ForkSafeLock()


@contextmanager
def blas_threads(n_threads: int) -> Iterator[None]:
    """Within the block BLAS uses so many threads; Python threads that ask at once take turns.

    The number is the process's own: it is saved on the way in and restored on the way out. Of two
    blocks that overlapped, the second would save the limit of the first, and restore that for good.
    """
    with _limiting.held(), threadpool_limits(limits=n_threads, user_api="blas"):
        yield


def one_blas_thread() -> AbstractContextManager[None]:
    """Within the block BLAS uses one thread, as :func:`blas_threads` says."""
    return blas_threads(1)
