"""Dask arrays to named tasks and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import dask
import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph
from numpy.typing import NDArray
from sklearn.utils import assert_all_finite

__all__ = [
    "blocks_of",
    "checked_block",
    "columns_of",
    "joined",
    "known_lengths",
    "rows_array",
    "task",
]


def task(name: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """A call of a function without side effects, lazily; Dask's dashboard shows it as `name`.

    What is lazy among the arguments stands by itself, not in a list: see `merge` in _found.py.
    """
    key = f"{name}-{tokenize(name, *arguments)}"
    return dask.delayed(function, pure=True)(*arguments, dask_key_name=key)


def known_lengths(array: Any) -> Any:
    """The array with chunks of known sizes, which may have to be computed."""
    if any(np.isnan(length) for lengths in array.chunks for length in lengths):
        return array.copy().compute_chunk_sizes()
    return array


def rows_array(X: Any, name: str) -> Any:
    """X as a dask array in chunks of whole rows."""
    if _is_lazy_frame(X):
        X = X.to_dask_array()
    elif not isinstance(X, da.Array):
        X = np.asarray(X)
        if X.dtype.hasobject:
            X = X.astype(np.float64)
    if X.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold numbers for knnc.dask, got {X.dtype}.")
    if X.ndim != 2:
        raise ValueError(f"{name} must have two axes, got {X.ndim}.")
    if not isinstance(X, da.Array):
        X = da.from_array(X, chunks=("auto", -1))
    X = known_lengths(X)
    if 0 in X.shape:
        raise ValueError(f"Found array with {X.shape[0]} sample(s) and {X.shape[1]} feature(s).")
    return X.rechunk({1: -1})


def _is_lazy_frame(X: Any) -> bool:
    return dask.is_dask_collection(X) and hasattr(X, "to_dask_array")


def columns_of(X: Any) -> Any:
    """What scikit-learn finds the names of columns in: of a frame of Dask one without rows."""
    return X._meta if _is_lazy_frame(X) else X


def checked_block(block: Any, shape: tuple[int, ...], dtype: Any, name: str) -> NDArray[Any]:
    """A block of an array, of finite numbers, if it is what the array said it is."""
    if not isinstance(block, np.ndarray):
        raise TypeError(f"A chunk of {name} is a {type(block).__name__}, not an array of NumPy.")
    if block.dtype != dtype:
        raise TypeError(f"A chunk of {name} holds {block.dtype}, and {name} said {dtype}.")
    if block.shape != shape:
        raise ValueError(f"A chunk of {name} has shape {block.shape}, and {name} said {shape}.")
    assert_all_finite(block, input_name="X")
    return block


def blocks_of(X: Any) -> list[Any]:
    """The blocks of an array in chunks of rows, lazily."""
    return list(X.to_delayed().ravel())


def joined(
    name: str, parts: Sequence[Any], lengths: Sequence[int], shape: tuple[int, ...], dtype: Any
) -> Any:
    """A dask array of what is found for each block of queries."""
    name = f"{name}-{tokenize(*parts)}"
    ends = (0,) * len(shape)
    blocks = {(name, i, *ends): part.key for i, part in enumerate(parts)}
    graph = HighLevelGraph.from_collections(name, blocks, dependencies=parts)
    chunks = (tuple(lengths), *((length,) for length in shape))
    return da.Array(graph, name, chunks, dtype=dtype)
