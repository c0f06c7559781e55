"""What every system that is compared can do.

A system is made in a process of its own (``worker.py``), which is where its library is imported.
Every class has the same verbs: ``variants`` (the configurations worth trying, the best guess
first), ``prepare`` (the arrays in the dtype it likes best, made before the clock starts), ``fit``,
``search`` and, where the library can, ``within``, ``classifier`` and ``clusterer``. ``search`` and
``within`` return what the library does.
"""

from __future__ import annotations

import os
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np

Config = dict[str, Any]


def n_cpus() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class System:
    """What is common; a subclass says what differs."""

    label: str
    distribution: str  # as pip knows it
    imports: str | None = None  # the module that is used, imported before any clock starts
    is_peer = True
    dtype = "uint8"  # the arrays as they come
    # "same": the rows and distances returned are those of the reference, to the last bit. "exact":
    # the distances are, between bytes, and ties may be resolved otherwise. "float32": the distances
    # are to float32 rounding, as all peers' are between floats.
    arithmetic = "exact"
    # Whether the distances returned are squared Euclidean ones: between unit rows, for cosine.
    squared = False
    finds_itself = True  # a row among the answers to itself, which the self-join has to remove
    trying = False  # while variants are tried: what they share may be kept between two fits

    def __init__(self, metric: str, k: int) -> None:
        self.metric = metric
        self.k = k
        self._module: Any = import_module(self.imports) if self.imports else None

    @property
    def version(self) -> str:
        return version(self.distribution)

    def variants(self, kind: str, d: int) -> list[Config]:
        """The configurations worth trying on this kind of work."""
        return [{}]

    def describe(self, config: Config) -> str:
        return ", ".join([self.dtype, *(f"{name} {value}" for name, value in config.items())])

    def prepare(self, rows: np.ndarray, config: Config) -> np.ndarray:
        return rows if self.dtype == "uint8" else rows.astype(self.dtype, copy=False)

    def fit(self, rows: np.ndarray, config: Config) -> None:
        raise NotImplementedError

    def forget(self) -> None:
        """Let go of what earlier fits left for later ones."""

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        raise NotImplementedError

    def within(self, queries: np.ndarray, radius: float) -> Any:
        """All rows within a radius."""
        raise NotImplementedError

    def flat(self, found: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(indptr, dist, ind) of what ``within`` returned."""
        dist, ind = found
        indptr = np.concatenate(([0], np.cumsum([len(own) for own in ind])))
        return indptr, np.concatenate(dist), np.concatenate(ind)

    def classifier(self) -> Any:
        """An unfitted estimator for the grid search."""
        raise NotImplementedError

    def clusterer(self, eps: float, min_samples: int) -> Any:
        """An unfitted DBSCAN."""
        raise NotImplementedError
