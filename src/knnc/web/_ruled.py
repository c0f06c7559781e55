"""How many rows the codes rule out for one query, which is why its answer was quick."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnc.engine.auto import Policy
from knnc.engine.codes.kinds import learn_quantizer
from knnc.engine.system.blas import one_blas_thread

__all__ = ["RuledOut"]


class RuledOut:
    """Codes as knnc makes them of rows, and which rows they rule out when the answer is known.

    Parameters
    ----------
    rows : ndarray of shape (n, n_features), uint8
        Compared by Euclidean distance.
    """

    def __init__(self, rows: NDArray[np.uint8]) -> None:
        coding = Policy().coding
        sizes = coding.sizes("sqeuclidean", rows.shape[1])
        with one_blas_thread():
            self._coder: Any = learn_quantizer(coding.sample(rows), "sqeuclidean", sizes, None, 1)
        codes, self._errors = self._coder.encode(rows, 1)
        self._codes = np.ascontiguousarray(codes.T)  # one coordinate of all rows at a time
        shifts = np.cumsum(self._coder.shifts)
        self._steps = np.repeat(1 << (shifts[-1] - shifts) // 2, self._coder.stages)

    def count(self, row: NDArray[np.uint8], kth: float) -> int:
        """Rows ruled out, where `kth` is the distance of the last neighbour."""
        (code,), (error,) = self._coder.encode(row.reshape(1, -1), 1)
        best = np.full(self._codes.shape[1], round(kth * kth), np.int64)
        limits = self._coder.coarse_limits(self._errors[:, 0] + error[0], best)
        left = np.arange(len(best))
        apart = np.zeros(len(best), np.int64)
        ends = np.cumsum(self._coder.stages)
        for start, end in zip(np.concatenate([[0], ends]), ends, strict=False):
            part = self._codes[start:end, left].astype(np.int32)
            steps = self._steps[start:end, np.newaxis]
            part = (part - code[start:end, np.newaxis].astype(np.int32)) * steps
            apart = apart + (part * part).sum(axis=0)
            stay = apart <= limits[left]
            left, apart = left[stay], apart[stay]
        return len(best) - len(left)
