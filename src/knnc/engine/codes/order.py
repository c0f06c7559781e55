"""Codes of all rows, in arrays of their own, and the order in which they lie (rows.pyx)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from knnc.engine.codes.quantizer import Quantizer
from knnc.engine.packed import own_pages

if TYPE_CHECKING:
    from knnc.engine.codes.rows import CodedRows

__all__ = ["encode_apart", "row_order"]

SLAB_ROWS = 1 << 12


def encode_apart(
    rows: CodedRows, coder: Quantizer, n_rows: int, n_threads: int
) -> tuple[list[NDArray[np.uint8]], NDArray[np.uint8], NDArray[np.float64], NDArray[np.float32]]:
    """Codes of rows, and their errors, a slab at a time: never two copies of all.

    Returns
    -------
    parts : list of ndarray of shape (n_rows, size), uint8
        The coarse codes, an array for each stage.
    fine : ndarray of shape (n_rows, n_fine), uint8
        It starts at a cache line: 128 of them are two lines then, not three.
    coarse_errors, fine_errors : ndarray of shape (n_rows,)
    """
    n_coarse, n_fine = coder.n_coarse, coder.n_fine
    ends = np.cumsum(coder.stages)
    parts = [own_pages(n_rows * size).reshape(n_rows, size) for size in coder.stages]
    fine = own_pages(n_rows * n_fine).reshape(n_rows, n_fine)
    coarse_errors, fine_errors = np.empty(n_rows), np.empty(n_rows, np.float32)
    for start in range(0, n_rows, SLAB_ROWS):
        slab = slice(start, start + SLAB_ROWS)
        codes, errors = coder.encode(rows.as_queries(rows.array[slab]), n_threads)
        for part, end in zip(parts, ends, strict=True):
            part[slab] = codes[:, end - part.shape[1] : end]
        fine[slab] = codes[:, n_coarse:]
        coarse_errors[slab] = errors[:, 0]
        # float32 holds an error a hair too large, never too small.
        fine_errors[slab] = np.nextafter(errors[:, 1].astype(np.float32), np.float32(np.inf))
    return parts, fine, coarse_errors, fine_errors


def row_order(
    nearest: NDArray[Any], n_clusters: int, errors: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A permutation of rows by cluster, but for the hundredth with the largest errors.

    Those come last, sorted, so that a few rows that their codes fit badly loosen the limits of no
    panels but their own.

    Returns
    -------
    order : ndarray of shape (n_rows,), int64
    starts : ndarray of shape (n_clusters + 1,), int64
        The place of the first row of each cluster, and one past the last.
    """
    n_rough = len(errors) // 100
    is_rough = np.zeros(len(errors), dtype=bool)
    if n_rough:
        least = np.partition(errors, len(errors) - n_rough)[len(errors) - n_rough]
        is_rough[errors > least] = True
        equal = np.flatnonzero(errors == least)
        is_rough[equal[len(equal) - (n_rough - np.count_nonzero(is_rough)) :]] = True
    rough, regular = np.flatnonzero(is_rough), np.flatnonzero(~is_rough)
    rough = rough[np.argsort(errors[rough], kind="stable")]
    # Numbers of 16 bits NumPy sorts by radix: 4 million in 0.05 s, which no signal interrupts.
    by_cluster = regular[np.argsort(nearest[regular], kind="stable")]
    starts = np.zeros(n_clusters + 1, np.int64)
    np.cumsum(np.bincount(nearest[regular], minlength=n_clusters), out=starts[1:])
    return np.concatenate([by_cluster, rough]), starts
