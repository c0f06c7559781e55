"""Options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

Dataset = Annotated[
    str,
    typer.Argument(
        metavar="DATASET",
        help="digits, mnist, fashion-mnist, or a folder with four IDX files.",
        show_default=False,
    ),
]
Datasets = Annotated[
    list[str],
    typer.Argument(
        metavar="DATASET",
        help="digits, mnist, fashion-mnist, or folders with four IDX files.",
        show_default=False,
    ),
]
DataHome = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        file_okay=False,
        help="Where data sets are kept.",
        show_default="KNNC_DATA_HOME, or ~/knnc_data",
    ),
]
Limit = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Read only the first N test images.", show_default="all"),
]
Threads = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="How many threads.", show_default="all")
]
Recipe = Annotated[str, typer.Option(metavar="NAME", help="The way to read.")]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        metavar="FILE",
        dir_okay=False,
        help="Where the picture goes: a PNG, PDF or SVG.",
        show_default="knnc-<what>-<data>.png",
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on one line instead of a table.")
]
