"""Images side by side, each framed, with words under them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from knnc.plot._base import NARROWEST, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Mosaic", "levels_of", "need_two_lines", "places", "same_precision"]

# The longest label that has its place on a line with another, or with a distance.
_LONG = 4


class Mosaic:
    """An Axes laid out as a sheet of unit-sized images with captions, in units of one image.

    `stacks` are the images that will be drawn: they share one scale of grey.
    """

    def __init__(self, ax: Axes | None, *stacks: NDArray[Any], width: float, height: float) -> None:
        inches_a_unit = min(0.8, 14 / width)
        wide = max(width * inches_a_unit + 0.4, NARROWEST)
        ax = new_axes(ax, wide, height * inches_a_unit + 1.0)
        self.ax = ax
        vmin, vmax = levels_of(*stacks)
        self._grey: dict[str, Any] = {"cmap": "gray_r", "vmin": vmin, "vmax": vmax}
        box = ax.get_window_extent()
        unit = min(box.width / width, box.height / height) * 72.0 / ax.figure.dpi
        self.fontsize = float(np.clip(0.21 * unit, 4.5, 11.0))
        ax.set(xlim=(0, width), ylim=(height, 0), aspect="equal", autoscale_on=False, anchor="NW")
        ax.set_axis_off()

    def image(self, image: NDArray[Any], x: float, y: float, *, edge: str, thick: bool) -> None:
        """Draw one image with its upper left corner at (x, y), framed in the colour ``edge``."""
        from matplotlib.patches import Rectangle

        self.ax.imshow(
            image,
            extent=(x, x + 1, y + 1, y),
            aspect="equal",
            interpolation="nearest",
            **self._grey,
        )
        frame = Rectangle(
            (x, y), 1, 1, fill=False, edgecolor=edge, linewidth=2.2 if thick else 1.0, zorder=3
        )
        self.ax.add_patch(frame)

    def caption(self, text: str, x: float, y: float, **style: Any) -> None:
        """Write ``text`` under the image whose upper left corner is at (x, y)."""
        placed: dict[str, Any] = {"fontsize": self.fontsize, "va": "top", "ha": "left"}
        self.ax.text(x, y + 1.07, text, **(placed | style))

    def explain(self, meanings: dict[str, str]) -> None:
        """Add a legend of what each frame colour means."""
        from matplotlib.patches import Patch

        self.ax.legend(
            handles=[
                Patch(facecolor="none", edgecolor=colour, linewidth=1.8, label=meaning)
                for meaning, colour in meanings.items()
            ],
            loc="upper left",
            bbox_to_anchor=(0.0, 0.0),
            borderaxespad=0.2,
            ncols=len(meanings),
            frameon=False,
            fontsize=min(10.0, self.fontsize + 1),
            handlelength=1.2,
        )


def places(n: int, n_columns: int, step_x: float, step_y: float) -> Iterator[tuple[float, float]]:
    """The upper left corners of `n` images on a sheet, row by row."""
    for i in range(n):
        yield 0.05 + step_x * (i % n_columns), 0.05 + step_y * (i // n_columns)


def need_two_lines(*labels: NDArray[Any]) -> bool:
    """Whether a caption of two labels, or of one and a distance, takes two lines."""
    return any(len(str(label)) > _LONG for part in labels for label in np.unique(part))


def levels_of(*images: NDArray[Any]) -> tuple[float, float]:
    """The least and the largest value of several stacks of images, so that all share one scale."""
    filled = [stack for stack in images if stack.size]
    if not filled:
        return 0.0, 1.0
    return float(min(s.min() for s in filled)), float(max(s.max() for s in filled))


def same_precision(distances: NDArray[Any]) -> list[list[str]]:
    """Numbers as text, all with the decimals that give the largest four digits."""
    largest = float(distances.max(initial=1.0))
    decimals = int(np.clip(3 - np.floor(np.log10(largest)), 0, 4))
    return [[f"{value:.{decimals}f}" for value in row] for row in distances]
