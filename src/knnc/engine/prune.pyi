from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from knnc.engine.codes import Codes

class PrunedRows:
    n_rows: Final[int]
    n_features: Final[int]
    def __init__(
        self,
        rows: NDArray[np.uint8],
        coder: Codes,
        metric: str,
        kernel: str | None,
        n_threads: int,
    ) -> None: ...
    @property
    def nbytes(self) -> int: ...

def row_order(errors: NDArray[np.float64]) -> NDArray[np.int64]: ...
def search(
    rows: PrunedRows,
    queries: NDArray[np.uint8],
    k: int,
    n_threads: int,
    first_self: int,
    progress: Callable[[int, int], object] | None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]: ...
