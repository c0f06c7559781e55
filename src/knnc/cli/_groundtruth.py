"""``knnc groundtruth``: exact neighbours of many queries, in files."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer

from knnc.cli._console import progress_bar
from knnc.cli._options import (
    Threads,
    check_input,
    check_output,
    choice,
    neighbors,
    number,
    option,
)


def groundtruth(
    base: Annotated[
        Path,
        typer.Argument(
            metavar="BASE", help="The vectors: a .u8bin, .fbin, .bvecs, .fvecs or .npy file."
        ),
    ],
    queries: Annotated[
        Path, typer.Argument(metavar="QUERIES", help="The queries: a file of one of these kinds.")
    ],
    output: Annotated[
        Path, option("Where the neighbours go: an .ibin file.", "--out", "-o", metavar="FILE")
    ],
    n_neighbors: Annotated[int, neighbors("How many neighbours of each query.")] = 100,
    metric: Annotated[
        str,
        choice(
            "The distance: euclidean, which is written squared, manhattan or cosine.",
            "--metric",
            among=("euclidean", "manhattan", "cosine"),
        ),
    ] = "euclidean",
    threads: Threads = None,
    max_memory: Annotated[
        int | None,
        number(
            "The most memory for vectors and heaps; the rest stays on the disk.",
            least=16,
            metavar="MIB",
            show_default="1024",
        ),
    ] = None,
    restart: Annotated[
        bool, option("Begin anew, whatever an earlier run has left.", "--restart")
    ] = False,
) -> None:
    """Find the exact neighbours of many queries, in files of any size.

    If you stop it, run it again: it goes on where it stopped.
    """
    from knnc.groundtruth import opened

    check_input(base, "BASE")
    check_input(queries, "QUERIES")
    check_output(output, (".ibin",))
    with opened(
        base,
        queries,
        output,
        k=n_neighbors,
        metric=metric,
        n_threads=threads,
        max_memory=max_memory,
        restart=restart,
    ) as job:
        if job.was_complete:
            print(f"{output}: complete, by an earlier run")
            return
        start, began = job.done(), perf_counter()
        with progress_bar("Searching"):
            job.run()
        seconds = perf_counter() - began
    resumed = f", the last {1 - start:.0%} of them" if start else ""
    print(
        f"{output}: {n_neighbors} neighbours of each of {len(job.queries):,} queries among "
        f"{len(job.rows):,} vectors in {seconds:.1f} s{resumed}"
    )
