from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

BLOCK_FEATURES: Final[int]

def aligned_bytes(n_bytes: int) -> NDArray[np.uint8]: ...
def own_pages(n_bytes: int) -> NDArray[np.uint8]: ...
def nbytes_for(metric: str, kernel: str | None, n_rows: int, n_features: int) -> int: ...

class PackedRows:
    n_rows: Final[int]
    n_features: Final[int]
    n_panels: Final[int]
    columns: Final[Columns | None]
    pace: float
    def __init__(
        self,
        rows: NDArray[np.uint8] | None,
        metric: str,
        kernel: str | None,
        n_threads: int,
        drop_constant: bool = False,
        stages: tuple[int, ...] = (),
        shifts: tuple[int, ...] = (),
        parts: list[NDArray[np.uint8]] | None = None,
        saved: Mapping[str, Any] | None = None,
        kept: bool = True,
    ) -> None: ...
    def state(self) -> dict[str, Any]: ...
    @property
    def kernel_name(self) -> str: ...
    @property
    def nbytes(self) -> int: ...

class Columns:
    n_kept: int
    n_dropped: int

    def __init__(self, varies: NDArray[np.bool_], first_row: NDArray[np.uint8]) -> None: ...

def varying(rows: NDArray[np.uint8], fewest: int, n_threads: int) -> NDArray[np.bool_]: ...
