"""Who may ask, how much, and what is said of what is refused."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from knnc.web import _guard, _readers, _timed
from knnc.web._guard import Guard, Refused
from knnc.web._queue import Queue
from knnc.web._serve import serve
from tests.web.conftest import Asked, drawing, running

Ask = Callable[..., Any]


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """An application that takes a body and says how long it was."""
    if scope["type"] == "lifespan":
        return
    n_bytes, more = 0, True
    while more:
        message = await receive()
        n_bytes += len(message.get("body", b""))
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(n_bytes).encode()})


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:8000"}, 421),  # only "here" is known to this guard
        ({"Host": "evil.example"}, 421),
        ({"Host": ""}, 421),
        ({"Host": "10.0.0.1"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate"}, 200),
    ],
)
def test_pages_elsewhere_are_refused(headers: dict[str, str], status: int) -> None:
    with running(Guard(hello, {"127.0.0.1"})) as address:
        response = httpx.get(address, headers=headers)
    assert response.status_code == status
    if status != 200:
        assert response.json()["error"].endswith(".")
    assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
    assert response.headers["x-content-type-options"] == "nosniff"


def test_a_link_elsewhere_may_lead_to_the_page_but_not_behind_it() -> None:
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    with running(Guard(hello, {"127.0.0.1"})) as address:
        assert httpx.get(address, headers=followed).status_code == 200
        assert httpx.get(f"{address}/api/status", headers=followed).status_code == 403


def test_a_token_is_needed_once_and_then_kept_by_the_browser() -> None:
    guard = Guard(hello, set(), any_address=True, token="secret")
    with running(guard) as address, httpx.Client(base_url=address) as client:
        assert client.get("/").status_code == 401
        assert client.get("/?token=other").status_code == 401
        first = client.get("/?token=secret")
        assert (first.status_code, first.headers["location"]) == (303, "/")
        assert "HttpOnly" in first.headers["set-cookie"]
        assert "SameSite=Strict" in first.headers["set-cookie"]
        assert client.get("/").status_code == 200
        assert client.get("/", headers={"Host": "evil.example"}).status_code == 421


def test_large_bodies_are_refused_whether_they_say_so_or_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_guard, "MAX_BYTES", 1_000_000)
    with running(Guard(hello, {"127.0.0.1"})) as address:
        assert httpx.post(address, content=bytes(1_000_000)).text == "1000000"
        too_large = httpx.post(address, content=bytes(1_000_001))
        assert (too_large.status_code, too_large.json()["error"]) == (
            413,
            "This is larger than 1 MB.",
        )
        chunks = (bytes(300_000) for _ in range(4))
        assert httpx.post(address, content=chunks).status_code == 413


def test_a_slow_body_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_guard, "MAX_SECONDS", 0.3)
    with running(Guard(hello, {"127.0.0.1"})) as address:
        connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=10)
        connection.putrequest("POST", "/")
        connection.putheader("Content-Length", "100")
        connection.endheaders(b"some")
        assert connection.getresponse().status == 408
        connection.close()


def connection_to(address: str) -> socket.socket:
    name, port = address.removeprefix("http://").split(":")
    return socket.create_connection((name, int(port)), 10)


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: 127.0"])
@pytest.mark.parametrize("after_another", [False, True])
def test_a_silent_connection_is_closed(
    monkeypatch: pytest.MonkeyPatch, sent: bytes, after_another: bool
) -> None:
    monkeypatch.setattr(_timed, "SILENT_SECONDS", 0.5)
    with running(Guard(hello, {"127.0.0.1"})) as address, connection_to(address) as client:
        if after_another:
            client.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            said = b""
            while not said.endswith(b"0\r\n\r\n"):
                said += client.recv(9999)
            assert said.startswith(b"HTTP/1.1 200")
        client.sendall(sent)
        began = time.monotonic()
        assert client.recv(9999) == b""
        assert time.monotonic() - began < 8


def test_a_request_that_comes_byte_by_byte_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_timed, "SILENT_SECONDS", 0.5)
    with running(Guard(hello, {"127.0.0.1"})) as address, connection_to(address) as client:
        for _ in range(80):
            time.sleep(0.1)
            try:
                client.sendall(b"G")
            except ConnectionError:
                break
        else:
            pytest.fail("it was not given up")


async def _much(scope: Any, receive: Any, send: Any) -> None:
    """An application with an answer larger than any buffer."""
    if scope["type"] == "lifespan":
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(50):
        await send({"type": "http.response.body", "body": bytes(1_000_000), "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def test_an_answer_that_nobody_takes_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_timed, "SILENT_SECONDS", 0.5)
    with running(Guard(_much, {"127.0.0.1"})) as address:
        with connection_to(address) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            time.sleep(2.5)
            n_bytes = 0
            with contextlib.suppress(ConnectionError):
                while part := client.recv(1 << 20):
                    n_bytes += len(part)
            assert n_bytes < 50_000_000
        # One who takes it slowly gets all of it.
        with connection_to(address) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            n_bytes = 0
            while part := client.recv(1 << 20):
                n_bytes += len(part)
                time.sleep(0.02)
            assert n_bytes > 50_000_000


def test_the_queue_is_bounded_and_a_client_has_one_piece_of_work() -> None:
    async def fill() -> list[int]:
        queue, go = Queue(1, 1), threading.Event()
        works = [asyncio.ensure_future(queue.run(go.wait, client="one"))]
        await asyncio.sleep(0)
        statuses = []
        for client in ("one", "two", "three"):
            works.append(asyncio.ensure_future(queue.run(go.wait, client=client)))
            await asyncio.sleep(0.01)
            if works[-1].done():
                error = works.pop().exception()
                assert isinstance(error, Refused)
                assert error.retry_after == 1
                statuses.append(error.status)
        go.set()
        assert await asyncio.gather(*works) == [True, True]
        assert await queue.run(int, client="one") == 0  # there is room again
        queue.close()
        return statuses

    assert asyncio.run(fill()) == [429, 429]


def test_what_is_wrong_is_said_in_a_sentence(ask: Ask) -> None:
    wrong = [
        ("POST", "/api/draw", {"content": b"123"}, 422),
        ("POST", "/api/draw", {"content": drawing("3"), "params": {"k": 0}}, 422),
        ("POST", "/api/draw", {"content": drawing("3"), "params": {"metric": "far"}}, 422),
        ("POST", "/api/draw", {"content": drawing("3"), "params": {"recipe": "best"}}, 422),
        ("POST", "/api/draw", {"content": drawing("3"), "headers": {"x-tab": "../x"}}, 422),
        ("GET", "/api/test/-1", {}, 404),
        ("GET", "/api/test/99999", {}, 404),
        ("GET", "/api/test/one", {}, 422),
        ("POST", "/api/image", {"content": b"GIF89a"}, 415),
        ("POST", "/api/image", {"content": b""}, 422),
        ("POST", "/api/image", {"content": b"\x89PNG\r\n\x1a\nbroken"}, 422),
        ("POST", "/api/why", {"content": bytes(784), "params": {"distance": "nan"}}, 422),
        ("POST", "/api/taught", {"content": bytes(784), "params": {"label": " \n"}}, 422),
        ("POST", "/api/taught", {"content": bytes(784), "params": {"label": "x" * 17}}, 422),
        ("POST", "/api/taught", {"content": bytes(3), "params": {"label": "7"}}, 422),
        ("DELETE", "/api/taught", {}, 409),
        ("GET", "/api/taught/idx", {}, 409),
        ("GET", "/api/taught/exe", {}, 422),
        ("GET", "/api/page/picture", {}, 409),
        ("POST", "/api/page", {"content": b"%PDF-1.4 broken"}, 422),
        ("POST", "/api/page", {"content": b"x", "params": {"page": 0}}, 422),
        ("GET", "/api/nothing", {}, 404),
        ("GET", "/../pyproject.toml", {}, 404),
        ("GET", "/static/api.js", {}, 404),
        ("PATCH", "/api/status", {}, 405),
        ("GET", "/docs", {}, 404),
    ]
    for method, path, options, status in wrong:
        response = ask(method, path, **options)
        assert response.status_code == status, (path, response.text)
        sentence = response.json()["error"]
        assert sentence.endswith("."), sentence
        assert "Traceback" not in sentence


def test_only_what_is_described_is_there(ask: Ask) -> None:
    described = ask("GET", "/openapi.json").json()["paths"]
    assert {"/api/draw", "/api/page", "/api/map"} <= set(described)
    assert all(path.startswith("/api/") for path in described)


def test_another_host_needs_saying_so_twice() -> None:
    with pytest.raises(ValueError, match=r"^--host 0\.0\.0\.0 lets other machines connect"):
        serve(train="digits", recipe="plain", host="0.0.0.0")


def test_an_address_that_is_taken_is_an_error() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(OSError, match="Address already in use"),
    ):
        serve(train="digits", recipe="plain", port=taken.getsockname()[1])


def test_who_is_let_in_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("knnc.web._serve._run", lambda *given: asked.extend(given))
    serve(train="digits", recipe="plain", host="0.0.0.0", port=0, allow_remote=True)
    said = capsys.readouterr().err
    assert "open to every machine that reaches 0.0.0.0" in said
    assert f"?token={asked[-1]}" in said
    assert len(asked[-1]) >= 32


def test_it_starts_at_once_and_says_what_it_does() -> None:
    from knnc.web._app import make_app

    with running(make_app("digits", "plain")) as address:
        said = httpx.get(f"{address}/api/status").json()
        assert said["train"] == "digits"
        answer = httpx.post(
            f"{address}/api/draw", content=drawing("1"), headers={"x-tab": "0" * 32}
        )
        assert answer.status_code in (200, 202)
        ends = time.monotonic() + 60
        while not httpx.get(f"{address}/api/status").json()["ready"]:
            assert time.monotonic() < ends
            time.sleep(0.05)


def test_data_that_cannot_be_learnt_are_said_to_be_so(tmp_path: Any) -> None:
    from knnc.web._app import make_app

    with running(make_app(str(tmp_path / "none"), "plain")) as address:
        ends = time.monotonic() + 30
        while "error" not in (said := httpx.get(f"{address}/api/status").json()):
            assert time.monotonic() < ends
            time.sleep(0.05)
        assert not said["ready"]
        assert str(tmp_path) not in said["error"]


def test_what_failed_is_tried_again_when_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from knnc.web._app import make_app

    monkeypatch.setattr(_readers, "RETRY_SECONDS", 0.2)
    load, failing = _readers.load_dataset, [True]

    def broken(*given: Any, **options: Any) -> Any:
        if failing:
            raise OSError("there is no disk")
        return load(*given, **options)

    monkeypatch.setattr(_readers, "load_dataset", broken)
    with running(make_app("digits", "plain")) as address:
        ask = Asked(address)
        ends = time.monotonic() + 30
        while "error" not in httpx.get(f"{address}/api/status").json():
            assert time.monotonic() < ends
            time.sleep(0.05)
        assert ask("POST", "/api/draw", content=drawing("1")).status_code == 500
        failing.clear()
        time.sleep(0.3)
        assert ask("POST", "/api/draw", content=drawing("1")).json()["answer"] == "1"
        assert httpx.get(f"{address}/api/status").json()["ready"]
        ask.close()


def test_a_mistake_of_the_server_is_a_sentence(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    def mistaken(*_: Any) -> None:
        raise ZeroDivisionError("/a/secret/path")

    monkeypatch.setattr("knnc.web._draw_app._read_row", mistaken)
    response = ask("GET", "/api/test/3")
    assert response.status_code == 500
    assert "the terminal that runs knnc serve says which" in response.json()["error"]
