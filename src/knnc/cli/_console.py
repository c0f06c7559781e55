"""What every command shares: where its words go, a progress bar, one line of JSON."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import sqrt
from typing import Any

from rich.console import Console
from rich.text import Text


def stdout() -> Console:
    """A console for results."""
    return Console(highlight=False)


def stderr() -> Console:
    """A console for messages and progress, which never mix with results."""
    return Console(stderr=True, highlight=False)


def say_error(message: str) -> None:
    """Say on standard error what went wrong; ``message`` is taken literally and never wrapped."""
    line = Text.assemble(("knnc: error: ", "bold red"), message)
    stderr().print(line, soft_wrap=True)


class _Messages(logging.Handler):
    """Writes to whatever standard error is at that moment: rich replaces it while it animates."""

    def emit(self, record: logging.LogRecord) -> None:
        print(f"knnc: {self.format(record)}", file=sys.stderr)


@contextmanager
def messages() -> Iterator[None]:
    """Show on standard error what the library logs inside, such as what it downloads."""
    logger, handler = logging.getLogger("knnc"), _Messages(logging.INFO)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def print_json(record: Mapping[str, Any]) -> None:
    """Print ``record`` as one line of JSON on standard output."""
    sys.stdout.write(json.dumps(record, allow_nan=False) + "\n")


def on_terminal() -> bool:
    """Whether somebody watches standard error on a terminal that can redraw a line.

    Asked of the stream itself: FORCE_COLOR makes rich take a pipe for a terminal.
    """
    return sys.stderr.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")


@contextmanager
def progress_bar(description: str) -> Iterator[None]:
    """Show how far the searches inside have come, on a terminal; elsewhere show nothing."""
    if not on_terminal():
        yield
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    import knnc

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with Progress(*columns, console=stderr(), transient=True) as bar:
        task = bar.add_task(description, total=None)
        with knnc.progress(lambda done, total: bar.update(task, completed=done, total=total)):
            yield


@contextmanager
def status(description: str) -> Iterator[None]:
    """Say on a terminal what is being done for as long as it takes; elsewhere say nothing."""
    if not on_terminal():
        yield
        return
    with stderr().status(description, spinner="line"):  # which is ASCII
        yield


def error_interval(n_wrong: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of an error rate, in per cent."""
    z = 1.959963984540054
    rate = n_wrong / n
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(rate * (1 - rate) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return 100 * max(0.0, centre - half), 100 * min(1.0, centre + half)


def error_text(n_wrong: int, n: int) -> str:
    """An error rate in words, with its 95 % interval."""
    low, high = error_interval(n_wrong, n)
    return f"{100 * n_wrong / n:.2f} % (95 % interval {low:.2f} to {high:.2f} %)"
