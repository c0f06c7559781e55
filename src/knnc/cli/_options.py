"""Options and arguments that commands share, and how their values are read.

Values are parsed here, so that errors are in plain words and suggest what may have been meant.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import typer

# As knnc.datasets and knnc.recipes have them, which take time to import; a test compares.
DATASETS = ("digits", "printed", "mnist", "fashion-mnist", "kmnist", "qmnist")
RECIPES = ("plain", "fast", "accurate", "clothes")
# The distances that compare rows of pixels without parameters of their own.
METRICS = (
    *("euclidean", "manhattan", "chebyshev", "hamming", "cosine", "correlation", "braycurtis"),
    *("canberra", "sqeuclidean", "minkowski", "cityblock", "l1", "l2"),
)
PICTURES = (".png", ".jpg", ".jpeg", ".pdf", ".svg")


def option(help_text: str, *names: str, **settings: Any) -> Any:
    """An option of a command, with its help, its names and other arguments of typer."""
    return typer.Option(*names, help=help_text, **settings)


def number(
    help_text: str,
    *names: str,
    least: float = 1,
    most: float | None = None,
    kind: Callable[[str], float] = int,
    **settings: Any,
) -> Any:
    """An option that takes a number of at least `least`."""
    what = "a whole number" if kind is int else "a number"

    def parse(text: Any) -> float:
        try:
            value = kind(text)
        except ValueError:
            raise typer.BadParameter(f"{text!r} is not {what}.") from None
        if not least <= value or (most is not None and value > most):
            limits = f"at least {least:g}" if most is None else f"from {least:g} to {most:g}"
            raise typer.BadParameter(f"{value:g} is not {limits}.")
        return value

    return option(help_text, *names, **({"metavar": "N", "parser": parse} | settings))


def choice(help_text: str, *names: str, among: Sequence[str], **settings: Any) -> Any:
    """An option that takes one of some words, which the shell completes."""

    def parse(text: str) -> str:
        if text not in among:
            raise typer.BadParameter(f"{text!r} is none of {', '.join(among)}.{meant(text, among)}")
        return text

    more = {"metavar": "NAME", "parser": parse, "autocompletion": completer(among)}
    return option(help_text, *names, **(more | settings))


def meant(word: str, known: Iterable[str]) -> str:
    """A sentence that suggests the known word most like `word`, or nothing."""
    close = get_close_matches(word, known, n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def completer(words: Sequence[str]) -> Callable[[str], list[str]]:
    """What a shell may complete an incomplete word to."""

    def complete(incomplete: str) -> list[str]:
        return [word for word in words if word.startswith(incomplete)]

    return complete


def check_recipe(recipe: str) -> None:
    """Refuse an unknown name as a usage error."""
    if recipe not in RECIPES:
        raise typer.BadParameter(
            f"no recipe is called {recipe!r}; the known ones: {', '.join(RECIPES)}."
            f"{meant(recipe, RECIPES)}",
            param_hint="--recipe",
        )


def check_name(dataset: str, *, hint: str = "DATASET") -> None:
    """Refuse what is neither the name of a data set nor a folder, as a usage error."""
    from knnc.datasets._folder import is_set_in_folder

    if dataset not in DATASETS and not Path(dataset).is_dir() and not is_set_in_folder(dataset):
        raise typer.BadParameter(
            f"{dataset!r} is neither one of {', '.join(DATASETS)} nor a folder."
            f"{meant(dataset, DATASETS)}",
            param_hint=hint,
        )


def check_input(path: Path, hint: str) -> None:
    """Refuse a file that is not there, as a usage error."""
    if not path.exists() or path.is_dir():
        raise typer.BadParameter(f"there is no file {path}.", param_hint=hint)


def check_output(out: Path, endings: Sequence[str], hint: str = "--out") -> None:
    """Refuse before any work a file that could not be written after it, as a usage error."""
    if out.suffix.lower() not in endings:
        raise typer.BadParameter(
            f"{out.name} has to end in {' or '.join(endings)}.", param_hint=hint
        )
    if not out.absolute().parent.is_dir():
        raise typer.BadParameter(f"there is no folder {out.parent}.", param_hint=hint)
    if out.is_dir():
        raise typer.BadParameter(f"{out} is a folder, not a file.", param_hint=hint)
    if not out.exists() and not os.access(out.absolute().parent, os.W_OK):
        raise typer.BadParameter(f"you may not write to the folder {out.parent}.", param_hint=hint)


def picture_path(out: Path | None, what: str, *datasets: str) -> Path:
    """The file asked for, or one named after what is in it; refused if it cannot be written."""
    if out is None:
        from knnc.datasets._load import name_of

        out = Path("-".join(["knnc", what, *map(name_of, datasets)]) + ".png")
    check_output(out, PICTURES)
    return out


def _data(text: str) -> Any:
    return typer.Argument(
        metavar="DATASET", help=text, show_default=False, autocompletion=completer(DATASETS)
    )


Dataset = Annotated[str, _data(f"{', '.join(DATASETS)}, or a folder with four IDX files.")]
Datasets = Annotated[
    list[str], _data(f"{', '.join(DATASETS)}, or folders with four IDX files; one or more.")
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
Limit = Annotated[int | None, number("Use only the first N test images.", show_default="all")]
Threads = Annotated[int | None, number("How many threads.", show_default="all")]
Recipe = Annotated[
    str,
    option(f"The recipe: {', '.join(RECIPES)}.", metavar="NAME", autocompletion=completer(RECIPES)),
]
Out = Annotated[
    Path | None,
    option(
        f"Where the picture goes: a file that ends in {', '.join(PICTURES)}.",
        "--out",
        "-o",
        metavar="FILE",
        show_default="knnc-<what>-<data>.png",
    ),
]
Json = Annotated[bool, option("Print one JSON object on one line instead of a table.", "--json")]


def neighbors(help_text: str, **settings: Any) -> Any:
    """The option for the number of neighbours: one name in all commands."""
    return number(help_text, "--neighbors", "-k", **({"metavar": "K"} | settings))
