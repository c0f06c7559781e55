"""The commands, their options, and what happens when one fails."""

import sys
from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from knnc.cli._console import (
    DataHome,
    Dataset,
    Datasets,
    Json,
    Limit,
    Out,
    Recipe,
    Threads,
    let_go,
    number,
    option,
    print_json,
    reader_has_gone,
    say_error,
)
from knnc.cli._view import view

# What a user can cause: a file that is missing or malformed, a missing extra, parameters that do
# not fit the data. Anything else is a bug and keeps its traceback.
_EXPECTED = (ImportError, MemoryError, OSError, ValueError)

# What an option of ``evaluate`` is when it is not given.
_RECIPES = "the recipe's"


class _Group(TyperGroup):
    """Turn what a command raises into a message and an exit code, for every command alike."""

    def invoke(self, ctx: Any) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except KeyboardInterrupt:
            typer.echo("knnc: interrupted", err=True)
            raise typer.Exit(130) from None
        except _EXPECTED as error:
            if reader_has_gone(error):
                let_go()
                raise typer.Exit(1) from None
            if ctx.params.get("debug"):
                raise
            say_error(_message(error))
            raise typer.Exit(1) from None


def _message(error: Exception) -> str:
    """What an exception says, without the number that the system gives its error."""
    if isinstance(error, OSError) and error.strerror:
        where = f": {error.filename}" if error.filename else ""
        return f"{error.strerror}{where}"
    return str(error) or type(error).__name__


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


def _run_by(module: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Declare a command: its options are passed by name to ``run`` of a module of this package.

    The module is imported when the command runs.
    """

    def declare(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def run(**options: Any) -> None:
            import_module(f"knnc.cli.{module}").run(
                **{
                    name: value.value if isinstance(value, StrEnum) else value
                    for name, value in options.items()
                }
            )

        return app.command()(run)

    return declare


# How much each neighbour's vote counts.
Weights = StrEnum("Weights", "uniform distance")
# The distances that compare rows of pixels without parameters of their own.
Metric = StrEnum(
    "Metric",
    "euclidean manhattan chebyshev hamming cosine correlation braycurtis canberra sqeuclidean "
    "minkowski cityblock l1 l2",
)
# The distances of ground truth.
ExactMetric = StrEnum("ExactMetric", "euclidean manhattan")


def _print_version(asked: bool) -> None:
    if asked:
        from knnc._version import __version__

        typer.echo(f"knnc {__version__}")
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


@_run_by("_demo")
def demo(
    output: Annotated[
        Path, option("Where the picture goes: a PNG.", "--out", "--output", "-o", dir_okay=False)
    ] = Path("knnc-demo.png"),
) -> None:
    """Read handwritten digits: how well, how fast, and a picture of it.

    Takes a few seconds and needs no download: the digits come with scikit-learn.
    """


@_run_by("_evaluate")
def evaluate(
    dataset: Dataset,
    n_neighbors: Annotated[
        int | None,
        number(
            "How many neighbours vote.", "--n-neighbors", "-k", metavar=None, show_default=_RECIPES
        ),
    ] = None,
    weights: Annotated[
        Weights | None, option("How much a vote counts.", show_default=_RECIPES)
    ] = None,
    metric: Annotated[
        Metric | None,
        option(
            f"The distance, as scikit-learn calls it: {', '.join(Metric)}.",
            metavar="NAME",
            show_default=_RECIPES,
        ),
    ] = None,
    recipe: Recipe = "plain",
    threads: Threads = None,
    limit: Limit = None,
    data_home: DataHome = None,
    as_json: Json = False,
) -> None:
    """Read the test images of a data set: error, time, speed."""


@_run_by("_compare")
def compare(
    datasets: Datasets,
    train: Annotated[int, number("How many training images, drawn at random.", least=10)] = 2000,
    test: Annotated[int, number("How many test images, drawn at random.", least=10)] = 2000,
    slow: Annotated[
        bool,
        option("Gradient boosting too, which takes longer than all others together.", "--slow"),
    ] = False,
    out: Out = None,
    data_home: DataHome = None,
    as_json: Json = False,
) -> None:
    """Data sets side by side: read by the recipes, by scikit-learn's classifiers, by one pixel.

    The classifiers are those of the Fashion-MNIST benchmark.
    """


@_run_by("_read")
def read(
    image: Annotated[
        Path,
        typer.Argument(
            metavar="IMAGE", help="A scan or a photograph: PNG, JPEG, TIFF, BMP, GIF, WebP or PDF."
        ),
    ],
    page: Annotated[int, number("Which page of a PDF or a TIFF.")] = 1,
    train: Annotated[
        str | None,
        option(
            "What to learn from: digits, mnist, or a folder with four IDX files.",
            metavar="DATASET",
            show_default="mnist if it is there, else digits",
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        option("The way to read.", metavar="NAME", show_default="fast if there is one, else plain"),
    ] = None,
    min_confidence: Annotated[
        float | None,
        option('Print "?" for a character less probable than P.', metavar="P", min=0, max=1),
    ] = None,
    transposed: Annotated[
        bool, option("The training images are stored by column, as EMNIST's are.", "--transposed")
    ] = False,
    data_home: DataHome = None,
    as_json: Annotated[
        bool, option("Print one JSON object on one line instead of text.", "--json")
    ] = False,
    annotated: Annotated[
        Path | None,
        option(
            "Draw what was read on the image, and save it here.",
            "--annotate",
            metavar="OUT.png",
            dir_okay=False,
        ),
    ] = None,
    no_cache: Annotated[
        bool, option("Learn anew, and do not keep what is learnt for the next time.", "--no-cache")
    ] = False,
) -> None:
    """Read the handwriting on an image, line by line."""


@_run_by("_groundtruth")
def groundtruth(
    base: Annotated[
        Path, typer.Argument(metavar="BASE", help="The vectors: a .u8bin, .bvecs or .npy file.")
    ],
    queries: Annotated[
        Path, typer.Argument(metavar="QUERIES", help="The queries, in a file of these kinds.")
    ],
    output: Annotated[
        Path, option("Where the neighbours go: .ibin.", "--output", "-o", dir_okay=False)
    ],
    n_neighbors: Annotated[
        int, number("How many neighbours of each query.", "--n-neighbors", "-k", metavar=None)
    ] = 100,
    metric: Annotated[
        ExactMetric, option("The distance; euclidean ones are written squared.")
    ] = ExactMetric.euclidean,
    threads: Threads = None,
    max_memory: Annotated[
        int | None,
        option(
            "The most memory for vectors and heaps; the rest stays on the disk.",
            metavar="MIB",
            min=16,
            show_default="1024",
        ),
    ] = None,
    restart: Annotated[
        bool, option("Begin anew, whatever an earlier run has left.", "--restart")
    ] = False,
) -> None:
    """Find the exact neighbours of many queries, in files of any size.

    Run it again after it was stopped, and it goes on from where it was.
    """


@app.command()
def info(
    as_json: Annotated[
        bool, option("Print one JSON object on one line instead.", "--json")
    ] = False,
) -> None:
    """Say what runs here: versions, CPU features, kernels, OpenMP, threads."""
    import knnc

    if as_json:
        from knnc.engine.runtime import runtime_info

        print_json(runtime_info())
    else:
        knnc.show_runtime()
