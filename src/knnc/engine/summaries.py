"""What the codes that prune are made of: principal axes for L2, groups of features for L1.

Neither has to be exact for the bounds to hold (codes.pyx says why): how good they are decides how
much is pruned, never what is answered. Both come from a sample of the rows and a fixed seed.
"""

from __future__ import annotations

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
# An axis is HIGH * high + low, with high a signed byte and low within half of HIGH.
HIGH = 64
LARGEST = HIGH * 127


def sample_rows(rows: NDArray[np.uint8], size: int = SAMPLE_ROWS) -> NDArray[np.uint8]:
    """About `size` rows, evenly spread with a fixed jitter, so that a period does no harm."""
    n = len(rows)
    if n <= size:
        return rows
    jitter = np.random.default_rng(0).random(size)
    return rows[((np.arange(size) + jitter) * (n / size)).astype(np.int64)]


def is_concentrated(rows: NDArray[np.uint8]) -> bool:
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
        basis = others.T @ (others @ basis)
    basis = scipy.linalg.qr(basis, mode="economic", check_finite=False)[0]
    nearest = _squared_distances(queries, others).min(axis=1, keepdims=True)
    passing = _squared_distances(queries @ basis, others @ basis) <= nearest
    return float(passing.mean()) < SCREEN_SHARE


def _squared_distances(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    squares = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)
    return np.asarray(squares - 2 * (a @ b.T))


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
    n_axes, n_features = sum(sizes), centred.shape[1]
    if 2 * (n_axes + OVERSAMPLE) >= n_features:
        covariance = (centred.T @ centred).astype(np.float64)
        vectors = scipy.linalg.eigh(covariance)[1][:, ::-1][:, :n_axes].copy()
    else:
        vectors = _leading_vectors(centred, n_axes)
    first = 0
    for size in filter(None, sizes):  # SciPy 1.13 takes no empty matrix
        random = np.random.default_rng(1).standard_normal((size, size))
        span = slice(first, first + size)
        vectors[:, span] = vectors[:, span] @ scipy.linalg.qr(random)[0]
        first += size
    axes = np.rint(vectors.T * (LARGEST / np.abs(vectors).max()))
    return np.asarray(axes, dtype=np.int32)


def _leading_vectors(centred: NDArray[np.float32], n_axes: int) -> NDArray[np.float64]:
    random = np.random.default_rng(0)
    shape = centred.shape[1], n_axes + OVERSAMPLE
    basis = random.standard_normal(shape, dtype=np.float32)
    for _ in range(ITERATIONS):
        basis = scipy.linalg.qr(basis, mode="economic", check_finite=False)[0]
        basis = centred.T @ (centred @ basis)
    basis = scipy.linalg.qr(basis, mode="economic", check_finite=False)[0]
    projected = centred @ basis
    small = (projected.T @ projected).astype(np.float64)
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

    Starting from single features, the two groups whose signed sums vary together most are joined,
    each group once a round: after r rounds a group has at most 2^r features. In images these are
    pixels side by side, though nothing here knows of images.

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
    sums = sample.astype(np.float32)
    sums -= sums.mean(axis=0)
    n_features = sums.shape[1]
    group = np.arange(n_features, dtype=np.int32)
    signs = np.ones(n_features, dtype=np.int8)
    found = []
    for level in range(max(levels) + 1):
        if level in levels:
            found.append(group.copy())
        joined = _join_pairs(sums.T @ sums)
        flips = np.array([sign for _, _, sign in joined], dtype=np.int8)
        left = np.array([a for a, _, _ in joined])
        right = np.array([b for _, b, _ in joined])
        # A group left over is joined with nothing: b is a then.
        new = np.empty(sums.shape[1], dtype=np.int32)
        turn = np.ones(sums.shape[1], dtype=np.int8)
        new[right] = new[left] = np.arange(len(joined))
        turn[right[left != right]] = flips[left != right]
        signs *= turn[group]
        alone = (left == right).astype(np.float32)
        sums = sums[:, left] + sums[:, right] * (flips * (1 - alone))
        group = new[group]
    return found, signs


def _join_pairs(covariance: NDArray[np.float32]) -> list[tuple[int, int, int]]:
    """Greedy matching by the absolute covariance: (a, b, sign), and (a, a, 1) for one left over."""
    n = len(covariance)
    strength = np.triu(np.abs(covariance), 1)
    rows, columns = np.triu_indices(n, 1)
    order = np.argsort(-strength[rows, columns], kind="stable")
    free = np.ones(n, dtype=bool)
    pairs = []
    for a, b in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if free[a] and free[b]:
            free[a] = free[b] = False
            pairs.append((a, b, -1 if covariance[a, b] < 0 else 1))
            if 2 * len(pairs) >= n - 1:
                break
    return pairs + [(a, a, 1) for a in np.flatnonzero(free).tolist()]
