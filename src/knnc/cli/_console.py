"""What the commands share: options, data sets, recipes, the standard streams, pictures."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

_PICTURES = (".png", ".pdf", ".svg")
_DPI = 150


def option(help_text: str, *names: str, **settings: Any) -> Any:
    """An option of a command, with its help, its names and other arguments of typer."""
    return typer.Option(*names, help=help_text, **settings)


def number(help_text: str, *names: str, least: float = 1, **settings: Any) -> Any:
    """An option that takes a number of at least `least`."""
    return option(help_text, *names, **({"metavar": "N", "min": least} | settings))


Dataset = Annotated[
    str,
    typer.Argument(
        metavar="DATASET",
        help="digits, mnist, fashion-mnist, kmnist, qmnist, or a folder with four IDX files.",
        show_default=False,
    ),
]
Datasets = Annotated[
    list[str],
    typer.Argument(
        metavar="DATASET",
        help="digits, mnist, fashion-mnist, kmnist, qmnist, or folders with four IDX files.",
        show_default=False,
    ),
]
DataHome = Annotated[
    Path | None,
    option(
        "Where data sets are kept.",
        metavar="FOLDER",
        file_okay=False,
        show_default="KNNC_DATA_HOME, or ~/knnc_data",
    ),
]
Limit = Annotated[int | None, number("Read only the first N test images.", show_default="all")]
Threads = Annotated[int | None, number("How many threads.", show_default="all")]
Recipe = Annotated[str, option("The way to read.", metavar="NAME")]
Out = Annotated[
    Path | None,
    option(
        "Where the picture goes: a PNG, PDF or SVG.",
        "--out",
        "-o",
        metavar="FILE",
        dir_okay=False,
        show_default="knnc-<what>-<data>.png",
    ),
]
Json = Annotated[bool, option("Print one JSON object on one line instead of a table.", "--json")]


def check_recipe(recipe: str) -> None:
    """Refuse an unknown name as a usage error."""
    from knnc.recipes import RECIPES

    if recipe not in RECIPES:
        raise typer.BadParameter(
            f"no recipe is called {recipe!r}; the known ones: {', '.join(sorted(RECIPES))}",
            param_hint="--recipe",
        )


def make_estimator(recipe: str, **params: Any) -> Any:
    """The estimator of a recipe; an unknown name, or a parameter it lacks, is a usage error."""
    from knnc.recipes import make_recipe

    check_recipe(recipe)
    try:
        return make_recipe(recipe, **params)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def load_parts(dataset: str, data_home: Path | None) -> tuple[Any, Any]:
    """The training and the test part of a data set; what is downloaded is said."""
    from knnc.datasets import load_dataset

    check_name(dataset)
    with messages(), status(f"Reading {dataset}"):
        return load_dataset(dataset, data_home=data_home)


def check_name(dataset: str, *, hint: str = "DATASET") -> None:
    """A word that is neither a name nor a folder here is a slip of the pen: a usage error."""
    from knnc.datasets._folder import is_set_in_folder
    from knnc.datasets._load import DATASETS

    if dataset in DATASETS or Path(dataset).exists() or is_set_in_folder(dataset):
        return
    if Path(dataset).name == dataset:
        raise typer.BadParameter(
            f"{dataset!r} is neither one of {', '.join(DATASETS)} nor a folder",
            param_hint=hint,
        )


def sampled(part: Any, n: int | None) -> tuple[Any, Any]:
    """Rows and labels of `n` images drawn at random, always the same; of all if there are fewer."""
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
    """Say on standard error what went wrong; ``message`` is taken literally and never wrapped."""
    line = Text.assemble(("knnc: error: ", "bold red"), message)
    stderr().print(line, soft_wrap=True)


def message_of(error: Exception) -> str:
    """What an exception says, without the number that the system gives its error."""
    if isinstance(error, OSError) and error.strerror:
        where = f": {error.filename}" if error.filename else ""
        return f"{error.strerror}{where}"
    return str(error) or type(error).__name__


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
    from rich.progress import TextColumn, TimeRemainingColumn

    from knnc._progress import progress, rich_bar

    columns = TimeRemainingColumn(), TextColumn("left")
    with rich_bar(description, *columns, transient=True) as move, progress(move):
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


def check_picture(out: Path, kinds: str, endings: tuple[str, ...], hint: str) -> None:
    """Refuse before any work a picture that could not be written after it."""
    if out.suffix.lower() not in endings:
        raise typer.BadParameter(f"{kinds}; {out.name} ends otherwise", param_hint=hint)
    if not out.absolute().parent.is_dir():
        raise typer.BadParameter(f"there is no folder {out.parent}", param_hint=hint)


def picture_path(out: Path | None, what: str, *datasets: str) -> Path:
    """The file asked for, or one named after what is in it; refused if it cannot be written."""
    if out is None:
        names = [Path(dataset).name or "data" for dataset in datasets]
        out = Path("-".join(["knnc", what, *names]) + ".png")
    check_picture(out, f"a picture is one of {', '.join(_PICTURES)}", _PICTURES, "--out")
    return out


def save_picture(figure: Figure | SubFigure, out: Path, *, quiet: bool = False) -> None:
    """Write the picture, and say where it is unless another program reads what is said."""
    figure.savefig(out, dpi=_DPI)  # type: ignore[union-attr]
    if not quiet:
        say("Picture", out.absolute())


def say(name: str, value: object) -> None:
    """One line of the result: a name, and what is to be said of it."""
    stdout().print(Text.assemble((f"{name:<9}", "bold"), str(value)), soft_wrap=True)
