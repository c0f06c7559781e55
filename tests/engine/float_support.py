"""Made-up rows of floats, and the search over them beside the oracle's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from knnc.engine.floats import FloatRows
from knnc.engine.scan import floats as float_search
from knnc.engine.scan.brute import NO_SELF
from tests.float_oracle import Float64, Int64, float_keys, float_table, nearest, within

Rng: TypeAlias = np.random.Generator
Shape: TypeAlias = tuple[int, int]
# What rows may be, and for bytes the table of what they stand for.
DTYPES = ("float64", "float32", "uint8")
LARGEST_KEY = 2**63 - 1


def _last_bits(rng: Rng, shape: Shape) -> Float64:
    """Rows that differ in the last bit of one value."""
    rows = np.repeat(rng.normal(size=(1, shape[1])).astype(np.float32), shape[0], axis=0)
    at = np.arange(shape[0]), rng.integers(0, shape[1], size=shape[0])
    rows[at] = np.nextafter(rows[at], rng.choice(np.float32([-9, 9]), size=shape[0]))
    return rows.astype(np.float64)


def _one_huge_feature(rng: Rng, shape: Shape) -> Float64:
    rows = rng.normal(size=shape)
    rows[:, rng.integers(0, shape[1])] *= 1e30
    return rows


def _duplicates(rng: Rng, shape: Shape) -> Float64:
    few = rng.normal(size=(max(1, shape[0] // 8), shape[1]))
    return few[rng.integers(0, len(few), size=shape[0])]


def _rows_of_zeros(rng: Rng, shape: Shape) -> Float64:
    """Some rows, of zeros of either sign."""
    rows = rng.choice([-1.0, 2.0], size=shape)
    rows[rng.random(shape[0]) < 0.4] = 0
    return np.where((rows == 0) & (rng.random(shape) < 0.5), -0.0, rows)


PALETTES: Mapping[str, Callable[[Rng, Shape], Float64]] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "ties": lambda rng, shape: rng.integers(0, 3, size=shape).astype(np.float64),
    "tenths": lambda rng, shape: rng.integers(-3, 4, size=shape) / 10,
    "equal": lambda rng, shape: np.repeat(rng.normal(size=(1, shape[1])), shape[0], axis=0),
    "offset": lambda rng, shape: 1e8 + rng.normal(size=shape),
    "subnormal": lambda rng, shape: rng.integers(-9, 10, size=shape) * 2.0**-1074,
    "subnormal float32": lambda rng, shape: rng.integers(-9, 10, size=shape) * 2.0**-149,
    "tiny": lambda rng, shape: rng.normal(size=shape) * 2.0**-530,
    "overflow": lambda rng, shape: rng.choice([-1.7e308, -1e200, 0, 1e154, 1.7e308], size=shape),
    "magnitudes": lambda rng, shape: rng.normal(size=shape) * 10 ** rng.uniform(-37, 37, shape),
    "all magnitudes": lambda rng, shape: 10 ** rng.uniform(-323, 308, shape),
    "last bits": _last_bits,
    "one huge feature": _one_huge_feature,
    "duplicates": _duplicates,
    "rows of zeros": _rows_of_zeros,
}


def draw_floats(seed: int, n: int, d: int, palette: str = "normal") -> Float64:
    """(n, d) float64 rows of a palette, the same for the same arguments."""
    rng = np.random.default_rng([seed, n, d])
    return np.ascontiguousarray(PALETTES[palette](rng, (n, d)), dtype=np.float64)


@lru_cache(maxsize=4000)
def _known_table(rows: bytes, dtype: str, queries: bytes, n_features: int, metric: str) -> Int64:
    """The oracle's keys, worked out once for all kernels."""
    values = np.frombuffer(rows, dtype).reshape(-1, n_features)
    points = np.frombuffer(queries).reshape(-1, n_features)
    return float_table(values, points, metric)


class Rows:
    """Rows of one dtype, as the engine has them and as the oracle does."""

    def __init__(
        self, values: Float64, dtype: str, metric: str, kernel: str | None = None, threads: int = 1
    ) -> None:
        self.metric, self.dtype = metric, dtype
        self.values: npt.NDArray[Any] = values
        if dtype == "uint8":
            codes = np.unique(values.view(np.int64), return_inverse=True)[1] % 256
            stored = codes.reshape(values.shape).astype(np.uint8)
            table = np.resize(np.unique(values.view(np.int64))[:256].view(np.float64), 256)
            self.values = table[stored]
            self.engine = FloatRows(stored, metric, kernel, table, threads)
        else:
            if dtype == "float32":
                largest = np.finfo(np.float32).max
                self.values = np.clip(values, -largest, largest).astype(np.float32)
            self.engine = FloatRows(self.values, metric, kernel, None, threads)

    def table(self, points: Float64) -> Int64:
        """The oracle's keys of these queries to all rows."""
        return _known_table(
            self.values.tobytes(),
            str(self.values.dtype),
            points.tobytes(),
            self.values.shape[1],
            self.metric,
        )

    def points(self, queries: Float64 | None) -> tuple[Float64, int]:
        """Queries as they are handed to the engine, None for the rows themselves."""
        if queries is None:
            return np.ascontiguousarray(self.values, dtype=np.float64), 0
        return queries, NO_SELF

    def assert_search(
        self, queries: Float64 | None, k: int, n_threads: int = 1, **options: float
    ) -> None:
        """The k nearest are the oracle's, to the last bit."""
        points, first_self = self.points(queries)
        got = float_search.search(self.engine, points, k, n_threads, first_self, None, **options)
        expected = nearest(self.table(points), k, leave_out=queries is None)
        self._assert_equal(got, expected, f"{k=} {n_threads=}")

    def assert_within(
        self, queries: Float64 | None, limit: int, n_threads: int = 1, **options: float
    ) -> None:
        """The rows within a limit are the oracle's in either order, with and without keys."""
        points, first_self = self.points(queries)
        note, table, leave_out = f"{limit=} {n_threads=}", self.table(points), queries is None
        for sort in (False, True):
            got = float_search.within(
                self.engine, points, limit, n_threads, first_self, True, sort, None, **options
            )
            expected = within(table, limit, sort=sort, leave_out=leave_out)
            self._assert_equal(got, expected, note)
        bare = float_search.within(
            self.engine, points, limit, n_threads, first_self, False, False, None, **options
        )
        assert bare[1] is None
        expected = within(table, limit, leave_out=leave_out)
        self._assert_equal((bare[0], bare[2]), (expected[0], expected[2]), note)

    def limits(self, query: Float64) -> list[int]:
        """None, only equal rows, just below, at and above a key that occurs, all."""
        keys = np.sort(float_keys(self.values, query, self.metric))
        middle = int(keys[len(keys) // 2])
        return [-1, 0, middle - 1, middle, middle + 1, int(keys[-1]), LARGEST_KEY]

    def _assert_equal(
        self, got: tuple[Int64 | None, ...], expected: tuple[Int64, ...], note: str
    ) -> None:
        engine = self.engine
        note += f" {engine.kernel} {self.metric} {self.values.dtype} {self.values.shape}"
        for a, b in zip(got, expected, strict=True):
            assert a is not None
            np.testing.assert_array_equal(a, b, err_msg=note, strict=True)
