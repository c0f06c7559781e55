"""Chunks of training rows and blocks of queries as bytes or floats, on the workers.

Whether bytes stand for the rows is decided from all chunks: each says which encodings hold it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from knnc.dask._tasks import checked_block
from knnc.engine.encoding import Encoding, decode, encode_in, encode_rows, encodings_of
from knnc.neighbors.float_search import as_float_rows
from knnc.neighbors.metrics import ENGINE_METRICS, EngineMetric

__all__ = [
    "Narrowed",
    "Queries",
    "all_bytes",
    "all_floats",
    "encodings_for",
    "fits_of",
    "held_by_all",
    "narrow",
    "prepare",
]


@dataclass(frozen=True)
class Narrowed:
    """A chunk as bytes, if they stand for it by some encoding, or as float32 or float64.

    Attributes
    ----------
    rows : ndarray of shape (n_rows, n_features), uint8, float32 or float64
    fits : list of Encoding
        Those that hold the chunk; `rows` are bytes of the first.
    """

    rows: NDArray[Any]
    fits: list[Encoding]

    def under(self, encoding: Encoding | None) -> NDArray[Any]:
        """The rows as bytes of an encoding that holds them; for None as floats."""
        if not self.fits or encoding == self.fits[0]:
            return self.rows
        numbers = decode(self.rows, self.fits[0])
        if encoding is None:
            return as_float_rows(numbers)
        rows = encode_in(numbers, encoding)
        assert rows is not None, "an encoding that all chunks fit"
        return rows


def encodings_for(metric: EngineMetric, dtype: Any) -> list[Encoding]:
    """The encodings that may serve for a metric, best first: none if it is computed in floats."""
    return encodings_of(np.dtype(dtype)) if metric.name in ENGINE_METRICS else []


def narrow(block: Any, shape: tuple[int, ...], dtype: Any, encodings: list[Encoding]) -> Narrowed:
    """A chunk that is as the array says, as bytes if one of these encodings holds it."""
    numbers = checked_block(block, shape, dtype, "X")
    held = [(encode_in(numbers, encoding), encoding) for encoding in encodings]
    fits = [(rows, encoding) for rows, encoding in held if rows is not None]
    if not fits:
        return Narrowed(as_float_rows(numbers), [])
    return Narrowed(fits[0][0], [encoding for _, encoding in fits])


def fits_of(chunk: Narrowed) -> list[Encoding]:
    """The encodings that hold a chunk."""
    return chunk.fits


def held_by_all(fits: Sequence[list[Encoding]]) -> Encoding | None:
    """The encoding that one array of all chunks would have, or None."""
    common = reduce(lambda some, more: [each for each in some if each in more], fits)
    return common[0] if common else None


class Queries(NamedTuple):
    """A block of queries, each as bytes or as floats.

    Attributes
    ----------
    rows : ndarray of shape (n_bytes, n_features), uint8
        Those that the encoding holds.
    as_floats : ndarray of shape (n_queries,), bool
        Which the others are.
    others : ndarray of shape (n_queries - n_bytes, n_features)
        As numbers of any dtype.
    """

    rows: NDArray[np.uint8]
    as_floats: NDArray[np.bool_]
    others: NDArray[Any]


def prepare(block: Any, shape: tuple[int, ...], dtype: Any, encoding: Encoding | None) -> Queries:
    """Queries that are as their array says; without an encoding all are floats."""
    numbers = checked_block(block, shape, dtype, "the queries")
    if encoding is None:
        return all_floats(numbers)
    rows, representable = encode_rows(numbers, encoding)
    return Queries(rows, ~representable, numbers[~representable])


def all_floats(numbers: NDArray[Any]) -> Queries:
    """Queries that are all compared as floats."""
    return Queries(np.empty((0, numbers.shape[1]), np.uint8), np.ones(len(numbers), bool), numbers)


def all_bytes(rows: NDArray[np.uint8]) -> Queries:
    """Queries that are all bytes."""
    return Queries(rows, np.zeros(len(rows), bool), rows[:0])
