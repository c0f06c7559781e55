"""knnc's kernels as a share of the peak of the instruction that each is made of.

    python benchmarks/roofline.py [--quick]

``peak.c`` is compiled on the fly and measures the instruction alone, in registers. Its runs and
the kernels' alternate, and the share is the median over such pairs: on a machine that is shared,
or that changes its clock, both see the same.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from system import n_cpus

# The instruction that bounds each kernel, with what has to follow it to be of use.
INSTRUCTIONS = {
    "sqeuclidean_u8_avx512vnni": "vpdpbusd zmm",
    "sqeuclidean_u8_avxvnni": "vpdpbusd ymm",
    "sqeuclidean_u8_avx512bw": "vpmaddwd zmm",
    "sqeuclidean_u8_avx2": "vpmaddwd ymm",
    "sqeuclidean_u8_neondotprod": "udot",
    "manhattan_u8_avx512bw": "vpsadbw zmm",
    "manhattan_u8_avx2": "vpsadbw ymm",
    "manhattan_u8_neondotprod": "uabd + udot",
}
K = 5


class Peak:
    """The compiled ``peak.c``."""

    def __init__(self) -> None:
        compiler = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
        command = next(
            (c for c in (shlex.split(compiler), ["cc"], ["gcc"], ["clang"]) if shutil.which(c[0])),
            None,
        )
        if command is None:
            raise OSError("no C compiler was found")
        with tempfile.TemporaryDirectory() as folder:
            library = Path(folder) / "peak.so"
            source = Path(__file__).with_name("peak.c")
            flags = ["-O2", "-fPIC", "-shared", "-pthread", "-o", str(library)]
            done = subprocess.run(
                [*command, *flags, str(source)], capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise OSError(f"{command[0]} could not compile peak.c: {done.stderr.strip()}")
            self._rate = ctypes.CDLL(str(library)).peak_rate
        self._rate.argtypes = (ctypes.c_char_p, ctypes.c_int, ctypes.c_double)
        self._rate.restype = ctypes.c_double

    def __call__(self, instruction: str, n_threads: int, seconds: float) -> float:
        """Byte operations a second."""
        rate = float(self._rate(instruction.encode(), n_threads, seconds))
        if rate <= 0:
            raise OSError(f"peak.c could not measure {instruction} on {n_threads} threads")
        return rate


def measure(quick: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """Each kernel that runs here, on one thread and on all, on MNIST."""
    from knnc.datasets import fetch_mnist
    from knnc.engine import dispatch

    peak = Peak()
    rows, queries = fetch_mnist().data, fetch_mnist(subset="test").data
    queries = np.ascontiguousarray(queries[: 500 if quick else 10_000])
    varying = int((rows != rows[0]).any(axis=0).sum())
    found = []
    for kernel in dispatch.available_kernels():
        if kernel not in INSTRUCTIONS:
            continue
        for n_threads in sorted({1, n_cpus()}):
            row = _pairs(peak, kernel, n_threads, rows, queries, 3 if quick else 5)
            row["share_varying"] = row["share"] * varying / rows.shape[1]
            say(f"  {kernel}, {n_threads} threads: {100 * row['share']:.0f} % of its peak")
            found.append(row)
    return {"rows": found, "varying": varying, "columns": rows.shape[1]}


def _pairs(
    peak: Peak, kernel: str, n_threads: int, rows: np.ndarray, queries: np.ndarray, n_pairs: int
) -> dict[str, Any]:
    """Peak and kernel in turn."""
    from knnc.engine.index import Index

    instruction = INSTRUCTIONS[kernel]
    metric = kernel.split("_", 1)[0]
    index = Index(rows, metric, algorithm="brute", kernel=kernel, n_threads=n_threads)
    index.search(queries[:100], K, n_threads=n_threads)
    peaks, rates, shares = [], [], []
    before = peak(instruction, n_threads, 0.1)
    for _ in range(n_pairs):
        begin = time.perf_counter()
        index.search(queries, K, n_threads=n_threads)
        rate = len(queries) * rows.size / (time.perf_counter() - begin)
        after = peak(instruction, n_threads, 0.1)
        peaks.append((before + after) / 2)
        rates.append(rate)
        shares.append(rate / peaks[-1])
        before = after
    return {
        "kernel": kernel,
        "instruction": instruction,
        "threads": n_threads,
        "peak": statistics.median(peaks),
        "rate": statistics.median(rates),
        "share": statistics.median(shares),
        "share_low": min(shares),
        "share_high": max(shares),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Shares of this machine's peak.")
    parser.add_argument("--quick", action="store_true", help="500 queries, three pairs")
    try:
        found = measure(parser.parse_args().quick, lambda line: None)
    except OSError as error:
        sys.exit(f"Not measured: {error}")
    for row in found["rows"]:
        sys.stdout.write(
            f"{row['kernel']:<28}{row['threads']} threads {row['rate'] / 1e9:8.1f} G/s of "
            f"{row['peak'] / 1e9:8.1f} ({row['instruction']}): {100 * row['share']:.0f} % "
            f"({100 * row['share_low']:.0f} - {100 * row['share_high']:.0f}); counting only "
            f"columns that vary {100 * row['share_varying']:.0f} %\n"
        )


if __name__ == "__main__":
    main()
