"""Checks of the fields of a state: the values that a part of an index is restored from.

A state is a dict of numbers, strings, arrays and such dicts. A file may hold any values. A search
reads memory by them, so each array must have the shape that the search assumes, and each count
must be in its range.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["State", "array_of", "count_of", "number_of", "part_of"]

State = Mapping[str, Any]


def array_of(
    state: State, name: str, dtype: DTypeLike, shape: tuple[int, ...], below: int | None = None
) -> NDArray[Any]:
    """An array of a state.

    Parameters
    ----------
    below : int or None
        If given, the values are integers from 0 to less than this.

    Raises
    ------
    ValueError
        If there is no such array, or its dtype, shape or values are others.
    """
    array = state.get(name)
    if not isinstance(array, np.ndarray) or array.dtype != dtype or array.shape != shape:
        raise ValueError(f"{name} is not an array of {np.dtype(dtype)} of shape {shape}")
    if below is not None and array.size and not (array.min() >= 0 and array.max() < below):
        raise ValueError(f"{name} holds a value that is not from 0 to {below - 1}")
    return np.ascontiguousarray(array)


def count_of(state: State, name: str, first: int, last: int) -> int:
    """An integer of a state, from `first` to `last`.

    Raises
    ------
    ValueError
        If there is no such integer, or it is out of range.
    """
    value = state.get(name)
    if type(value) is not int or not first <= value <= last:
        raise ValueError(f"{name} is not an integer from {first} to {last}")
    return value


def number_of(state: State, name: str, positive: bool = False) -> float:
    """A finite float of a state.

    Raises
    ------
    ValueError
        If there is no such float, it is not finite, or `positive` is asked for and it is not.
    """
    value = state.get(name)
    if type(value) is not float or not np.isfinite(value) or (positive and value <= 0):
        raise ValueError(f"{name} is not a {'positive' if positive else 'finite'} number")
    return value


def part_of(state: State, name: str) -> State:
    """A state within a state.

    Raises
    ------
    ValueError
        If there is none of this name.
    """
    part = state.get(name)
    if not isinstance(part, Mapping):
        raise ValueError(f"{name} is missing")
    return part
