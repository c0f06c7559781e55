"""Writes RESULTS.md, the README's figures and its chart from what was measured.

``python benchmarks/report.py`` writes them again from the last run's ``results/results.json``.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import chart
from plots import draw
from systems import SYSTEMS

HERE = Path(__file__).resolve().parent
MB = 1e6
QUIET_LOAD = 0.25  # processes that want a CPU, for each CPU, below which a machine is quiet
Row = dict[str, Any]


def write(results: dict[str, Any], path: Path) -> None:
    """The report at `path`, its pictures beside it: of RESULTS.md in ``plots/``."""
    folder = "plots" if path.stem == "RESULTS" else f"{path.stem}-plots"
    pictures = [f"{folder}/{name}" for name in draw(results, path.parent / folder)]
    parts = [
        "# Benchmark results",
        f"Written by `{results['command']}`; not by hand.",
        *_noise(results["machine"]),
        _machine(results["machine"]),
        _headline(results["workloads"]),
        *(_workload(w) for w in results["workloads"]),
        *_roofline(results.get("roofline")),
        *_imports(results.get("imports")),
        *_growth(pictures),
        *_left_out(results["left_out"]),
        _method(results),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n\n".join(parts) + "\n")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; a head that ends with ">" is of numbers, to the right."""
    lines = [
        "| " + " | ".join(name.removesuffix(">") for name in head) + " |",
        "|" + "|".join("---:" if name.endswith(">") else "---" for name in head) + "|",
    ]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def figure(value: float | None, digits: int = 3) -> str:
    """Three significant digits, thousands separated, no exponent."""
    if value is None:
        return "-"
    if value == 0:
        return "0"
    if abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    return f"{float(f'{value:.{digits}g}'):.12g}"


def best_peer(rows: list[Row], seconds: Callable[[Row], float]) -> Row | None:
    """The fastest system that is not knnc."""
    peers = [r for r in rows if r["status"] == "ready" and SYSTEMS[r["system"]].is_peer]
    return min(peers, key=seconds, default=None)


def median(row: Row) -> float:
    return float(row["median"])


def from_nothing(row: Row) -> float:
    """Seconds of a fit and of the first search, of all queries."""
    first = row["first_seconds"] * row["n_queries"] / row["n_run"]
    return float((row.get("fit_seconds") or 0) + first)


def find(rows: list[Row], system: str) -> Row | None:
    """A system's row, if it was timed."""
    return next((r for r in rows if r["system"] == system and r["status"] == "ready"), None)


def busy(machine: dict[str, Any]) -> str:
    """What is to be said of a machine that did other work when this began; "" of a quiet one."""
    load, cpus = machine["load_average"], machine["cpus"]
    if load is None or load < QUIET_LOAD * cpus:
        return ""
    return (
        f"The machine was busy with other work when this began (load average {load} on {cpus} "
        "CPUs): the times are too long, and the ratios less certain."
    )


def _noise(machine: dict[str, Any]) -> list[str]:
    said = busy(machine)
    return [f"**{said}**"] if said else []


def _machine(machine: dict[str, Any]) -> str:
    memory = machine["memory_bytes"]
    lines = {
        "Processor": f"{machine['cpu']}, {machine['cpus']} CPUs"
        + (f", {machine['cache']} a core or shared" if machine["cache"] else ""),
        "Threads": str(machine["n_threads"]),
        "Memory": f"{memory / 2**30:.0f} GiB" if memory else "unknown",
        "System": machine["system"],
        "Versions": ", ".join(f"{name} {v}" for name, v in machine["versions"].items()),
        "knnc's kernels": ", ".join(machine["kernels"].values()),
        "Commit": machine["commit"],
        "Date": machine["date"],
        "Load average": f"{machine['load_average']} before",
    }
    if machine["environment"]:
        lines["Environment"] = ", ".join(f"{n}={v}" for n, v in machine["environment"].items())
    return table(("machine", ""), lines.items())


def _headline(workloads: list[dict[str, Any]]) -> str:
    """knnc beside the best peer, a line a workload."""
    lines = []
    for w in workloads:
        own, peer = find(w["rows"], "knnc"), best_peer(w["rows"], median)
        if own is None:
            continue
        once, other = "-", best_peer(w["rows"], from_nothing)
        if other and w["kind"] != "latency":
            once = f"{figure(from_nothing(other) / from_nothing(own))} x"
        unit, scale = ("ms", 1e3) if w["kind"] == "latency" else ("s", 1)
        ratio = f"{figure(peer['median'] / own['median'])} x" if peer else "-"
        rival = f"{figure(peer['median'] * scale)} {unit}" if peer else "-"
        lines.append(
            (
                f"{w['title']}: {w['what']}",
                f"{figure(own['median'] * scale)} {unit}",
                rival,
                SYSTEMS[peer["system"]].label if peer else "-",
                ratio,
                once,
                memory_of(own),
                memory_of(peer) if peer else "-",
            )
        )
    head = (
        "work",
        "knnc>",
        "best peer>",
        "which is",
        "ratio>",
        "with fit>",
        "knnc's memory>",
        "the peer's>",
    )
    note = (
        "The times are of a search after a fit, the median of several. `with fit`: the ratio of "
        "the times of one fit and the first search after it, beside the peer that is fastest at "
        "both together. `memory`: what a fit and a search take at most beyond the arrays given to "
        "them, a float copy of these among it where the system needs one; 1 x is as many bytes as "
        "the training rows."
    )
    return "## In short\n\n" + table(head, lines) + "\n\n" + note


def memory_of(row: Row) -> str:
    """Peak above the inputs, with a copy in another dtype, as a multiple of the training rows."""
    if row["peak_bytes"] is None:
        return "-"
    return f"{(row['peak_bytes'] + row['copied_bytes']) / row['training_bytes']:.2f} x"


def _workload(w: dict[str, Any]) -> str:
    latency = w["kind"] == "latency"
    scale, unit = (1e3, "ms") if latency else (1, "s")
    own = find(w["rows"], "knnc")
    lines = []
    for row in sorted(w["rows"], key=lambda r: r.get("median", float("inf"))):
        if row["status"] != "ready":
            continue
        part = "" if row["n_run"] == row["n_queries"] else f" [{row['n_run']:,}]"
        each = 1 if latency else row["n_queries"]
        first = from_nothing(row) - (row.get("fit_seconds") or 0)
        spread = f"{figure(row['low'] * scale)} - {figure(row['high'] * scale)}"
        lines.append(
            (
                SYSTEMS[row["system"]].label,
                row["version"],
                row["configuration"],
                figure(row["median"] * scale) + part,
                spread,
                figure(each / row["median"]) if row.get("fit_seconds") is not None else "-",
                f"{figure(row['median'] / own['median'])} x" if own else "-",
                figure(row.get("fit_seconds")),
                "-" if latency else figure(first),
                figure(row["peak_bytes"] / MB) if row["peak_bytes"] is not None else "-",
                figure(row["copied_bytes"] / MB),
            )
        )
    head = (
        "system",
        "version",
        "configuration",
        f"median, {unit}>",
        ("5th - 99th percentile>" if latency else "lowest - highest>"),
        "rows/s>" if w["kind"] == "self-join" else "queries/s>",
        "knnc's time>",
        "fit, s>",
        "first run, s>",
        "memory, MB>",
        "copy, MB>",
    )
    text = f"## {w['title']}\n\n{w['what']}.\n\n" + table(head, lines)
    missing = [r for r in w["rows"] if r["status"] != "ready"]
    if missing:
        text += "\n\n" + "\n".join(
            f"- {SYSTEMS[r['system']].label}: {STATUS[r['status']]}: {r['reason']}" for r in missing
        )
    return text


STATUS = {
    "absent": "absent",
    "refused": "not available for this",
    "wrong": "WRONG ANSWERS, not timed",
    "failed": "failed",
}


def _roofline(found: dict[str, Any] | None) -> list[str]:
    if found is None:
        return []
    lines = [
        (
            row["kernel"],
            row["instruction"],
            str(row["threads"]),
            figure(row["peak"] / 1e9),
            figure(row["rate"] / 1e9),
            f"{100 * row['share']:.0f} %",
            f"{100 * row['share_varying']:.0f} %",
        )
        for row in found["rows"]
    ]
    head = (
        "kernel",
        "instruction",
        "threads>",
        "peak, G/s>",
        "MNIST, G/s>",
        "share>",
        "of the columns that vary>",
    )
    text = (
        "Byte operations a second (multiply-adds; absolute differences): the instruction alone on "
        "independent registers, and knnc's brute force on MNIST, the two in turn, so the same "
        f"noise falls on both. The last column counts only the {found['varying']} of "
        f"{found['columns']} columns that are not the same in every training row."
    )
    return ["## Share of the machine's peak", text, table(head, lines)]


def _imports(found: dict[str, Any] | None) -> list[str]:
    if found is None:
        return []
    text = (
        f"`from knnc import NearestNeighbors` takes {figure(found['knnc'])} s and "
        f"`import sklearn.neighbors` {figure(found['sklearn.neighbors'])} s; the difference is "
        f"{figure(found['added'])} s "
        f"({figure(found['added_low'])} to {figure(found['added_high'])}; medians of "
        f"{found['runs']} pairs of fresh interpreters)."
    )
    return ["## Import", text]


def _growth(pictures: list[str]) -> list[str]:
    if not pictures:
        return []
    return [
        "## Growth and pictures",
        "\n".join(f"![{Path(picture).name}]({picture})" for picture in pictures),
    ]


def _left_out(found: dict[str, str]) -> list[str]:
    if not found:
        return []
    return ["## Left out", "\n".join(f"- {name}: {reason}" for name, reason in found.items())]


def _method(results: dict[str, Any]) -> str:
    return (HERE / "method.md").read_text().strip().format(**results["settings"])


def update_readme(results: dict[str, Any], readme: Path) -> bool:
    """Write the chart, and the README's figures between its marks; False if there are none.

    The chart goes to ``benchmarks/plots`` beside the README.
    """
    text = readme.read_text(encoding="utf-8")
    bars = chart.chosen(results["workloads"])
    if not bars or not all(f"<!-- {mark} -->" in text for mark in ("speed", "benchmark")):
        return False
    light, dark = chart.write(bars, readme.parent / "benchmarks" / "plots")
    folder, said = "benchmarks/plots", chart.described(bars)
    picture = (
        "<picture>\n"
        f'  <source media="(prefers-color-scheme: dark)" srcset="{folder}/{dark}">\n'
        f'  <img alt="{chart.TITLE}. {said}" '
        f'src="{folder}/{light}" width="{chart.WIDTH}">\n'
        "</picture>"
    )
    text = _between("speed", _times_sklearn(bars), text)
    block = f"\n{picture}\n\n{_caption(bars[0], results)}\n[All results](benchmarks/RESULTS.md)\n"
    readme.write_text(_between("benchmark", block, text), encoding="utf-8")
    return True


def _between(mark: str, new: str, text: str) -> str:
    """The text with `new` between two marks."""
    marks = re.compile(rf"(<!-- {mark} -->).*?(<!-- /{mark} -->)", re.DOTALL)
    return marks.sub(lambda m: m[1] + new + m[2], text)


def _times_sklearn(bars: Sequence[chart.Bar]) -> str:
    """How many times as fast as scikit-learn: the least and the most of the chart."""
    ratios = [bar.sklearn_seconds / bar.seconds for bar in bars if bar.sklearn_seconds is not None]
    if not ratios:
        return "many"
    return " to ".join(dict.fromkeys(chart.short(ratio) for ratio in (min(ratios), max(ratios))))


def _caption(bar: chart.Bar, results: dict[str, Any]) -> str:
    """The first bar in seconds, the machine, and whether it was busy."""
    machine = results["machine"]
    what = next(w["what"] for w in results["workloads"] if w["title"] == bar.title)
    times = [f"knnc takes {chart.short(bar.seconds)} s"]
    times.append(f"{bar.peer} {chart.short(bar.peer_seconds)} s")
    if bar.sklearn_seconds not in (None, bar.peer_seconds):
        times.append(f"scikit-learn {chart.short(bar.sklearn_seconds)} s")
    parts = [f"{bar.title} ({what}): {', '.join(times)}."]
    parts.append(f"{machine['cpu']}, {machine['n_threads']} threads.")
    parts += [said] if (said := busy(machine)) else []
    return "\n".join(parts)


def main() -> None:
    """Write the last run's report again; the README only after a run of everything."""
    argparse.ArgumentParser(description=main.__doc__).parse_args()
    source = HERE / "results" / "results.json"
    if not source.exists():
        sys.exit("Nothing was measured yet: make bench")
    found = json.loads(source.read_text())
    if not found.get("whole"):
        write(found, source.parent / "RESULTS.md")
        sys.exit("The last run was a partial one: its report is benchmarks/results/RESULTS.md")
    write(found, HERE / "RESULTS.md")
    update_readme(found, HERE.parent / "README.md")


if __name__ == "__main__":
    main()
