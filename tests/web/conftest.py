"""A server that has learnt scikit-learn's digits, in a thread of this process."""

from __future__ import annotations

import io
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("fastapi", reason="the page needs the extra 'web'")
pytest.importorskip("uvicorn", reason="the page needs the extra 'web'")
pytest.importorskip("skimage", reason="the page needs the extra 'ocr'")
httpx = pytest.importorskip("httpx")

TAB = "0123456789abcdef" * 2
# Images on the map: t-SNE of all would take the longest of these tests.
N_SHOWN = 400


@contextmanager
def running(app: Any) -> Iterator[str]:
    """The address of an application that is served meanwhile."""
    import uvicorn

    from knnc.web._serve import config_of

    config = config_of(app, port=0, log_level="error", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    (socket,) = server.servers[0].sockets
    try:
        yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The address of a server that is ready."""
    from knnc.web._app import make_app
    from knnc.web._guard import Guard

    app = make_app("digits", "plain", n_shown=N_SHOWN)
    with running(Guard(app, {"127.0.0.1"})) as address:
        while not httpx.get(f"{address}/api/status").json()["ready"]:
            time.sleep(0.05)
        yield address


class Asked:
    """A client that has a tab, and comes again while the server learns."""

    def __init__(self, address: str, tab: str = TAB) -> None:
        self.tab = tab
        self._client = httpx.Client(base_url=address, headers={"x-tab": tab}, timeout=60)

    def __call__(self, method: str, path: str, **options: Any) -> Any:
        while True:
            response = self._client.request(method, path, **options)
            if response.status_code != 202:
                return response
            time.sleep(0.1)

    def close(self) -> None:
        self._client.close()


@pytest.fixture
def ask(server: str) -> Iterator[Callable[..., Any]]:
    """``ask("GET", "/api/status")`` in a tab that has taught nothing."""
    asked = Asked(server, np.random.default_rng().bytes(16).hex())
    yield asked
    asked.close()


def drawing(number: str) -> bytes:
    """A drawing of a digit as the page sends it."""
    from PIL import Image, ImageDraw

    from tests.web.strokes import DIGITS

    image = Image.new("L", (280, 280))
    draw = ImageDraw.Draw(image)
    for points in DIGITS[number]:
        draw.line(points, fill=255, width=22)
        for x, y in points:
            draw.ellipse((x - 11, y - 11, x + 11, y + 11), fill=255)
    return image.resize((112, 112)).tobytes()


def scan() -> tuple[npt.NDArray[np.uint8], str]:
    """A page of digits, and its text."""
    from knnc.datasets import load_dataset

    _, test = load_dataset("digits")
    lines, texts = [], []
    for first in (0, 10):
        chosen = slice(first, first + 6)
        ink = [np.kron(image, np.ones((6, 6))) * 15 for image in test.images[chosen]]
        lines.append(np.pad(np.hstack([np.pad(each, ((0, 0), (0, 12))) for each in ink]), 20))
        texts.append("".join(map(str, test.target[chosen])))
    paper = 255 - np.vstack(lines)
    return np.pad(paper, 30, constant_values=255).astype(np.uint8), "\n".join(texts)


def as_file(pixels: npt.NDArray[np.uint8], form: str = "PNG") -> bytes:
    """An image file."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, form)
    return out.getvalue()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser without a window: Chromium as Debian has it, or Chrome, driven by Playwright."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs Playwright")
    found = filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    if (path := next(found, None)) is None:
        pytest.skip("no Chromium is here: apt-get install chromium, as .ci/run does")
    # A sandbox of its own it cannot have as root, which .ci/run mostly is.
    arguments = ["--no-sandbox"] if hasattr(os, "getuid") and os.getuid() == 0 else []
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=arguments)
        yield opened
        opened.close()


@pytest.fixture
def options() -> dict[str, Any]:
    """Of the window; a test with other ones is parametrized."""
    return {"viewport": {"width": 1200, "height": 900}}


@pytest.fixture
def refusals() -> list[str]:
    """What a browser itself says on the console of a request that was refused."""
    return []


@pytest.fixture
def page(browser: Any, server: str, options: dict[str, Any], refusals: list[str]) -> Iterator[Any]:
    """The page in a tab of its own; any other message on the console fails the test."""
    said: list[str] = []
    context = browser.new_context(**options)
    context.set_default_timeout(20_000)
    tab = context.new_page()
    tab.on("console", lambda message: said.append(message.text))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("request", lambda r: said.append(r.url) if not r.url.startswith(ours) else None)
    ours = (server, "blob:", "data:")
    tab.goto(server)
    tab.wait_for_selector("body[data-ready]")
    yield tab
    context.close()
    assert said == refusals
