"""What the recipes reach on test images, which no choice was made on, as a table of docs/guide.md.

    python benchmarks/recipes_test.py            # prints the table
    python benchmarks/recipes_test.py --write    # and puts it there

MNIST and Fashion-MNIST: all training images, all test images. scikit-learn's digits: 5 folds. The
digits of OpenCV, if ``KNNC_DATA_HOME`` has opencv_digits.npz: the left half of the sheet for
training, the right for the test; and all of it with MNIST for training. Run it once for a recipe
that is settled: a test set that is looked at often is a training set.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from machine import cpu_name
from recipes_search import interval
from sklearn.model_selection import StratifiedKFold

from knnc.datasets import load_dataset, load_digits
from knnc.engine.system.threads import effective_n_threads
from knnc.ocr import normalise
from knnc.recipes import make_recipe

GUIDE = Path(__file__).parents[1] / "docs" / "guide.md"
BEGIN, END = "<!-- recipes -->\n", "<!-- /recipes -->"
HEAD = "| images | recipe | error, 95 % interval | misread |\n|---|---|---:|---:|\n"
Part = tuple[Any, Any, Any, Any]


def published(name: str) -> list[Part]:
    train, test = load_dataset(name)
    return [(train.data, train.target, test.data, test.target)]


def folds_of_digits() -> list[Part]:
    digits = load_digits()
    X, y = digits.data, digits.target
    folds = StratifiedKFold(5, shuffle=True, random_state=0).split(X, y)
    return [(X[a], y[a], X[b], y[b]) for a, b in folds]


def halves_of_a_sheet() -> list[Part]:
    """5,000 digits in rows of 100."""
    with np.load(Path(os.environ["KNNC_DATA_HOME"]) / "opencv_digits.npz") as sheet:
        X, y = sheet["X"].reshape(5000, -1), sheet["y"]
    left = np.arange(5000) % 100 < 50
    return [(X[left], y[left], X[~left], y[~left])]


def a_sheet_by_mnist() -> list[Part]:
    """All digits of the sheet in the form of MNIST, which the recipe is fitted on."""
    train, _ = load_dataset("mnist")
    with np.load(Path(os.environ["KNNC_DATA_HOME"]) / "opencv_digits.npz") as sheet:
        return [(train.data, train.target, normalise(sheet["X"]), sheet["y"])]


RUNS = {
    "MNIST": (lambda: published("mnist"), ("plain", "fast", "accurate")),
    "Fashion-MNIST": (lambda: published("fashion-mnist"), ("plain", "clothes")),
    "scikit-learn's digits, 5 folds": (folds_of_digits, ("plain", "fast", "accurate")),
    "OpenCV's digits": (halves_of_a_sheet, ("plain", "fast", "accurate")),
    "OpenCV's digits, fitted on MNIST": (a_sheet_by_mnist, ("fast",)),
}


def row(images: str, recipe: str, parts: list[Part]) -> tuple[str, float]:
    """A line of the table, and the milliseconds that an image took."""
    n_wrong = n = 0
    seconds = 0.0
    for X, y, Q, labels in parts:
        estimator = make_recipe(recipe).fit(X, y)
        begin = perf_counter()
        predicted = estimator.predict(Q)
        seconds += perf_counter() - begin
        n_wrong += int(np.count_nonzero(predicted != labels))
        n += len(Q)
    low, high = interval(n_wrong, n)
    line = (
        f"| {images} | `{recipe}` | {100 * n_wrong / n:.2f} %, {low:.2f} to {high:.2f} "
        f"| {n_wrong:,} of {n:,} |\n"
    )
    return line, 1000 * seconds / n


def write(rows: list[str]) -> None:
    """Put rows into the guide's table, in place of those of the same images and recipes."""
    before, _, rest = GUIDE.read_text(encoding="utf-8").partition(BEGIN)
    table, _, after = rest.partition(END)
    known = {}
    for line in [*table.splitlines(keepends=True)[2:], *rows]:
        cells = line.split(" | ")
        if len(cells) > 1:
            known[cells[0].removeprefix("| "), cells[1].strip("`")] = line
    keys = [(name, recipe) for name, (_, recipes) in RUNS.items() for recipe in recipes]
    lines = [known[key] for key in keys if key in known]
    GUIDE.write_text(before + BEGIN + HEAD + "".join(lines) + END + after, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", nargs="*", help=f"some of: {'; '.join(RUNS)} (all)")
    parser.add_argument("--recipe", default="", help="this one alone")
    parser.add_argument("--write", action="store_true", help="put the rows into docs/guide.md")
    arguments = parser.parse_args()
    print(f"{cpu_name()}, {effective_n_threads()} threads")
    for images in arguments.images or RUNS:
        load, recipes = RUNS[images]
        parts = load()
        rows = []
        for recipe in recipes:
            if arguments.recipe not in ("", recipe):
                continue
            line, milliseconds = row(images, recipe, parts)
            rows.append(line)
            print(f"{line.rstrip()} {milliseconds:.2f} ms an image", flush=True)
        if arguments.write:
            write(rows)


if __name__ == "__main__":
    main()
