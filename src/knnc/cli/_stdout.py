"""Standard output that cannot take what is written to it."""

from __future__ import annotations

import errno
import io
import os
import sys

__all__ = ["escape_what_it_lacks", "let_go", "reader_has_gone"]

_ON_WINDOWS = os.name == "nt"


def escape_what_it_lacks() -> None:
    """Have characters that the encoding lacks, as those of Windows do, written as escapes.

    A label or the name of a file is no reason to end after the work is done.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def reader_has_gone(error: BaseException) -> bool:
    """Whether this is what a write to a pipe raises that nobody reads any more.

    On Windows an EINVAL as well: https://github.com/python/cpython/issues/79935
    """
    if isinstance(error, BrokenPipeError):
        return True
    if not (_ON_WINDOWS and isinstance(error, OSError)):
        return False
    return error.errno == errno.EINVAL and error.filename is None


def let_go() -> None:
    """Send what the interpreter still flushes at its end nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
