"""The oracle in floats, as ``kneighbors`` returns its answers."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests import float_oracle

# An estimator's name of a metric, and the oracle's.
FLOAT_METRICS = {
    "euclidean": "sqeuclidean",
    "l2": "sqeuclidean",
    "sqeuclidean": "sqeuclidean",
    "manhattan": "manhattan",
    "l1": "manhattan",
    "cityblock": "manhattan",
    "chebyshev": "chebyshev",
    "hamming": "hamming",
    "cosine": "cosine",
}


def expected(X: Any, queries: Any, k: int, metric: str = "euclidean") -> Any:
    """What `kneighbors` has to return; `queries` None is leave-one-out."""
    name = FLOAT_METRICS[metric]
    own = X.astype(np.float64) if queries is None else queries.astype(np.float64)
    table = float_oracle.float_table(X, own, name)
    keys, ind = float_oracle.nearest(table, k, leave_out=queries is None)
    named = "euclidean" if metric == "l2" else metric
    return float_oracle.distances_of(keys, named, X.shape[1]), ind
