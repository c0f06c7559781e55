"""HTTP as uvicorn speaks it, on connections that may not be silent for long."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["TimedProtocol"]

# A connection is closed when so many seconds, or up to twice as many, have brought neither a whole
# request nor taken a byte of an answer. Without it, 512 silent ones would keep everybody out.
SILENT_SECONDS = 30.0


class TimedProtocol(H11Protocol):
    """One connection."""

    _next_look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._look_later(0)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._next_look is not None:
            self._next_look.cancel()
        super().connection_lost(exc)

    def _look_later(self, n_unsent: int) -> None:
        self._next_look = self.loop.call_later(SILENT_SECONDS, self._look, self.cycle, n_unsent)

    def _look(self, last_request: Any, last_unsent: int) -> None:
        """Close the connection if nothing happened since the last look."""
        n_unsent = self.transport.get_write_buffer_size()
        if n_unsent:
            if n_unsent == last_unsent:  # the client does not take its answer
                self.transport.abort()
                return
        elif self.cycle is last_request and (self.cycle is None or self.cycle.response_complete):
            self.transport.close()
            return
        self._look_later(n_unsent)
