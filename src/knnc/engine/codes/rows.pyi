from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from knnc.engine.codes.quantizer import Quantizer
from knnc.engine.floats import FloatRows

class CodedRows:
    array: Final[Any]
    n_rows: Final[int]
    n_features: Final[int]
    def __init__(
        self,
        rows: NDArray[np.uint8] | FloatRows,
        coder: Quantizer,
        kernel: str | None,
        n_threads: int,
    ) -> None: ...
    def state(self) -> dict[str, Any]: ...
    @staticmethod
    def restored(
        saved: Mapping[str, Any],
        rows: NDArray[np.uint8] | FloatRows,
        metric: str,
        kernel: str | None,
    ) -> CodedRows: ...
    def as_queries(self, rows: NDArray[Any]) -> NDArray[Any]: ...
    @property
    def nbytes(self) -> int: ...

def permute(codes: NDArray[np.uint8], order: NDArray[np.int64]) -> None: ...
