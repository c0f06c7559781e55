"""The commands, their options, and what happens when one fails."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from knnc.cli._console import say_error
from knnc.cli._options import DataHome, Dataset, Datasets, Json, Limit, Out, Recipe, Threads
from knnc.cli._stdout import let_go, reader_has_gone
from knnc.cli._view_app import view

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


class Weights(StrEnum):
    """How much each neighbour's vote counts."""

    uniform = "uniform"
    distance = "distance"


class Metric(StrEnum):
    """The distances that compare rows of pixels without parameters of their own."""

    euclidean = "euclidean"
    manhattan = "manhattan"
    chebyshev = "chebyshev"
    hamming = "hamming"
    cosine = "cosine"
    correlation = "correlation"
    braycurtis = "braycurtis"
    canberra = "canberra"
    sqeuclidean = "sqeuclidean"
    minkowski = "minkowski"
    cityblock = "cityblock"
    l1 = "l1"
    l2 = "l2"


def _print_version(asked: bool) -> None:
    if asked:
        from knnc._version import __version__

        typer.echo(f"knnc {__version__}")
        raise typer.Exit


@app.callback()
def knnc_(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error, not only its message.")
    ] = False,
) -> None:
    """Exact nearest neighbours that read handwriting."""


@app.command()
def demo(
    output: Annotated[
        Path,
        typer.Option(
            "--out", "--output", "-o", dir_okay=False, help="Where the picture goes: a PNG."
        ),
    ] = Path("knnc-demo.png"),
) -> None:
    """Read handwritten digits: how well, how fast, and a picture of it.

    Takes a few seconds and needs no download: the digits come with scikit-learn.
    """
    from knnc.cli._demo import run

    run(output)


@app.command()
def evaluate(
    dataset: Dataset,
    n_neighbors: Annotated[
        int | None,
        typer.Option(
            "--n-neighbors", "-k", min=1, help="How many neighbours vote.", show_default=_RECIPES
        ),
    ] = None,
    weights: Annotated[
        Weights | None, typer.Option(help="How much a vote counts.", show_default=_RECIPES)
    ] = None,
    metric: Annotated[
        Metric | None,
        typer.Option(
            metavar="NAME",
            help=f"The distance, as scikit-learn calls it: {', '.join(Metric)}.",
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
    from knnc.cli._evaluate import run

    given = {"n_neighbors": n_neighbors, "weights": weights, "metric": metric, "n_jobs": threads}
    run(
        dataset,
        recipe=recipe,
        params={
            name: value.value if isinstance(value, StrEnum) else value
            for name, value in given.items()
            if value is not None
        },
        limit=limit,
        data_home=data_home,
        as_json=as_json,
    )


@app.command()
def compare(
    datasets: Datasets,
    train: Annotated[
        int, typer.Option(metavar="N", min=10, help="How many training images, drawn at random.")
    ] = 2000,
    test: Annotated[
        int, typer.Option(metavar="N", min=10, help="How many test images, drawn at random.")
    ] = 2000,
    slow: Annotated[
        bool,
        typer.Option(
            "--slow", help="Gradient boosting too, which takes longer than all others together."
        ),
    ] = False,
    out: Out = None,
    data_home: DataHome = None,
    as_json: Json = False,
) -> None:
    """Data sets side by side: read by the recipes, by scikit-learn's classifiers, by one pixel.

    The classifiers are those of the Fashion-MNIST benchmark.
    """
    from knnc.cli._compare import run

    run(
        datasets,
        n_train=train,
        n_test=test,
        slow=slow,
        out=out,
        data_home=data_home,
        as_json=as_json,
    )


@app.command()
def read(
    image: Annotated[
        Path,
        typer.Argument(
            metavar="IMAGE", help="A scan or a photograph: PNG, JPEG, TIFF, BMP, GIF, WebP or PDF."
        ),
    ],
    page: Annotated[
        int, typer.Option(metavar="N", min=1, help="Which page of a PDF or a TIFF.")
    ] = 1,
    train: Annotated[
        str | None,
        typer.Option(
            metavar="DATASET",
            help="What to learn from: digits, mnist, or a folder with four IDX files.",
            show_default="mnist if it is there, else digits",
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The way to read.", show_default="fast if there is one, else plain"
        ),
    ] = None,
    min_confidence: Annotated[
        float | None,
        typer.Option(
            metavar="P", min=0, max=1, help='Print "?" for a character less probable than P.'
        ),
    ] = None,
    transposed: Annotated[
        bool,
        typer.Option(
            "--transposed", help="The training images are stored by column, as EMNIST's are."
        ),
    ] = False,
    data_home: DataHome = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on one line instead of text.")
    ] = False,
    annotated: Annotated[
        Path | None,
        typer.Option(
            "--annotate",
            metavar="OUT.png",
            dir_okay=False,
            help="Draw what was read on the image, and save it here.",
        ),
    ] = None,
    no_cache: Annotated[
        bool,
        typer.Option(
            "--no-cache", help="Learn anew, and do not keep what is learnt for the next time."
        ),
    ] = False,
) -> None:
    """Read the handwriting on an image, line by line."""
    from knnc.cli._read import run

    run(
        image,
        page_number=page,
        train=train,
        recipe=recipe,
        min_confidence=min_confidence,
        transposed=transposed,
        data_home=data_home,
        as_json=as_json,
        annotated=annotated,
        use_cache=not no_cache,
    )


class ExactMetric(StrEnum):
    """The distances of ground truth."""

    euclidean = "euclidean"
    manhattan = "manhattan"


@app.command()
def groundtruth(
    base: Annotated[
        Path, typer.Argument(metavar="BASE", help="The vectors: a .u8bin, .bvecs or .npy file.")
    ],
    queries: Annotated[
        Path, typer.Argument(metavar="QUERIES", help="The queries, in a file of these kinds.")
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", dir_okay=False, help="Where the neighbours go: .ibin."),
    ],
    n_neighbors: Annotated[
        int, typer.Option("--n-neighbors", "-k", min=1, help="How many neighbours of each query.")
    ] = 100,
    metric: Annotated[
        ExactMetric, typer.Option(help="The distance; euclidean ones are written squared.")
    ] = ExactMetric.euclidean,
    threads: Threads = None,
    max_memory: Annotated[
        int | None,
        typer.Option(
            metavar="MIB",
            min=16,
            help="The most memory for vectors and heaps; the rest stays on the disk.",
            show_default="1024",
        ),
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin anew, whatever an earlier run has left.")
    ] = False,
) -> None:
    """Find the exact neighbours of many queries, in files of any size.

    Run it again after it was stopped, and it goes on from where it was.
    """
    from knnc.cli._groundtruth import run

    run(
        base,
        queries,
        k=n_neighbors,
        output=output,
        metric=metric.value,
        threads=threads,
        max_memory=max_memory,
        restart=restart,
    )


@app.command()
def info(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on one line instead.")
    ] = False,
) -> None:
    """Say what runs here: versions, CPU features, kernels, OpenMP, threads."""
    import knnc
    from knnc.cli._console import print_json

    if as_json:
        from knnc.runtime import runtime_info

        print_json(runtime_info())
    else:
        knnc.show_runtime()
