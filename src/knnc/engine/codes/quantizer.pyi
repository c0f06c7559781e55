from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

COARSE_RANGE: float
LARGEST_SUM: int

def timed_chunks(n: int, first_size: int) -> Iterator[tuple[int, int]]: ...

class Quantizer:
    metric: Final[str]
    n_features: Final[int]
    n_coarse: Final[int]
    n_fine: Final[int]
    step: Final[float]
    fine_step: Final[float]
    stages: Final[tuple[int, ...]]
    shifts: Final[tuple[int, ...]]
    def state(self) -> dict[str, Any]: ...
    def encode(
        self, rows: NDArray[Any], n_threads: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.float64]]: ...
    def coarse_limits(
        self, errors: NDArray[np.float64], best: NDArray[np.int64]
    ) -> NDArray[np.int64]: ...
