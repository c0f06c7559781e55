from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

COARSE_RANGE: float

class Quantizer:
    metric: Final[str]
    n_features: Final[int]
    n_coarse: Final[int]
    n_fine: Final[int]
    step: Final[float]
    fine_step: Final[float]
    stages: Final[tuple[int, ...]]
    shifts: Final[tuple[int, ...]]
    def state(self) -> dict[str, Any]: ...
    def encode(
        self, rows: NDArray[Any], n_threads: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.float64]]: ...
    def far(self, rows: NDArray[Any]) -> list[int]: ...
    def coarse_limits(
        self, errors: NDArray[np.float64], best: NDArray[np.int64]
    ) -> NDArray[np.int64]: ...

class AxisQuantizer(Quantizer):
    n_axes: Final[int]
    tail_at: Final[int]
    norm: Final[float]
    tail_origin: Final[float]
    def __init__(
        self, sample: NDArray[np.uint8], sizes: tuple[int, ...], kernel: str | None, n_threads: int
    ) -> None: ...
    @staticmethod
    def restored(
        saved: Mapping[str, Any], n_features: int, kernel: str | None
    ) -> AxisQuantizer: ...
    def points_of(
        self, rows: NDArray[np.uint8], n_threads: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...

class GroupQuantizer(Quantizer):
    def __init__(self, sample: NDArray[np.uint8], sizes: tuple[int, ...]) -> None: ...
    @staticmethod
    def restored(saved: Mapping[str, Any], n_features: int) -> GroupQuantizer: ...

class FloatQuantizer(Quantizer):
    n_axes: Final[int]
    tail_at: Final[int]
    scale: Final[float]
    norm: Final[float]
    tail_origin: Final[float]
    far_length: Final[float]
    def __init__(
        self, sample: NDArray[np.float64], sizes: tuple[int, ...], is_whole: bool = False
    ) -> None: ...
    @staticmethod
    def restored(saved: Mapping[str, Any], n_features: int) -> FloatQuantizer: ...
    def map(self) -> dict[str, NDArray[np.float64]]: ...
    def turned(self, rows: NDArray[np.float64]) -> NDArray[np.float64]: ...

class FloatGroupQuantizer(GroupQuantizer):
    def __init__(self, sample: NDArray[np.float64], sizes: tuple[int, ...]) -> None: ...
    @staticmethod
    def restored(saved: Mapping[str, Any], n_features: int) -> FloatGroupQuantizer: ...
