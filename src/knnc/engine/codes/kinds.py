"""Which quantizer serves a metric: the one place that knows all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnc.engine.codes.quantizer import (
    AxisQuantizer,
    FloatGroupQuantizer,
    FloatQuantizer,
    GroupQuantizer,
    Quantizer,
)
from knnc.engine.fields import State

__all__ = ["learn_quantizer", "restored_quantizer"]


def learn_quantizer(
    sample: NDArray[Any],
    metric: str,
    sizes: tuple[int, ...],
    kernel: str | None,
    n_threads: int,
    *,
    is_whole: bool = False,
) -> Quantizer:
    """Learn how rows are coded from a sample of them.

    Parameters
    ----------
    sample : ndarray of shape (n_rows, n_features), uint8 or float64
    metric : {"sqeuclidean", "manhattan"}
    sizes : tuple of int
        What the quantizer of that metric takes.
    kernel : str or None
        The kernel of the metric; None is the best that runs here.
    n_threads : int
    is_whole : bool
        Whether codes of floats are of all features, without a choice of axes.
    """
    if sample.dtype == np.float64:
        if metric == "manhattan":
            return FloatGroupQuantizer(sample, sizes)
        return FloatQuantizer(sample, sizes, is_whole)
    if metric == "manhattan":
        return GroupQuantizer(sample, sizes)
    return AxisQuantizer(sample, sizes, kernel, n_threads)


def restored_quantizer(
    saved: State, n_features: int, metric: str, kernel: str | None, *, are_floats: bool
) -> Quantizer:
    """The quantizer of which `state` said this.

    Raises
    ------
    ValueError
        If it cannot have said that.
    """
    if are_floats and metric == "manhattan":
        return FloatGroupQuantizer.restored(saved, n_features)
    if are_floats:
        return FloatQuantizer.restored(saved, n_features)
    if metric == "manhattan":
        return GroupQuantizer.restored(saved, n_features)
    return AxisQuantizer.restored(saved, n_features, kernel)
