"""A data set laid out in the plane, neighbours beside neighbours."""

from __future__ import annotations

import os
from collections.abc import Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knnc.plot._animation import smoothed, write_gif
from knnc.plot._base import (
    CLASSES,
    QUIET,
    Display,
    check_together,
    names_of,
    new_axes,
    require_matplotlib,
)
from knnc.plot._labels import extent, look_at, spread_labels
from knnc.plot._mosaic import levels_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image

__all__ = ["EmbeddingDisplay"]

# TSNE's first iterations, of early exaggeration.
_EXAGGERATED = 250
# The side of a thumbnail, as a share of the axis.
_THUMBNAIL = 0.032
# Of an animation. A few points move far away meanwhile: this share of them is in view.
_DPI, _SHARE = 100, 0.99


class EmbeddingDisplay(Display):
    """Rows as points of a plane, with neighbours near one another.

    :class:`sklearn.manifold.TSNE` computes the points from the neighbours that
    :class:`knnc.KNeighborsTransformer` finds. It starts from the first two principal components.

    Parameters
    ----------
    embedding : array-like of shape (n_samples, 2)
        The point of each row.
    y : array-like of shape (n_samples,), default=None
        Labels of the rows; None draws all points alike.
    target_names : sequence of str, default=None
        ``target_names[label]`` is what a class is called; None takes the label itself.
    frames : array-like of shape (n_frames, n_samples, 2), default=None
        Points at earlier iterations, for :meth:`save_animation`.
    iterations : array-like of int of shape (n_frames,), default=None
        The iteration of each frame.
    kl_divergence : float, default=None
        The divergence after the last iteration.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What :meth:`plot` drew into.
    figure_ : matplotlib Figure
        The figure of that Axes.
    points_ : list of matplotlib PathCollection
        The points of each class, in the order of the labels.

    See Also
    --------
    knnc.KNeighborsTransformer : Computes the graph of neighbours.

    Examples
    --------
    >>> from knnc.datasets import load_digits
    >>> from knnc.plot import EmbeddingDisplay
    >>> digits = load_digits()
    >>> display = EmbeddingDisplay.from_rows(
    ...     digits.data, digits.target, n_samples=200, max_iter=250, n_frames=10
    ... )
    >>> display.embedding.shape, display.frames.shape
    ((200, 2), (10, 200, 2))
    >>> display.save_animation("digits.gif")  # doctest: +SKIP
    """

    points_: list[Any]

    def __init__(
        self,
        *,
        embedding: ArrayLike,
        y: ArrayLike | None = None,
        target_names: Sequence[str] | None = None,
        frames: ArrayLike | None = None,
        iterations: ArrayLike | None = None,
        kl_divergence: float | None = None,
    ) -> None:
        self.embedding = np.asarray(embedding)
        self.y = np.zeros(len(self.embedding), int) if y is None else np.asarray(y)
        if not len(self.embedding):
            raise ValueError("embedding has no points; it needs at least one")
        check_together((len(self.embedding), "points"), (len(self.y), "labels"))
        self.labels = np.unique(self.y)
        self.names = [""] if y is None else names_of(self.labels, target_names)
        self.frames = self.embedding[np.newaxis] if frames is None else np.asarray(frames)
        self.iterations = None if iterations is None else np.asarray(iterations)
        self.kl_divergence = kl_divergence

    @classmethod
    def from_rows(
        cls,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        target_names: Sequence[str] | None = None,
        n_samples: int | None = 3000,
        metric: str = "euclidean",
        metric_params: dict[str, Any] | None = None,
        perplexity: float = 30.0,
        max_iter: int = 750,
        n_frames: int = 0,
        random_state: int | None = 0,
        title: str | None = None,
        ax: Axes | None = None,
    ) -> Self:
        """Embed rows and draw them.

        Parameters
        ----------
        X : array-like of shape (n_samples_in_all, n_features)
            The rows.
        y : array-like of shape (n_samples_in_all,), default=None
            Their labels, for colours and names; the embedding does not use them.
        target_names : sequence of str, default=None
            ``target_names[label]`` is what a class is called; None takes the label itself.
        n_samples : int, default=3000
            If there are more rows, this many are sampled at random; None takes all. The time grows
            slightly faster than the number of rows.
        metric : str, default="euclidean"
            The distance between rows.
        metric_params : dict, default=None
            Its further arguments, such as the ``p`` of "minkowski".
        perplexity : float, default=30.0
            About how many neighbours count; less than the number of rows.
        max_iter : int, default=750
            Iterations, 250 at least.
        n_frames : int, default=0
            How many frames to keep for :meth:`save_animation`.
        random_state : int or None, default=0
            Seed of the sample.
        title : str, default=None
            A line above the points.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : EmbeddingDisplay

        Raises
        ------
        ValueError
            If a parameter is not as stated.
        """
        from knnc.plot._tsne import embed

        X = np.asarray(X)
        if n_samples is not None and n_samples < len(X):
            rng = np.random.default_rng(random_state)
            rows = np.sort(rng.choice(len(X), n_samples, replace=False))
            X = X[rows]
            y = None if y is None else np.asarray(y)[rows]
        wanted = set(_moments(n_frames, max_iter))
        frames: dict[int, NDArray[np.float32]] = {}
        last = 0

        def watch(iteration: int, positions: NDArray[np.float32]) -> None:
            nonlocal last
            last = iteration
            if iteration in wanted:
                frames[iteration] = positions.copy()

        embedding, kl_divergence = embed(
            X,
            metric=metric,
            metric_params=metric_params,
            perplexity=perplexity,
            max_iter=max_iter,
            random_state=random_state,
            watch=watch,
        )
        if frames:
            frames[last] = embedding  # the descent may end early
        display = cls(
            embedding=embedding,
            y=y,
            target_names=target_names,
            frames=list(frames.values()) or None,
            iterations=list(frames) or None,
            kl_divergence=kl_divergence,
        )
        return display.plot(ax=ax, title=title)

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: ArrayLike, y: ArrayLike | None = None, **options: Any
    ) -> Self:
        """Embed rows by the distance of a fitted estimator, and draw them.

        Parameters
        ----------
        estimator : fitted nearest-neighbours estimator, or Pipeline that ends in one
            Rows pass through the steps before the last; its distance compares them.
        X : array-like of shape (n_samples, n_features)
            The rows, as the estimator takes them.
        y : array-like of shape (n_samples,), default=None
            Their labels, for colours and names.
        **options
            As :meth:`from_rows` takes them, but for ``metric`` and ``metric_params``.

        Returns
        -------
        display : EmbeddingDisplay

        Raises
        ------
        TypeError
            If the estimator is neither.
        """
        steps = getattr(estimator, "steps", None)
        last = steps[-1][1] if steps else estimator
        if not isinstance(getattr(last, "effective_metric_", None), str):
            raise TypeError(
                f"{type(last).__name__} has no metric with a name: pass a "
                "fitted nearest-neighbours estimator, or a Pipeline that ends in one"
            )
        rows = estimator[:-1].transform(X) if steps and len(steps) > 1 else X
        # TSNE takes distances, and squares them.
        metric = "euclidean" if last.effective_metric_ == "sqeuclidean" else last.effective_metric_
        params = last.effective_metric_params_
        return cls.from_rows(rows, y, metric=metric, metric_params=params, **options)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        title: str | None = None,
        characters: bool = True,
        thumbnails: ArrayLike | None = None,
    ) -> Self:
        """Draw into ``ax``, or into a figure of its own.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        title : str, default=None
            A line above the points.
        characters : bool, default=True
            Whether classes named by one letter or digit are drawn as that instead of dots.
        thumbnails : array-like of shape (n_samples, height, width), default=None
            Images of the rows. Those that do not overlap are drawn at their points, framed in the
            colour of their class.

        Returns
        -------
        self : EmbeddingDisplay
        """
        ax = new_axes(ax, 8, 8.4)
        size = float(np.clip(40_000 / len(self.embedding), 3, 60))
        self.points_ = []
        for at, (label, name) in enumerate(zip(self.labels, self.names, strict=True)):
            written = characters and len(name) == 1 and name.isalnum()
            points = ax.scatter(
                self.embedding[self.y == label, 0],
                self.embedding[self.y == label, 1],
                s=size * (1.6 if written else 1),
                marker=rf"$\mathdefault{{{name}}}$" if written else "o",
                color=CLASSES[at % len(CLASSES)],
                linewidths=0.5 if written else 0,
                alpha=1 if written else 0.9,
            )
            self.points_.append(points)
        look_at(ax, self.embedding, extent(self.embedding))
        ax.set(xticks=[], yticks=[], aspect="equal")
        ax.spines[:].set_visible(False)
        if not characters or any(len(name) > 1 for name in self.names):
            self._explain(ax)
        spread_labels(ax, self.embedding, self.y, self.labels, self.names)
        if thumbnails is not None:
            self._draw_thumbnails(ax, np.asarray(thumbnails))
        return self._drawn(ax, title, fontsize=13)

    def _draw_thumbnails(self, ax: Axes, images: NDArray[Any]) -> None:
        """Draw the images of rows at their points, in order, but none that would overlap."""
        from matplotlib.patches import Rectangle

        check_together((len(self.embedding), "points"), (len(images), "thumbnails"))
        x0, x1 = ax.get_xlim()
        side = (x1 - x0) * _THUMBNAIL
        limits: dict[str, Any] = dict(zip(("vmin", "vmax"), levels_of(images), strict=True))
        drawn = np.empty((0, 2))
        for at, place in enumerate(self.embedding):
            if (np.abs(drawn - place).max(axis=1) < side).any():
                continue
            drawn = np.vstack([drawn, place])
            x, y = place - side / 2
            ax.imshow(
                images[at],
                extent=(x, x + side, y, y + side),
                cmap="gray_r",
                zorder=4,
                **limits,
            )
            colour = CLASSES[int(np.searchsorted(self.labels, self.y[at])) % len(CLASSES)]
            ax.add_patch(
                Rectangle((x, y), side, side, fill=False, edgecolor=colour, linewidth=1.2, zorder=4)
            )
        look_at(ax, self.embedding, extent(self.embedding))

    def _explain(self, ax: Axes) -> None:
        """Add a legend of the classes."""
        legend = ax.legend(
            self.points_,
            self.names,
            loc="upper center",
            bbox_to_anchor=(0.5, 0.0),
            ncols=min(5 if max(map(len, self.names)) > 2 else 13, len(self.names)),
            frameon=False,
            fontsize=10,
            handletextpad=0.1,
            columnspacing=1.0,
            borderaxespad=0.3,
        )
        for handle in legend.legend_handles:
            if handle is not None:
                handle.set(sizes=[40], alpha=1)

    def save_animation(
        self, file: str | os.PathLike[str], *, size: int = 960, seconds: float = 6.0
    ) -> None:
        """Write an animated GIF of the embedding forming.

        Parameters
        ----------
        file : str or os.PathLike
            Where it goes.
        size : int, default=960
            Its width and height, in pixels.
        seconds : float, default=6.0
            Duration of the forming; the last frame stays for two more seconds.

        Raises
        ------
        ValueError
            If no frames were kept.
        ImportError
            If matplotlib or Pillow are not installed.
        """
        if len(self.frames) < 2:
            raise ValueError("no frames were kept: pass n_frames to from_rows")
        require_matplotlib()
        write_gif(self._pictures(size), file, seconds=seconds, colours=CLASSES)

    def _pictures(self, size: int) -> list[Image]:
        """Draw each frame; the names appear on the last."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from PIL import Image

        figure = Figure(figsize=(size / _DPI, size / _DPI), dpi=_DPI)
        canvas = FigureCanvasAgg(figure)
        ax = figure.add_axes((0.01, 0.09, 0.98, 0.9))
        drawn = copy(self).plot(ax=ax, characters=False)  # this display keeps its own Axes
        names = list(ax.texts)
        count = figure.text(0.985, 0.985, "", ha="right", va="top", fontsize=10, color=QUIET)
        pictures = []
        ends = smoothed([extent(points, share=_SHARE) for points in self.frames])
        ends[-1] = extent(self.frames[-1])
        for at, (points, half) in enumerate(zip(self.frames, ends, strict=True)):
            is_last = at == len(self.frames) - 1
            for name in names:
                name.set_visible(is_last)
            for label, collection in zip(self.labels, drawn.points_, strict=True):
                collection.set_offsets(points[self.y == label])
            look_at(ax, points, half, 1.0 if is_last else _SHARE)
            if self.iterations is not None:
                count.set_text(f"iteration {self.iterations[at]:,} of {self.iterations[-1]:,}")
            canvas.draw()  # type: ignore[no-untyped-call]
            pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
            pictures.append(Image.fromarray(pixels).convert("RGB"))
        return pictures


def _moments(n_frames: int, max_iter: int) -> list[int]:
    """The iterations of frames, closer together where a phase begins, when points move most."""
    phases = [(1, min(_EXAGGERATED, max_iter)), (_EXAGGERATED + 1, max_iter)]
    moments: list[int] = []
    for first, last in phases[: 1 + (max_iter > _EXAGGERATED)]:
        n = n_frames - len(moments) if last == max_iter else n_frames // 2
        moments += (
            np.rint(first + np.linspace(1, 0, n)[::-1] ** 2.2 * (last - first)).astype(int).tolist()
        )
    return sorted(set(moments))
