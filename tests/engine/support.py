"""What the engine's tests share: made-up data, the comparison and child processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from knnc.engine.dispatch import available_kernels
from knnc.engine.index import Index
from knnc.engine.metrics import PRUNED_METRICS
from tests.oracle import oracle_distances, oracle_kneighbors

METRICS = ("sqeuclidean", "manhattan", "chebyshev", "hamming")
ALGORITHMS = ("brute", "pruned")
THREADS = (1, 2, 3, 7)

Bytes = npt.NDArray[np.uint8]
Answer = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


def _choice(*values: int) -> Callable[[np.random.Generator, tuple[int, int]], Bytes]:
    return lambda rng, shape: rng.choice(np.array(values, dtype=np.uint8), size=shape)


def _duplicates(rng: np.random.Generator, shape: tuple[int, int]) -> Bytes:
    few = rng.integers(0, 256, size=(max(1, shape[0] // 8), shape[1]), dtype=np.uint8)
    return few[rng.integers(0, len(few), size=shape[0])]


def _constant_rows(rng: np.random.Generator, shape: tuple[int, int]) -> Bytes:
    """Rows of one value each: the largest distances, and the largest sums on the way to them."""
    values = rng.choice(np.array([0, 1, 127, 128, 254, 255], dtype=np.uint8), size=(shape[0], 1))
    return np.repeat(values, shape[1], axis=1)


PALETTES: Mapping[str, Callable[[np.random.Generator, tuple[int, int]], Bytes]] = {
    "uniform": lambda rng, shape: rng.integers(0, 256, size=shape, dtype=np.uint8),
    "zeros": _choice(0),
    "full": _choice(255),
    "extremes": _choice(0, 255),
    "few": _choice(0, 1, 2, 3),
    "sign bit": _choice(0, 127, 128, 255),
    "duplicates": _duplicates,
    "constant rows": _constant_rows,
}


def draw(seed: int, n: int, d: int, palette: str = "uniform") -> Bytes:
    """(n, d) uint8 rows of a palette, the same for the same arguments."""
    values = PALETTES[palette](np.random.default_rng([seed, n, d]), (n, d))
    return np.ascontiguousarray(values, dtype=np.uint8)


@cache
def known_answer(
    metric: str, k: int, rows: tuple[int, int, int, str], queries: tuple[int, int, int, str] | None
) -> Answer:
    """The oracle's answer for what `draw` makes of these arguments, worked out once for all."""
    dist, ind = oracle_kneighbors(draw(*rows), draw(*queries) if queries else None, k, metric)
    dist.flags.writeable = ind.flags.writeable = False
    return dist, ind


def assert_same(answer: Answer, expected: Answer, note: str = "") -> None:
    """Equal to the last bit, of the promised shape and dtype, both arrays."""
    for name, got, want in zip(("dist", "ind"), answer, expected, strict=True):
        assert type(got) is np.ndarray, f"{name} is a {type(got)}"
        assert got.dtype == np.int64, f"{name} is {got.dtype}"
        np.testing.assert_array_equal(got, want, err_msg=f"{name} {note}", strict=True)


def assert_exact(
    index: Index, rows: Bytes, queries: Bytes | None, k: int, metric: str, n_threads: int = 2
) -> None:
    """The index's answer equals the oracle's."""
    n_queries = "rows" if queries is None else len(queries)
    note = f"n={len(rows)} d={rows.shape[1]} q={n_queries} {k=} {metric} {n_threads=}"
    answer = index.search(queries, k, n_threads=n_threads)
    assert_same(answer, _oracle(rows, queries, k, metric), note)


MOST_ANSWERS = 1_000
_answers: dict[tuple[object, ...], Answer] = {}


def _oracle(rows: Bytes, queries: Bytes | None, k: int, metric: str) -> Answer:
    """The oracle's answer, worked out once for all kernels and algorithms."""
    of = (None if part is None else (part.shape, hash(part.tobytes())) for part in (rows, queries))
    key = (*of, k, metric)
    if key not in _answers:
        if len(_answers) >= MOST_ANSWERS:
            _answers.clear()
        _answers[key] = oracle_kneighbors(rows, queries, k, metric)
    return _answers[key]


MOST_TABLES = 200
_tables: dict[tuple[object, ...], npt.NDArray[np.int64]] = {}


def distance_table(rows: Bytes, queries: Bytes | None, metric: str) -> npt.NDArray[np.int64]:
    """The oracle's distances (q, n), worked out once for all kernels, limits and orders."""
    points = rows if queries is None else queries
    key = (*((part.shape, hash(part.tobytes())) for part in (rows, points)), metric)
    if key not in _tables:
        if len(_tables) >= MOST_TABLES:
            _tables.clear()
        distances = [oracle_distances(rows, point, metric) for point in points]
        _tables[key] = np.array(distances, np.int64).reshape(len(points), len(rows))
    return _tables[key]


def metric_of(kernel: str) -> str:
    """The metric in a kernel's name, which is operation_dtype_isa."""
    return kernel.split("_")[0]


def algorithms_of(metric: str) -> tuple[str, ...]:
    """Every way to search by a metric; not every metric can be pruned."""
    return tuple(name for name in ALGORITHMS if name != "pruned" or metric in PRUNED_METRICS)


def isa_of(kernel: str) -> str:
    """The instruction set in a kernel's name."""
    return kernel.split("_")[2]


def require(kernel: str) -> None:
    """Skip, naming the kernel, where this CPU (or KNNC_DISABLE_CPU_FEATURES) rules it out."""
    if kernel not in available_kernels():
        pytest.skip(f"the kernel {kernel} cannot run on this CPU")


def child_environment(**changes: str) -> dict[str, str]:
    """This process's environment and import path, for a child, with changes."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    keep = {key: value for key, value in os.environ.items() if not key.startswith("KNNC_DISABLE")}
    return {**keep, "PYTHONPATH": path, **changes}


def run_child(
    function: str,
    *arguments: object,
    module: str,
    package: str = "tests.engine",
    timeout: float = 200,
    **environment: str,
) -> dict[str, Any]:
    """Run ``<package>.<module>.<function>(*arguments)`` in a fresh process.

    Returns what it returned, with "stderr" added. A hang or a crash fails the test.
    """
    command = [sys.executable, "-m", f"{package}.{module}", function, *map(str, arguments)]
    try:
        done = subprocess.run(
            command,
            env=child_environment(**environment),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        pytest.fail(f"{function}{arguments} hung for {timeout} s; stderr: {error.stderr!r}")
    if done.returncode != 0:
        pytest.fail(f"{function}{arguments} ended with {done.returncode}\n{done.stderr}")
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**report, "stderr": done.stderr}
