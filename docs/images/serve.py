"""The picture of ``knnc serve``: a digit drawn by mouse events in Chromium.

KNNC_DATA_HOME=... python docs/images/serve.py

It writes serve.png beside this file. Playwright drives the Chromium that is installed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

from PIL import Image
from playwright.sync_api import expect, sync_playwright

HERE = Path(__file__).parent
DIGIT = "3"


def main() -> None:
    """Serve, draw, and take the picture."""
    sys.path.insert(0, str(HERE.parents[1]))
    points = import_module("tests.web.strokes").DIGITS[DIGIT]
    command = [sys.executable, "-m", "knnc", "serve", "--train", "mnist", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        try:
            address = re.search(r"http\S+", server.stderr.readline())
            assert address is not None
            take(address[0], points, HERE / "serve.png")
        finally:
            server.terminate()


def take(address: str, strokes: list[list[tuple[float, float]]], path: Path) -> None:
    """Draw, wait for the answer, and write the picture with 64 colours."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1100, "height": 760})
        page.goto(address)
        expect(page.locator("#status")).to_contain_text("images of", timeout=120_000)
        paper = page.locator("#paper").bounding_box()
        assert paper is not None
        for points in strokes:
            for i, (x, y) in enumerate(points):
                page.mouse.move(paper["x"] + x, paper["y"] + y)
                if i == 0:
                    page.mouse.down()
            page.mouse.up()
        expect(page.locator("#why")).to_contain_text("compared whole", timeout=120_000)
        page.screenshot(path=path)
        browser.close()
    with Image.open(path) as image:
        image.convert("RGB").quantize(64).save(path, optimize=True)


if __name__ == "__main__":
    main()
