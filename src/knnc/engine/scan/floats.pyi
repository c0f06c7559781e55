from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from knnc.engine.floats import FloatRows

Float64: TypeAlias = NDArray[np.float64]
Int64: TypeAlias = NDArray[np.int64]

class KDTree:
    nbytes: int
    def __init__(self, rows: FloatRows, n_threads: int) -> None: ...

def tree_search(
    tree: KDTree,
    queries: Float64,
    k: int,
    n_threads: int,
    first_self: int,
    progress: Callable[[int, int], object] | None,
) -> tuple[Int64, Int64]: ...
def tree_within(
    tree: KDTree,
    queries: Float64,
    limit_key: int,
    n_threads: int,
    first_self: int,
    return_distance: bool,
    sort: bool,
    progress: Callable[[int, int], object] | None,
) -> tuple[Int64, Int64 | None, Int64]: ...
def search(
    rows: FloatRows,
    queries: Float64,
    k: int,
    n_threads: int,
    first_self: int,
    progress: Callable[[int, int], object] | None,
    seconds: float = 0.05,
) -> tuple[Int64, Int64]: ...
def within(
    rows: FloatRows,
    queries: Float64,
    limit_key: int | Int64,
    n_threads: int,
    first_self: int,
    return_distance: bool,
    sort: bool,
    progress: Callable[[int, int], object] | None,
    seconds: float = 0.05,
) -> tuple[Int64, Int64 | None, Int64]: ...
