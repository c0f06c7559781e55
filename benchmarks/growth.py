"""How queries a second grow with the rows, the features, the neighbours and the threads."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from data import Arrays, low_rank, mnist, prepare, uniform
from harness import Measurement, Settings
from system import n_cpus
from workloads import Workload

SYSTEMS = ("knnc", "knnc-brute", "faiss")


@dataclass(frozen=True)
class Point:
    """One point of a curve: x, and the work that is measured there."""

    x: int
    make: Callable[[], Arrays]
    k: int = 5
    n_threads: int | None = None


@dataclass(frozen=True)
class Curve:
    """Points over one quantity, on one kind of data."""

    over: str  # the axis' label
    data: str
    points: tuple[Point, ...]


def curves(quick: bool) -> Iterator[Curve]:
    """All of them; quick are two curves of two points."""
    rows = (1_000, 10_000) if quick else (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
    features = (16, 256) if quick else (16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096)
    neighbours = (1, 3, 10, 30, 100, 300, 1_000)
    n_queries = 500 if quick else 2_000
    kinds = (("low-rank bytes", low_rank), ("uniform random bytes", uniform))
    for data, make in kinds[:1] if quick else kinds:
        yield Curve(
            "rows, of 128 features",
            data,
            tuple(Point(n, partial(make, n, n_queries, 128)) for n in rows),
        )
        yield Curve(
            "features, of 20,000 rows",
            data,
            tuple(Point(d, partial(make, 20_000, n_queries, d)) for d in features),
        )
    if quick:
        return
    yield Curve("neighbours, k", "MNIST", tuple(Point(k, mnist, k=k) for k in neighbours))
    threads = sorted({*(2**i for i in range(n_cpus().bit_length())), n_cpus()})
    yield Curve(
        "threads", "MNIST", tuple(Point(t, mnist, n_threads=t) for t in threads if t <= n_cpus())
    )


def measure(
    curve: Curve, settings: Settings, quick: bool, systems: list[str], say: Callable[[str], None]
) -> dict[str, Any]:
    """A curve, as a dictionary with queries a second for each system."""
    settings = replace(
        settings, rounds=min(3, settings.rounds), seconds_a_system=5, cap_seconds=4, checked=5
    )
    rates: dict[str, list[float | None]] = {name: [] for name in systems}
    for point in curve.points:
        say(f"  {curve.over}, {curve.data}: {point.x:,}")
        for name, rate in _measure_point(point, settings, quick, systems).items():
            rates[name].append(rate)
    xs = [point.x for point in curve.points]
    return {"over": curve.over, "data": curve.data, "x": xs, "rates": rates}


def _measure_point(
    point: Point, settings: Settings, quick: bool, systems: list[str]
) -> dict[str, float | None]:
    workload = Workload(
        "growth", "growth", "growth", SYSTEMS, k=point.k, n_queries=500 if quick else 2_000
    )
    with tempfile.TemporaryDirectory() as folder:
        arrays = prepare("growth", point.make, Path(folder))
        measurement = Measurement(
            workload, arrays, settings, lambda line: None, n_threads=point.n_threads
        )
        rates: dict[str, float | None] = {}
        for row in measurement.run(systems):
            if row["status"] in ("wrong", "failed"):
                raise RuntimeError(f"{row['system']} at {point}: {row['reason']}")
            timed = row["status"] == "ready"
            rates[row["system"]] = row["n_queries"] / row["median"] if timed else None
    return rates
