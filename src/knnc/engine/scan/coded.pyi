from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnc.engine.codes.rows import CodedRows

def search(
    rows: CodedRows,
    queries: NDArray[Any],
    k: int,
    n_threads: int,
    first_self: int,
    progress: Callable[[int, int], object] | None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]: ...
def within(
    rows: CodedRows,
    queries: NDArray[Any],
    limit: int,
    n_threads: int,
    first_self: int,
    with_dist: bool,
    sort: bool,
    progress: Callable[[int, int], object] | None,
) -> tuple[NDArray[np.int64], NDArray[np.int64] | None, NDArray[np.int64]]: ...
