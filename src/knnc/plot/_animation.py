"""Writes animated GIFs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["smoothed", "write_gif"]

# Milliseconds that the last frame stays.
_HOLD = 2000
# Milliseconds. A GIF counts hundredths of a second, and viewers show a frame of one for ten.
_SHORTEST = 20
_N_COLOURS, _N_GREYS = 256, 36
# Pillow matches colours roughly: with nearly white ones in the palette, paper is not white.
_NEARLY_WHITE = 240
# How many frames to either side smooth an extent.
_REACH = 2


def write_gif(
    pictures: list[Image],
    file: str | os.PathLike[str],
    *,
    seconds: float,
    colours: Sequence[str],
) -> None:
    """Write pictures as an animation of `seconds`; the last one stays for two more.

    `colours`, as ``#rrggbb``, are those drawn on white. The animation keeps each of them.
    """
    from PIL.Image import Dither

    palette = _palette(colours)
    frames = [picture.quantize(palette=palette, dither=Dither.NONE) for picture in pictures]
    each = max(_SHORTEST, round(seconds * 100 / len(frames)) * 10)
    frames[0].save(
        file,
        format="GIF",
        save_all=True,
        append_images=frames[1:],
        duration=[each] * (len(frames) - 1) + [_HOLD],
        loop=0,
        optimize=False,
    )


def _palette(colours: Sequence[str]) -> Image:
    """Greys, and steps from each colour to white. All frames share it, so nothing flickers."""
    from PIL import Image

    drawn = [tuple(int(colour[at : at + 2], 16) for at in (1, 3, 5)) for colour in colours]
    steps = (_N_COLOURS - _N_GREYS) // max(1, len(drawn))
    table = [np.linspace(0, 255, _N_GREYS)[:, np.newaxis] * np.ones(3)]
    table += [np.linspace(colour, 255, steps, endpoint=False) for colour in drawn]
    every = np.rint(np.vstack(table)).astype(int)
    every[every.min(axis=1) > _NEARLY_WHITE] = 255
    palette = Image.new("P", (1, 1))
    palette.putpalette(every.ravel().tolist())
    return palette


def smoothed(halves: list[float]) -> NDArray[np.float64]:
    """Extents without jumps from one frame to the next."""
    logs = np.pad(np.log(halves), _REACH, mode="edge")
    window = np.full(2 * _REACH + 1, 1 / (2 * _REACH + 1))
    result: NDArray[np.float64] = np.exp(np.convolve(logs, window, mode="valid"))
    return result
