"""How far the reading of one page is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from knnc.engine.system.progress import ProgressCallback, current, progress

__all__ = ["WHOLE", "page_progress", "step"]

# The steps in their order, and the hundredths of a page after which each begins, as on a page with
# many characters that touch.
WHOLE = 100
_BEGINS = {"ink": 0, "height": 5, "lines": 20, "pieces": 30, "cuts": 45, "characters": 80}


class _Steps:
    """Tells `outer` of steps, and of the searches within a step; never less than before."""

    def __init__(self, outer: ProgressCallback) -> None:
        self._outer, self._done = outer, 0
        self.begin("ink")

    def begin(self, name: str) -> None:
        self._first = _BEGINS[name]
        self._end = min((v for v in _BEGINS.values() if v > self._first), default=WHOLE - 1)
        self(0, 1)

    def __call__(self, done: int, total: int) -> None:
        reached = self._first + (self._end - self._first) * done // max(1, total)
        self._done = max(self._done, reached)
        self._outer(self._done, WHOLE)


@contextmanager
def page_progress() -> Iterator[None]:
    """Report hundredths of the page that is read, in place of the searches within."""
    outer = current()
    if outer is None:
        yield
        return
    with progress(_Steps(outer)):
        yield
    outer(WHOLE, WHOLE)


def step(name: str) -> None:
    """Say that a step of the page begins."""
    steps = current()
    if isinstance(steps, _Steps):
        steps.begin(name)
