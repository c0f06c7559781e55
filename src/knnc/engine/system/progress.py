"""Who is told how far a long search has come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

ProgressCallback = Callable[[int, int], object]

_callback: ContextVar[ProgressCallback | None] = ContextVar("knnc_progress", default=None)


@contextmanager
def progress(
    callback: ProgressCallback | Literal["rich", "tqdm"] | None, description: str = "Searching"
) -> Iterator[None]:
    """Report the progress of every search made inside a ``with`` block.

    Parameters
    ----------
    callback : callable, "rich", "tqdm" or None
        "rich" and "tqdm" show a progress bar of that library on standard error. A callable is
        called as ``callback(done, total)``, in the thread that called the search, after each
        step of it: `done` of `total` queries, where those under way count by their share of the
        rows that have been seen. It is called at least once a search, last with
        ``done == total``. An exception it raises ends the search and reaches the
        caller. None silences an outer block.
    description : str, default="Searching"
        What a bar of "rich" or "tqdm" says.

    Raises
    ------
    ValueError
        If `callback` is another word.
    ImportError
        If the library of the bar is not installed; ``pip install "knnc[progress]"`` does so.

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
    if isinstance(callback, str):
        from knnc.engine.system.bars import BARS, bar

        if callback not in BARS:
            raise ValueError(
                f"callback must be callable, None or in {set(BARS)}, got {callback!r}."
            )
        with bar(callback, description) as move, progress(move):
            yield
        return
    token = _callback.set(callback)
    try:
        yield
    finally:
        _callback.reset(token)


def current() -> ProgressCallback | None:
    """The callback in force here, or None."""
    return _callback.get()


def shifted(callback: ProgressCallback | None, before: int, total: int) -> ProgressCallback | None:
    """What is told of a search after others, which did `before` of `total` queries."""
    return callback and (lambda done, _: callback(before + done, total))
