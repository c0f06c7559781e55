"""Rows on disk: what a search of them takes beside the same search of packed rows in memory.

    python benchmarks/streaming.py                    # 2 GB of rows in a temporary file; minutes
    python benchmarks/streaming.py --gigabytes 0.5 --folder /mnt/slow

Answers are compared before any time is printed. "disk" first asks the system to forget what it has
read of the file, where it can be asked (Linux); "cache" has it read. Both are minima of the rounds,
with those of memory in between. The memory is the peak of the searches above what was there
before (Linux).
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np

from knnc.engine.index import Index
from knnc.engine.system.threads import effective_n_threads

MARKERS = "<!-- streaming -->", "<!-- end of streaming -->"
BATCHES = ((1, 10), (100, 10), (3_000, 10), (3_000, 100))
STATUS = Path("/proc/self/status")


def write_between(page: Path, markers: tuple[str, str], text: str) -> None:
    """Put a text in place of what is between two marks of a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(markers[0])
    after = rest.partition(markers[1])[2]
    page.write_text(f"{before}{markers[0]}\n{text}\n{markers[1]}{after}", encoding="utf-8")


def forget(path: Path) -> None:
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def kilobytes(name: str) -> int:
    lines = STATUS.read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name + ":"))


def peak(function: Callable[[], object]) -> str:
    """The most memory used while a function runs, above what was used before."""
    if not STATUS.exists():
        return "?"
    Path("/proc/self/clear_refs").write_text("5")
    before = kilobytes("VmRSS")
    function()
    return f"{(kilobytes('VmHWM') - before) / 1024:.0f}"


def timed(function: Callable[[], object]) -> float:
    began = perf_counter()
    function()
    return perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--features", type=int, default=128)
    parser.add_argument("--limit", type=int, default=128, help="MiB of memory for rows")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", default=None, help="where the temporary file goes")
    parser.add_argument("--write", type=Path, help="a page that has the marks for this")
    options = parser.parse_args()
    n_threads, d = effective_n_threads(None), options.features
    n_rows = int(options.gigabytes * 1e9) // d
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder, "rows.u8")
        with open(path, "wb") as file:
            for start in range(0, n_rows, 1 << 20):
                n = min(1 << 20, n_rows - start)
                file.write(rng.integers(0, 256, (n, d), np.uint8))
        rows = np.memmap(path, np.uint8, "r", shape=(n_rows, d))
        queries = rng.integers(0, 256, (max(n for n, _ in BATCHES), d), np.uint8)
        streamed = Index(rows, algorithm="brute", max_memory=options.limit << 20)
        within = peak(lambda: streamed.search(queries[:1000], 10, n_threads=n_threads))
        packed = Index(rows, algorithm="brute", max_memory=1 << 62, n_threads=n_threads)
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
        lines = [
            (
                f"{n_rows:,} rows of {d} features, {rows.nbytes / 1e9:.1f} GB, {n_threads} "
                f"threads, a limit of {options.limit} MiB: the peak was {within} MiB. The load "
                f"average was {load:.1f} (other work makes times too long and uneven); the times "
                f"are the least of {options.rounds} rounds."
            ),
            "",
            "| queries | k | in memory, s | from the cache, s | from the disk, s |",
            "|---:|---:|---:|---:|---:|",
        ]
        for n_queries, k in BATCHES:
            some = queries[:n_queries]

            def search(index: Index, some: np.ndarray = some, k: int = k) -> object:
                return index.search(some, k, n_threads=n_threads)

            if not all(map(np.array_equal, search(packed), search(streamed))):
                raise SystemExit("The answers differ.")
            times = []
            for _ in range(options.rounds):
                inside, cached = timed(lambda: search(packed)), timed(lambda: search(streamed))
                forget(path)
                times.append((inside, cached, timed(lambda: search(streamed))))
            best = " | ".join(f"{seconds:.3f}" for seconds in np.min(times, axis=0))
            lines.append(f"| {n_queries:,} | {k} | {best} |")
        print(*lines, sep="\n")
        if options.write:
            write_between(options.write, MARKERS, "\n".join(lines))


if __name__ == "__main__":
    main()
