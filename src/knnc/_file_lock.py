"""A lock that lets one process at a time write a file. The system frees it if the process dies."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

if sys.platform == "win32":
    import msvcrt

    def _is_held(file: BinaryIO) -> bool:
        """Lock an open file, or say that another has; the lock goes with its process."""
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return True
        return False
else:
    import fcntl

    def _is_held(file: BinaryIO) -> bool:
        """Lock an open file, or say that another has; the lock goes with its process."""
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            # Any other error is of a file system without locks, as clusters have: no reason not to
            # write there.
            return error.errno in (errno.EWOULDBLOCK, errno.EACCES)
        return False


@contextmanager
def locked(output: Path) -> Iterator[None]:
    """Be the only process that writes `output`, by a lock of the system on OUTPUT.lock.

    A killed process leaves the file OUTPUT.lock unlocked, so the file alone means nothing.

    Raises
    ------
    BlockingIOError
        If another process writes it.
    """
    path = output.with_name(f"{output.name}.lock")
    file = _open_locked(path, output)
    try:
        yield
    finally:
        if sys.platform == "win32":
            file.close()  # no file that is open is removed, so neither one that another waits with
        with suppress(OSError):
            path.unlink()
        file.close()


def _open_locked(path: Path, output: Path) -> BinaryIO:
    while True:
        file = open(path, "ab")  # noqa: SIM115
        try:
            if _is_held(file):
                raise BlockingIOError(
                    errno.EWOULDBLOCK, "Another run is writing this file", os.fspath(output)
                )
            # Between open and lock, whoever held it may have removed it: another file is in force.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                    return file
        except BaseException:
            file.close()
            raise
        file.close()
