from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

class Codes:
    squared: Final[bool]
    n_features: Final[int]
    n_coarse: Final[int]
    n_fine: Final[int]
    step: Final[float]
    fine_step: Final[float]
    stages: Final[tuple[int, ...]]
    shifts: Final[tuple[int, ...]]
    n_axes: Final[int]
    norm: Final[float]
    tail_origin: Final[float]
    def __init__(
        self,
        sample: NDArray[np.uint8],
        metric: str,
        sizes: tuple[int, ...],
        kernel: str | None,
        n_threads: int,
    ) -> None: ...
    def state(self) -> dict[str, Any]: ...
    @staticmethod
    def restored(
        saved: Mapping[str, Any], n_features: int, metric: str, kernel: str | None
    ) -> Codes: ...
    def points_of(
        self, rows: NDArray[np.uint8], n_threads: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
    def encode(
        self, rows: NDArray[np.uint8], n_threads: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.float64]]: ...
    def coarse_limits(
        self, errors: NDArray[np.float64], best: NDArray[np.int64]
    ) -> NDArray[np.int64]: ...
