"""What every display needs: a check for matplotlib, colours, an Axes, images of rows.
:class:`Display` is their base class.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knnc._extras import require
from knnc.image.base import shape_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.text import Text

__all__ = [
    "CLASSES",
    "MARGIN",
    "MARKERS",
    "NARROWEST",
    "QUIET",
    "RIGHT",
    "SERIES",
    "WRONG",
    "Display",
    "as_images",
    "check_together",
    "ink_on",
    "names_of",
    "new_axes",
    "new_figure",
    "require_matplotlib",
    "turn_if_long",
]

# These can be told apart with the common colour-vision deficiencies. No fact is shown by colour
# alone.
RIGHT = "#0072B2"
WRONG = "#D55E00"
QUIET = "#6B6B6B"
# Inches. In a narrower figure a title does not fit over images.
NARROWEST = 8.0
# Inches around what is drawn in a figure of its own.
MARGIN = 0.16
# Lines of a diagram (Okabe and Ito).
SERIES = (RIGHT, WRONG, "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = "osD^vP"
# Classes: distances in the colour space CAM02-UCS are at least 28, and at least 15 as seen without
# one kind of cones. None is grey, and all stand out from white. A test measures this.
CLASSES = (
    *("#2288aa", "#ff8855", "#770000", "#55ccaa", "#5500ff"),
    *("#886600", "#cc2277", "#005544", "#cc99ff", "#660066"),
)
# Characters of the longest name below an axis that need not be turned.
_LONGEST_ACROSS = 3


class Display:
    """Base class of displays. It holds the Axes of the drawing and its figure."""

    ax_: Axes
    figure_: Figure | SubFigure
    # How :meth:`plot` sets the title.
    _style: ClassVar[dict[str, Any]] = {"fontsize": 13}

    def plot(self, ax: Axes | None = None, *, title: str | None = None) -> Self:
        """Draw into ``ax``, or into a figure of its own.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        title : str, default=None
            A line above what is drawn; None takes the display's own, where it has one.

        Returns
        -------
        self : object
            The display.
        """
        return self._drawn(self._draw(ax), title, **self._style)

    def _draw(self, ax: Axes | None) -> Axes:
        """Draw all but the title. Displays whose ``plot`` has other parameters do not define it."""
        raise NotImplementedError

    def _drawn(self, ax: Axes, title: str | None, **style: Any) -> Self:
        """Write the title, and set ``ax_`` and ``figure_``."""
        if title:
            ax.set_title(title, loc="left", **style)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def require_matplotlib() -> None:
    """Raise an ImportError that names the extra, if matplotlib is not installed."""
    require("matplotlib.figure", by="Drawing", install="knnc[plot]", others={"PIL": "PIL"})


def new_axes(ax: Axes | None, width: float, height: float) -> Axes:
    """The given Axes, or one in a new figure of `width` and `height` inches."""
    require_matplotlib()
    if ax is not None:
        return ax
    return new_figure(width, height).add_subplot()


def new_figure(width: float, height: float) -> Figure:
    """A figure of `width` and `height` inches whose contents keep off its edges."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=MARGIN, h_pad=MARGIN)
    return Figure(figsize=(width, height), layout=layout)


def check_together(*parts: tuple[int, str]) -> None:
    """Raise a ValueError if lengths differ; each part is a length and what it counts."""
    if len({n for n, _ in parts}) > 1:
        said = [f"{n} {name}" for n, name in parts]
        raise ValueError(f"{', '.join(said[:-1])} and {said[-1]}: these numbers have to be equal")


def names_of(labels: Iterable[Any], target_names: Sequence[str] | None) -> list[str]:
    """Names of classes: ``target_names[label]``, or the labels themselves."""
    return [str(label if target_names is None else target_names[label]) for label in labels]


def turn_if_long(names: Sequence[Text]) -> None:
    """Turn the names below an axis if they would overlap."""
    if max((len(name.get_text()) for name in names), default=0) > _LONGEST_ACROSS:
        for name in names:
            name.set(rotation=35, ha="right", rotation_mode="anchor")


def ink_on(colour: tuple[float, ...]) -> str:
    """Black or white, whichever stands out on a colour (red, green, blue from 0 to 1)."""
    red, green, blue = colour[:3]
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.55 else "white"


def as_images(X: ArrayLike, image_shape: tuple[int, int] | None) -> NDArray[Any]:
    """Rows (n, d) or images (n, height, width) as images; without a shape a row is a square."""
    X = np.asarray(X)
    if image_shape is None:
        if X.ndim == 3:
            return X
        image_shape = shape_of(None, X.shape[-1])
    if len(X) and np.prod(X.shape[1:]) != np.prod(image_shape):
        raise ValueError(
            f"image_shape={image_shape!r} has {np.prod(image_shape)} pixels, but X has "
            f"{np.prod(X.shape[1:])} features a row"
        )
    return X.reshape(len(X), *image_shape)
