"""How many frames a second the map of ``knnc serve`` draws while it is moved and zoomed.

    KNNC_DATA_HOME=... python benchmarks/map_frames.py

It opens the map of 3,000 images of MNIST in Chromium by Playwright. In every frame it moves or
zooms the map a little, so that all images are drawn anew. A screen shows 60 frames a second: a
frame has 16.7 ms. "Drawing" is the page's own work in a frame. Without a graphics card Chromium
draws in software after that, on the CPUs that the server has too: other work there costs frames.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from typing import Any

from playwright.sync_api import Page, expect, sync_playwright
from serving import served

N_SHOWN = "3,000 images"
SIZES = ((1400, 900), (400, 800))

# Between two frames there is one event. The next frame has drawn what it changed.
MEASURE = """
async ([how, frames]) => {
    const canvas = document.getElementById("plane");
    const box = canvas.getBoundingClientRect();
    const middle = { clientX: box.left + box.width / 2, clientY: box.top + box.height / 2 };
    const events = {
        move: (i) => new KeyboardEvent("keydown", { key: i % 2 ? "ArrowLeft" : "ArrowRight" }),
        zoom: (i) => new WheelEvent("wheel", { deltaY: i % 60 < 30 ? -12 : 12, ...middle }),
    };
    const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
    const apart = [];
    const work = [];
    let last = await frame();
    for (let i = 0; i < frames; i++) {
        canvas.dispatchEvent(events[how](i));  // the page asks for a frame first, then this does
        const begun = frame();
        const drawn = performance.now();
        const now = await begun;
        work.push(performance.now() - Math.max(now, drawn));
        apart.push(now - last);
        last = now;
    }
    return [apart, work];
}
"""


def measured(page: Page, how: str, n_frames: int = 300) -> tuple[float, float, float, float]:
    """Frames a second, the median and the 95th percentile between frames, the median of drawing."""
    page.evaluate(MEASURE, [how, 30])
    apart, work = (sorted(ms) for ms in page.evaluate(MEASURE, [how, n_frames]))
    middle, late = n_frames // 2, int(0.95 * n_frames)
    return 1e3 * n_frames / sum(apart), apart[middle], apart[late], work[middle]


def main() -> int:
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    with served() as (address, _), sync_playwright() as playwright:
        return report(playwright, address)


def report(playwright: Any, address: str) -> int:
    """Print a table; 1 if there are fewer than 55 frames a second anywhere."""
    browser = playwright.chromium.launch(
        executable_path=shutil.which("chromium"),
        args=["--no-sandbox"] if os.getuid() == 0 else [],
    )
    slowest = 60.0
    print("| window | what | frames a second | between two, ms | 95 % of these, ms | drawing, ms |")
    print("|---|---|---:|---:|---:|---:|")
    for width, height in SIZES:
        page = browser.new_page(viewport={"width": width, "height": height})
        page.goto(address)
        page.click("#tab-map")
        expect(page.locator("#counts")).to_have_text(N_SHOWN, timeout=600_000)
        for how in ("move", "zoom"):
            rate, apart, late, work = measured(page, how)
            slowest = min(slowest, rate)
            print(
                f"| {width} x {height} | {how} | {rate:.1f} | {apart:.1f} | {late:.1f} "
                f"| {work:.1f} |"
            )
        page.close()
    browser.close()
    print(f"Load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs.")
    return int(slowest < 55)


if __name__ == "__main__":
    sys.exit(main())
