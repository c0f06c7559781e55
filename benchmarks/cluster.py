"""What a billion rows take on how many machines: a model, and how far it is off here.

    python benchmarks/cluster.py                      # 10^5 to 10^7 rows of 128; some minutes
    python benchmarks/cluster.py --largest 1000000 --write docs/cluster.md

Four numbers are measured: multiply-adds a second of a search by brute force, bytes a second that
rows are packed at, pairs a second that answers are merged at, and seconds of Dask for a task. From
them the model says what any number of rows and machines takes; what it says of 10^5 to 10^7 rows
on this machine, and of a cluster of two processes on it, is measured and compared.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import dask.array as da
import distributed
import numpy as np
from streaming import write_between

from knnc import dask as knnc_dask
from knnc.dask._found import Found, merge
from knnc.engine.index import Index
from knnc.engine.system.threads import effective_n_threads

MARKERS = "<!-- model -->", "<!-- end of model -->"
MACHINES = (1, 4, 16, 64, 256)
ROWS = 10**9
CALIBRATED_ON = 10**6
WORKERS, CHUNKS = 2, 8


@dataclass
class Model:
    """Seconds and bytes of a search by brute force, from rates of one machine.

    Attributes
    ----------
    multiply_adds, packed, merged : float
        A second: products of bytes, bytes, and (distance, index) pairs.
    task : float
        Seconds of the scheduler for one task.
    network : float
        Bytes a second from machine to machine.
    """

    multiply_adds: float
    packed: float
    merged: float
    task: float
    network: float

    def fit(self, n: int, d: int, machines: int = 1) -> float:
        return n * d / machines / self.packed

    def search(self, n: int, d: int, n_queries: int, machines: int = 1) -> float:
        return n_queries * n * d / machines / self.multiply_adds

    def merge(self, n_queries: int, k: int, parts: int) -> float:
        """One after the other on one worker: an upper bound of a tree."""
        return n_queries * k * parts / self.merged if parts > 1 else 0.0

    def sent(self, d: int, n_queries: int, k: int, machines: int) -> float:
        """Bytes: queries to every machine, and their answers to where they are merged."""
        return n_queries * (d + 16 * k) * machines if machines > 1 else 0.0

    def memory(self, n: int, d: int, machines: int) -> float:
        """Bytes on a machine: rows, and rows as they are packed."""
        return (2 * d + 4) * n / machines

    def total(self, d: int, n_queries: int, k: int, n: int, machines: int, parts: int) -> float:
        """Seconds of a search; queries leave, and answers arrive, through one machine's link."""
        seconds = self.search(n, d, n_queries, machines) + self.merge(n_queries, k, parts)
        seconds += self.sent(d, n_queries, k, machines) / self.network
        return seconds + self.task * 2 * parts


def best_of(rounds: int, function: Callable[[], object]) -> float:
    seconds = []
    for _ in range(rounds):
        began = perf_counter()
        function()
        seconds.append(perf_counter() - began)
    return min(seconds)


def draw(n: int, d: int) -> np.ndarray:
    rows = np.empty((n, d), np.uint8)
    rng = np.random.default_rng(0)
    for start in range(0, n, 1 << 18):
        rows[start : start + (1 << 18)] = rng.integers(
            0, 256, rows[start : start + (1 << 18)].shape, np.uint8
        )
    return rows


def task_seconds(client: distributed.Client) -> float:
    """Of the scheduler for a task that does nothing, among many."""

    def run() -> None:
        client.gather(client.map(abs, range(500), pure=False))

    run()
    return best_of(3, run) / 500


def merge_rate(n_queries: int, k: int) -> float:
    dist = np.sort(np.random.default_rng(0).integers(0, 1000, (n_queries, k)), axis=1)
    ind = np.arange(dist.size).reshape(dist.shape)
    part = Found(dist, ind, None, np.zeros(n_queries, bool))
    return 8 * dist.size / best_of(5, lambda: merge(k, *[part] * 8))


def measure(options: argparse.Namespace) -> tuple[Model, list[tuple[str, float, float]]]:
    """The model, and (what, seconds it says, seconds it took)."""
    d, k, n_threads = options.features, options.k, effective_n_threads(None)
    queries = draw(options.queries, d)
    sizes = [10**power for power in range(5, 10) if 10**power <= options.largest]
    sets = [draw(n, d) for n in sizes]
    fits, searches = np.full((2, len(sizes)), np.inf)
    for _ in range(options.rounds):  # in turns: a machine that is busy is so for all sizes
        for i, rows in enumerate(sets):
            began = perf_counter()
            index = Index(rows, algorithm="brute", n_threads=n_threads)
            between = perf_counter()
            index.search(queries, k, n_threads=n_threads)
            fits[i] = min(fits[i], between - began)
            searches[i] = min(searches[i], perf_counter() - between)
    took = [
        (f"{n:,} rows", n, float(fit), float(search))
        for n, fit, search in zip(sizes, fits, searches, strict=True)
    ]
    _, n, fit, search = min(took, key=lambda entry: abs(entry[1] - CALIBRATED_ON))
    with (
        distributed.LocalCluster(
            n_workers=WORKERS, threads_per_worker=1, dashboard_address=None, memory_limit=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        model = Model(
            multiply_adds=len(queries) * n * d / search,
            packed=n * d / fit,
            merged=merge_rate(len(queries), k),
            task=task_seconds(client),
            network=options.gigabits * 1e9 / 8,
        )
        compared = []
        for name, size, fit, search in took:
            compared.append((f"{name}, fit", model.fit(size, d), fit))
            compared.append((f"{name}, search", model.search(size, d, len(queries)), search))
        rows = da.from_array(draw(n, d), chunks=(n // CHUNKS, d))
        nn = knnc_dask.NearestNeighbors(k, algorithm="brute", n_jobs=1).fit(client.persist(rows))
        distributed.wait(list(nn._chunks))
        turns = iter(range(options.rounds))

        def search_cluster() -> None:  # for other queries each time: an answer may still be there
            client.compute(nn.kneighbors(np.roll(queries, next(turns), axis=0))[1]).result()

        seconds = best_of(options.rounds, search_cluster)
        # Both workers share this machine, whose search uses all its CPUs: as one machine of it.
        said = model.total(d, len(queries), k, n, 1, CHUNKS)
        compared.append((f"{n:,} rows, {WORKERS} processes, {CHUNKS} chunks", said, seconds))
    return model, compared


def report(
    model: Model, compared: list[tuple[str, float, float]], options: argparse.Namespace
) -> str:
    d, k, q = options.features, options.k, options.asked
    cpus, load = effective_n_threads(None), os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    lines = [
        (
            f"Measured on {cpus} CPUs (load average {load:.1f}: other work makes times too long "
            f"and uneven), with {options.queries:,} queries, {d} features and k = {k}: "
            f"{model.multiply_adds / 1e9:.0f} G multiply-adds a second, {model.packed / 1e9:.1f} "
            f"GB of rows packed a second, {model.merged / 1e6:.1f} M pairs merged a second, "
            f"{1e3 * model.task:.2f} ms a task. The times are the least of {options.rounds} rounds."
        ),
        "",
        "| what | model, s | measured, s | measured / model |",
        "|---|---:|---:|---:|",
    ]
    lines += [
        f"| {name} | {said:.3f} | {was:.3f} | {was / said:.2f} |" for name, said, was in compared
    ]
    lines += [
        "",
        (
            f"{ROWS:,} rows of {d} bytes, {q:,} queries, k = {k}, machines like this one, "
            f"{options.gigabits:g} Gbit/s:"
        ),
        "",
        "| machines | memory of each, GB | fit, s | search, s | sent, GB | machine-hours |"
        + (" cost |" if options.price else ""),
        "|---:|---:|---:|---:|---:|---:|" + ("---:|" if options.price else ""),
    ]
    for machines in MACHINES:
        fit = model.fit(ROWS, d, machines)
        search = model.total(d, q, k, ROWS, machines, machines)
        hours = machines * (fit + search) / 3600
        row = (
            f"| {machines} | {model.memory(ROWS, d, machines) / 1e9:.1f} | {fit:.1f} "
            f"| {search:.1f} | {model.sent(d, q, k, machines) / 1e9:.2f} | {hours:.2f} |"
        )
        lines.append(row + (f" {hours * options.price:.2f} |" if options.price else ""))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--largest", type=int, default=10**7, help="rows, at most")
    parser.add_argument("--features", type=int, default=128)
    parser.add_argument("--queries", type=int, default=1000, help="of what is measured")
    parser.add_argument("--asked", type=int, default=10_000, help="of what is foretold")
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--gigabits", type=float, default=10.0, help="of the network, a second")
    parser.add_argument("--price", type=float, default=0.0, help="of a machine, an hour")
    parser.add_argument("--write", type=Path, help="a page that has the marks for this")
    options = parser.parse_args()
    text = report(*measure(options), options)
    print(text)
    if options.write:
        write_between(options.write, MARKERS, text)


if __name__ == "__main__":
    main()
