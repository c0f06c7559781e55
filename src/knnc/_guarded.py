"""A stream whose writes may fail: the disk is full, or the reader of the pipe has gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["Guarded"]


class Guarded:
    """A stream for text that calls `failed` with the OSError of a write, and does not raise it."""

    def __init__(self, stream: Any, failed: Callable[[OSError], object]) -> None:
        self._stream = stream
        self._failed = failed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, or do what is to be done if that fails."""
        return self._guard(self._stream.write, text) or 0

    def flush(self) -> None:
        """Flush, or do what is to be done if that fails."""
        self._guard(self._stream.flush)

    def _guard(self, call: Callable[..., Any], *args: str) -> Any:
        try:
            return call(*args)
        except OSError as error:
            self._failed(error)
