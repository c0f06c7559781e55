"""Who may ask, and how much: every request passes here first."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import secrets
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any
from urllib.parse import parse_qs

__all__ = ["Guard", "Refused"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

COOKIE = "knnc"
# Uploads; what is drawn has a smaller limit of its own.
MAX_BYTES = 20_000_000
# Seconds in which a request has to arrive whole.
MAX_SECONDS = 30.0

_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


class Refused(Exception):
    """What is answered in place of what was asked: a status and a sentence."""

    def __init__(self, status: int, sentence: str, *, retry_after: int | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.retry_after = retry_after


class Guard:
    """An ASGI application in front of another.

    Parameters
    ----------
    app : ASGI application
    hosts : collection of str
        Names under which this server may be addressed, in lower case, without the port. Another
        name in the Host header is that of a page elsewhere whose address was pointed here.
    any_address : bool, default=False
        Whether IP addresses are allowed beside them: a name can be pointed here, a number cannot.
    token : str or None, default=None
        What the first address has to have, as ``?token=``; a cookie has it from then on.
    """

    def __init__(
        self,
        app: Any,
        hosts: Collection[str],
        *,
        any_address: bool = False,
        token: str | None = None,
    ) -> None:
        self._app = app
        self._hosts = frozenset(hosts)
        self._any_address = any_address
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {
            key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]
        }
        begun = False

        async def send_safely(message: MutableMapping[str, Any]) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                own = {key for key, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(
                        (key.encode(), value.encode())
                        for key, value in _HEADERS.items()
                        if key.encode() not in own
                    ),
                ]
            await send(message)

        try:
            self._check_host(headers)
            self._check_origin(scope, headers)
            if await self._let_in(scope, headers, send_safely):
                await self._app(scope, _limited(receive, headers), send_safely)
        except Refused as refused:
            if begun:
                raise
            await _say(refused, send_safely)

    def _check_host(self, headers: dict[str, str]) -> None:
        name = _name_of(headers.get("host", ""))
        if name in self._hosts or (self._any_address and _is_address(name)):
            return
        raise Refused(421, f"This server is not called {name[:80]!r}.")

    def _check_origin(self, scope: Scope, headers: dict[str, str]) -> None:
        origin = headers.get("origin")
        own = f"{scope.get('scheme', 'http')}://{headers.get('host', '')}"
        if origin is not None and origin.lower() != own.lower():
            raise Refused(403, f"Pages of {origin[:80]!r} may not ask this server.")
        site = headers.get("sec-fetch-site", "none")
        followed = headers.get("sec-fetch-mode") == "navigate" and scope["path"] == "/"
        if site not in ("none", "same-origin") and not followed:
            raise Refused(403, "Pages elsewhere may not ask this server.")

    async def _let_in(self, scope: Scope, headers: dict[str, str], send: Send) -> bool:
        """Whether the token is there; the first time it is moved from the address to a cookie."""
        if self._token is None:
            return True
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if given and secrets.compare_digest(given.encode(), self._token.encode()):
            cookie = f"{COOKIE}={self._token}; Path=/; HttpOnly; SameSite=Strict"
            headers_out = [(b"location", b"/"), (b"set-cookie", cookie.encode())]
            await send({"type": "http.response.start", "status": 303, "headers": headers_out})
            await send({"type": "http.response.body", "body": b""})
            return False
        for part in headers.get("cookie", "").split(";"):
            name, _, value = part.strip().partition("=")
            if name == COOKIE and secrets.compare_digest(value.encode(), self._token.encode()):
                return True
        raise Refused(401, "Open the address that knnc serve printed: it has the token.")


def _name_of(host: str) -> str:
    """The name in a Host header, without its port and the brackets of an IPv6 address."""
    host = host.lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _limited(receive: Receive, headers: dict[str, str]) -> Receive:
    """`receive`, refusing a body that is too large or too slow."""
    too_large = Refused(413, f"This is larger than {MAX_BYTES // 1_000_000} MB.")
    length = headers.get("content-length", "0")
    if not length.isdecimal():
        raise Refused(400, "The length of the request is no number.")
    if int(length) > MAX_BYTES:
        raise too_large
    ends = asyncio.get_running_loop().time() + MAX_SECONDS
    n_bytes, complete = 0, False

    async def limited() -> MutableMapping[str, Any]:
        nonlocal n_bytes, complete
        if complete:  # what comes now is that the client has gone
            return await receive()
        try:
            async with asyncio.timeout_at(ends):
                message = await receive()
        except TimeoutError:
            raise Refused(408, "The request took too long to arrive.") from None
        n_bytes += len(message.get("body", b""))
        complete = not message.get("more_body", False)
        if n_bytes > MAX_BYTES:
            raise too_large
        return message

    return limited


async def _say(refused: Refused, send: Send) -> None:
    headers = [(b"content-type", b"application/json")]
    if refused.retry_after is not None:
        headers.append((b"retry-after", str(refused.retry_after).encode()))
    body = json.dumps({"error": str(refused)}).encode()
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
