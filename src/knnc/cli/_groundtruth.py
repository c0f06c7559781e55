"""``knnc groundtruth``: a bar or lines that tell how far it is, and what it took."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer

from knnc.cli._console import Threads, number, on_terminal, option, progress_bar
from knnc.engine.system.progress import current, progress

# Seconds between two lines that say how far it is, where no terminal shows a bar.
LINE_SECONDS = 60.0
# The distances of ground truth.
ExactMetric = StrEnum("ExactMetric", "euclidean manhattan cosine")


def groundtruth(
    base: Annotated[
        Path,
        typer.Argument(
            metavar="BASE", help="The vectors: a .u8bin, .fbin, .bvecs, .fvecs or .npy file."
        ),
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
    from knnc.groundtruth import opened

    with opened(
        base,
        queries,
        output,
        k=n_neighbors,
        metric=metric.value,
        n_threads=threads,
        max_memory=max_memory,
        restart=restart,
    ) as job:
        if job.was_complete:
            print(f"{output}: complete, by an earlier run")
            return
        start, began = job.done(), perf_counter()
        with progress_bar("Searching") if on_terminal() else _progress_lines():
            job.run()
        seconds = perf_counter() - began
    resumed = f", the last {1 - start:.0%} of them" if start else ""
    print(
        f"{output}: {n_neighbors} neighbours of each of {len(job.queries):,} queries among "
        f"{len(job.rows):,} vectors in {seconds:.1f} s{resumed}"
    )


@contextmanager
def _progress_lines() -> Iterator[None]:
    """Say on standard error now and then how far the search inside is."""
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
        if done > first:  # what an earlier run did took none of this one's time
            seconds = (now - began) * (total - done) / (done - first)
            left = f", about {timedelta(seconds=round(seconds))} left"
        said = f"Searching: {done:,} of {total:,} queries ({done / total:.1%}){left}"
        with suppress(OSError):  # that nobody reads them any more is no reason to end
            print(said, file=sys.stderr, flush=True)

    with progress(tell):
        yield
