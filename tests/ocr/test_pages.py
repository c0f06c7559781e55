"""Pages of real digits with known text: how much of it is read."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from .composer import Style, character_errors, compose

# Least accuracy in per cent, of about 80 characters: one is 1.2. What benchmarks/pages.py measures
# on many more is higher by two characters or more.
MNIST = {
    "clean": (Style(), 97),
    "one pixel a pixel": (Style(zoom=1), 95),
    "turned": (Style(degrees=7), 96),
    "turned far": (Style(degrees=-15), 96),
    "ruled": (Style(rules=True), 95),
    "ruled in black": (Style(rules=True, rule_grey=0.8), 95),
    "noise": (Style(noise=0.1), 96),
    "gradient of light": (Style(light=0.3), 96),
    "light on dark": (Style(invert=True, light=0.5), 96),
    "show-through": (Style(through=0.25), 96),
    "touching": (Style(touching=0.2), 95),
    "all at once": (Style(degrees=5, rules=True, noise=0.06, light=0.5, touching=0.05), 95),
}


def accuracy(reader: Any, images: Any, labels: Any, style: Style, seeds: tuple[int, ...]) -> float:
    """Per cent of the characters, spaces and line ends that are read right."""
    from knnc.ocr import read_page

    wrong = total = 0
    for seed in seeds:
        page, text = compose(images, labels, style, seed)
        wrong += character_errors(read_page(page, reader).text, text)
        total += len(text)
    return 100 * (1 - wrong / total)


@pytest.mark.parametrize("name", MNIST)
def test_mnist(mnist: SimpleNamespace, mnist_reader: Any, name: str) -> None:
    style, least = MNIST[name]
    images = mnist.test.reshape(-1, 28, 28)
    assert accuracy(mnist_reader, images, mnist.test_labels, style, (0,)) >= least


@pytest.mark.parametrize(
    ("style", "least"),
    [(Style(zoom=4), 85), (Style(zoom=4, degrees=6, light=0.5, invert=True), 80)],
)
def test_digits(digits_reader: Any, style: Style, least: int) -> None:
    """Nothing to download: the other writers' digits, eight pixels high."""
    from knnc.datasets import load_dataset

    _, test = load_dataset("digits")
    assert accuracy(digits_reader, test.images * np.uint8(15), test.target, style, (0,)) >= least


def test_character_errors() -> None:
    assert character_errors("kitten", "sitting") == 3
    assert character_errors("", "12 3") == 4
    assert character_errors("12", "12") == 0
