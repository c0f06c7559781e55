"""An embedding that forms, as an animated GIF."""

from __future__ import annotations

import os
from copy import copy
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from knnc.plot._base import QUIET, require_matplotlib
from knnc.plot._labels import extent, look_at

if TYPE_CHECKING:
    from PIL.Image import Image

    from knnc.plot._embedding import EmbeddingDisplay

__all__ = ["write_gif"]

# How long the last frame stays, in milliseconds.
_HOLD = 2000
# A GIF counts hundredths of a second, and viewers take less than two of them for ten.
_SHORTEST = 20
_DPI = 100
_N_COLOURS = 64
# Pillow matches colours to a few steps, so that paper is not white if a palette has such ones.
_NEARLY_WHITE = 248
# On the way a few points fly far off: this share of them is in view. How many frames to either side
# smooth it.
_SHARE, _REACH = 0.99, 2


def write_gif(
    display: EmbeddingDisplay, file: str | os.PathLike[str], *, size: int, seconds: float
) -> None:
    """Draw each frame of the display and write them all; the names come with the last."""
    require_matplotlib()
    from PIL.Image import Dither

    pictures = _pictures(display, size)
    palette = _palette(pictures[-1])
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


def _pictures(display: EmbeddingDisplay, size: int) -> list[Image]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    figure = Figure(figsize=(size / _DPI, size / _DPI), dpi=_DPI)
    canvas = FigureCanvasAgg(figure)
    ax = figure.add_axes((0.01, 0.09, 0.98, 0.9))
    drawn = copy(display).plot(
        ax=ax, characters=False
    )  # the copy's Axes is this one, the display keeps its own
    names = list(ax.texts)
    count = figure.text(0.985, 0.985, "", ha="right", va="top", fontsize=10, color=QUIET)
    pictures = []
    ends = _smooth([extent(points, share=_SHARE) for points in display.frames])
    ends[-1] = extent(display.frames[-1])
    for at, (points, half) in enumerate(zip(display.frames, ends, strict=True)):
        for name in names:
            name.set_visible(at == len(display.frames) - 1)
        for label, collection in zip(display.labels, drawn.points_, strict=True):
            collection.set_offsets(points[display.y == label])
        look_at(ax, points, half, 1.0 if at == len(display.frames) - 1 else _SHARE)
        if display.iterations is not None:
            count.set_text(f"iteration {display.iterations[at]:,} of {display.iterations[-1]:,}")
        canvas.draw()  # type: ignore[no-untyped-call]
        pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
        pictures.append(Image.fromarray(pixels).convert("RGB"))
    return pictures


def _palette(picture: Image) -> Image:
    """The colours of the last picture, in which all are, for every one: nothing flickers."""
    palette = picture.quantize(_N_COLOURS)
    colours = np.reshape(palette.getpalette() or [], (-1, 3))
    colours[colours.min(axis=1) > _NEARLY_WHITE] = 255
    palette.putpalette(colours.ravel().tolist())
    return palette


def _smooth(halves: list[float]) -> NDArray[np.float64]:
    """Extents without jumps from one frame to the next."""
    logs = np.pad(np.log(halves), _REACH, mode="edge")
    window = np.full(2 * _REACH + 1, 1 / (2 * _REACH + 1))
    result: NDArray[np.float64] = np.exp(np.convolve(logs, window, mode="valid"))
    return result
