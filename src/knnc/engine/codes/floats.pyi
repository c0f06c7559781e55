from typing import Final

import numpy as np
from numpy.typing import NDArray

from knnc.engine.codes.quantizer import Quantizer

SHARE_CUT_OFF: float

class FloatQuantizer(Quantizer):
    n_axes: Final[int]
    tail_at: Final[int]
    scale: Final[float]
    norm: Final[float]
    tail_origin: Final[float]
    def __init__(self, sample: NDArray[np.float64], sizes: tuple[int, ...]) -> None: ...

def pack_axes(axes: NDArray[np.float64]) -> NDArray[np.float64]: ...
