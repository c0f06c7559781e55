"""Who is told how far a long search has come; bars are shown above the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

ProgressCallback = Callable[[int, int], object]

_callback: ContextVar[ProgressCallback | None] = ContextVar("knnc_progress", default=None)


@contextmanager
def progress(callback: ProgressCallback | None) -> Iterator[None]:
    """Have the searches made inside a ``with`` block call `callback`; None silences an outer one.

    ``knnc.progress`` says when it is called, and with what.
    """
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
