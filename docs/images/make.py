"""The README's picture: a page put together from MNIST's test digits, and what is read on it.

KNNC_DATA_HOME=... python docs/images/make.py

The page is one of tests/ocr/composer.py, drawn once with the seed below; which one it is was not
chosen.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from knnc.datasets import fetch_mnist
from knnc.ocr import annotate, read_page
from knnc.recipes import fast

HERE = Path(__file__).parent
SEED = 0


def main() -> None:
    """Write read.jpg beside this file."""
    sys.path.insert(0, str(HERE.parents[1]))
    composer = import_module("tests.ocr.composer")
    train, test = fetch_mnist(subset="train"), fetch_mnist(subset="test")
    style = composer.Style(lines=4, words=3, degrees=4, rules=True, noise=0.06, light=0.5)
    page, text = composer.compose(test.images, test.target, style, SEED)
    read = read_page(page, fast().fit(train.data, train.target))
    annotate(page, read).save(HERE / "read.jpg", quality=85)
    print(text, "read as", read.text, sep="\n\n")


if __name__ == "__main__":
    main()
