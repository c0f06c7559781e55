from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from knnc.engine.codes.quantizer import Quantizer

class AxisQuantizer(Quantizer):
    n_axes: Final[int]
    tail_at: Final[int]
    norm: Final[float]
    tail_origin: Final[float]
    def __init__(
        self, sample: NDArray[np.uint8], sizes: tuple[int, ...], kernel: str | None, n_threads: int
    ) -> None: ...
    @staticmethod
    def restored(
        saved: Mapping[str, Any], n_features: int, kernel: str | None
    ) -> AxisQuantizer: ...
    def points_of(
        self, rows: NDArray[np.uint8], n_threads: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
