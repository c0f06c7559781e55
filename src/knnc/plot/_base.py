"""What every display needs: matplotlib or a word about it, colours, an Axes, images of rows.

:class:`Display` is what they are.
"""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

__all__ = [
    "CLASSES",
    "MARKERS",
    "NARROWEST",
    "QUIET",
    "RIGHT",
    "SERIES",
    "WRONG",
    "Display",
    "as_images",
    "ink_on",
    "new_axes",
    "require_matplotlib",
]

# Colours that the common colour-vision deficiencies keep apart; no fact is told by colour alone.
RIGHT = "#0072B2"
WRONG = "#D55E00"
QUIET = "#6b6b6b"
# Inches: in a figure of its own that is narrower, a title does not fit over images.
NARROWEST = 8.0
# Lines of a diagram (Okabe and Ito), and classes (Petroff, "Accessible color sequences", 2021).
SERIES = (RIGHT, WRONG, "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = "osD^vP"
CLASSES = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#94a4a2",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)


class Display:
    """What a display keeps of its drawing: the Axes, and the figure that this is in."""

    ax_: Axes
    figure_: Figure | SubFigure

    def _drawn(self, ax: Axes, title: str | None, **style: Any) -> Self:
        """Write the title above what was drawn, and keep where that is."""
        if title:
            ax.set_title(title, loc="left", **style)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def require_matplotlib() -> None:
    """Raise an ImportError that names the extra if matplotlib is not installed."""
    try:
        import matplotlib.figure  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in ("matplotlib", "PIL"):
            raise
        raise ImportError(
            f'Drawing needs {error.name}, which is not installed: pip install "knnc[plot]"'
        ) from error


def new_axes(ax: Axes | None, width: float, height: float) -> Axes:
    """The Axes given, or one in a figure of its own of so many inches."""
    require_matplotlib()
    if ax is not None:
        return ax
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained").add_subplot()


def ink_on(colour: tuple[float, ...]) -> str:
    """Black or white, whichever is read better on a colour of red, green, blue from 0 to 1."""
    red, green, blue = colour[:3]
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.55 else "white"


def as_images(X: ArrayLike, image_shape: tuple[int, int] | None) -> NDArray[Any]:
    """Rows (n, d) or images (n, height, width) as images; without a shape a row is a square."""
    X = np.asarray(X)
    if image_shape is None:
        if X.ndim == 3:
            return X
        side = isqrt(X.shape[-1])
        image_shape = (side, side)
        if side * side != X.shape[-1]:
            raise ValueError(
                f"rows of {X.shape[-1]} features are no square images: "
                "pass image_shape=(height, width)"
            )
    if len(X) and np.prod(X.shape[1:]) != np.prod(image_shape):
        raise ValueError(
            f"image_shape={image_shape!r} asks for {np.prod(image_shape)} features a row, "
            f"X has {np.prod(X.shape[1:])}"
        )
    return X.reshape(len(X), *image_shape)
