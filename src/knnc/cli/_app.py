"""The program: its commands, and what happens when one fails."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from knnc.cli._base import Command, Group
from knnc.cli._compare import compare
from knnc.cli._console import message_of, print_json, say_error
from knnc.cli._evaluate import evaluate
from knnc.cli._examples import epilog
from knnc.cli._groundtruth import groundtruth
from knnc.cli._options import PICTURES, option
from knnc.cli._read import read
from knnc.cli._serve import serve
from knnc.cli._view import view

# Errors that a user can cause: a missing or malformed file, a missing extra, parameters that do not
# fit the data. Any other is a bug and keeps its traceback.
_EXPECTED = (ImportError, MemoryError, OSError, ValueError)


class _Program(Group):
    """Turns the exceptions of every command into a message and an exit code."""

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


_HELP = "Exact nearest neighbours: read digits, measure, draw, find neighbours in big files."

app = typer.Typer(
    name="knnc",
    cls=_Program,
    help=_HELP,
    epilog=epilog("knnc"),
    no_args_is_help=True,
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
        bool,
        option("Print the version.", "--version", "-V", callback=_print_version, is_eager=True),
    ] = False,
    debug: Annotated[
        bool, option("Show the traceback of an error, not only its message.", "--debug")
    ] = False,
) -> None:
    """The options of the program itself."""


@app.command(cls=Command, epilog=epilog("demo"))
def demo(
    output: Annotated[
        Path,
        option(
            f"Where the picture goes: it ends in {', '.join(PICTURES)}.",
            "--out",
            "-o",
            metavar="FILE",
        ),
    ] = Path("knnc-demo.png"),
) -> None:
    """Read handwritten digits: error, speed, and a picture.

    Takes a few seconds and needs no download: the digits come with scikit-learn.
    """
    from knnc.cli._demo import run

    run(output)


for command in (evaluate, compare, read, serve, groundtruth):
    app.command(cls=Command, epilog=epilog(command.__name__))(command)


@app.command(cls=Command, epilog=epilog("info"))
def info(
    as_json: Annotated[
        bool, option("Print one JSON object on one line instead.", "--json")
    ] = False,
) -> None:
    """Show versions, CPU features, kernels, OpenMP and threads."""
    import knnc

    if as_json:
        from knnc.runtime import runtime_info

        print_json(runtime_info())
    else:
        knnc.show_runtime()
