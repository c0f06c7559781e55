"""Who is told how far a long search has come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

ProgressCallback = Callable[[int, int], object]

_callback: ContextVar[ProgressCallback | None] = ContextVar("knnc_progress", default=None)


@contextmanager
def progress(callback: ProgressCallback | None) -> Iterator[None]:
    """Report the progress of every search made inside a ``with`` block.

    Parameters
    ----------
    callback : callable or None
        Called as ``callback(done, total)``, in the thread that called the search, after each
        chunk of it: `done` of `total` queries are finished. It is called at least once a search,
        last with ``done == total``. An exception it raises ends the search and reaches the
        caller. None silences an outer block.

    Notes
    -----
    The setting is a context variable: a thread started inside the block does not inherit it,
    unless the context is copied.

    Examples
    --------
    >>> import numpy as np, knnc
    >>> X = np.arange(12, dtype=np.uint8).reshape(6, 2)
    >>> with knnc.progress(lambda done, total: print(done, "of", total)):
    ...     _ = knnc.NearestNeighbors(n_neighbors=2).fit(X).kneighbors(X)
    6 of 6
    """
    token = _callback.set(callback)
    try:
        yield
    finally:
        _callback.reset(token)


def current() -> ProgressCallback | None:
    """The callback in force here, or None."""
    return _callback.get()
