"""One thread of BLAS for small products: more would wait for each other, and for ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

from knnc.engine.system.locks import ForkSafeLock

_limiting = ForkSafeLock()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Within the block BLAS uses one thread; Python threads that ask at once take turns.

    The number is the process's own: it is saved on the way in and restored on the way out. Of two
    blocks that overlapped, the second would save the limit of the first, and restore that for good.
    """
    with _limiting.held(), threadpool_limits(limits=1, user_api="blas"):
        yield
