"""The pictures: queries a second by system, and how they grow."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from systems import SYSTEMS

SIZE = (6.4, 3.6)  # inches, at 100 dots
OWN, PEER = "#0b6e99", "#b0b7bd"
STYLE = {
    "knnc": {"color": OWN, "marker": "o"},
    "knnc-brute": {"color": OWN, "marker": "s", "linestyle": "--"},
    "faiss": {"color": "#c0562f", "marker": "^"},
}


def draw(results: dict[str, Any], folder: Path) -> list[str]:
    """Write the pictures; their names. Those of a run before this one go."""
    import matplotlib

    matplotlib.use("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    names = [_bars(w, folder) for w in results["workloads"] if w["kind"] == "batch"]
    by_axis: dict[str, list[dict[str, Any]]] = {}
    for curve in results.get("growth", []):
        by_axis.setdefault(curve["over"], []).append(curve)
    names += [_curves(over, curves, folder) for over, curves in by_axis.items()]
    return names


def _save(figure: Any, folder: Path, name: str) -> str:
    import matplotlib.pyplot as plt

    figure.tight_layout()
    # Without the software's name and version, so that the same numbers give the same file.
    figure.savefig(folder / name, dpi=100, metadata={"Software": None})
    plt.close(figure)
    return name


def _bars(workload: dict[str, Any], folder: Path) -> str:
    import matplotlib.pyplot as plt

    rows = [row for row in workload["rows"] if row["status"] == "ready"]
    rows.sort(key=lambda row: row["median"], reverse=True)
    rates = [row["n_queries"] / row["median"] for row in rows]
    systems = [SYSTEMS[row["system"]] for row in rows]
    figure, axes = plt.subplots(figsize=SIZE)
    bars = axes.barh(
        [system.label for system in systems],
        rates,
        color=[PEER if system.is_peer else OWN for system in systems],
    )
    axes.bar_label(bars, [f"{rate:,.0f}" for rate in rates], padding=3, fontsize=8)
    axes.margins(x=0.15)
    axes.set_xlabel("queries a second")
    axes.set_title(workload["title"], fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    return _save(figure, folder, f"{workload['name']}.png")


def _curves(over: str, curves: list[dict[str, Any]], folder: Path) -> str:
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(
        1, len(curves), figsize=SIZE, sharey=True, squeeze=False, layout=None
    )
    for axes, curve in zip(panels[0], curves, strict=True):
        for system, rates in curve["rates"].items():
            points = [(x, y) for x, y in zip(curve["x"], rates, strict=True) if y is not None]
            if points:
                label = SYSTEMS[system].label
                axes.plot(*zip(*points, strict=True), label=label, markersize=4, **STYLE[system])
        if over == "threads":
            axes.set_xticks(curve["x"])
            axes.set_ylim(bottom=0)
        else:
            axes.set_xscale("log")
            axes.set_yscale("log")
        axes.set_xlabel(over, fontsize=8)
        axes.set_title(curve["data"], fontsize=9)
        axes.grid(alpha=0.3)
        axes.tick_params(labelsize=8)
    panels[0][0].set_ylabel("queries a second")
    panels[0][0].legend(fontsize=7)
    name = re.match(r"\w+", over)
    assert name is not None
    return _save(figure, folder, f"growth-{name[0]}.png")
