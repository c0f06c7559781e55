from typing import Final

import numpy as np
from numpy.typing import NDArray

from knnc.engine.codes import Codes

class CodedRows:
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

def permute(codes: NDArray[np.uint8], order: NDArray[np.int64]) -> None: ...
def row_order(
    nearest: NDArray[np.int64], n_clusters: int, errors: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]: ...
