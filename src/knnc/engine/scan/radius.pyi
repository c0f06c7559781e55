from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from knnc.engine.packed import PackedRows

Int64: TypeAlias = NDArray[np.int64]

def joined(parts: list[Int64]) -> Int64: ...
def search(
    rows: PackedRows,
    queries: NDArray[np.uint8],
    limit: int | Int64,
    n_threads: int,
    first_self: int,
    with_dist: bool,
    sort: bool,
    progress: Callable[[int, int], object] | None,
    seconds: float = 0.05,
) -> tuple[Int64, Int64 | None, Int64]: ...
