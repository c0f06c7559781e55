"""The program: its commands, and what happens when one fails."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from knnc.cli._compare import compare
from knnc.cli._console import message_of, option, print_json, say_error
from knnc.cli._evaluate import evaluate
from knnc.cli._groundtruth import groundtruth
from knnc.cli._read import read
from knnc.cli._view import view

# What a user can cause: a file that is missing or malformed, a missing extra, parameters that do
# not fit the data. Anything else is a bug and keeps its traceback.
_EXPECTED = (ImportError, MemoryError, OSError, ValueError)


class _Group(TyperGroup):
    """Turn what a command raises into a message and an exit code, for every command alike."""

    def invoke(self, ctx: Any) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except KeyboardInterrupt:
            print("knnc: interrupted", file=sys.stderr)
            raise typer.Exit(130) from None
        except _EXPECTED as error:
            if ctx.params.get("debug"):
                raise
            say_error(message_of(error))
            raise typer.Exit(1) from None


app = typer.Typer(
    name="knnc",
    cls=_Group,
    help="Exact nearest neighbours that read handwriting.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


app.add_typer(view, name="view")


def _print_version(asked: bool) -> None:
    if asked:
        from knnc._version import __version__

        print(f"knnc {__version__}")
        raise typer.Exit


@app.callback()
def knnc_(
    version: Annotated[
        bool, option("Print the version.", "--version", callback=_print_version, is_eager=True)
    ] = False,
    debug: Annotated[
        bool, option("Show the traceback of an error, not only its message.", "--debug")
    ] = False,
) -> None:
    """Exact nearest neighbours that read handwriting."""


@app.command()
def demo(
    output: Annotated[
        Path, option("Where the picture goes: a PNG.", "--out", "--output", "-o", dir_okay=False)
    ] = Path("knnc-demo.png"),
) -> None:
    """Read handwritten digits: how well, how fast, and a picture of it.

    Takes a few seconds and needs no download: the digits come with scikit-learn.
    """
    from knnc.cli._demo import run

    run(output)


for command in (evaluate, compare, read, groundtruth):
    app.command()(command)


@app.command()
def info(
    as_json: Annotated[
        bool, option("Print one JSON object on one line instead.", "--json")
    ] = False,
) -> None:
    """Say what runs here: versions, CPU features, kernels, OpenMP, threads."""
    import knnc

    if as_json:
        from knnc.runtime import runtime_info

        print_json(runtime_info())
    else:
        knnc.show_runtime()
