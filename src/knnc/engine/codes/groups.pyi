from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnc.engine.codes.quantizer import Quantizer

class GroupQuantizer(Quantizer):
    def __init__(self, sample: NDArray[np.uint8], sizes: tuple[int, ...]) -> None: ...
    @staticmethod
    def restored(saved: Mapping[str, Any], n_features: int) -> GroupQuantizer: ...
