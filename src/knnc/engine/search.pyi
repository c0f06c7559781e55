from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from knnc.engine.dispatch import all_kernels as all_kernels
from knnc.engine.dispatch import available_kernels as available_kernels
from knnc.engine.dispatch import detected_cpu_features as detected_cpu_features
from knnc.engine.dispatch import disable_cpu_features as disable_cpu_features
from knnc.engine.dispatch import kernel_for as kernel_for
from knnc.engine.dispatch import known_cpu_features as known_cpu_features
from knnc.engine.dispatch import openmp_max_threads as openmp_max_threads
from knnc.engine.dispatch import openmp_version as openmp_version
from knnc.engine.packed import BLOCK_FEATURES as BLOCK_FEATURES
from knnc.engine.packed import PackedRows

NO_SELF: Final[int]

def search(
    rows: PackedRows,
    queries: NDArray[np.uint8],
    k: int,
    n_threads: int,
    first_self: int,
    progress: Callable[[int, int], object] | None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]: ...
