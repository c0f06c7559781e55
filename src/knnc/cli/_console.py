"""What the commands share: data sets, recipes, the standard streams, progress, pictures."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from math import sqrt
from pathlib import Path
from threading import Event, Thread
from time import perf_counter
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.text import Text

from knnc.cli._options import check_name, check_recipe

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

_DPI = 150
# Seconds between two lines of progress where there is no terminal.
LINE_SECONDS = 60.0


def make_estimator(recipe: str, **params: Any) -> Any:
    """The estimator of a recipe. An unknown name or parameter is a usage error."""
    from knnc.recipes import make_recipe

    check_recipe(recipe)
    try:
        return make_recipe(recipe, **params)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def load_parts(dataset: str, data_home: Path | None) -> tuple[Any, Any]:
    """The training and the test part of a data set; downloads are logged."""
    from knnc.datasets import load_dataset

    check_name(dataset)
    with messages(), status(f"Reading {dataset}"):
        return load_dataset(dataset, data_home=data_home)


def sampled(part: Any, n: int | None) -> tuple[Any, Any]:
    """Rows and labels of `n` images, sampled with a fixed seed; all if there are fewer."""
    import numpy as np

    if n is None or n >= len(part.data):
        return part.data, part.target
    rows = np.sort(np.random.default_rng(0).choice(len(part.data), n, replace=False))
    return part.data[rows], part.target[rows]


def stdout() -> Console:
    """A console for results."""
    return Console(highlight=False)


def stderr() -> Console:
    """A console for messages and progress, which never mix with results."""
    return Console(stderr=True, highlight=False)


def say_error(message: str) -> None:
    """Print an error on standard error; ``message`` is taken literally and never wrapped."""
    line = Text.assemble(("knnc: error: ", "bold red"), message)
    stderr().print(line, soft_wrap=True)


def message_of(error: Exception) -> str:
    """What an exception says, without the number that the system gives its error."""
    if isinstance(error, OSError) and error.strerror:
        where = f": {error.filename}" if error.filename else ""
        return f"{error.strerror}{where}"
    return str(error) or type(error).__name__


class _Messages(logging.Handler):
    """Writes to the current standard error, which rich replaces during animations."""

    def emit(self, record: logging.LogRecord) -> None:
        print(f"knnc: {self.format(record)}", file=sys.stderr)


@contextmanager
def messages() -> Iterator[None]:
    """Show messages of the library on standard error, such as downloads."""
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
    """Whether standard error is a terminal that can redraw a line.

    The stream itself is asked: with FORCE_COLOR, rich takes a pipe for a terminal.
    """
    return sys.stderr.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")


@contextmanager
def progress_bar(description: str, unit: str = "queries") -> Iterator[None]:
    """Show the progress of searches: as a bar on a terminal, elsewhere as a line a minute."""
    if not on_terminal():
        with progress_lines(description, unit):
            yield
        return
    from rich.progress import TextColumn, TimeRemainingColumn

    from knnc._progress import progress, rich_bar

    columns = TimeRemainingColumn(), TextColumn("left")
    with rich_bar(description, *columns, transient=True) as move, progress(move):
        yield


@contextmanager
def progress_lines(description: str, unit: str = "queries") -> Iterator[None]:
    """Print the progress of searches on standard error once a minute."""
    from knnc.engine.system.progress import current, progress

    outer = current()
    last = began = perf_counter()
    first: int | None = None

    def tell(done: int, total: int) -> None:
        nonlocal last, first
        if outer is not None:
            outer(done, total)
        now = perf_counter()
        first = done if first is None else first
        if now - last < LINE_SECONDS:
            return
        last = now
        left = ""
        if done > first:  # an earlier run's part took no time of this one
            seconds = (now - began) * (total - done) / (done - first)
            left = f", about {timedelta(seconds=round(seconds))} left"
        say_progress(f"{description}: {done:,} of {total:,} {unit} ({done / total:.1%}){left}")

    with progress(tell):
        yield


def say_progress(line: str) -> None:
    """Print a line on standard error; a closed pipe there does not end the program."""
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)


@contextmanager
def minutes(description: str) -> Iterator[None]:
    """Print once a minute what is being done, and for how long.

    A thread prints: the work may call nothing for long.
    """
    done, began = Event(), perf_counter()

    def tell() -> None:
        while not done.wait(LINE_SECONDS):
            say_progress(f"{description}: {(perf_counter() - began) / 60:.0f} min so far")

    thread = Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextmanager
def status(description: str) -> Iterator[None]:
    """Show what is being done: on a terminal all the time, elsewhere once a minute."""
    if not on_terminal():
        with minutes(description):
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


def save_picture(figure: Figure | SubFigure, out: Path, *, quiet: bool = False) -> None:
    """Write the picture; unless ``quiet``, print where it is."""
    figure.savefig(out, dpi=_DPI)  # type: ignore[union-attr]
    if not quiet:
        say("Picture", out.absolute())


def say(name: str, value: object) -> None:
    """Print one line of the result: a name and a value."""
    stdout().print(Text.assemble((f"{name:<9}", "bold"), str(value)), soft_wrap=True)
