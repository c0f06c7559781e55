"""Where knnc loses to scikit-learn: "auto" beside "auto" over many sizes, and on small data.

    python benchmarks/sweep.py                     two minutes
    python benchmarks/sweep.py --long              an hour
    python benchmarks/sweep.py --only small        fit, predict and one query on iris, wine, digits
    python benchmarks/sweep.py --all               every case, not only those that knnc loses

A case is a number of rows, of features, of neighbours and of queries, a dtype and a kind of data:
Gaussian noise, or rows near a plane, which trees search in no time. The answers are compared before
anything is timed. Then knnc and scikit-learn take turns. A ratio is scikit-learn's median time
divided by knnc's: below 1 knnc loses. `first` is of a fit and the first search after it, `again` of
a later search. scikit-learn searches with `n_jobs=-1` where there are many queries.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
import sklearn.neighbors
from report import figure, table
from sklearn import datasets
from sklearn.preprocessing import StandardScaler

import knnc

SEED = 20240229
LOSES = 0.95  # ratios below: what is nearer to 1 is noise
CLEAR = 3.0  # a first turn that is won by so much needs no more, if it took TRUSTED seconds
TRUSTED = 0.05
TURNS = 5
SECONDS = 0.5  # a case takes no turn after so many
SINGLE = 20  # queries of a turn, where each is a call of its own
MANY = 1_000  # queries from which on scikit-learn gets all CPUs
LARGE_QUERIES = 100  # of those that ask for a quarter of the rows
PLANE_FROM = 4  # features: with fewer, a plane is nearly all there is


@dataclass(frozen=True)
class Grid:
    """The sizes that are combined."""

    rows: tuple[int, ...] = (1_000, 50_000)
    features: tuple[int, ...] = (1, 2, 3, 5, 8, 16, 64)
    neighbors: tuple[int, ...] = (5,)
    queries: tuple[int, ...] = (1, 100, 10_000)


LONG = Grid(
    rows=(100, 1_000, 10_000, 100_000, 1_000_000),
    features=(1, 2, 3, 4, 6, 8, 12, 15, 16, 24, 32, 64),
    neighbors=(1, 5, 50),
)


@dataclass(frozen=True)
class Case:
    """One search, of knnc and of scikit-learn."""

    dtype: str
    data: str
    n: int
    d: int
    k: int
    n_queries: int

    def __str__(self) -> str:
        size = f"{self.n:,} x {self.d}, k = {self.k}, {self.n_queries:,} queries"
        return f"{self.dtype}, {self.data}, {size}"


def cases(grid: Grid) -> Iterator[Case]:
    """All of a grid; those of one array after one another."""
    for dtype, data, n, d in product(
        ("float32", "uint8"), ("noise", "plane"), grid.rows, grid.features
    ):
        if data == "plane" and d < PLANE_FROM:
            continue
        large = (n // 4, LARGE_QUERIES)
        for k, n_queries in (*product(grid.neighbors, grid.queries), large):
            if k < n:
                yield Case(dtype, data, n, d, k, n_queries)


def arrays(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Rows and queries."""
    rng = np.random.default_rng(SEED)
    shape = case.n + case.n_queries, case.d
    values = rng.standard_normal(shape, dtype=np.float32)
    if case.data == "plane":
        mix = rng.standard_normal((2, case.d), dtype=np.float32)
        values = rng.standard_normal((len(values), 2), dtype=np.float32) @ mix + 0.01 * values
    if case.dtype == "uint8":
        values = np.clip(np.rint(128 + 32 * values), 0, 255).astype(np.uint8)
    return values[: case.n], values[case.n :]


def seconds_of(function: Callable[[], object]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def in_turns(*functions: Callable[[], object], turns: int = TURNS) -> list[float]:
    """Median seconds of each; fewer turns where one takes long, or is clearly the fastest."""
    seconds: list[list[float]] = [[] for _ in functions]
    began = time.perf_counter()
    for _ in range(turns):
        for function, own in zip(functions, seconds, strict=True):
            own.append(seconds_of(function))
        spent = time.perf_counter() - began
        is_clear = spent > TRUSTED and seconds[0][0] * CLEAR < seconds[1][0]
        if is_clear or spent > SECONDS:
            break
    return [float(np.median(own)) for own in seconds]


def measure(case: Case) -> tuple[str, float, float]:
    """The engine that served, and the ratios of first and later searches."""
    rows, queries = arrays(case)
    singles = [queries] * SINGLE if len(queries) == 1 else [queries]
    n_jobs = -1 if case.n_queries >= MANY else None
    models = (
        knnc.NearestNeighbors(n_neighbors=case.k),
        sklearn.neighbors.NearestNeighbors(n_neighbors=case.k, n_jobs=n_jobs),
    )
    answers = [model.fit(rows).kneighbors(queries)[0] for model in models]
    # scikit-learn's brute force cancels: its errors grow with the squares of the values.
    scale = float(np.abs(rows).max()) * case.d**0.5
    np.testing.assert_allclose(*answers, rtol=1e-5, atol=1e-3 * scale)

    def first(model: knnc.NearestNeighbors) -> None:
        model.fit(rows).kneighbors(queries)

    def again(model: knnc.NearestNeighbors) -> None:
        for query in singles:
            model.kneighbors(query)

    ratios = []
    for search in (first, again):
        own, other = in_turns(*(partial(search, model) for model in models))
        ratios.append(other / own)
    return models[0].engine_, ratios[0], ratios[1]


def sweep(grid: Grid, show_all: bool) -> str:
    """A table of the cases that knnc loses, the worst first, or of all."""
    lines, n_cases = [], 0
    for case in cases(grid):
        engine, first, again = measure(case)
        n_cases += 1
        if show_all or min(first, again) < LOSES:
            lines.append((min(first, again), case, engine, first, again))
            say(f"{case}: {figure(first)} x first, {figure(again)} x again ({engine})")
    lines.sort(key=lambda line: line[0])
    head = ("dtype", "data", "rows>", "features>", "k>", "queries>", "engine", "first>", "again>")
    body = []
    for _, c, engine, *ratios in lines:
        sizes = (f"{c.n:,}", str(c.d), str(c.k), f"{c.n_queries:,}")
        body.append((c.dtype, c.data, *sizes, engine, *(f"{figure(r)} x" for r in ratios)))
    n_lost = [sum(line[of] < LOSES for line in lines) for of in (3, 4)]
    text = f"knnc loses {n_lost[0]} of {n_cases} first searches, and {n_lost[1]} of the later ones."
    return text + "\n\n" + table(head, body)


def small() -> str:
    """A table of fit, predict and one query on scikit-learn's small data sets."""
    lines = []
    for name, scaled in product(("iris", "wine", "digits"), (False, True)):
        X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        if scaled:
            X = StandardScaler().fit_transform(X)
        models = knnc.KNeighborsClassifier(), sklearn.neighbors.KNeighborsClassifier()
        for model in models:
            model.fit(X, y)
        ratios = []
        for work, arguments in (("fit", (X, y)), ("predict", (X,)), ("predict", (X[:1],))):
            calls = [partial(getattr(model, work), *arguments) for model in models]
            own, other = in_turns(*calls, turns=101)
            ratios.append(f"{figure(1e3 * own)} ms, {figure(other / own)} x")
        title = f"{name}, standardised" if scaled else name
        lines.append((title, str(len(X)), models[0].engine_, *ratios))
    return table(("data", "rows>", "engine", "fit>", "predict>", "one query>"), lines)


def say(line: str) -> None:
    sys.stderr.write(line + "\n")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--long", action="store_true", help="many more sizes")
    parser.add_argument("--all", action="store_true", help="cases that knnc wins too")
    parser.add_argument("--only", choices=("small", "sizes"), help="one of the two parts")
    options = parser.parse_args()
    if options.only != "small":
        print(sweep(LONG if options.long else Grid(), options.all), end="\n\n")
    if options.only != "sizes":
        print(small())


if __name__ == "__main__":
    main()
