"""Pages made to keep the reader busy: CPU time and memory by their size, and Ctrl-C.

    python benchmarks/worst_pages.py
    python benchmarks/worst_pages.py --kinds "joined rows,receipt" --megapixels 1,4

The pages are those of tests/ocr/test_work.py, repeated until they are large enough. Each is read by
the recipe "fast", fitted on MNIST, in a process of its own. It reads twice: to the end, and until a
Ctrl-C after a third of that time. Memory is the peak while it reads, above what there was before
(Linux). A page that is too dense is left unread, and takes less.
"""

from __future__ import annotations

import argparse
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.ocr.test_work import PAGES

HEAD = """\
| page | megapixels | characters | CPU s | a megapixel | memory, MB | Ctrl-C, s |
|---|---:|---:|---:|---:|---:|---:|"""


def page_of(kind: str, megapixels: int) -> Any:
    page = PAGES[kind]()
    times = round(float(np.sqrt(1e6 * megapixels / page.size)))
    return np.tile(page, (times, times))


def resident(*, anew: bool = False) -> float:
    """The peak of the memory of this process, in megabytes; `anew` begins with what it has now."""
    if anew:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def measure(reader: str, kind: str, megapixels: int) -> None:
    """Read a page, in this process, and print its line of the table."""
    from knnc.ocr import read_page

    page, estimator = page_of(kind, megapixels), pickle.loads(Path(reader).read_bytes())
    read_page(page[:200, :200], estimator)  # what is imported and computed once
    before = resident(anew=True)
    began, wall = time.process_time(), time.perf_counter()
    read = read_page(page, estimator)
    cpu, wall = time.process_time() - began, time.perf_counter() - wall
    megabytes = resident() - before
    found = "too dense" if read.too_dense else f"{len(read.glyphs):,}"
    pressed = []

    def press() -> None:
        pressed.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(wall / 3, press)
    timer.start()
    stopped = ""
    try:
        read_page(page, estimator)
    except KeyboardInterrupt:
        stopped = f"{time.perf_counter() - pressed[0]:.2f}"
    timer.cancel()
    size = page.size / 1e6
    print(
        f"| {kind} | {size:.1f} | {found} | {cpu:.2f} | {cpu / size:.2f} | {megabytes:,.0f} "
        f"| {stopped} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", default=",".join(PAGES), help="some of them, by commas (all)")
    parser.add_argument("--megapixels", default="1,4,16", help="sizes, by commas (1,4,16)")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        measure(asked.one[0], asked.one[1], int(asked.one[2]))
        return
    from knnc.datasets import load_dataset
    from knnc.recipes import make_recipe

    train, _ = load_dataset("mnist")
    estimator = make_recipe("fast").fit(train.data, train.target)
    with tempfile.TemporaryDirectory() as folder:
        reader = Path(folder, "reader")
        reader.write_bytes(pickle.dumps(estimator))
        print(HEAD, flush=True)
        for kind in asked.kinds.split(","):
            for megapixels in asked.megapixels.split(","):
                subprocess.run(
                    [sys.executable, __file__, "--one", str(reader), kind, megapixels], check=True
                )


if __name__ == "__main__":
    main()
