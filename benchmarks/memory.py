"""The peak of a process's resident memory over a piece of work, above what it held before."""

from __future__ import annotations

import ctypes
import gc
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


class PeakMemory:
    """A context manager; afterwards ``peak_bytes`` is the peak, or None where it is not known.

    On Linux the high-water mark is first set back to what the process holds now, so that a
    peak while the inputs were made does not hide a lower one in here. Where that is not allowed
    (and on macOS) the mark of before is the base: the inputs are made without a larger peak
    than themselves, or the difference is too small by as much.
    """

    peak_bytes: int | None = None

    def __enter__(self) -> Self:
        gc.collect()
        _return_freed_pages()
        with suppress(OSError):
            _CLEAR.write_text("5")
        self._base = _high_water()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        peak = _high_water()
        if peak is not None and self._base is not None:
            self.peak_bytes = peak - self._base


def _return_freed_pages() -> None:
    """glibc keeps freed pages, which would serve the work without being counted."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _high_water() -> int | None:
    """Bytes; the largest resident size of this process since its mark was last set back."""
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
