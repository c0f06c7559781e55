"""``knnc demo``: reads handwriting, measures error and speed, and draws a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

import knnc
from knnc.cli._console import error_text, save_picture, say, status, stdout
from knnc.cli._draw import draw_row
from knnc.cli._options import PICTURES, check_output
from knnc.cli._race import Race, enlarged_and_shifted, race
from knnc.datasets import get_data_home, load_dataset
from knnc.engine.system.threads import effective_n_threads
from knnc.plot import MisreadDisplay, ReadDisplay
from knnc.plot._base import require_matplotlib

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_N_NEIGHBORS = 5
_LARGER = "MNIST-sized"
_REACH = 1
_N_PLACES = (2 * _REACH + 1) ** 2


def run(output: Path) -> None:
    """Read the digits, print the results and write the picture to ``output``."""
    require_matplotlib()
    check_output(output, PICTURES)
    console = stdout()
    with status("Reading the digits"):
        train, test = load_dataset("digits")
        reader = knnc.KNeighborsClassifier(_N_NEIGHBORS).fit(train.data, train.target)
        y_pred = reader.predict(test.data)
    _print_reading(console, train, test, y_pred)
    with status("Comparing with scikit-learn"):
        races = {
            "The digits": race(train.data, train.target, test.data, test.target),
            _LARGER: _larger_race(train, test),
        }
    _print_races(console, races)
    with status("Drawing"):
        save_picture(draw_picture(reader, train, test, y_pred), output, quiet=True)
    _print_next(console, output)


def _larger_race(train: Any, test: Any) -> Race:
    """Race on digits of the size of MNIST's images, each training digit at several places."""
    return race(
        enlarged_and_shifted(train.images, scale=3, side=28, reach=_REACH),
        np.tile(train.target, _N_PLACES),
        enlarged_and_shifted(test.images, scale=3, side=28, reach=0),
        test.target,
    )


def _print_reading(console: Console, train: Any, test: Any, y_pred: Any) -> None:
    height, width = train.images.shape[1:]
    n_train, n_test = len(train.data), len(test.data)
    title = f"knnc {knnc.__version__}: handwriting read by its nearest neighbours\n"
    console.print(Text(title, "bold"))
    console.print(
        f"{n_train + n_test:,} handwritten digits of {height} x {width} pixels come with "
        f"scikit-learn. {n_train:,} were learnt; the other {n_test:,} were read, each by a vote of "
        f"the {_N_NEIGHBORS} learnt digits that look most like it.\n"
    )
    wrong = y_pred != test.target
    _print_digits(console, "Read right", "green", ~wrong, test, y_pred)
    _print_digits(console, "Misread", "red", wrong, test, y_pred)
    error = error_text(int(np.count_nonzero(wrong)), n_test)
    console.print(Text.assemble(("Error  ", "bold"), error))


def _print_digits(
    console: Console, title: str, style: str, which: NDArray[np.bool_], test: Any, y_pred: Any
) -> None:
    """Draw the first digits of the mask ``which``, with predicted and true labels."""
    some = np.flatnonzero(which)[:8]
    if len(some) == 0:
        return
    labels = zip(y_pred[some], test.target[some], strict=True)
    captions = [f"{read}" if read == true else f"{read}, is {true}" for read, true in labels]
    console.print(Text(f"{title}: {np.count_nonzero(which):,} of {len(which):,}", style))
    vmax = float(test.images.max())
    for line in draw_row(test.images[some], captions, console=console, vmax=vmax, style=style):
        console.print(line, no_wrap=True, crop=False)
    console.print()


def _print_races(console: Console, races: dict[str, Race]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("Digits read a second")
    for name in ("learnt", "pixels", "knnc", "scikit-learn"):
        table.add_column(name, justify="right")
    table.add_column("faster", justify="right", style="bold green")
    for name, result in races.items():
        table.add_row(
            name,
            f"{result.n_train:,}",
            f"{result.n_features:,}",
            f"{result.knnc_rate:,.0f}",
            f"{result.sklearn_rate:,.0f}",
            f"{result.times_faster:.1f} times",
        )
    console.print(table)
    console.print(_notes(races))


def _notes(races: dict[str, Race]) -> str:
    """How the figures of the table were measured."""
    larger = races[_LARGER]
    n_ties = sum(result.n_ties for result in races.values())
    same = "the same distances, the same labels"
    if n_ties:
        same += f" but for {n_ties}, where neighbours tie and scikit-learn leaves open who counts"
    dtypes = " and ".join(dict.fromkeys(result.sklearn_dtype for result in races.values()))
    return (
        f"Both in this run, warm, with {effective_n_threads(None)} threads, median time; "
        f"scikit-learn with what suits it best ({dtypes}). Compared before timing: {same}. "
        f"{_LARGER}: each digit enlarged to 28 x 28 pixels and learnt at {_N_PLACES} places; its "
        f"error is {100 * larger.n_wrong / larger.n_queries:.2f} %."
    )


def draw_picture(reader: Any, train: Any, test: Any, y_pred: Any) -> Figure:
    """Draw the first digits above the first misread ones with their neighbours."""
    from matplotlib.figure import Figure

    n_test, n_wrong = len(test.data), int(np.count_nonzero(y_pred != test.target))
    figure = Figure(figsize=(11, 9.5))
    above = figure.add_axes((0.03, 0.655, 0.94, 0.26))
    below = figure.add_axes((0.03, 0.05, 0.94, 0.53))
    figure.text(
        0.03, 0.96, "Handwriting read by its nearest neighbours", fontsize=17, weight="bold"
    )
    ReadDisplay.from_predictions(
        test.target,
        y_pred,
        X=test.images,
        n_images=48,
        n_columns=16,
        title=f"{n_test:,} digits read, {n_wrong} of them wrong: an error of "
        f"{100 * n_wrong / n_test:.2f} %. The first 48, with the label read:",
        ax=above,
    )
    MisreadDisplay.from_estimator(
        reader,
        test.data,
        test.target,
        X_train=train.images,
        y_train=train.target,
        y_pred=y_pred,
        n_neighbors=_N_NEIGHBORS,
        n_images=10,
        title=f"The first misread ones, each with the {_N_NEIGHBORS} learnt digits nearest to it: "
        "their labels and distances",
        ax=below,
    )
    return figure


def _print_next(console: Console, output: Path) -> None:
    console.print()
    say("Picture", output.absolute())
    at_hand = (Path(get_data_home()) / "mnist").is_dir()
    console.print(
        Text.assemble(
            ("Next     ", "bold"),
            "knnc evaluate mnist",
            " reads 10,000 more" if at_hand else " downloads MNIST (11 MB) and reads 10,000 more",
        )
    )
