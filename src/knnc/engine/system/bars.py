"""Progress bars of rich and tqdm, for :func:`knnc.progress`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from knnc.engine.system.progress import ProgressCallback

__all__ = ["BARS", "bar"]


@contextmanager
def bar(kind: str, description: str) -> Iterator[ProgressCallback]:
    """A bar on standard error, or in a notebook, and the callback that moves it.

    A search that follows another in the same block begins anew.
    """
    with BARS[kind](description) as callback:
        yield callback


@contextmanager
def _rich(description: str) -> Iterator[ProgressCallback]:
    rich = _imported("rich.progress")
    console = _imported("rich.console").Console(stderr=True)
    columns = (
        rich.TextColumn("{task.description}"),
        rich.BarColumn(),
        rich.MofNCompleteColumn(),
        rich.TimeRemainingColumn(),
    )
    with rich.Progress(*columns, console=console) as progress:
        task = progress.add_task(description, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextmanager
def _tqdm(description: str) -> Iterator[ProgressCallback]:
    with _imported("tqdm.auto").tqdm(desc=description, unit=" queries") as progress:

        def move(done: int, total: int) -> None:
            if total != progress.total or done < progress.n:
                progress.reset(total)
            progress.update(done - progress.n)

        yield move


BARS = {"rich": _rich, "tqdm": _tqdm}


def _imported(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        raise ImportError(
            f'This progress bar needs {name}, which is not installed: pip install "knnc[progress]"'
        ) from error
