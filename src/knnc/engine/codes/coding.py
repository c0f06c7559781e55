"""How codes are made of rows: of which sizes they are, and which rows they are learnt from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnc.engine.codes import learning
from knnc.engine.codes.kinds import learn_quantizer
from knnc.engine.codes.rows import CodedRows
from knnc.engine.floats import FloatRows
from knnc.engine.metrics import ENGINE_METRICS
from knnc.engine.packed import BLOCK_FEATURES
from knnc.engine.system.blas import one_blas_thread

__all__ = ["MAX_PRUNED_FEATURES", "Coding"]

# Rows with more features than a block of the kernels have no codes.
MAX_PRUNED_FEATURES = BLOCK_FEATURES


@dataclass(frozen=True)
class Coding:
    """The sizes of codes, and of the sample that they are learnt from.

    ``benchmarks/pruning.py`` measures other sizes.

    Attributes
    ----------
    stages : tuple of int
        For squared Euclidean distance: coordinates of the code in each stage of a scan.
    float_stages : tuple of int
        The same for float rows. Whole rows take longer to compare than those of bytes, so that
        more coordinates pay. Of 60,000 standardised MNIST images 192 coordinates leave 179 to be
        compared, and 256 leave 50 (``benchmarks/float_codes.py``).
    whole_stage : int
        The same for whole codes of float rows, in each stage but the last; of wide rows a fifth.
        Clusters are made of the first stage. On 60,000 standardised MNIST images, stages of 160
        take 0.7 times as long as one of 64 and the rest; on uniform noise 1.1 to 1.2 times.
    max_whole_features : int
        Distances of whole codes of wider rows do not fit the kernels' sums of 32 bits.
    narrow_stages : tuple of int
        The same for narrow rows. A fourth stage would read almost as much as a whole narrow row.
    narrow_below : int
        Rows with fewer features than this are narrow.
    group_sizes : tuple of int
        For Manhattan distance: features of a group in the coarse and in the fine code.
    float_group_sizes : tuple of int
        The same for float rows with more features than `float_stages` has coordinates. Whole codes,
        a byte for each feature, take longer than these where few directions tell rows apart.
    sample_bytes : int
        Bytes of the sample. Up to 2,048 features, 8 MiB holds all of `learning.SAMPLE_ROWS` rows.
    min_sample_rows : int
        Rows of the sample, however wide they are.
    """

    stages: tuple[int, ...] = (24, 32, 56, 80)
    float_stages: tuple[int, ...] = (24, 40, 64, 128)
    whole_stage: int = 160
    max_whole_features: int = 1 << 14
    narrow_stages: tuple[int, ...] = (24, 24, 32)
    narrow_below: int = 192
    group_sizes: tuple[int, int] = (8, 4)
    float_group_sizes: tuple[int, int] = (4, 1)
    sample_bytes: int = 1 << 23
    min_sample_rows: int = 1024

    def sizes(self, metric: str, n_features: int) -> tuple[int, ...]:
        """Sizes of the code, as a quantizer takes them."""
        if ENGINE_METRICS[metric].code_norm == "l1":
            return self.group_sizes
        stages = self.narrow_stages if n_features < self.narrow_below else self.stages
        ends = np.minimum(np.cumsum(stages), n_features + 1)
        return tuple(size for size in np.diff(ends, prepend=0).tolist() if size)

    def sample(self, rows: NDArray[Any]) -> NDArray[Any]:
        """The rows that codes are learnt from. Of few rows, half as many do as well."""
        most = learning.SAMPLE_ROWS
        most = max(most // 2, min(most, len(rows) // 12))
        size = min(most, self.sample_bytes // rows.shape[1])
        return learning.sample_rows(rows, max(self.min_sample_rows, size))

    def encode(
        self, rows: NDArray[np.uint8], metric: str, kernel: str, n_threads: int
    ) -> CodedRows:
        """Learn codes from a sample of the rows, and encode all rows."""
        sizes = self.sizes(metric, rows.shape[1])
        with one_blas_thread():
            quantizer = learn_quantizer(self.sample(rows), metric, sizes, kernel, n_threads)
        return CodedRows(rows, quantizer, kernel, n_threads)

    def encode_floats(
        self, rows: FloatRows, n_threads: int, *, is_whole: bool = False
    ) -> CodedRows:
        """The same for float rows.

        Whole codes have all features of turned rows, others the leading principal axes first.
        """
        n_features = rows.n_features
        metric = "manhattan" if rows.metric == "manhattan" else "sqeuclidean"
        is_whole |= metric == "manhattan" and n_features <= sum(self.float_stages)
        sizes: tuple[int, ...] = (1,) if is_whole else self.float_group_sizes
        if metric != "manhattan":
            stage = max(self.whole_stage, n_features // 160 * 32)
            stages = (stage, stage, stage, n_features) if is_whole else self.float_stages
            ends = np.cumsum(stages)
            if is_whole or n_features <= ends[-1]:
                ends = np.minimum(ends, n_features)
            sizes = tuple(size for size in np.diff(ends, prepend=0).tolist() if size)
        with one_blas_thread():
            sample = self._float_sample(rows, is_whole)
            quantizer = learn_quantizer(sample, metric, sizes, None, n_threads, is_whole=is_whole)
        del sample  # codes take their place
        return CodedRows(rows, quantizer, None, n_threads)

    def _float_sample(self, rows: FloatRows, is_whole: bool) -> NDArray[np.float64]:
        some = self.sample(rows.rows)
        if is_whole:  # a mean and a step need no more
            some = learning.sample_rows(some, self.min_sample_rows)
        prepared: NDArray[np.float64] = rows.prepare(np.ascontiguousarray(some, np.float64))[0]
        return prepared

    def peak_nbytes(self, metric: str, n_rows: int, n_features: int) -> int:
        """About the most memory that `encode` takes, in bytes.

        That is the coarse codes twice, and the sample as float64.
        """
        sizes = self.sizes(metric, n_features)
        coarse, fine = sum(sizes), 0
        if ENGINE_METRICS[metric].code_norm == "l1":
            coarse, fine = (n_features // size + 1 for size in sizes)
        return n_rows * (2 * coarse + fine + 40) + 8 * self.sample_bytes

    def peak_nbytes_of_floats(self, n_rows: int, n_features: int) -> int:
        """The same for `encode_floats`: two codes of all features at most, and the sample."""
        return n_rows * (2 * n_features + 40) + 8 * self.sample_bytes
