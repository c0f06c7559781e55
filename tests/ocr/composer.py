"""Pages put together from images of single characters, with the text that is on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

Pixels = npt.NDArray[np.uint8]
Place = tuple[int, int, int, int, str]  # x0, y0, x1, y1 and the label


@dataclass(frozen=True)
class Style:
    """What a page is like.

    `zoom` is how many pixels of the page one of the images becomes; `touching` is the share of
    neighbours in a word that are pushed together until they touch; `light` is how dark the darkest
    place of the paper is, of 1; `through` is how strongly the back shines through.
    """

    zoom: float = 2.0
    lines: int = 6
    words: int = 4
    degrees: float = 0.0
    noise: float = 0.0
    rules: bool = False
    rule_grey: float = 0.45
    touching: float = 0.0
    light: float = 1.0
    invert: bool = False
    through: float = 0.0
    gap: float = 0.16


def trimmed(image: Pixels) -> npt.NDArray[np.float32]:
    """An image of a character, light on dark, as ink from 0 to 1 without its empty sides."""
    ink = image.astype(np.float32) / image.max()
    return ink[:, np.flatnonzero((ink > 0.1).any(axis=0))[0] :][
        :, : np.ptp(np.flatnonzero((ink > 0.1).any(axis=0))) + 1
    ]


def compose(
    images: Pixels, labels: npt.NDArray[np.integer], style: Style, seed: int
) -> tuple[Pixels, str]:
    """A page of characters drawn at random, and its text.

    Characters keep their height and place within the line; words of two to five are apart by
    four fifths of an image, characters by `gap`, or so that they touch.
    """
    page, text, _ = compose_placed(images, labels, style, seed)
    return page, text


def compose_placed(
    images: Pixels, labels: npt.NDArray[np.integer], style: Style, seed: int
) -> tuple[Pixels, str, list[Place]]:
    """The same, and where each character is before the page is turned."""
    rng = np.random.default_rng(seed)
    side = images.shape[1] * style.zoom
    pitch = 1.7 * side
    width = round(side * (2 + style.words * 4.6))
    height = round(pitch * (style.lines + 1.2))
    page = np.zeros((height, width), np.float32)
    text = []
    places = []
    for line in range(style.lines):
        x = side * (1 + rng.uniform(0, 0.5))
        words = []
        for _ in range(style.words):
            word = ""
            for _ in range(rng.integers(2, 6)):
                index = rng.integers(len(images))
                ink = trimmed(images[index])
                size = (max(1, round(ink.shape[1] * style.zoom)), round(side))
                ink = np.asarray(Image.fromarray(ink).resize(size, Image.Resampling.BICUBIC))
                y = round(pitch * (line + 0.8) + rng.normal(0, 0.03) * side)
                if x + size[0] > width - side / 2:
                    break
                if word and rng.random() < style.touching:
                    x = _touching(page, ink, x, y, side)
                at = round(x)
                place = page[y : y + size[1], at : at + size[0]]
                np.maximum(place, ink, out=place)
                word += str(labels[index])
                places.append((at, y, at + size[0], y + size[1], str(labels[index])))
                x += size[0] + side * style.gap * rng.uniform(0.6, 1.6)
            if word:
                words.append(word)
            x += 0.8 * side
        text.append(" ".join(words))
    return _photographed(page, style, side, rng), "\n".join(text), places


def _touching(
    page: npt.NDArray[np.float32], ink: npt.NDArray[np.float32], x: float, y: int, side: float
) -> float:
    """Where `ink` just touches what is left of `x`."""
    core = ink > 0.5
    for step in range(round(side)):
        at = round(x) - step
        place = page[y : y + ink.shape[0], at : at + ink.shape[1]] > 0.5
        if (ndimage.binary_dilation(place) & core).sum() >= 3:
            return at
    return x


def _photographed(
    page: npt.NDArray[np.float32], style: Style, side: float, rng: np.random.Generator
) -> Pixels:
    """Ruled, turned, lit and noisy."""
    height, width = page.shape
    page = page.clip(0, 1) * rng.uniform(0.75, 0.9)
    if style.through:
        page = np.maximum(page, style.through * ndimage.gaussian_filter(page[::-1, ::-1], 1.0))
    if style.rules:
        thickness = max(1, round(side / 28))
        for y in np.arange(side * 0.9, height, 1.7 * side):
            place = page[round(y + 0.72 * side) : round(y + 0.72 * side) + thickness]
            np.maximum(place, style.rule_grey, out=place)
    if style.degrees:
        page = ndimage.rotate(page, style.degrees, order=1, reshape=True)
        height, width = page.shape
    light = np.ones_like(page)
    if style.light < 1:
        ys, xs = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
        slope = rng.uniform(-1, 1, 2)
        plane = slope[0] * ys + slope[1] * xs
        plane = (plane - plane.min()) / max(np.ptp(plane), 1e-9)
        light = 1 - (1 - style.light) * plane
    grey = 0.95 * light * (1 - page)
    if style.invert:
        grey = 1 - grey
    grey = grey + rng.normal(0, style.noise, grey.shape) if style.noise else grey
    return np.rint(grey.clip(0, 1) * 255).astype(np.uint8)


def character_errors(read: str, truth: str) -> int:
    """Characters to insert, delete or change to make one text the other; spaces count."""
    row = np.arange(len(truth) + 1)
    for i, char in enumerate(read, 1):
        change = row[:-1] + np.array([char != other for other in truth], int)
        best = np.minimum(change, row[1:] + 1)
        new = np.empty_like(row)
        new[0] = i
        for j, value in enumerate(best, 1):
            new[j] = min(value, new[j - 1] + 1)
        row = new
    return int(row[-1])
