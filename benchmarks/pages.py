"""How much of a page is read: pages put together from MNIST's test digits, by kind of page.

    KNNC_DATA_HOME=... python benchmarks/pages.py --recipe fast --pages 10

The pages are those of tests/ocr/composer.py; nothing in knnc.ocr was chosen on test digits. Errors
are characters to insert, delete or change, spaces and line ends among them; the interval is
Wilson's, for characters that are misread independently.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any

STYLES: dict[str, dict[str, Any]] = {
    "clean": {},
    "clean, one pixel a pixel": {"zoom": 1},
    "turned by 7 degrees": {"degrees": 7},
    "turned by -15 degrees": {"degrees": -15},
    "noise": {"noise": 0.12},
    "gradient of light": {"light": 0.3},
    "light on dark": {"invert": True, "light": 0.5},
    "show-through": {"through": 0.25},
    "grey ruled lines": {"rules": True},
    "black ruled lines": {"rules": True, "rule_grey": 0.8},
    "one pair in five touching": {"touching": 0.2},
    "hard: ruled, turned, noise, light, one pair in twenty touching": {
        "degrees": 5,
        "rules": True,
        "noise": 0.06,
        "light": 0.5,
        "touching": 0.05,
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", default="fast")
    parser.add_argument("--pages", type=int, default=10, help="of each kind")
    asked = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    composer = import_module("tests.ocr.composer")

    from knnc.cli._console import error_interval
    from knnc.datasets import fetch_mnist
    from knnc.ocr import read_page
    from knnc.recipes import make_recipe

    train, test = fetch_mnist(subset="train"), fetch_mnist(subset="test")
    reader = make_recipe(asked.recipe).fit(train.data, train.target)
    print("| page | characters right | 95 % interval | errors | a character |")
    print("|---|---:|---:|---:|---:|")
    for name, options in STYLES.items():
        style = composer.Style(**options)
        wrong = total = 0
        seconds = 0.0
        for seed in range(asked.pages):
            page, text = composer.compose(test.images, test.target, style, 1000 + seed)
            start = perf_counter()
            read = read_page(page, reader).text
            seconds += perf_counter() - start
            wrong += composer.character_errors(read, text)
            total += len(text)
        low, high = error_interval(wrong, total)
        print(
            f"| {name} | {100 - 100 * wrong / total:.2f} % | {100 - high:.2f} to {100 - low:.2f} % "
            f"| {wrong:,} of {total:,} | {1000 * seconds / total:.1f} ms |",
            flush=True,
        )


if __name__ == "__main__":
    main()
