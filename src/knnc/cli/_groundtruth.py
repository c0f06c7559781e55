"""``knnc groundtruth``: a bar or lines that tell how far it is, and what it took."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from time import perf_counter

from knnc.cli._console import on_terminal, progress_bar
from knnc.engine.progress import current, progress
from knnc.groundtruth import opened

# Seconds between two lines that say how far it is, where no terminal shows a bar.
LINE_SECONDS = 60.0


def run(
    base: Path,
    queries: Path,
    output: Path,
    *,
    n_neighbors: int,
    metric: str,
    threads: int | None,
    max_memory: int | None,
    restart: bool,
) -> None:
    """Search, and write the neighbours and what it took."""
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
