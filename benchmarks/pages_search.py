"""The weights by which knnc.ocr cuts characters that touch, learnt on pages of training digits.

    KNNC_DATA_HOME=... python benchmarks/pages_search.py --pages 30

Pages are put together from the last 10,000 training images of MNIST, many touching, and read with
the recipe "fast" fitted to the first 50,000. A way through a piece of ink counts the sum of its
pieces' features times the weights; the weights are those under which the ways that read the known
text are most probable (a conditional random field: the likelihood is concave, there is one best).
Printed are the weights for knnc/ocr/_split.py, and the characters misread on every third page, by
weights learnt on the others. A look at what they bring: benchmarks/pages.py --held-out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pages import N_TRAIN
from scipy.optimize import minimize

STYLES: tuple[dict[str, Any], ...] = (
    {"touching": 0.35},
    {"touching": 0.35},
    {"touching": 0.35, "noise": 0.06, "light": 0.5},
    {},
)
# Of the weights, against those that few pages would make too large.
RIDGE = 0.5

State = tuple[int, int]
Edge = tuple[State, State, int]
Floats = NDArray[np.float64]


class Piece:
    """A piece of ink and what may be cut out of it, as edges between states.

    A state is a border and how many characters are read so far (0 for all `edges`); an edge is a
    row of `features`. `right` are the edges of ways that read the text.
    """

    def __init__(self, trial: Any, labels: dict[State, str], text: str) -> None:
        self.text, self.last = text, trial.last
        borders = sorted(trial.features, key=lambda e: (e[1], e[0]))
        self.features: Floats = np.array([trial.features[e] for e in borders])
        self.labels = [labels[e] for e in borders]
        self.edges: list[Edge] = [((i, 0), (j, 0), n) for n, (i, j) in enumerate(borders)]
        self.right: list[Edge] = []
        reached = {(0, 0)}
        for n, (i, j) in enumerate(borders):
            for at, char in enumerate(text):
                if (i, at) in reached and self.labels[n] == char:
                    self.right.append(((i, at), (j, at + 1), n))
                    reached.add((j, at + 1))
        self.readable = (self.last, len(text)) in reached

    def best(self, weights: Floats) -> str:
        """What the way reads that counts most."""
        counts = self.features @ weights
        ways = {(0, 0): (0.0, "")}
        for start, end, n in self.edges:
            if start in ways:
                way = ways[start][0] + float(counts[n]), ways[start][1] + self.labels[n]
                ways[end] = max(ways.get(end, (-np.inf, "")), way)
        return ways[self.last, 0][1]


def shares(edges: Sequence[Edge], end: State, counts: Floats) -> tuple[float, Floats]:
    """The logarithm of the sum over all ways, and how probable it is that an edge is on one."""
    before, after = {(0, 0): 0.0}, {end: 0.0}
    for start, stop, n in edges:
        if start in before:
            way = before[start] + counts[n]
            before[stop] = np.logaddexp(before.get(stop, -np.inf), way)
    for start, stop, n in reversed(edges):
        if stop in after:
            way = after[stop] + counts[n]
            after[start] = np.logaddexp(after.get(start, -np.inf), way)
    share = np.zeros(len(counts))
    for start, stop, n in edges:
        if start in before and stop in after:
            share[n] += np.exp(before[start] + counts[n] + after[stop] - before[end])
    return before[end], share


def learn(pieces: Sequence[Piece]) -> Floats:
    """The weights under which the right ways are most probable."""
    used = [p for p in pieces if p.readable and p.last > 1]
    scale = np.concatenate([p.features for p in used]).std(axis=0)
    scale[scale == 0] = 1

    def loss(weights: Floats) -> tuple[float, Floats]:
        total, slope = RIDGE * float(weights @ weights) / 2, RIDGE * weights
        for piece in used:
            features = piece.features / scale
            counts = features @ weights
            whole, share = shares(piece.edges, (piece.last, 0), counts)
            right, right_share = shares(piece.right, (piece.last, len(piece.text)), counts)
            total += whole - right
            slope = slope + (share - right_share) @ features
        return total, slope

    start = np.zeros(len(scale))
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B").x / scale)


def pieces_of(page: Any, places: Sequence[Any], estimator: Any) -> Iterator[Piece]:
    """Every piece of ink on a page that is not turned, with what is written there."""
    from knnc.ocr import _layout
    from knnc.ocr._reader import Reader, images_of
    from knnc.ocr._split import trials_of

    reader = Reader(estimator)
    seen: list[Any] = []
    split = _layout.split_touching

    def taken(parts: Any, height: float, cost: Any, known: Any = None) -> Any:
        seen.append((cost.args[0], trials_of(parts, height, cost, known)))
        return split(parts, height, cost, known)

    _layout.split_touching = taken
    try:
        _layout.lay_out(page, reader.costs)
    finally:
        _layout.split_touching = split
    layout, trials = seen[-1]
    for trial in trials:
        whole = trial.pieces[0, trial.last]
        corners = np.array([[whole.left, whole.right], [whole.top, whole.bottom]])
        (left, right), (top, bottom) = layout.frame.back(*corners)
        text = "".join(
            label
            for x0, y0, x1, y1, label in places
            if left <= (x0 + x1) / 2 <= right and top <= (y0 + y1) / 2 <= bottom
        )
        borders = list(trial.pieces)
        labels = reader.labels(images_of(layout, [trial.pieces[e] for e in borders]))
        yield Piece(trial, dict(zip(borders, map(str, labels), strict=True)), text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pages", type=int, default=30)
    asked = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    composer = import_module("tests.ocr.composer")

    from knnc.datasets import fetch_mnist
    from knnc.ocr._split import WEIGHTS
    from knnc.recipes import make_recipe

    train = fetch_mnist(subset="train")
    reader = make_recipe("fast").fit(train.data[:N_TRAIN], train.target[:N_TRAIN])
    images, labels = train.images[N_TRAIN:], train.target[N_TRAIN:]
    pages = []
    for seed in range(asked.pages):
        style = composer.Style(**STYLES[seed % len(STYLES)])
        page, _, places = composer.compose_placed(images, labels, style, 5000 + seed)
        pages.append(list(pieces_of(page, places, reader)))

    def misread(weights: Floats) -> int:
        held_out = [piece for page in pages[::3] for piece in page]
        return sum(composer.character_errors(p.best(weights), p.text) for p in held_out)

    total = sum(len(piece.text) for page in pages[::3] for piece in page)
    several = [piece for page in pages for piece in page if len(piece.text) > 1]
    print(
        f"{len(several)} pieces of several characters, {sum(p.readable for p in several)} of them"
    )
    print("with a way that reads them right")
    others = [piece for i, page in enumerate(pages) if i % 3 for piece in page]
    print(f"misread: {misread(learn(others))} of {total} by weights learnt on other pages,")
    print(f"{misread(np.array(WEIGHTS))} by those in use")
    learnt = learn([piece for page in pages for piece in page])
    print("learnt on all pages:", ", ".join(f"{weight:.2f}" for weight in learnt))


if __name__ == "__main__":
    main()
