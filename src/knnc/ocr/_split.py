"""Characters that touch are cut where that reads best, broken ones are joined again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from knnc.ocr._ink import extent_of
from knnc.ocr._parts import Part, union
from knnc.ocr._seams import Seam, seams_of_each
from knnc.ocr._steps import step

__all__ = ["WEIGHTS", "Trial", "rejoined", "split_touching", "trials_of"]

# A piece this wide, in heights of a character, may be two.
_WIDE = 0.38

# Pieces are no wider than this, no narrower and no lower than that.
_WIDEST, _NARROWEST, _LOWEST = 1.5, 0.12, 0.4

# Narrower than that, in heights, and no more unlike a character than this, as a share of what is
# usual on the page: one character, without a trial. Of 313 pieces of two or more on pages of
# training digits none is, of the 1,167 of one two thirds.
_SINGLE_WIDTH, _SINGLE_COST = 1.0, 1.1
# On a page with fewer pieces these do not say what is usual; up to this many times what is usual
# among training images, a piece is one character there.
_MANY, _LONE_COST = 8, 2.2

# What a piece counts for, each its feature (see `_features`) times the weight; the way through
# seams whose pieces count most is taken. Chosen by benchmarks/pages_search.py.
WEIGHTS = (-4.43, -7.46, 0.23, 5.77, -0.37)

# Of a page, that many pieces are tried, and so many more for each of its characters.
_MOST_TRIED = (4000, 2)

# Neighbours no farther apart than this, in heights, and together no wider may be one character.
# They are, if their union costs no more than the worse of the two; up to this many times as much
# it is doubtful. Of 5,053 whole training digits none is below 1, one is below 1.2.
_NEAR, _TOGETHER, _MAYBE = 0.2, 1.3, 1.2
# What was cut is left as it is: the cut has compared it with the whole.
_WHOLE = 0.9999

# A character smaller than this share of the usual size in its line is doubtful: of 11,800
# training digits on pages one is, of 17 scraps of digits 16.
_SMALL, _DOUBTFUL = 0.65, 0.4

_GONE = Part(0, 0, np.zeros((0, 0), bool))

Cost = Callable[[Sequence[Part]], NDArray[np.float64]]


@dataclass(frozen=True)
class Trial:
    """A piece and everything that it may be cut into.

    `pieces` are by their borders: 0 is the left one, `last` the right one, seams are between.
    (0, `last`) is the whole; `features` has a row for each.
    """

    last: int
    pieces: Mapping[tuple[int, int], Part]
    features: Mapping[tuple[int, int], NDArray[np.float64]]


def split_touching(
    parts: Sequence[Part], height: float, cost: Cost, known: float | None = None
) -> list[Part]:
    """Cut what reads better in pieces.

    Parameters
    ----------
    parts : sequence of Part
    height : float
        That of a character.
    cost : callable
        Of parts, how unlike a character each is: a ratio, 0 for a perfect one.
    known : float, default=None
        The cost of a usual character, as far as it is known beside the page's own.

    Returns
    -------
    parts : list of Part
    """
    trials = trials_of(parts, height, cost, known)
    pieces = []
    for trial in trials:
        best, sure = _best(trial)
        pieces += [replace(trial.pieces[step], sure=sure) for step in best]
    return pieces


def trials_of(
    parts: Sequence[Part], height: float, cost: Cost, known: float | None = None
) -> list[Trial]:
    """Every part, and what it may be cut into; arguments as of `split_touching`."""
    if not parts:
        return []
    wholes = cost(parts)
    single = 0.0
    if len(parts) >= _MANY:
        single = _SINGLE_COST * float(np.median(wholes))
    elif known is not None:
        single = _LONE_COST * known
    wide = [
        not part.mark
        and part.width > _WIDE * height
        and (whole > single or part.width > _SINGLE_WIDTH * height)
        for part, whole in zip(parts, wholes, strict=True)
    ]
    cuts: list[list[tuple[Seam, float]]] = [[] for _ in parts]
    plans: list[dict[tuple[int, int], Part]] = [{} for _ in parts]
    # The most unlike a character first, until as many are tried as there is time for.
    left = _MOST_TRIED[0] + _MOST_TRIED[1] * len(parts)
    tried = [i for i in np.argsort(-wholes, kind="stable") if wide[i]]
    for i, seams in zip(tried, seams_of_each([parts[i].mask for i in tried], height), strict=True):
        if left <= 0:
            break
        cuts[i], plans[i] = seams, _plan(parts[i], seams, height)
        left -= (len(seams) + 2) * (len(seams) + 1) // 2
    step("cuts")
    # Every run between two seams of every part, all in one search.
    cut = [piece for plan in plans for piece in plan.values()]
    found = iter(cost(cut) if cut else ())
    costs = [{borders: float(next(found)) for borders in plan} for plan in plans]
    usual = float(np.median([_least(c, w) for c, w in zip(costs, wholes, strict=True)]))
    if known is not None:
        # Few pieces say less about the page than the training images do.
        share = min(1.0, len(parts) / _MANY)
        usual = share * usual + (1 - share) * max(usual, known)
    trials = []
    for part, whole, seams, plan, of in zip(parts, wholes, cuts, plans, costs, strict=True):
        last = len(seams) + 1
        pieces = {(0, last): part, **plan}
        of[0, last] = float(whole)
        ink = [0.0, *(ink for _, ink in seams), 0.0]
        features = {
            (i, j): _features(piece, height, of[i, j] / max(usual, 1e-9), ink[i] + ink[j])
            for (i, j), piece in pieces.items()
        }
        trials.append(Trial(last, pieces, features))
    return trials


def _least(costs: Mapping[tuple[int, int], float], whole: float) -> float:
    """The cost of a part, or, if that is less, the mean of its two pieces, whichever the seam."""
    last = max((j for _, j in costs), default=0)
    halves = [
        (costs[0, i] + costs[i, last]) / 2
        for i in range(1, last)
        if (0, i) in costs and (i, last) in costs
    ]
    return min([float(whole), *halves])


def _features(piece: Part, height: float, cost: float, cut: float) -> NDArray[np.float64]:
    """Of one piece: that it is one, how unlike a character, how wide, how high, what is cut."""
    wide, high = piece.width / height, piece.height / height
    return np.array([1.0, wide * np.log(max(cost, 1e-9)), wide, high * high, cut])


def _best(trial: Trial) -> tuple[list[tuple[int, int]], float]:
    """The way from the left border to the right one whose pieces count most.

    And how probable it is that there are as many characters as pieces on it: what ways count are
    logarithms of their odds.
    """
    ways: dict[int, tuple[float, list[tuple[int, int]]]] = {0: (0.0, [])}
    # Of each border, by how many pieces are to its left, the logarithm of the sum over all ways.
    sums = np.full((trial.last + 1, trial.last + 1), -np.inf)
    sums[0, 0] = 0.0
    for j in range(1, trial.last + 1):
        options = []
        for i in range(j):
            if i in ways and (i, j) in trial.features:
                count = float(trial.features[i, j] @ WEIGHTS)
                options.append((ways[i][0] + count, [*ways[i][1], (i, j)]))
                sums[j, 1:] = np.logaddexp(sums[j, 1:], sums[i, :-1] + count)
        if options:
            ways[j] = max(options, key=lambda option: option[0])
    best, of = ways[trial.last][1], sums[trial.last]
    return best, float(np.exp(of[len(best)] - np.logaddexp.reduce(of)))


def rejoined(
    lines: Sequence[Sequence[Part]], height: float, cost: Cost, known: float | None = None
) -> list[list[Part]]:
    """Lines in which broken characters are whole again, and what may be a scrap is doubtful.

    Arguments are as of `split_touching`. Without `known` the costs are no distances, and pairs
    are not joined but doubtful.
    """
    result = [list(line) for line in lines]
    pairs = [
        (line, i)
        for line in result
        for i, (one, two) in enumerate(pairwise(line))
        if not (one.mark or two.mark)
        and min(one.sure, two.sure) > _WHOLE
        and two.left - one.right <= _NEAR * height
        and max(one.right, two.right) - one.left <= _TOGETHER * height
    ]
    if pairs:
        unions = [union(*line[i : i + 2]) for line, i in pairs]
        costs = cost([part for line, i in pairs for part in line[i : i + 2]] + unions)
        worse = costs[: 2 * len(pairs)].reshape(-1, 2).max(axis=1)
        ratio = costs[2 * len(pairs) :] / np.maximum(worse, 1e-9)
        decided: set[int] = set()
        for n in np.argsort(ratio, kind="stable"):
            line, i = pairs[n]
            both = {id(part) for part in line[i : i + 2]}
            if ratio[n] <= _MAYBE and not both & decided:
                decided |= both
                if known is not None and ratio[n] <= 1:
                    # The empty part keeps the places of the others until all are decided.
                    line[i : i + 2] = unions[n], _GONE
                else:
                    line[i : i + 2] = (replace(part, sure=_DOUBTFUL) for part in line[i : i + 2])
    return [_small_doubted([p for p in line if p is not _GONE]) for line in result]


def _small_doubted(line: list[Part]) -> list[Part]:
    """A line whose characters are doubtful where they are much smaller than the others."""
    sizes = [max(part.height, part.width) for part in line if not part.mark]
    least = _SMALL * float(np.median(sizes)) if sizes else 0.0
    return [
        replace(part, sure=min(part.sure, _DOUBTFUL))
        if not part.mark and max(part.height, part.width) < least
        else part
        for part in line
    ]


def _plan(
    part: Part, seams: Sequence[tuple[Seam, float]], height: float
) -> dict[tuple[int, int], Part]:
    """The pieces between any two borders that may be characters, without the whole."""
    if not seams:
        return {}
    borders = [np.zeros(part.height, np.int64), *(seam for seam, _ in seams)]
    borders.append(np.full(part.height, part.width))
    plan = {}
    for i, j in combinations(range(len(borders)), 2):
        if (i, j) != (0, len(borders) - 1):
            piece = _between(part, borders[i], borders[j])
            if piece is not None and _plausible(piece, height):
                plan[i, j] = piece
    return plan


def _plausible(piece: Part, height: float) -> bool:
    wide, high = piece.width / height, piece.height / height
    return _NARROWEST <= wide <= _WIDEST and high >= _LOWEST


def _between(part: Part, left: Seam, right: Seam) -> Part | None:
    """The ink of a part between two seams, or None if there is none; crumbs are left out."""
    first, last = max(0, int(left.min())), min(part.width, int(right.max()))
    xs = np.arange(first, last)
    mask = part.mask[:, first:last] & (xs >= left[:, None]) & (xs < right[:, None])
    labels, n = ndimage.label(mask, np.ones((3, 3), int))
    if n == 0:
        return None
    if n > 1:
        sizes = np.bincount(labels.ravel())[1:]
        mask = np.append(False, sizes >= 0.12 * sizes.max())[labels]
    rows, columns = extent_of(mask, 0), extent_of(mask, 1)
    return Part(part.top + rows.start, part.left + first + columns.start, mask[rows, columns])
