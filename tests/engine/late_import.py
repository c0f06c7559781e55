"""Children of a process that used OpenMP before knnc was imported: nothing here imports it early.

``python -m tests.engine.late_import RUNTIME``, the file of an OpenMP runtime.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import warnings

import numpy as np


def _use_openmp(runtime: ctypes.CDLL) -> None:
    """One parallel region of two threads, as any library built with OpenMP would start."""
    region = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: None)
    runtime.GOMP_parallel(region, None, 2, 0)


def _search() -> dict[str, object]:
    rows = np.random.default_rng(0).integers(0, 4, size=(5_000, 40), dtype=np.uint8)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        from knnc.engine.index import Index
        from tests.oracle import oracle_kneighbors

        answer = Index(rows, "sqeuclidean").search(rows[:200].copy(), 5, n_threads=2)
    expected = oracle_kneighbors(rows, rows[:200], 5, "sqeuclidean")
    return {
        "exact": all(map(np.array_equal, answer, expected)),
        "warnings": [str(warning.message) for warning in caught],
    }


def main(path: str) -> None:
    """Print what a forked child found that imports and searches."""
    _use_openmp(ctypes.CDLL(path))
    assert not any(name.split(".")[0] == "knnc" for name in sys.modules)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(60)  # a child that hangs ends, and its parent says so
            os.write(writer, json.dumps(_search()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read()
    status = os.waitpid(child, 0)[1]
    print(json.dumps({"status": status, **json.loads(said or b"{}")}))


if __name__ == "__main__":
    main(sys.argv[1])
