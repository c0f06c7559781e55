"""A mirror on 127.0.0.1 that answers as a test wants."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.datasets.support import TINY, idx_bytes

Answer = Callable[[BaseHTTPRequestHandler], None]


def send(content: bytes, *, length: int | None = None, **headers: str) -> Answer:
    """Send `content`; `length` is what the header claims, its true length by default."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content) if length is None else length))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def status(code: int) -> Answer:
    return lambda handler: handler.send_error(code)


def endless(handler: BaseHTTPRequestHandler) -> None:
    """No length, and zeros until the client has had enough."""
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(bytes(1 << 16))
    except (BrokenPipeError, ConnectionResetError):
        handler.close_connection = True


def in_turn(*answers: Answer) -> Answer:
    """The first request gets the first answer; the last answer stays."""
    left = list(answers)
    return lambda handler: (left.pop(0) if len(left) > 1 else left[0])(handler)


@dataclass
class Mirror:
    """`url` ends in a slash; `answers` are by file name; `requests` are the names asked for."""

    url: str
    answers: dict[str, Answer]
    requests: list[str] = field(default_factory=list)
    accepted_encodings: list[str | None] = field(default_factory=list)


@contextmanager
def serve() -> Iterator[Mirror]:
    """Serve the tiny collection."""
    answers = {f"{name}.gz": send(gzip.compress(idx_bytes(TINY[name]), mtime=0)) for name in TINY}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.rpartition("/")[2]
            mirror.requests.append(name)
            mirror.accepted_encodings.append(self.headers["Accept-Encoding"])
            mirror.answers.get(name, status(404))(self)

        def log_message(self, *args: object) -> None:
            """Nothing on standard error."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        mirror = Mirror(f"http://127.0.0.1:{server.server_port}/mirror/", answers)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield mirror
        finally:
            server.shutdown()
            thread.join()
