"""How much runs at once, and how much may wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from knnc.web._guard import Refused

__all__ = ["Queue"]

T = TypeVar("T")


class Queue:
    """Threads that work, and a line of bounded length before them.

    Parameters
    ----------
    n_workers : int
        Pieces of work at once.
    n_waiting : int
        Pieces that may wait. One more is refused with status 429.
    """

    def __init__(self, n_workers: int, n_waiting: int) -> None:
        self._workers = ThreadPoolExecutor(n_workers, thread_name_prefix="knnc-web")
        self._most = n_workers + n_waiting
        self._n = 0
        self._clients: set[str] = set()

    async def run(
        self,
        work: Callable[..., T],
        *arguments: Any,
        body: Callable[[], Awaitable[bytes]] | None = None,
        client: str | None = None,
    ) -> T:
        """What `work` returns. A client that is named has one piece of work at a time.

        Its first argument is what `body` brings, if that is given. A body is taken in when there
        is a place for its work, so that a queue bounds the memory for bodies too.
        """
        if client is not None and client in self._clients:
            raise Refused(429, "The page before this one is still being read.", retry_after=1)
        if self._n >= self._most:
            raise Refused(429, "Too many are asking at once: try again.", retry_after=1)
        self._n += 1
        if client is not None:
            self._clients.add(client)
        try:
            if body is not None:
                arguments = (await body(), *arguments)
            future = asyncio.get_running_loop().run_in_executor(
                self._workers, partial(work, *arguments)
            )
        except BaseException:
            self._done(client)
            raise
        future.add_done_callback(lambda _: self._done(client))  # also if nobody waits any more
        return await future

    def _done(self, client: str | None) -> None:
        self._n -= 1
        if client is not None:
            self._clients.discard(client)

    def close(self) -> None:
        """Wait for no more work."""
        self._workers.shutdown(wait=False, cancel_futures=True)
