"""``knnc compare``: classifiers and single pixels on several data sets."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from knnc.cli._console import (
    load_parts,
    minutes,
    on_terminal,
    print_json,
    sampled,
    save_picture,
    say_progress,
    status,
    stdout,
)
from knnc.cli._options import (
    DataHome,
    Datasets,
    Json,
    Out,
    check_name,
    number,
    option,
    picture_path,
)
from knnc.cli._view import draw_pixels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from knnc.plot import ComparisonDisplay, Outcome, PixelPairs


def compare(
    datasets: Datasets,
    train_images: Annotated[
        int, number("How many training images, drawn at random.", least=10)
    ] = 2000,
    test_images: Annotated[int, number("How many test images, drawn at random.", least=10)] = 2000,
    slow: Annotated[
        bool,
        option("Include gradient boosting, which takes longer than all others together.", "--slow"),
    ] = False,
    out: Out = None,
    data_home: DataHome = None,
    as_json: Json = False,
) -> None:
    """Compare data sets: recipes, scikit-learn's classifiers, single pixels.

    The classifiers are those of the Fashion-MNIST benchmark.
    """
    from knnc.cli._field import field, recipes
    from knnc.datasets._load import name_of
    from knnc.plot import ComparisonDisplay, best_single_pixels, compare_classifiers
    from knnc.plot._base import require_matplotlib

    require_matplotlib()
    path = picture_path(out, "compare", *datasets)
    for dataset in datasets:
        check_name(dataset)
    names = [name_of(dataset) for dataset in datasets]
    if len(set(names)) < len(names):
        raise typer.BadParameter(
            "two data sets have the same name; rename a folder.", param_hint="DATASET"
        )
    parts = {
        name: load_parts(dataset, data_home) for name, dataset in zip(names, datasets, strict=True)
    }
    ours = recipes()
    classifiers = {**ours, **field(slow=slow)}
    samples = {
        name: (*sampled(part[0], train_images), *sampled(part[1], test_images))
        for name, part in parts.items()
    }
    with _steps(len(classifiers) * len(samples)) as on_start:
        outcomes = compare_classifiers(classifiers, samples, on_start=on_start)
    with status("Looking at single pixels"):
        pixels = {
            name: best_single_pixels(
                learnt.data, learnt.target, X_test=tried.data, y_test=tried.target
            )
            for name, (learnt, tried) in parts.items()
        }
    display = ComparisonDisplay(outcomes=outcomes, ours=ours)
    sizes = {name: (len(sample[0]), len(sample[2])) for name, sample in samples.items()}
    if as_json:
        print_json(_record(display, sizes, pixels))
    else:
        _print(stdout(), display, sizes, pixels)
    with status("Drawing"):
        figure = draw_figure(display, parts, sizes)
    save_picture(figure, path, quiet=as_json)


@contextmanager
def _steps(n_steps: int) -> Iterator[Callable[[str, str], None]]:
    """Show which classifier runs: in a bar on a terminal, elsewhere in a line for each."""
    n_done = itertools.count()
    if not on_terminal():
        with minutes("Comparing"):
            yield lambda classifier, dataset: say_progress(
                f"{classifier} on {dataset}, {next(n_done) + 1} of {n_steps}"
            )
        return
    from rich.progress import TimeElapsedColumn

    from knnc._progress import rich_bar

    with rich_bar("", TimeElapsedColumn(), transient=True) as move:
        yield lambda classifier, dataset: move(
            next(n_done), n_steps, description=f"{classifier} on {dataset}"
        )


def _record(
    display: ComparisonDisplay,
    sizes: Mapping[str, tuple[int, int]],
    pixels: Mapping[str, PixelPairs],
) -> dict[str, Any]:
    """What ``--json`` prints."""
    return {
        "datasets": {
            name: {
                "n_train": n_train,
                "n_test": n_test,
                "single_pixel_accuracy_median": float(median(pixels[name].accuracy)),
                "single_pixel_accuracy_least": float(pixels[name].accuracy.min()),
            }
            for name, (n_train, n_test) in sizes.items()
        },
        "results": [asdict(outcome) for outcome in display.outcomes],
    }


def _print(
    console: Console,
    display: ComparisonDisplay,
    sizes: Mapping[str, tuple[int, int]],
    pixels: Mapping[str, PixelPairs],
) -> None:
    found = {(o.classifier, o.dataset): o for o in display.outcomes}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("Classifier", no_wrap=True)
    for name in display.datasets:
        table.add_column(f"{name}, %", justify="right")
        table.add_column("seconds", justify="right", style="dim")
    for classifier in display.classifiers:
        cells = []
        for name in display.datasets:
            outcome = found[classifier, name]
            cells += [_accuracy(outcome), f"{outcome.seconds:.2f}"]
        table.add_row(classifier, *cells, style="bold" if classifier in display.ours else "")
    table.add_section()
    table.add_row("one pixel, median of pairs", *_pixel_cells(display, pixels, median))
    table.add_row("one pixel, hardest pair", *_pixel_cells(display, pixels, min))
    console.print(table)
    console.print(_notes(display, sizes))


def _accuracy(outcome: Outcome) -> str:
    return f"{100 * outcome.accuracy:.2f}{' ' if outcome.converged else '*'}"


def _pixel_cells(
    display: ComparisonDisplay, pixels: Mapping[str, PixelPairs], of: Callable[[Any], Any]
) -> list[str]:
    cells = []
    for name in display.datasets:
        cells += [f"{100 * of(pixels[name].accuracy):.2f} ", ""]
    return cells


def _notes(display: ComparisonDisplay, sizes: Mapping[str, tuple[int, int]]) -> str:
    """How the figures of the table were measured."""
    read = "; ".join(
        f"{name}: {n_train:,} training images, {n_test:,} test images"
        for name, (n_train, n_test) in sizes.items()
    )
    from knnc.engine.system.threads import effective_n_threads

    said = (
        f"Accuracy on test images, and the time to fit and predict. {read}, drawn at random; the "
        f"pixels, from all. knnc's recipes on {effective_n_threads(None)} threads; the others are "
        "scikit-learn's, with settings of the Fashion-MNIST benchmark, most on one."
    )
    if not all(outcome.converged for outcome in display.outcomes):
        said += " *: stopped at its limit of iterations, as in the benchmark."
    return said


def draw_figure(
    display: ComparisonDisplay, parts: Mapping[str, Any], sizes: Mapping[str, tuple[int, int]]
) -> Figure:
    """The classifiers at the left, the single pixels of each data set at the right."""
    from knnc.plot._base import new_figure

    n_datasets = len(display.datasets)
    height = max(1.4 + 0.42 * len(display.classifiers), 4.6 * n_datasets)
    figure = new_figure(15, height)
    sides: Any = figure.subfigures(1, 2, width_ratios=(9, 6), wspace=0.04)
    left, right = sides
    sample = ", ".join(f"{n_train:,} images of {name}" for name, (n_train, _) in sizes.items())
    display.plot(left.add_subplot(), title=f"Learnt from {sample}")
    axes = right.subplots(n_datasets, 1, squeeze=False)[:, 0]
    for ax, (name, (train, test)) in zip(axes, parts.items(), strict=True):
        pixels = draw_pixels(train, test, ax=ax)
        ax.set_title(f"{name}\n{pixels.ax_.get_title(loc='left')}", loc="left", fontsize=11)
    return figure
