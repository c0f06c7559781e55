"""Downloads one file of the registry into a folder, complete and checked, or not at all.

pooch transfers the bytes. Its cache is not used, for three reasons: it compares the hash of the
``.gz``, which differs between mirrors; it retries downloads that cannot succeed; and only the owner
may read the files that it stores.
"""

from __future__ import annotations

import importlib
import logging
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from knnc.datasets._registry import Served

_logger = logging.getLogger(__name__)

ATTEMPTS = 3
# Seconds before the second attempt; twice that before the third.
WAIT = 1.0
# Seconds to connect, and seconds without a byte.
TIMEOUT = (10.0, 30.0)
# Seconds between two messages that say how far a download is.
MINUTE = 60.0


class DownloadError(Exception):
    """A mirror did not give the file; `retry` tells whether asking again could help."""

    def __init__(self, reason: str, *, retry: bool) -> None:
        super().__init__(reason)
        self.retry = retry


def download(file: Served, mirrors: tuple[str, ...], folder: Path) -> None:
    """Store `file` in `folder` under the name that mirrors have for it.

    The bytes go to a temporary file in the same folder. After its content has been checked, the
    file is renamed in one step. Several processes may do so at the same time.

    Raises
    ------
    ImportError
        If pooch is not installed.
    DownloadError
        If no mirror gave the file.
    OSError
        If `folder` cannot be made or written to.
    """
    pooch = _import_pooch()
    with _storing_in(folder):
        folder.mkdir(parents=True, exist_ok=True)
    reasons = []
    for mirror in mirrors:
        try:
            _download_with_retries(pooch, f"{mirror}{file.served}", file, folder)
        except DownloadError as exc:
            reasons.append(str(exc))
        else:
            return
    raise DownloadError("; ".join(reasons), retry=False)


def _import_pooch() -> Any:
    try:
        return importlib.import_module("pooch")
    except ImportError as exc:
        raise ImportError(
            'downloading data sets needs pooch: pip install "knnc[datasets]"', name="pooch"
        ) from exc


@contextmanager
def _storing_in(folder: Path) -> Iterator[None]:
    """Have errors of the file system name the folder, and how to choose another; keep errno."""
    try:
        yield
    except OSError as exc:
        raise OSError(
            exc.errno,
            f"cannot store a data set in {folder}: {exc.strerror or exc}; choose another folder "
            "with data_home= or the environment variable KNNC_DATA_HOME",
        ) from exc


def _download_with_retries(pooch: Any, url: str, file: Served, folder: Path) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _download_once(pooch, url, file, folder)
        except DownloadError as exc:
            if not exc.retry or attempt == ATTEMPTS:
                raise
            _logger.info("attempt %d of %d failed: %s", attempt, ATTEMPTS, exc)
            time.sleep(attempt * WAIT)
        else:
            return


def _download_once(pooch: Any, url: str, file: Served, folder: Path) -> None:
    _logger.info("downloading %s to %s", url, folder)
    with whole_file(folder / file.served) as output:
        _transfer(pooch, url, output, file.most_bytes)
        output.flush()
        try:
            file.read(output.name, name=url)
        except ValueError as exc:
            raise DownloadError(str(exc), retry=True) from exc


@contextmanager
def whole_file(final: Path) -> Iterator[BinaryIO]:
    """A new file that gets its name when all is written, and is removed after an error.

    Its temporary name is random and its mode "x", so that no two processes share a file.
    `tempfile` would give permissions that hide a shared data home from other users; this file has
    those of the umask.
    """
    partial = final.with_name(f"{final.name}.{secrets.token_hex(8)}.part")
    with _storing_in(final.parent):
        try:
            with open(partial, "xb") as output:
                yield output
            _move_into_place(partial, final)
        finally:
            partial.unlink(missing_ok=True)


def _move_into_place(partial: Path, final: Path) -> None:
    """Give a file its final name; another process may have been faster."""
    try:
        os.replace(partial, final)
    except PermissionError:
        # Windows refuses to replace an open file. Another process has downloaded and checked the
        # same file, and reads it now.
        if not final.is_file():
            raise


class _Limited:
    """The part of a binary file that pooch uses, with a limit to what may be written.

    After an OSError, `broken` says whether the file caused it, and not the network.
    """

    def __init__(self, output: BinaryIO, limit: int, url: str) -> None:
        self.broken = False
        self._output = output
        self._limit = self._left = limit
        self._url, self._said = url, time.monotonic()
        self._error = f"{url}: stopped after {limit:,} bytes, more than the file can have"

    def write(self, content: bytes) -> int:
        self._left -= len(content)
        if self._left < 0:
            raise DownloadError(self._error, retry=False)
        if time.monotonic() - self._said > MINUTE:
            self._said = time.monotonic()
            _logger.info("%s: %.1f MB so far", self._url, (self._limit - self._left) / 1e6)
        try:
            return self._output.write(content)
        except OSError:
            self.broken = True
            raise

    def flush(self) -> None:
        """Nothing: closing the file is soon enough."""


def _transfer(pooch: Any, url: str, output: BinaryIO, limit: int) -> None:
    requests = importlib.import_module("requests")  # pooch depends on it
    # "identity": the file is compressed already and has to arrive so.
    downloader = pooch.HTTPDownloader(
        chunk_size=1 << 16, timeout=TIMEOUT, headers={"Accept-Encoding": "identity"}
    )
    limited = _Limited(output, limit, url)
    try:
        downloader(url, limited, None)
    except requests.HTTPError as exc:
        status = exc.response.status_code
        # Of the client errors, only "request timeout" and "too many requests" may pass.
        retry = status >= 500 or status in (408, 429)
        raise DownloadError(f"{url}: the server answered {status}", retry=retry) from exc
    except (OSError, ValueError) as exc:
        # All errors of requests are OSErrors. A ValueError is a malformed header, such as a
        # Content-Length that is not a number.
        if limited.broken:
            raise
        raise DownloadError(f"{url}: {_root_cause(exc)}", retry=True) from exc


def _root_cause(exc: BaseException) -> str:
    """What the innermost exception says: "Connection refused" has five others around it."""
    while (inner := exc.__cause__ or exc.__context__) is not None:
        exc = inner
    return str(exc) or type(exc).__name__
