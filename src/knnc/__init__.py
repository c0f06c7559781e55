"""Exact nearest neighbours for images and other uint8 data, as scikit-learn estimators.

    >>> from knnc import KNeighborsClassifier

is a :class:`sklearn.neighbors.KNeighborsClassifier`. Where every value of X stands for a byte
(uint8, int8, bool, whole numbers 0..255 of any dtype, such pixels divided by 255), its neighbours
are found with exact integers; elsewhere scikit-learn's own search runs, and `engine_` says which.

    The neighbours of a query are the k training rows with the smallest (distance, row index)
    pairs in lexicographic order, where the distance between uint8 rows is an exact integer, so
    the answer is identical for every thread count, batch size, instruction set, `algorithm` in
    {auto, brute, pruned} and k (the first j of k are the j of j).

The map of the house; imports point down only::

      cli/  plot/  dask                         programs, pictures, clusters
        |     |
        v     v
      recipes   inspection/   ocr/              ways to read, reports, pages
                |
                v
      persistence/                              files of fitted estimators, without code
                |
                v
      neighbors/              image/  datasets/ what people import
        cv_estimators                             estimators | pixels to features | data sets
          |                     |
        classification, regression,
        unsupervised, radius,
        graph, lof
                |                     |
              votes, metrics, fallback
                |                     |
              base, radius_search, row_mask,    fit, validation, the searches, more rows
              partial_fit
                |      the only ones of neighbors/ that call the engine
                v                     v
      engine/                                   arrays in, (distance, index) out
        index, prepared, auto, metrics            arguments; rows prepared once; which scan
          |    encoding   system/                 bytes; threads, memory
          |--> fields                             checks of what an index is restored from
          |--> stream                           rows that do not fit: packed in each search, a
          |                                     chunk at a time
          |--> prune.pyx, coded.pyx, codes.pyx  most rows ruled out by short codes
          |--> radius.pyx                       all rows within a distance
          v         |
        search.pyx  v                           blocks, threads, the k nearest so far
        packed.pyx                              rows in the layout of a kernel
        dispatch.pyx                            which kernels this CPU runs; also image/'s own
          |    one function pointer, chosen once for this CPU
          v
        kernels/*.c                             a tile of distances, one file per metric
                                                and instruction set

A search for k neighbours, from top to bottom: `base` checks the queries as scikit-learn does and
asks `narrow`, row by row, for the bytes that stand for them; `index` passes these to `search`, or
to `prune` on data where that is faster (the answers are the same), which cut queries and rows
into blocks that fit the caches and spread them over threads; a kernel computes the distances of a
tile of queries and rows in registers, and those below a query's k-th so far are pushed on its
heap. No distance matrix is ever written. Rows that no bytes stand for go from `base` to
`fallback`, which is scikit-learn in pieces.
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
