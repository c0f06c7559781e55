from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from knnc.engine.codes.rows import CodedRows

def search(
    rows: CodedRows,
    queries: NDArray[np.uint8],
    k: int,
    n_threads: int,
    first_self: int,
    progress: Callable[[int, int], object] | None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]: ...
