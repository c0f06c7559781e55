from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from knnc.engine.packed import PackedRows

NO_SELF: Final[int]

def search(
    rows: PackedRows,
    queries: NDArray[np.uint8],
    k: int,
    n_threads: int,
    first_self: int,
    progress: Callable[[int, int], object] | None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]: ...
def search_onto(
    rows: PackedRows,
    queries: NDArray[np.uint8],
    dist: NDArray[np.int64],
    ind: NDArray[np.int64],
    n_threads: int,
    first_self: int,
    first_row: int,
    is_last: bool,
    progress: Callable[[int, int], object] | None,
) -> None: ...
