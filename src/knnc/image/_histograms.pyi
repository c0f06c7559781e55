import numpy as np
from numpy.typing import NDArray

def count(
    images: NDArray[np.uint8],
    table: NDArray[np.uint32],
    cell: int,
    rows: NDArray[np.int32],
    columns: NDArray[np.int32],
    cells: NDArray[np.int64],
    n_threads: int,
) -> None: ...
