"""knnc beside its peers, on real data, on this machine.

    python benchmarks/run.py                                  everything
    python benchmarks/run.py --quick                          a small part, in two minutes
    python benchmarks/run.py --only mnist --systems knnc,faiss
    python benchmarks/run.py --list                           the names

``make bench`` installs the peers first. What is here: ``workloads`` says what is asked of which
``data``, ``systems`` and ``libraries`` who is asked, ``harness`` starts a process for each
(``worker``, ``memory``), checks its answers (``answers``) and times it; ``growth`` and ``roofline``
measure what their names say; ``report`` and ``plots`` write RESULTS.md and the pictures.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import growth
import machine
import report
import roofline
from data import DATA, MissingDataError, prepare
from harness import FULL, QUICK, Measurement, Settings, without_places
from peers import why_not_installed
from systems import SYSTEMS
from worker import Job
from workloads import WORKLOADS, Workload

HERE = Path(__file__).resolve().parent
EXTRAS = ("imports", "roofline", "growth")  # what is no workload
# What a quick run leaves out or makes smaller.
QUICK_SYSTEMS = ("knnc", "sklearnex", "sklearnex-best", "faiss", "faiss-panorama", "faiss-l1")
QUICK_QUERIES = {"batch": 500, "latency": 50}
QUICK_ROWS = {"self-join": 5_000, "grid-search": 1_000}
OF_QUERIES = ("batch", "latency", "radius")  # the other kinds ask rows about themselves
QUICK_SECONDS = 90  # nothing more is begun after these


class OutOfTimeError(RuntimeError):
    """A quick run has no time for this."""


LEFT_OUT = (MissingDataError, OSError, OutOfTimeError)


@dataclass(frozen=True)
class Late:
    """When it is too late to begin."""

    at: float

    def check(self) -> None:
        """Raise if it is."""
        if time.perf_counter() > self.at:
            raise OutOfTimeError("no time for it in a quick run")


def main() -> int:
    """Measure, write, and return 1 if any answer was wrong."""
    options = parse()
    if options.list:
        sys.stdout.write("workloads: " + " ".join((*(w.name for w in WORKLOADS), *EXTRAS)) + "\n")
        sys.stdout.write("systems: " + " ".join(SYSTEMS) + "\n")
        return 0
    settings = QUICK if options.quick else FULL
    begin = time.perf_counter()
    results: dict[str, Any] = {
        "command": " ".join(["python benchmarks/run.py", *sys.argv[1:]]),
        "machine": machine.describe(),
        "settings": {**asdict(settings), "trial": Job.trial},
        "workloads": [],
        "left_out": {},
    }
    late = Late(begin + QUICK_SECONDS if options.quick else float("inf"))
    work = HERE / "results"
    work.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work) as folder:
        for workload in selected(options):
            say(workload.title)
            try:
                late.check()
                results["workloads"].append(measure(workload, settings, Path(folder)))
            except LEFT_OUT as error:
                leave_out(results, workload.title, error)
    extras(options, settings, results, late)
    results["seconds"] = time.perf_counter() - begin
    return finish(options, results, work)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known = [*(w.name for w in WORKLOADS), *EXTRAS]
    parser.add_argument("--quick", action="store_true", help="a small part, in two minutes")
    parser.add_argument("--only", type=names_of(known), help="these workloads, by commas")
    parser.add_argument("--systems", type=names_of(SYSTEMS), help="these systems, by commas")
    parser.add_argument("--limit", type=int, help="at most so many queries, to try something out")
    parser.add_argument("--output", type=Path, help="where to write the report")
    parser.add_argument("--list", action="store_true", help="say the names and stop")
    return parser.parse_args()


def names_of(known: Any) -> Any:
    """A parser of names separated by commas."""

    def parse_names(text: str) -> list[str]:
        names = [name.strip() for name in text.split(",")]
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
        return names

    return parse_names


def selected(options: argparse.Namespace) -> list[Workload]:
    """The workloads asked for, as large as asked for."""
    chosen = []
    for workload in WORKLOADS:
        if options.only and workload.name not in options.only:
            continue
        if options.quick:
            workload = quick(workload)
        if options.systems:
            wanted = tuple(name for name in options.systems if name in workload.systems)
            workload = replace(workload, systems=wanted)
        if options.limit and workload.kind in OF_QUERIES:
            smaller = min(options.limit, workload.n_queries or options.limit)
            workload = replace(workload, n_queries=smaller)
        elif options.limit:
            workload = replace(
                workload, n_rows=min(options.limit, workload.n_rows or options.limit)
            )
        if workload.systems:
            chosen.append(workload)
    return chosen


def quick(workload: Workload) -> Workload:
    """The workload as a quick run takes it; MNIST keeps all the systems but the slowest.

    Where no peer is quick there is nothing to compare, and no system is left.
    """
    systems = tuple(
        name
        for name in workload.systems
        if name in QUICK_SYSTEMS or (workload.name == "mnist" and name != "hnswlib")
    )
    return replace(
        workload,
        systems=systems if workload.is_main and any(map(is_peer, systems)) else (),
        n_queries=QUICK_QUERIES.get(workload.kind),
        n_rows=QUICK_ROWS.get(workload.kind),
    )


def measure(workload: Workload, settings: Settings, folder: Path) -> dict[str, Any]:
    """A workload's rows, printed as they come."""
    arrays = prepare(workload.data, DATA[workload.data], folder)
    measurement = Measurement(workload, arrays, settings, say)
    rows = measurement.run(list(workload.systems))
    why = why_not_installed()
    for row in rows:
        package = SYSTEMS[row["system"]].distribution
        if row["status"] == "absent" and package in why:
            row["reason"] = f"could not be installed: {why[package]}"
        elif row["status"] == "ready":
            say(f"  {row['system']}: {report.figure(row['median'], 4)} s")
    return {
        "name": workload.name,
        "title": workload.title,
        "kind": workload.kind,
        "is_main": workload.is_main,
        "what": what(workload, measurement),
        "rows": rows,
    }


def is_peer(name: str) -> bool:
    """Whether a system is not knnc."""
    return SYSTEMS[name].is_peer


def what(workload: Workload, measurement: Measurement) -> str:
    """How large the work is, in words."""
    rows = measurement.rows
    size = f"{len(rows):,} rows of {rows.shape[1]} {rows.dtype}, {workload.metric}"
    if workload.kind in OF_QUERIES:
        size = f"{len(measurement.queries):,} queries on {size}"
    if measurement.radius is not None:
        return f"{size}, radius {report.figure(measurement.radius)}: {workload.k} rows on average"
    return size if workload.kind.endswith("grid-search") else f"{size}, k = {workload.k}"


def extras(
    options: argparse.Namespace, settings: Settings, results: dict[str, Any], late: Late
) -> None:
    """The roofline, the import and the curves, where they are asked for."""
    systems = [s for s in growth.SYSTEMS if not options.systems or s in options.systems]
    parts: list[tuple[str, str, Callable[[], Any]]] = [
        ("imports", "imports", lambda: machine.import_seconds(3 if options.quick else 21)),
        ("roofline", "roofline", lambda: roofline.measure(options.quick, say)),
    ]
    for curve in growth.curves(options.quick):
        measure_curve = partial(growth.measure, curve, settings, options.quick, systems, say)
        parts.append(("growth", f"growth over {curve.over}, {curve.data}", measure_curve))
    for name, title, part in parts:
        if options.only and name not in options.only:
            continue
        say(title)
        try:
            late.check()
            found = part()
        except LEFT_OUT as error:
            leave_out(results, title, error)
        else:
            results[name] = [*results.get(name, []), found] if name == "growth" else found


def leave_out(results: dict[str, Any], title: str, error: Exception) -> None:
    """Say what is not measured, and why, without what is true on this machine only."""
    reason = without_places(str(error).split(". ")[0])
    say(f"  left out: {reason}")
    results["left_out"][title] = reason


def finish(options: argparse.Namespace, results: dict[str, Any], work: Path) -> int:
    """Write everything; a partial run does not replace the report of a whole one."""
    whole = not (options.only or options.systems or options.limit)
    (work / "results.json").write_text(json.dumps(results, indent=1))
    path = options.output or (HERE if whole else work) / "RESULTS.md"
    report.write(results, path)
    if whole and not options.quick and not options.output:
        report.update_readme(results, HERE.parent / "README.md")
    say(f"{results['seconds']:.0f} s; the report is {os.path.relpath(path)}")
    wrong = [
        f"{w['name']}: {row['system']}: {row['reason']}"
        for w in results["workloads"]
        for row in w["rows"]
        if row["status"] in ("wrong", "failed")
    ]
    for line in wrong:
        say(line)
    return 1 if wrong else 0


def say(line: str) -> None:
    """A line for who waits."""
    sys.stdout.write(line.rstrip() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
