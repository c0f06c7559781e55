"""The standard streams of the program, whatever the shell made of them.

A shell may close them (``>&-``), and a write may fail: the disk is full, or the reader of the pipe
has gone. Results that are lost are a failure; messages that are lost are none.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from knnc._guarded import Guarded

__all__ = ["OutputError", "ReaderGone", "guarded_streams"]

_ON_WINDOWS = os.name == "nt"


class OutputError(OSError):
    """Standard output cannot be written."""


class ReaderGone(SystemExit):
    """Nobody reads standard output any more."""


@contextmanager
def guarded_streams() -> Iterator[None]:
    """Open the standard streams that are closed, and decide what a failing write does.

    An open file must not take the number of a closed stream: what a library prints would end up
    in it. Standard output that was closed is open for reading, so that a write to it fails.
    """
    before = sys.stdin, sys.stdout, sys.stderr
    if sys.stdin is None:
        sys.stdin = _nowhere("r", os.O_RDONLY)
    if sys.stdout is None:
        sys.stdout = _nowhere("w", os.O_RDONLY)
    if sys.stderr is None:
        sys.stderr = _nowhere("w", os.O_WRONLY)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A label or the name of a file that the encoding lacks, as those of Windows do, is no
        # reason to end after the work is done.
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.stdout = _guarded(sys.stdout, _end)
    sys.stderr = _guarded(sys.stderr, lambda error: None)
    try:
        yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = before


def _nowhere(mode: str, flags: int) -> Any:
    """The null device as a stream, under the lowest number that is free."""
    return open(os.open(os.devnull, flags), mode, encoding="utf-8", closefd=False)


def _guarded(stream: Any, then: Callable[[OSError], object]) -> Any:
    """A stream that goes nowhere once a write has failed; `then` is called as well."""

    def failed(error: OSError) -> None:
        # The interpreter writes at its end what is still in the buffer.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
        then(error)

    return Guarded(stream, failed)


def _end(error: OSError) -> None:
    """End the program: silently if the reader has gone, who has read enough."""
    if _reader_has_gone(error):
        raise ReaderGone(1) from None
    raise OutputError(error.errno, error.strerror, "standard output") from None


def _reader_has_gone(error: OSError) -> bool:
    """Whether this is what a write to a pipe raises that nobody reads any more.

    On Windows an EINVAL as well: https://github.com/python/cpython/issues/79935
    """
    return isinstance(error, BrokenPipeError) or (_ON_WINDOWS and error.errno == errno.EINVAL)
