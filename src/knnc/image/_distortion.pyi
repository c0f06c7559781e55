from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

MAX_WARP: Final[int]
TERMS: Final[tuple[str, ...]]

def all_idm_kernels() -> list[str]: ...
def available_idm_kernels() -> list[str]: ...

class Gallery:
    def __init__(
        self,
        images: NDArray[np.uint8],
        height: int,
        width: int,
        warp: int,
        weights: Mapping[str, float],
        max_shift: int,
        n_threads: int,
        kernel: str | None = None,
        root: bool = False,
    ) -> None: ...
    @property
    def kernel(self) -> str: ...
    @property
    def nbytes(self) -> int: ...

def rerank(
    gallery: Gallery,
    queries: NDArray[np.uint8],
    candidates: NDArray[np.int64],
    features: NDArray[np.int64],
    k: int,
    n_threads: int,
    progress: Callable[[int, int], object] | None,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]: ...
