"""``knnc.progress``, and the bars of rich and tqdm that it shows.

The engine only calls a callback: :mod:`knnc.engine.system.progress`.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from knnc._extras import require
from knnc._guarded import Guarded
from knnc.engine.system.progress import ProgressCallback
from knnc.engine.system.progress import progress as report_to

__all__ = ["BARS", "progress", "rich_bar"]


@contextmanager
def progress(
    callback: ProgressCallback | Literal["rich", "tqdm"] | None, description: str = "Searching"
) -> Iterator[None]:
    """Report the progress of every search made inside a ``with`` block.

    Parameters
    ----------
    callback : callable, "rich", "tqdm" or None
        "rich" and "tqdm" show a progress bar of that library on standard error. A callable is
        called as ``callback(done, total)`` after each step of a search, in the thread that called
        the search. `done` and `total` count queries; a query that is compared with half of the rows
        so far counts as a half. While :func:`knnc.ocr.read_page` runs, they count hundredths of the
        page. The callable is called at least once for each search, at the end with
        ``done == total``. An exception that it raises ends the search and reaches the caller. None
        silences an outer block.
    description : str, default="Searching"
        What a bar of "rich" or "tqdm" says.

    Raises
    ------
    ValueError
        If `callback` is any other string.
    ImportError
        If the library of the bar is not installed; ``pip install "knnc[progress]"`` does so.

    Notes
    -----
    The setting is a context variable. A thread that is started inside the block does not inherit
    it, unless the context is copied.

    Examples
    --------
    >>> import numpy as np, knnc
    >>> X = np.arange(12, dtype=np.uint8).reshape(6, 2)
    >>> with knnc.progress(lambda done, total: print(done, "of", total)):
    ...     _ = knnc.NearestNeighbors(n_neighbors=2).fit(X).kneighbors(X)
    6 of 6
    """
    if not isinstance(callback, str):
        with report_to(callback):
            yield
        return
    if callback not in BARS:
        raise ValueError(f"callback must be callable, None or in {set(BARS)}, got {callback!r}.")
    with BARS[callback](description) as move, report_to(move):
        yield


@contextmanager
def rich_bar(description: str, *last: Any, transient: bool = False) -> Iterator[Any]:
    """A bar of rich on standard error, or in a notebook, and the callback that moves it.

    Parameters
    ----------
    description : str
        What it says.
    *last : rich.progress.ProgressColumn
        What stands behind the counts; by default the time that remains.
    transient : bool, default=False
        Whether the bar goes away at the end.

    Yields
    ------
    move : callable
        ``move(done, total)``; it also takes a new ``description``.
    """
    rich = _imported("rich.progress")
    console = _imported("rich.console").Console(file=_standard_error())
    columns = (
        rich.TextColumn("{task.description}"),
        rich.BarColumn(),
        rich.MofNCompleteColumn(),
        *(last or [rich.TimeRemainingColumn()]),
    )
    # What is printed meanwhile goes above the bar, but stays in a pipe or a file.
    shown = sys.stdout is not None and sys.stdout.isatty()
    with rich.Progress(
        *columns, console=console, transient=transient, redirect_stdout=shown
    ) as bar:
        task = bar.add_task(description, total=None)
        yield lambda done, total, **changes: bar.update(
            task, completed=done, total=total, **changes
        )


@contextmanager
def _tqdm_bar(description: str) -> Iterator[ProgressCallback]:
    options = {"desc": description, "unit": " queries", "file": _standard_error()}
    with _imported("tqdm.auto").tqdm(**options) as bar:

        def move(done: int, total: int) -> None:
            # A search that follows another in the same block begins anew.
            if total != bar.total or done < bar.n:
                bar.reset(total)
            bar.update(done - bar.n)

        yield move


def _standard_error() -> Any:
    """Where a bar goes, as long as it can be written: that it cannot is no reason to end a search.

    A program without a console, as Windows has them, has none.
    """
    stream = io.StringIO() if sys.stderr is None else sys.stderr
    return Guarded(stream, lambda error: None)


BARS = {"rich": rich_bar, "tqdm": _tqdm_bar}


def _imported(module: str) -> Any:
    return require(module, by="This progress bar", install="knnc[progress]")
