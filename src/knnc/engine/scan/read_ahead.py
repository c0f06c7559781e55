"""Chunks of rows made ready to search, the next one while one is searched.

Ctrl-C may come at any moment, also where a thread is started or waited for. What threading and
concurrent.futures have is Python, which an interrupt leaves half done: a lock that is kept, a
thread that waits for ever. So this has a thread of _thread, and queues, each of whose calls is done
or not; and the thread looks whether anybody is still there.
"""

from __future__ import annotations

import os
import weakref
from _thread import start_new_thread
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Self

__all__ = ["ReadAhead"]

# Seconds between two looks at signals while there is nothing to search.
_WAIT = 0.05
# And between two looks of the thread at whether anybody still wants what it makes.
_IDLE = 0.5
# Chunks that there are at a time: one that is searched and the next.
_CHUNKS = 2

Bounds = Iterator[tuple[int, int]]
Pack = Callable[[int, int], Any]


class ReadAhead:
    """Chunks of rows in order; a thread makes the next one ready while one is used.

    Parameters
    ----------
    pack : callable
        Makes the rows from `first` to `last` ready: packs them. Called in the thread.
    bounds : iterator of (first, last)
    """

    def __init__(self, pack: Pack, bounds: Bounds) -> None:
        self._pack = pack
        self._bounds = bounds
        self._ready: SimpleQueue[Any] = SimpleQueue()  # chunks; None after the last; or an error
        self._room: SimpleQueue[None] = SimpleQueue()  # one for each chunk that may be made
        self.has_ended = False
        self._process = os.getpid()

    def __enter__(self) -> Self:
        for _ in range(_CHUNKS):
            self._room.put(None)
        start_new_thread(
            _read, (weakref.ref(self), self._pack, self._bounds, self._ready, self._room)
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Nobody waits for a slow disk: the thread ends with its chunk.
        self.has_ended = True
        self._room.put(None)  # wakes it

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> tuple[int, int, Any]:
        """No frame of this keeps the chunk alive: it is gone when the caller lets go of it."""
        if os.getpid() != self._process:
            raise RuntimeError(
                "A search of rows that are read a chunk at a time does not go on in a process "
                "forked in the middle of it: the thread that reads is not there."
            )
        while True:
            try:
                item = self._ready.get(timeout=_WAIT)
            except Empty:
                continue
            if item is None:
                raise StopIteration
            if isinstance(item, BaseException):
                raise item
            chunk: tuple[int, int, Any] = item
            return chunk

    def done(self) -> None:
        """Say that a chunk is used no more, so that another one may be made."""
        self._room.put(None)


def _read(
    owner: weakref.ref[Any],
    pack: Pack,
    bounds: Bounds,
    ready: SimpleQueue[Any],
    room: SimpleQueue[None],
) -> None:
    try:
        for first, last in bounds:
            if not _may_go_on(owner, room):
                return
            ready.put((first, last, pack(first, last)))
        ready.put(None)
    except BaseException as error:  # raised in the thread that searches
        ready.put(error)


def _may_go_on(owner: weakref.ref[Any], room: SimpleQueue[None]) -> bool:
    """Whether there is room for a chunk, once it is known, and somebody who wants it."""
    while _is_wanted(owner):
        try:
            room.get(timeout=_IDLE)
        except Empty:
            continue
        return _is_wanted(owner)
    return False


def _is_wanted(owner: weakref.ref[Any]) -> bool:
    reader = owner()
    return reader is not None and not reader.has_ended
