"""The README's bar chart, as SVG: how many times as fast as the fastest other library knnc is.

It needs no library, so that the same figures give the same file. There are two files: GitHub and
the documentation choose one by the theme of the reader.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from systems import SYSTEMS

Row = dict[str, Any]
TITLE = "Times as fast as the fastest other library"

# The workloads of the chart in this order: three of bytes, one of them the worst case, and three
# of floats. Where the results lack some, those of the second line take their places.
WORKLOADS = ("mnist", "sift", "random", "mnist-standardised", "mnist-pca50", "text-cosine")
IN_THEIR_PLACE = ("fashion-mnist", "mnist-self-join")
MOST = len(WORKLOADS)

# Dark text on light paper, and the other way round: text, quieter text, knnc's bars, the others'.
COLOURS = {
    "light": ("#1f2328", "#59636e", "#0b6e99", "#afb8c1"),
    "dark": ("#f0f6fc", "#9198a1", "#4cb3d4", "#656c76"),
}
WIDTH, BAR, STEP, TOP = 560, 13, 56, 38
LONGEST = 440  # pixels of the longest bar; its figures stand behind it


@dataclass(frozen=True)
class Bar:
    """One workload: knnc's seconds and those of the fastest other library."""

    title: str
    seconds: float
    peer: str
    peer_seconds: float
    sklearn_seconds: float | None

    @property
    def ratio(self) -> float:
        """How many times as fast knnc is."""
        return self.peer_seconds / self.seconds


def chosen(workloads: Sequence[dict[str, Any]]) -> list[Bar]:
    """The chart's bars, from what the results hold."""
    made = {}
    for workload in workloads:
        ready = [row for row in workload["rows"] if row["status"] == "ready"]
        own = next((row for row in ready if row["system"] == "knnc"), None)
        peers = [row for row in ready if SYSTEMS[row["system"]].is_peer]
        if own is None or not peers:
            continue
        peer = min(peers, key=_seconds)
        sklearn = [row for row in peers if SYSTEMS[row["system"]].distribution == "scikit-learn"]
        made[workload["name"]] = Bar(
            workload["title"],
            _seconds(own),
            SYSTEMS[peer["system"]].label,
            _seconds(peer),
            min(map(_seconds, sklearn), default=None),
        )
    names = [name for name in (*WORKLOADS, *IN_THEIR_PLACE) if name in made]
    return [made[name] for name in names[:MOST]]


def _seconds(row: Row) -> float:
    return float(row["median"])


def short(value: float) -> str:
    """Two significant digits; whole numbers from ten on."""
    return f"{value:,.0f}" if value >= 10 else f"{float(f'{value:.2g}'):g}"


def described(bars: Sequence[Bar]) -> str:
    """The chart in words, for those who do not see it."""
    return "; ".join(f"{bar.title}: {short(bar.ratio)} times {bar.peer}" for bar in bars)


def write(bars: Sequence[Bar], folder: Path) -> list[str]:
    """Write the chart for light and for dark pages; the names of the files."""
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for theme, colours in COLOURS.items():
        names.append(f"speed-{theme}.svg")
        (folder / names[-1]).write_text(_svg(bars, *colours), encoding="utf-8")
    return names


def _svg(bars: Sequence[Bar], text: str, quiet: str, own: str, other: str) -> str:
    height = TOP + STEP * len(bars)
    longest = max(length for bar in bars for length in (bar.ratio, 1.0))
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img" '
        'font-family="system-ui, -apple-system, Segoe UI, Roboto, Helvetica, Arial, sans-serif" '
        'font-size="14">'
    )
    parts = [
        head,
        f"<title>{TITLE}. {escape(described(bars))}</title>",
        f'<text y="18" fill="{text}" font-size="16" font-weight="600">{TITLE}</text>',
    ]
    for at, bar in enumerate(bars):
        y = TOP + STEP * at
        parts.append(f'<text y="{y + 12}" fill="{text}">{escape(bar.title)}</text>')
        for below, ratio, fill, style, said in (
            (18, bar.ratio, own, f'fill="{text}" font-weight="600"', _times(bar)),
            (32, 1.0, other, f'fill="{quiet}"', f"{bar.peer}, {short(bar.peer_seconds)} s"),
        ):
            length = LONGEST * ratio / longest
            where = f'x="{length + 6:.1f}" y="{y + below + 11}" font-size="12"'
            parts += [
                f'<rect y="{y + below}" width="{length:.1f}" height="{BAR}" fill="{fill}"/>',
                f"<text {where} {style}>{escape(said)}</text>",
            ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _times(bar: Bar) -> str:
    return f"knnc, {short(bar.seconds)} s: {short(bar.ratio)} \u00d7"
