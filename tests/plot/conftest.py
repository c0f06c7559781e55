"""What all pictures are asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="knnc.plot needs the extra 'plot'")

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


@pytest.fixture
def apart() -> Callable[[Figure, list[Any]], None]:
    """Assert that artists neither overlap nor leave their figure."""

    def check(figure: Figure, artists: list[Any]) -> None:
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        boxes = [artist.get_window_extent(canvas.get_renderer()) for artist in artists]
        low = np.array([box.p0 for box in boxes])
        high = np.array([box.p1 for box in boxes])
        assert (low >= figure.bbox.p0 - 0.5).all()
        assert (high <= figure.bbox.p1 + 0.5).all()
        beside = (low[:, None] >= high[None] - 0.5).any(axis=2)
        beside |= beside.T
        np.fill_diagonal(beside, True)
        assert beside.all()

    return check
