"""Nearest-neighbour estimators: scikit-learn's classes, searching on knnc's engine.

All public names of :mod:`sklearn.neighbors` can be imported from here. Those that knnc has nothing
of its own for (the trees, `KernelDensity`, `NearestCentroid` and so on) are scikit-learn's.

::

    classification   KNeighborsClassifier
    regression       KNeighborsRegressor
    radius           RadiusNeighborsClassifier, RadiusNeighborsRegressor
    unsupervised     NearestNeighbors
    graph            KNeighborsTransformer, RadiusNeighborsTransformer, kneighbors_graph,
                     radius_neighbors_graph
    lof              LocalOutlierFactor
    cv_estimators    KNeighborsClassifierCV, KNeighborsRegressorCV
    cross_validation many k, weights and metrics scored from one search a metric and fold
    cached_neighbors estimators with a cache of the neighbours of a fold
    partial_fit      adds rows to a fitted estimator
    kneighbors_search, radius_search
                     kneighbors, radius_neighbors
    base             fit and validation
    fitted_rows      training rows, the index over them, and the numbers that bytes stand for
    float_search     rows of floats, and queries that must be copied, piece by piece
    float_queries    queries that no bytes stand for, against rows that are bytes
    row_mask         a search among the rows of a mask
    metrics          which metrics the engine computes, and their keys as distances
    votes            from the neighbours' targets to a label, to probabilities or to a mean
    fallback         scikit-learn's own search, in pieces, for all else
"""

from knnc._compat import (
    VALID_METRICS,
    VALID_METRICS_SPARSE,
    BallTree,
    KDTree,
    KernelDensity,
    NearestCentroid,
    NeighborhoodComponentsAnalysis,
    sort_graph_by_row_values,
)
from knnc.neighbors.classification import KNeighborsClassifier
from knnc.neighbors.cv_estimators import KNeighborsClassifierCV, KNeighborsRegressorCV
from knnc.neighbors.graph import (
    KNeighborsTransformer,
    RadiusNeighborsTransformer,
    kneighbors_graph,
    radius_neighbors_graph,
)
from knnc.neighbors.lof import LocalOutlierFactor
from knnc.neighbors.radius import RadiusNeighborsClassifier, RadiusNeighborsRegressor
from knnc.neighbors.regression import KNeighborsRegressor
from knnc.neighbors.unsupervised import NearestNeighbors

__all__ = [
    "VALID_METRICS",
    "VALID_METRICS_SPARSE",
    "BallTree",
    "KDTree",
    "KNeighborsClassifier",
    "KNeighborsClassifierCV",
    "KNeighborsRegressor",
    "KNeighborsRegressorCV",
    "KNeighborsTransformer",
    "KernelDensity",
    "LocalOutlierFactor",
    "NearestCentroid",
    "NearestNeighbors",
    "NeighborhoodComponentsAnalysis",
    "RadiusNeighborsClassifier",
    "RadiusNeighborsRegressor",
    "RadiusNeighborsTransformer",
    "kneighbors_graph",
    "radius_neighbors_graph",
    "sort_graph_by_row_values",
]
