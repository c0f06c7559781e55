"""Files of vectors for ``knnc groundtruth``, and ways to run and to stop it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from knnc import groundtruth
from knnc.cli import _groundtruth
from knnc.datasets import read_neighbors
from knnc.engine.scan import streamed as stream
from tests.datasets.test_vectors import write_vectors
from tests.oracle import oracle_kneighbors

Files = tuple[Path, Path, Path]

RNG = np.random.default_rng(0)
ROWS, QUERIES = RNG.integers(0, 6, (5000, 24), np.uint8), RNG.integers(0, 6, (700, 24), np.uint8)
EXPECTED = oracle_kneighbors(ROWS, QUERIES, 10, "sqeuclidean")
# What a folder holds after a run.
FILES = ["base.u8bin", "queries.u8bin", "truth.ibin"]
# Checksums of no answers.
SUMS = {"crc32_ind": 0, "crc32_dist": 0}


class Killed(BaseException):
    pass


def write_files(folder: Path) -> Files:
    """Write vectors and queries; the third path is where the neighbours go."""
    base = write_vectors(folder / "base.u8bin", ROWS)
    return base, write_vectors(folder / "queries.u8bin", QUERIES), folder / "truth.ibin"


def check(path: Path, expected: Any = EXPECTED) -> None:
    dist, ind = read_neighbors(path)
    np.testing.assert_array_equal(ind, expected[1])
    np.testing.assert_array_equal(dist, expected[0].astype(np.float32))


def run(files: Files, *, metric: str = "euclidean", **changes: Any) -> None:
    options: dict[str, Any] = {"n_neighbors": 10, "threads": 2, **changes}
    _groundtruth.groundtruth(*files, metric=metric, **options)


def streaming(monkeypatch: pytest.MonkeyPatch, job: type = groundtruth.Job) -> None:
    """Small chunks of rows from the disk, small blocks of queries, heaps saved at every chance."""
    monkeypatch.setattr(stream, "MOST_BYTES", 16_000)
    monkeypatch.setattr(stream, "FEWEST_BYTES", 1)
    monkeypatch.setattr(groundtruth, "CHECKPOINT_SECONDS", 0)
    monkeypatch.setattr(groundtruth, "CHECKPOINT_SHARE", 1e9)
    monkeypatch.setattr(job, "_index_in_memory", lambda self: None)
    monkeypatch.setattr(job, "_block", lambda self, _: self._block_of_heaps or 300)


def die(*_: object) -> None:
    raise Killed


def left_after(where: str, files: Files, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """A run that is killed when it comes to a function, with all but its memory left."""
    with monkeypatch.context() as patch:
        patch.setattr(f"knnc.{where}", die)
        with pytest.raises(Killed):
            run(files, **changes)
