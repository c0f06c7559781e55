"""Draws small grey images with characters, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.text import Text

_UPPER_HALF = "\u2580"
_SHADES = " \u2591\u2592\u2593\u2588"
_SHADES_ASCII = " .:*#"
# Dark ink on light paper, as grey levels of 256; both are drawn, so the terminal's own colours do
# not matter.
_PAPER, _INK = 240, 24


def draw_row(
    images: NDArray[Any],
    captions: Sequence[str],
    *,
    console: Console,
    vmax: float,
    style: str = "",
) -> list[Text]:
    """Lines that show images side by side, as many as fit into the console.

    With 256 colours or more, a character shows two pixels, one above the other. With fewer, a pixel
    is two characters of one shade.

    Parameters
    ----------
    images : ndarray of shape (n_images, height, width)
    captions : sequence of str
        Caption of each image, cut to its width.
    console : Console
        Its width, colours and characters are used.
    vmax : float
        The value of full ink; 0 is paper.
    style : str
        The style of the captions.

    Returns
    -------
    lines : list of Text
    """
    level = np.clip(np.asarray(images, dtype=np.float64) / vmax, 0.0, 1.0)
    grey = console.color_system in ("256", "truecolor") and not console.no_color
    cells = level.shape[2] * (1 if grey else 2)
    gap = 1 if grey else 2
    n_shown = max(1, min(len(level), (console.width + gap) // (cells + gap)))
    paint = _half_blocks if grey else _shades
    ascii_only = console.options.ascii_only
    drawn = [paint(image, ascii_only=ascii_only) for image in level[:n_shown]]
    lines = [Text(" " * gap).join(parts) for parts in zip(*drawn, strict=True)]
    under = (" " * gap).join(f"{caption[:cells]:^{cells}}" for caption in captions[:n_shown])
    return [*lines, Text(under.rstrip(), style=style)]


def _half_blocks(image: NDArray[np.float64], *, ascii_only: bool) -> list[Text]:
    """Two pixels a character: the upper as its colour, the lower as its background."""
    if len(image) % 2:
        image = np.vstack([image, np.zeros((1, image.shape[1]))])
    shade = np.rint(_PAPER + (_INK - _PAPER) * image).astype(int)
    lines = []
    for upper, lower in zip(shade[::2], shade[1::2], strict=True):
        line = Text()
        for u, w in zip(upper, lower, strict=True):
            line.append(_UPPER_HALF, style=f"#{u:02x}{u:02x}{u:02x} on #{w:02x}{w:02x}{w:02x}")
        lines.append(line)
    return lines


def _shades(image: NDArray[np.float64], *, ascii_only: bool) -> list[Text]:
    """A pixel is two characters wide, its shade one of five."""
    ramp = _SHADES_ASCII if ascii_only else _SHADES
    index = np.rint(image * (len(ramp) - 1)).astype(int)
    return [Text("".join(2 * ramp[i] for i in row)) for row in index]
