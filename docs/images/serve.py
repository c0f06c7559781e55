"""The pictures of ``knnc serve``: its three views in Chromium, driven by mouse and keys.

KNNC_DATA_HOME=... python docs/images/serve.py

It writes serve.png, serve-read.png and serve-map.png beside this file. The page that is read is
written by tests/ocr/hand.py with MNIST's test digits, once, with the seed below.
"""

from __future__ import annotations

import io
import shutil
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from knnc.datasets import fetch_mnist

HERE = Path(__file__).parent
DIGIT = "3"
LINES = ("-12,5 +408.17", "17+26=43 95%", "12/05/2024 (381)")
SEED = 0
# Its slowest step, the map, takes most of a minute.
WAIT = 120_000


def main() -> None:
    """Serve, and take the pictures."""
    sys.path.insert(0, str(HERE.parents[1]))
    from benchmarks.serving import served

    with served() as (address, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1100, "height": 620})
        page.goto(address)
        expect(page.locator("#status")).to_contain_text("images of", timeout=WAIT)
        for view, name in ((draw, "serve"), (read, "serve-read"), (explore, "serve-map")):
            view(page)
            take(page, HERE / f"{name}.png")
        browser.close()


def draw(page: Page) -> None:
    """Draw a digit until the codes are there, which come with the first searches."""
    paper = page.locator("#paper").bounding_box()
    assert paper is not None
    why = page.locator("#why")
    while "ruled out" not in why.inner_text():
        page.click("#clear")
        for points in import_module("tests.web.strokes").DIGITS[DIGIT]:
            for i, (x, y) in enumerate(points):
                page.mouse.move(paper["x"] + x, paper["y"] + y)
                if i == 0:
                    page.mouse.down()
            page.mouse.up()
        expect(why).to_contain_text("compared whole", timeout=WAIT)


def read(page: Page) -> None:
    """Read a page with marks, and pick a character."""
    page.click("#tab-read")
    scan = {"name": "scan.png", "mimeType": "image/png", "buffer": written()}
    page.set_input_files("#scan", scan)  # type: ignore[arg-type]
    expect(page.locator("#text span").first).to_be_visible(timeout=WAIT)
    page.click("#doubtful")
    expect(page.locator("#character")).to_be_visible(timeout=WAIT)


def explore(page: Page) -> None:
    """Open the map, and pick an image."""
    page.click("#tab-map")
    expect(page.locator("#counts")).to_have_text("3,000 images", timeout=WAIT)
    page.focus("#plane")
    page.keyboard.press("n")
    page.keyboard.press("0")
    expect(page.locator("#point-neighbors li")).to_have_count(10)
    page.click("#tab-map")  # without the ring of the focus


def written() -> bytes:
    """A page, as a PNG file."""
    forms: Any = import_module("tests.ocr.forms")
    test = fetch_mnist(subset="test")
    rng = np.random.default_rng(SEED)
    hand = import_module("tests.ocr.hand").Hand(test.images, test.target, rng)
    form = forms.blank(480, 900)
    for i, text in enumerate(LINES):
        hand.write(form, text, 60, 60 + 140 * i, 2.5)
    out = io.BytesIO()
    Image.fromarray(forms.finish(form, rng, noise=0).pixels).save(out, "PNG")
    return out.getvalue()


def take(page: Page, path: Path) -> None:
    """Write the picture of a page with 128 colours."""
    page.wait_for_timeout(300)  # the canvas is drawn in the frame after next
    page.screenshot(path=path, full_page=True)
    with Image.open(path) as image:
        image.convert("RGB").quantize(128).save(path, optimize=True)


if __name__ == "__main__":
    main()
