"""Fast, exact nearest neighbours on the CPU, as scikit-learn estimators.

    >>> from knnc import KNeighborsClassifier

is a :class:`sklearn.neighbors.KNeighborsClassifier`. If every value of X stands for a byte (uint8,
int8, bool, whole numbers 0..255 of any dtype, such pixels divided by 255), knnc finds its
neighbours with exact integers. Other dense rows of numbers have float64 distances, with the same
bits on every machine. scikit-learn's own search finds the rest, and `engine_` says which search is
used.

    The neighbours of a query are the k training rows with the smallest (distance, row index)
    pairs in lexicographic order. Only the two rows, and what fit chose, determine a distance. So
    the answer is identical for every thread count, batch size, instruction set and `algorithm` in
    {auto, brute, pruned}. It is also identical for every k: the first j of k neighbours are the j
    nearest.

The modules. Imports point down only; `make lint` checks this::

    cli/                        the program; nothing imports it
    web/                        the page of knnc serve
    groundtruth  inspection     a job of hours; reports, with their pictures
    dask/        patching       clusters; knnc in the place of scikit-learn's own
    persistence/  plot/         files of fitted estimators; pictures
    recipes  ocr/  runtime      ways to read, pages of handwriting, what runs here
    image/                      pixels to features, distances of images
    neighbors/                  estimators: checks, fit, votes      datasets/  data sets
      base, kneighbors_search,    the only ones that search with the engine
      radius_search,
      float_search, float_queries
      fallback                    scikit-learn's search, in pieces
    engine/                     arrays in, (distance key, row index) out; its own map is there
      index                       checks the arguments
      prepared, prepared_floats   packed, coded or streamed; which scan serves a search
      auto, metrics, encoding     thresholds and trials; the table of metrics; numbers to bytes
      scan/                       brute force, radius, coded, streamed, floats
      codes/                      quantizers, and rows with their codes
      system/                     threads, locks, BLAS, memory, progress
      kernels/                    C: a tile of distances, one file per metric and instruction set

A search for the k nearest, from top to bottom. `neighbors.base` checks the queries as scikit-learn
does, and `encoding` finds the bytes that stand for each query. Rows that are not bytes are searched
as floats. `index` checks the arguments once more. `prepared` chooses the scan: brute force, or
codes if a trial found them faster. The scan cuts queries and rows into blocks that fit the caches,
and spreads them over threads. A kernel computes the distances of a tile of queries and rows in
registers. Rows below a query's k-th distance so far go to its heap. No matrix of distances is ever
written.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from knnc._moved import MovedModules
from knnc._version import __version__

if TYPE_CHECKING:
    from knnc import datasets, image, inspection, ocr, plot
    from knnc._progress import progress
    from knnc.engine.system.memory import config_context, get_config, set_config
    from knnc.neighbors import (
        KNeighborsClassifier,
        KNeighborsClassifierCV,
        KNeighborsRegressor,
        KNeighborsRegressorCV,
        KNeighborsTransformer,
        LocalOutlierFactor,
        NearestNeighbors,
        RadiusNeighborsClassifier,
        RadiusNeighborsRegressor,
        RadiusNeighborsTransformer,
        kneighbors_graph,
        radius_neighbors_graph,
    )
    from knnc.patching import patch_sklearn, unpatch_sklearn
    from knnc.persistence.estimators import load, save
    from knnc.runtime import show_runtime

__all__ = [
    "KNeighborsClassifier",
    "KNeighborsClassifierCV",
    "KNeighborsRegressor",
    "KNeighborsRegressorCV",
    "KNeighborsTransformer",
    "LocalOutlierFactor",
    "NearestNeighbors",
    "RadiusNeighborsClassifier",
    "RadiusNeighborsRegressor",
    "RadiusNeighborsTransformer",
    "__version__",
    "config_context",
    "datasets",
    "get_config",
    "image",
    "inspection",
    "kneighbors_graph",
    "load",
    "ocr",
    "patch_sklearn",
    "plot",
    "progress",
    "radius_neighbors_graph",
    "save",
    "set_config",
    "show_runtime",
    "unpatch_sklearn",
]

# Where a public name lives. Each is imported when first asked for, so that the command line and
# knnc.datasets start without scikit-learn's estimators, which take a second to import.
_HOMES = {
    "KNeighborsClassifier": "knnc.neighbors",
    "KNeighborsClassifierCV": "knnc.neighbors",
    "KNeighborsRegressor": "knnc.neighbors",
    "KNeighborsRegressorCV": "knnc.neighbors",
    "KNeighborsTransformer": "knnc.neighbors",
    "LocalOutlierFactor": "knnc.neighbors",
    "NearestNeighbors": "knnc.neighbors",
    "RadiusNeighborsClassifier": "knnc.neighbors",
    "RadiusNeighborsRegressor": "knnc.neighbors",
    "RadiusNeighborsTransformer": "knnc.neighbors",
    "config_context": "knnc.engine.system.memory",
    "get_config": "knnc.engine.system.memory",
    "kneighbors_graph": "knnc.neighbors",
    "load": "knnc.persistence.estimators",
    "patch_sklearn": "knnc.patching",
    "progress": "knnc._progress",
    "radius_neighbors_graph": "knnc.neighbors",
    "save": "knnc.persistence.estimators",
    "set_config": "knnc.engine.system.memory",
    "show_runtime": "knnc.runtime",
    "unpatch_sklearn": "knnc.patching",
}

sys.meta_path.append(MovedModules())


def __getattr__(name: str) -> Any:
    """Import a public name, or a public part of the package, when it is first asked for."""
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    elif name in ("datasets", "image", "inspection", "ocr", "plot"):
        value = import_module(f"knnc.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
