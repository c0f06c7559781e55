"""A hand that writes digits from images, and marks from strokes."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import cos, pi, sin
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

Pixels = npt.NDArray[np.uint8]
Box = tuple[float, float, float, float]
Rng = np.random.Generator

# Strokes of marks in a square of one digit's height, y downwards; the second list is their shape.
_MARKS: dict[str, list[list[tuple[float, float]]]] = {
    "-": [[(0, 0.5), (0.42, 0.5)]],
    "+": [[(0, 0.5), (0.5, 0.5)], [(0.25, 0.25), (0.25, 0.75)]],
    "=": [[(0, 0.38), (0.45, 0.38)], [(0, 0.62), (0.45, 0.62)]],
    ".": [[(0, 0.97), (0.03, 0.98)]],
    ",": [[(0.06, 0.93), (0.07, 1.02), (0, 1.17)]],
    ":": [[(0, 0.32), (0.03, 0.33)], [(0, 0.85), (0.03, 0.86)]],
    "/": [[(0.5, -0.06), (0, 1.08)]],
    "(": [[(0.22, -0.08), (0.05, 0.2), (0, 0.5), (0.05, 0.8), (0.22, 1.08)]],
    ")": [[(0, -0.08), (0.17, 0.2), (0.22, 0.5), (0.17, 0.8), (0, 1.08)]],
    "%": [
        [(0.75, 0), (0.1, 1)],
        [(0.15 + 0.13 * cos(t * pi / 6), 0.2 + 0.16 * sin(t * pi / 6)) for t in range(13)],
        [(0.7 + 0.13 * cos(t * pi / 6), 0.8 + 0.16 * sin(t * pi / 6)) for t in range(13)],
    ],
}


@dataclass(frozen=True)
class Field:
    """A text and the box that it is written in: x0, y0, x1, y1."""

    text: str
    box: Box


@dataclass
class Form:
    """A page while it is drawn: `ink` from 0 to 1, later `pixels`.

    What is in `fields` is known; `turn` takes points of the page to where their boxes are.
    """

    ink: npt.NDArray[np.float32]
    fields: list[Field] = field(default_factory=list)
    pixels: Pixels = field(default_factory=lambda: np.zeros((1, 1), np.uint8))
    turn: npt.NDArray[np.float64] = field(default_factory=lambda: np.eye(3))


@dataclass(frozen=True)
class Hand:
    """Digits to write with."""

    images: Pixels
    labels: npt.NDArray[Any]
    rng: Rng

    def digit(self, char: str, zoom: float) -> npt.NDArray[np.float32]:
        """Ink of a digit without its empty sides; 20 pixels of the image become 20 * `zoom`."""
        image = self.images[self.rng.choice(np.flatnonzero(self.labels == int(char)))]
        ink = image.astype(np.float32) / max(1, image.max())
        ys = np.flatnonzero((ink > 0.1).any(axis=1))
        xs = np.flatnonzero((ink > 0.1).any(axis=0))
        ink = ink[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1]
        size = (max(1, round(ink.shape[1] * zoom)), max(1, round(ink.shape[0] * zoom)))
        return np.asarray(Image.fromarray(ink).resize(size, Image.Resampling.BICUBIC)).clip(0, 1)

    def mark(self, char: str, zoom: float) -> tuple[npt.NDArray[np.float32], float, float]:
        """Ink of a mark, how far above the line its corner is, and its width."""
        high, fine = 20 * zoom, 4
        width = max(1.6, float(self.rng.normal(2.6, 0.35))) * zoom
        side = round(2.2 * high)
        picture = Image.new("L", (side * fine, side * fine))
        draw = ImageDraw.Draw(picture)
        lean = self.rng.normal(0, 0.06)
        size = self.rng.normal(1, 0.08)
        wide = 0.0
        for stroke in _MARKS[char]:
            shake = self.rng.normal(0, 0.02, (len(stroke), 2))
            points = [
                (
                    (x * size + sx - lean * (y - 0.5)) * high + 0.4 * high,
                    (y + sy) * high + 0.4 * high,
                )
                for (x, y), (sx, sy) in zip(stroke, shake, strict=True)
            ]
            wide = max(wide, *(x - 0.4 * high for x, _ in points))
            scaled = [(x * fine, y * fine) for x, y in points]
            draw.line(scaled, 255, round(width * fine), joint="curve")
            r = width * fine / 2
            for x, y in (scaled[0], scaled[-1]):
                draw.ellipse((x - r, y - r, x + r, y + r), 255)
        small = picture.resize((side, side), Image.Resampling.BOX)
        ink = np.asarray(small.filter(ImageFilter.GaussianBlur(0.3 * zoom)), np.float32) / 255
        return ink, 0.4 * high, wide + width / 2

    def write(self, form: Form, text: str, x: float, y: float, zoom: float, **how: Any) -> None:
        """A field: its digits are `zoom` times 20 high, their top at `y`.

        `pitch` is from one character to the next; without it they are apart as people write.
        """
        pitch, gap = how.get("pitch"), how.get("gap", 0.16)
        high, first = 20 * zoom, x
        for char in text:
            start = x
            if char == " ":
                x += 0.8 * high
                continue
            up = 0.0
            if char in _MARKS:
                ink, up, wide = self.mark(char, zoom)
                x += 0.1 * high
            else:
                ink = self.digit(char, zoom)
                wide = ink.shape[1]
            at = x if pitch is None else start + (pitch - wide) / 2
            put(form.ink, ink, at - up, y - up if up else y + (high - ink.shape[0]) / 2)
            x += wide + high * gap * self.rng.uniform(0.6, 1.6)
            if pitch is not None:
                x = start + pitch
        form.fields.append(Field(text, (first - 4, y - 0.3 * high, x, y + 1.3 * high)))


def put(page: npt.NDArray[np.float32], ink: npt.NDArray[np.float32], x: float, y: float) -> None:
    left, top = round(x), round(y)
    y0, x0 = max(0, top), max(0, left)
    place = page[y0 : max(y0, top + ink.shape[0]), x0 : max(x0, left + ink.shape[1])]
    part = ink[y0 - top : y0 - top + place.shape[0], x0 - left : x0 - left + place.shape[1]]
    np.maximum(place, part, out=place)
