"""Chunks of packed rows, the next one made while one is searched."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from knnc.engine.packed import PackedRows

__all__ = ["ReadAhead"]

# Seconds between two looks at signals while there is nothing to search.
_WAIT = 0.05
# Chunks that there are at a time: one that is searched and the next.
_CHUNKS = 2


class ReadAhead:
    """Chunks of packed rows in order; a thread packs the next one while one is used.

    Ctrl-C may come at any moment, that of starting the thread too: it ends when this is gone.

    Parameters
    ----------
    pack : callable
        Packs the rows from `first` to `last`. Called in the thread.
    bounds : iterator of (first, last)
    """

    def __init__(
        self, pack: Callable[[int, int], PackedRows], bounds: Iterator[tuple[int, int]]
    ) -> None:
        self._pack = pack
        self._bounds = bounds
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="knnc reads ahead")
        self._asked: deque[tuple[int, int, Future[PackedRows]]] = deque()
        self._process = os.getpid()

    def __enter__(self) -> Self:
        for _ in range(_CHUNKS):
            self._ask()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # After an error nobody waits for a slow disk: the thread ends with its chunk.
        self._reader.shutdown(wait=error is None, cancel_futures=True)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> tuple[int, int, PackedRows]:
        """No frame of this keeps the chunk alive: it is gone when the caller lets go of it."""
        if not self._asked:
            raise StopIteration
        if os.getpid() != self._process:
            raise RuntimeError(
                "A search of rows that are read a chunk at a time does not go on in a process "
                "forked in the middle of it: the thread that reads is not there."
            )
        first, last, packed = self._asked.popleft()
        while True:
            try:
                return first, last, packed.result(timeout=_WAIT)
            except TimeoutError:
                # Or a slow disk's error, which has the same name.
                if packed.done():
                    return first, last, packed.result()

    def done(self) -> None:
        """Say that a chunk is used no more, so that another one may be made."""
        self._ask()

    def _ask(self) -> None:
        bounds = next(self._bounds, None)
        if bounds is not None:
            self._asked.append((*bounds, self._reader.submit(self._pack, *bounds)))
