"""Which classes are taken for which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import sklearn.metrics

from knnc.plot._base import ink_on, new_axes, turn_if_long

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ConfusionMatrixDisplay"]

_DIAGONAL = "#e3e6e8"
# What scikit-learn passes as `cmap` if nothing was asked for; its zeros are darkest.
_THEIRS = "viridis"


class ConfusionMatrixDisplay(sklearn.metrics.ConfusionMatrixDisplay):
    """A :class:`sklearn.metrics.ConfusionMatrixDisplay` whose colours show the mistakes.

    The constructor, ``from_estimator`` and ``from_predictions`` are scikit-learn's. The diagonal is
    grey. The colours of the other cells are in proportion to their values, and the largest of these
    is darkest. Zeros are not written.

    Attributes
    ----------
    im_ : matplotlib AxesImage
        The matrix as colours.
    text_ : ndarray of shape (n_classes, n_classes), dtype matplotlib Text, or None
        The numbers.
    ax_ : matplotlib Axes
        What :meth:`plot` drew into.
    figure_ : matplotlib Figure
        The figure of that Axes.

    See Also
    --------
    MisreadDisplay : The misread images, beside their nearest neighbours.
    """

    def plot(self, *, ax: Axes | None = None, im_kw: Any = None, **options: Any) -> Self:
        """Draw into ``ax``, or into a figure of its own.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure, without pyplot.
        im_kw : dict, default=None
            As scikit-learn takes it; a ``norm`` replaces the scale of the colours.
        **options
            As :meth:`sklearn.metrics.ConfusionMatrixDisplay.plot` takes them. The colours are
            "Blues" where scikit-learn has "viridis".

        Returns
        -------
        self : ConfusionMatrixDisplay
        """
        side = float(np.clip(0.62 * len(self.confusion_matrix), 4.5, 20))
        ax = new_axes(ax, side + 1.5, side + 0.6)
        from matplotlib.colors import Normalize

        mistakes = np.ma.array(
            self.confusion_matrix, mask=np.eye(len(self.confusion_matrix), dtype=bool)
        )
        scale = {"norm": Normalize(0, mistakes.max() or 1)}
        if options.get("cmap", _THEIRS) == _THEIRS:
            options["cmap"] = "Blues"
        super().plot(**options, ax=ax, im_kw=scale | (im_kw or {}))
        self.im_.set_data(mistakes)
        self.im_.set_cmap(self.im_.cmap.with_extremes(bad=_DIAGONAL))
        self._scale_the_bar()
        if self.text_ is not None:
            self._write_clearly()
        turn_if_long(ax.get_xticklabels())
        return self

    def _scale_the_bar(self) -> None:
        """Label the colour bar; with counts, its ticks are whole numbers."""
        if (bar := self.im_.colorbar) is None:
            return
        bar.set_label("mistakes")
        if np.issubdtype(self.confusion_matrix.dtype, np.integer):
            from matplotlib.ticker import MaxNLocator

            bar.locator = MaxNLocator(integer=True)
            bar.update_ticks()

    def _write_clearly(self) -> None:
        for (i, j), text in np.ndenumerate(self.text_):
            value = self.confusion_matrix[i, j]
            if value == 0:
                text.set_text("")
            text.set_color("black" if i == j else ink_on(self.im_.cmap(self.im_.norm(value))))
