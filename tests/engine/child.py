"""What the processes that tests start have in common.

``python -m tests.engine.MODULE FUNCTION ARG...`` calls a function of a module named *_children. It
prints what the function returns, a dict, as one line of JSON, and the test judges it.
`tests.engine.support.run_child` starts such a process.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from knnc.engine.index import Index
from tests.oracle import Bytes, oracle_kneighbors

Report = dict[str, Any]


def run(functions: Mapping[str, Any]) -> None:
    """Call the function that the command line names, and print its report."""
    print(json.dumps(functions[sys.argv[1]](*sys.argv[2:])))


def random_rows(seed: int, n: int, d: int, high: int = 256) -> Bytes:
    return np.random.default_rng(seed).integers(0, high, size=(n, d), dtype=np.uint8)


def is_exact(
    index: Index, rows: Bytes, queries: Bytes | None, k: int, metric: str, n_threads: int = 2
) -> bool:
    answer = index.search(queries, k, n_threads=n_threads)
    expected = oracle_kneighbors(rows, queries, k, metric)
    return all(map(np.array_equal, answer, expected))


def in_fork(function: Callable[[], Report]) -> Report:
    reader, writer = os.pipe()
    with warnings.catch_warnings():  # Python's own word on forking a process with threads
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(90)  # a child that hangs ends, and its parent says so
            os.write(writer, json.dumps(function()).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read()
    status = os.waitpid(child, 0)[1]
    if status != 0:
        raise AssertionError(f"the forked child hung or broke: status {status}")
    report: Report = json.loads(said)
    return report


def clocks() -> tuple[float, float]:
    """Time of the day, and of this process on all CPUs: a busy machine adds to the first only."""
    return time.monotonic(), time.process_time()


def guarded(values: Bytes) -> Bytes:
    """A copy whose last byte is followed by a page that may not be touched."""
    page = mmap.PAGESIZE
    pages = -(-values.nbytes // page)
    room = mmap.mmap(-1, (pages + 1) * page)
    memory = np.frombuffer(room, dtype=np.uint8)
    libc = ctypes.CDLL(None, use_errno=True)
    end = memory.ctypes.data + pages * page
    if libc.mprotect(ctypes.c_void_p(end), ctypes.c_size_t(page), 0) != 0:
        raise OSError(ctypes.get_errno(), "mprotect")
    view = memory[pages * page - values.nbytes : pages * page].reshape(values.shape)
    view[:] = values
    return view
