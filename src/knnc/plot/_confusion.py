"""Which classes are taken for which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import sklearn.metrics

from knnc.plot._base import ink_on, new_axes, turn_if_long

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ConfusionMatrixDisplay"]

# Counts to colours by this power: with one misread in a hundred, the diagonal would leave nothing
# to see of the rest on a linear scale.
_POWER = 0.35


class ConfusionMatrixDisplay(sklearn.metrics.ConfusionMatrixDisplay):
    """A :class:`sklearn.metrics.ConfusionMatrixDisplay` of a classifier that is mostly right.

    The constructor, ``from_estimator`` and ``from_predictions`` are scikit-learn's. Few misread
    among many still have a colour, numbers are written in black or white, whichever stands out,
    and zeros are not written.

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
            As :meth:`sklearn.metrics.ConfusionMatrixDisplay.plot` takes them.

        Returns
        -------
        self : ConfusionMatrixDisplay
        """
        side = float(np.clip(0.62 * len(self.confusion_matrix), 4.5, 20))
        ax = new_axes(ax, side + 1.5, side + 0.6)
        from matplotlib.colors import PowerNorm

        scale = {"norm": PowerNorm(_POWER, vmin=0, vmax=self.confusion_matrix.max())}
        super().plot(ax=ax, im_kw=scale | (im_kw or {}), **options)
        if self.text_ is not None:
            self._write_clearly()
        turn_if_long(ax.get_xticklabels())
        return self

    def _write_clearly(self) -> None:
        for (i, j), text in np.ndenumerate(self.text_):
            value = self.confusion_matrix[i, j]
            if value == 0:
                text.set_text("")
            text.set_color(ink_on(self.im_.cmap(self.im_.norm(value))))
