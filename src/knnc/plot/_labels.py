"""Limits of a view of points in the plane, and names of classes that do not overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["densest", "extent", "look_at", "moved_apart", "spread_labels"]

# Around the points, as a share of their extent.
_MARGIN = 1.04

_FONTSIZE = 13.0
# Width and height of a bold character, as shares of the font's size, with some space.
_CHARACTER = np.array([0.68, 1.3])
# At most so many points of a class are used to find where it is densest.
_ENOUGH = 400


def extent(points: NDArray[Any], share: float = 1.0) -> float:
    """Half the side of a square that holds a share of the points (n, 2), with a margin."""
    far = np.abs(points - _middle(points, share)).max(axis=1)
    return float(max(np.quantile(far, share) * _MARGIN, 1e-12))


def _middle(points: NDArray[Any], share: float) -> NDArray[Any]:
    middle: NDArray[Any] = np.quantile(points, (share, 1 - share), axis=0).mean(axis=0)
    return middle


def look_at(ax: Axes, points: NDArray[Any], half: float, share: float = 1.0) -> None:
    """Set the limits to a square around a share of the points (n, 2)."""
    x, y = _middle(points, share)
    ax.set(xlim=(x - half, x + half), ylim=(y - half, y + half))


def spread_labels(
    ax: Axes,
    points: NDArray[Any],
    y: NDArray[Any],
    labels: NDArray[Any],
    names: Sequence[str],
) -> None:
    """Write the name of each class where it is densest, moved apart if names overlap."""
    from matplotlib.patheffects import withStroke

    shown = [at for at, name in enumerate(names) if name]
    if not shown:
        return
    (x0, x1), (y0, y1) = ax.get_xlim(), ax.get_ylim()
    box = ax.get_window_extent()
    points_an_inch = 72.0
    unit = np.array([x1 - x0, y1 - y0]) / (
        np.array([box.width, box.height]) * points_an_inch / ax.figure.dpi
    )  # data units a typographic point
    radius = 0.03 * (x1 - x0)
    centres = np.array([densest(points[y == labels[at]], radius) for at in shown])
    lengths = np.array([[max(len(names[at]), 1.4), 1.0] for at in shown])
    sizes = lengths * _CHARACTER * _FONTSIZE * unit
    low = np.array([x0, y0]) + sizes / 2
    high = np.array([x1, y1]) - sizes / 2
    for at, (x, y_) in zip(shown, moved_apart(centres, sizes, low, high), strict=True):
        ax.text(
            x,
            y_,
            names[at],
            ha="center",
            va="center",
            fontsize=_FONTSIZE,
            weight="bold",
            color="black",
            path_effects=[withStroke(linewidth=3.5, foreground="white", alpha=0.9)],
            zorder=5,
        )


def densest(points: NDArray[Any], radius: float) -> NDArray[Any]:
    """The point of (n, 2) with most others within a radius."""
    some = points[:: max(1, len(points) // _ENOUGH)]
    near = ((some[:, np.newaxis] - some[np.newaxis]) ** 2).sum(axis=2) <= radius**2
    result: NDArray[Any] = some[near.sum(axis=1).argmax()]
    return result


def moved_apart(
    centres: NDArray[Any], sizes: NDArray[Any], low: NDArray[Any], high: NDArray[Any]
) -> NDArray[Any]:
    """Move the centres (n, 2) of boxes a little, so that none overlaps another.

    Two boxes that overlap are moved along the axis of least overlap, each by half of it, until none
    overlap. `low` and `high`, (n, 2), bound the centres.
    """
    centres = np.clip(centres.astype(np.float64), low, high)
    for _ in range(500):
        moved = False
        for i in range(len(centres)):
            for j in range(i):
                overlap = (sizes[i] + sizes[j]) / 2 - np.abs(centres[i] - centres[j])
                if (overlap <= 0).any():
                    continue
                axis = int(np.argmin(overlap))
                way = 1.0 if centres[i, axis] >= centres[j, axis] else -1.0
                centres[i, axis] += way * (overlap[axis] * 0.51)
                centres[j, axis] -= way * (overlap[axis] * 0.51)
                moved = True
        centres = np.clip(centres, low, high)
        if not moved:
            break
    return centres
