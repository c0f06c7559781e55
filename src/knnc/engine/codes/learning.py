"""What the codes that prune are made of: principal axes for L2, groups of features for L1.

Neither has to be exact for the bounds to hold (quantizer.pyx says why). How good they are decides
how much is pruned, never what is answered. Both come from a sample of the rows and a fixed seed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

SAMPLE_ROWS = 4096
ITERATIONS = 3
OVERSAMPLE = 8
SCREEN_ROWS = 1024
SCREEN_STEP = 16
SCREEN_QUERIES = SCREEN_ROWS // SCREEN_STEP
SCREEN_AXES = 48
SCREEN_SHARE = 0.25
# Scaled numbers are cut off here. Those of the sample are about 1.
CLIP = 2.0**40
# An axis is HIGH * high + low, with high a signed byte and low within half of HIGH.
HIGH = 64
LARGEST = HIGH * 127
# Features of which any two may be joined; rounds in which pairs are looked for.
GROUPED_TOGETHER = 1024
MATCHING_ROUNDS = 24


def sample_rows(rows: NDArray[Any], size: int = SAMPLE_ROWS) -> NDArray[Any]:
    """About `size` rows, evenly spread with a fixed jitter, so that a period does no harm."""
    n = len(rows)
    if n <= size:
        return rows
    jitter = np.random.default_rng(0).random(size)
    return rows[((np.arange(size) + jitter) * (n / size)).astype(np.int64)]


def is_concentrated(rows: NDArray[Any]) -> bool:
    """Whether a few dozen directions tell most rows apart: whether codes are worth a trial.

    A look at about 1,000 rows, some 10 ms: axes from most of them, and for the others the share
    of rows that are no farther along those axes than the nearest row is in full. On pictures it is
    a few per cent; on random bytes, which no code tells apart, all of them.
    """
    sample = sample_rows(rows, SCREEN_ROWS)
    if len(sample) <= SCREEN_QUERIES:
        return False
    centred = sample.astype(np.float32)
    centred -= centred.mean(axis=0)
    queries, others = centred[::SCREEN_STEP], np.delete(centred, np.s_[::SCREEN_STEP], axis=0)
    basis = np.random.default_rng(0).standard_normal((rows.shape[1], SCREEN_AXES), np.float32)
    for _ in range(2):
        basis = scipy.linalg.qr(basis, mode="economic", check_finite=False)[0]
        basis = product(others.T, product(others, basis))
    basis = scipy.linalg.qr(basis, mode="economic", check_finite=False)[0]
    nearest = _squared_distances(queries, others).min(axis=1, keepdims=True)
    passing = _squared_distances(product(queries, basis), product(others, basis)) <= nearest
    return float(passing.mean()) < SCREEN_SHARE


def _squared_distances(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    squares = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)
    return np.asarray(squares - 2 * product(a, b.T))


def product(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """``a @ b``, without the warnings of processors with SME (M4 and later), which mean nothing.

    https://github.com/numpy/numpy/issues/28687
    """
    with np.errstate(all="ignore"):
        return a @ b


def _products_of_columns(a: NDArray[np.float32]) -> NDArray[np.floating]:
    """``a.T @ a``, in doubles where it comes out as no numbers.

    On processors with SME it does: https://github.com/OpenMathLib/OpenBLAS/issues/5873
    """
    products = product(a.T, a)
    if np.isfinite(products).all():
        return products
    doubles = a.astype(np.float64)
    return np.asarray(doubles.T @ doubles)


def principal_axes(sample: NDArray[np.uint8], sizes: tuple[int, ...]) -> NDArray[np.int32]:
    """Leading principal axes of rows, scaled by one factor and rounded to whole numbers.

    Parameters
    ----------
    sample : ndarray of shape (n_rows, n_features), uint8
    sizes : tuple of int
        Sizes of the sets of axes, leading ones first; at most n_features in all. A set may be
        empty.

    Returns
    -------
    axes : ndarray of shape (sum(sizes), n_features), int32
        Within +-LARGEST; nearly orthogonal, nearly of one length. A set spans what its principal
        axes span, but is turned within that span: no distance changes there, and the coordinates
        come out of one size, so that codes of 8 bits lose half as much (MNIST, 63 axes: an error
        of 20 in place of 43).

    Notes
    -----
    Randomised subspace iteration (Halko, Martinsson and Tropp, SIAM Review 2011, algorithm 4.4)
    where that is cheaper than a full decomposition.
    """
    centred = sample.astype(np.float32)
    centred -= centred.mean(axis=0)
    vectors = _principal_vectors(centred, sizes)
    axes = np.rint(vectors.T * (LARGEST / np.abs(vectors).max()))
    return np.asarray(axes, dtype=np.int32)


def principal_directions(
    centred: NDArray[np.float32], sizes: tuple[int, ...]
) -> NDArray[np.float64]:
    """Leading principal axes of centred rows, of length about 1, as :func:`principal_axes`.

    Parameters
    ----------
    centred : ndarray of shape (n_rows, n_features), float32
        Numbers of about 1, none above 2^40: their squares are float32 numbers.
    sizes : tuple of int

    Returns
    -------
    axes : ndarray of shape (sum(sizes), n_features), float64, C-contiguous
    """
    return np.ascontiguousarray(_principal_vectors(centred, sizes).T)


def scaled(
    sample: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Rows less their mean, times a power of two that makes typical numbers about 1.

    No number overflows on the way, whatever the rows hold.

    Returns
    -------
    centred : ndarray of shape (n_rows, n_features), float64
        Each number is cut off at +-CLIP.
    mean : ndarray of shape (n_features,), float64
    exponent : int
        Of the power of two; -1,000 to 1,000.
    """
    largest = max(float(sample.max()), -float(sample.min()))
    down = max(0, int(np.frexp(largest)[1]) - 500)  # so that neither sums nor squares overflow
    small = np.ldexp(sample, -down) if down else sample
    mean = small.mean(axis=0)
    centred = small - mean
    spread = float(np.sqrt(np.einsum("ij,ij->", centred, centred) / centred.size))
    exponent = -int(np.frexp(spread)[1]) - down if spread > 0 else 0
    exponent = max(-1000, min(1000, exponent))
    with np.errstate(over="ignore"):
        centred *= 2.0 ** max(-1000, min(1000, exponent + down))
    np.clip(centred, -CLIP, CLIP, out=centred)
    return centred, np.ldexp(mean, down), exponent


def _principal_vectors(centred: NDArray[np.float32], sizes: tuple[int, ...]) -> NDArray[np.float64]:
    """Columns of shape (n_features, sum(sizes)): each set turned within its span."""
    n_axes, n_features = sum(sizes), centred.shape[1]
    if 2 * (n_axes + OVERSAMPLE) >= n_features:
        covariance = _products_of_columns(centred).astype(np.float64)
        vectors = scipy.linalg.eigh(covariance)[1][:, ::-1][:, :n_axes].copy()
    else:
        vectors = _leading_vectors(centred, n_axes)
    first = 0
    for size in filter(None, sizes):  # SciPy 1.13 takes no empty matrix
        random = np.random.default_rng(1).standard_normal((size, size))
        span = slice(first, first + size)
        vectors[:, span] = vectors[:, span] @ scipy.linalg.qr(random)[0]
        first += size
    return np.asarray(vectors)


def _leading_vectors(centred: NDArray[np.float32], n_axes: int) -> NDArray[np.float64]:
    """By products with the rows, or with their covariance where that is less work."""
    n_rows, n_features = centred.shape
    size, n_products = n_axes + OVERSAMPLE, ITERATIONS + 1
    covariance = None
    if n_rows * n_features / 2 + n_products * n_features * size < n_products * 2 * n_rows * size:
        covariance = _products_of_columns(centred).astype(np.float32, copy=False)

    def multiplied(basis: NDArray[np.float32]) -> NDArray[np.float32]:
        if covariance is not None:
            return product(covariance, basis)
        return product(centred.T, product(centred, basis))

    random = np.random.default_rng(0)
    basis = random.standard_normal((n_features, size), dtype=np.float32)
    for _ in range(ITERATIONS):
        basis = scipy.linalg.qr(basis, mode="economic", check_finite=False)[0]
        basis = multiplied(basis)
    basis = scipy.linalg.qr(basis, mode="economic", check_finite=False)[0]
    small = product(basis.T, multiplied(basis)).astype(np.float64)
    turned = scipy.linalg.eigh(small)[1][:, ::-1][:, :n_axes]
    return np.asarray(basis.astype(np.float64) @ turned)


def squared_norm_bound(axes: NDArray[np.int32]) -> float:
    """An upper bound of the square of the largest singular value of the axes.

    Products of 14-bit numbers add up to whole numbers below 2^53, so the Gram matrix is exact;
    eigvalsh is backward stable, with an error far below the margin of 1e-9.
    """
    exact = axes.astype(np.float64)
    return float(np.linalg.eigvalsh(exact @ exact.T)[-1] * (1 + 1e-9))


def as_planes(axes: NDArray[np.int32]) -> NDArray[np.uint8]:
    """The axes as bytes: first every high part, then every low part, each with 128 added."""
    high = np.rint(axes / HIGH).astype(np.int32)
    return np.ascontiguousarray(np.vstack([high, axes - HIGH * high]) + 128, dtype=np.uint8)


def feature_groups(
    sample: NDArray[np.uint8], levels: tuple[int, ...]
) -> tuple[list[NDArray[np.int32]], NDArray[np.int8]]:
    """Groups of features that vary together, each with a sign for each feature.

    Starting from single features, groups whose signed sums vary together most are joined two by
    two, each once a round: after r rounds a group has at most 2^r features. In images these are
    pixels side by side, though nothing here knows of images but this: of more than GROUPED_TOGETHER
    features only those in one run of so many are joined, so that time and memory grow with their
    number and not with its square.

    Parameters
    ----------
    sample : ndarray of shape (n_rows, n_features), uint8
    levels : tuple of int
        The numbers of rounds after which to report, ascending.

    Returns
    -------
    groups : list of ndarray of shape (n_features,), int32
        For each level, the group that each feature is in, from 0.
    signs : ndarray of shape (n_features,), int8
        +1 or -1, the same at all levels.
    """
    n_features = sample.shape[1]
    if not any(levels):
        return [np.arange(n_features, dtype=np.int32)] * len(levels), np.ones(n_features, np.int8)
    # A run but the last is joined without a rest, so that rests do not add up.
    width = -(-GROUPED_TOGETHER // 2 ** max(levels)) * 2 ** max(levels)
    found = [np.empty(n_features, dtype=np.int32) for _ in levels]
    signs = np.empty(n_features, dtype=np.int8)
    for first in range(0, n_features, width):
        run = slice(first, first + width)
        groups, signs[run] = _join_features(sample[:, run], levels)
        for all_groups, group, level in zip(found, groups, levels, strict=True):
            all_groups[run] = group + first // 2**level
    return found, signs


def _join_features(
    sample: NDArray[np.uint8], levels: tuple[int, ...]
) -> tuple[list[NDArray[np.int32]], NDArray[np.int8]]:
    centred = sample.astype(np.float32)
    centred -= centred.mean(axis=0)
    covariance = _products_of_columns(centred).astype(np.float32)
    group = np.arange(len(covariance), dtype=np.int32)
    signs = np.ones(len(covariance), dtype=np.int8)
    found = []
    for level in range(max(levels) + 1):
        found += [group.copy() for wanted in levels if wanted == level]
        if level == max(levels):
            break
        left, right = _matching(np.abs(covariance))
        new = np.empty(len(covariance), dtype=np.int32)
        new[right] = new[left] = np.arange(len(left))
        turn = np.ones(len(covariance), dtype=np.int8)
        turn[right[covariance[left, right] < 0]] = -1
        signs *= turn[group]
        group = new[group]
        covariance = _add_pairs(covariance * turn * turn[:, np.newaxis], left, right)
    return found, signs


def _add_pairs(
    covariance: NDArray[np.float32], left: NDArray[np.intp], right: NDArray[np.intp]
) -> NDArray[np.float32]:
    """The covariance of sums of two, and of one where both are the same."""
    two = (left != right).astype(np.float32)
    half = covariance[left] + covariance[right] * two[:, np.newaxis]
    return np.asarray(half[:, left] + half[:, right] * two)


def _matching(strength: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The pairs to join, the strongest that are free; one left over is paired with itself.

    Two that are each other's strongest are a pair whatever others do. Those of all MATCHING_ROUNDS
    are found at once; the few, or the many equally strong, that are free afterwards are paired as
    they come.
    """
    free = np.arange(len(strength))
    np.fill_diagonal(strength, -1)
    left, right = [], []
    for _ in range(MATCHING_ROUNDS):
        if len(free) < 2:
            break
        best = strength.argmax(axis=1)
        own = np.arange(len(free))
        mutual = best[best] == own
        first = mutual & (own < best)
        left.append(free[first])
        right.append(free[best[first]])
        free = free[~mutual]
        strength = strength[np.ix_(~mutual, ~mutual)]
    left.append(free[::2])
    right.append(np.append(free[1::2], free[-1:] if len(free) % 2 else free[:0]))
    return np.concatenate(left), np.concatenate(right)
