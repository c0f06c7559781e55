from types import TracebackType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Float64: TypeAlias = NDArray[np.float64]

def all_float_kernels() -> list[str]: ...
def available_float_kernels() -> list[str]: ...
def as_float64(values: NDArray[Any]) -> Float64: ...

class FloatMode:
    def __enter__(self) -> None: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

class FloatRows:
    n_rows: int
    n_features: int
    metric: str
    rows: NDArray[Any]
    def __init__(
        self,
        rows: NDArray[np.float64] | NDArray[np.float32] | NDArray[np.uint8],
        metric: str,
        kernel: str | None = None,
        table: Float64 | None = None,
        n_threads: int = 1,
    ) -> None: ...
    @property
    def kernel(self) -> str: ...
    def prepare(self, queries: Float64) -> tuple[Float64, Float64 | None]: ...
