"""Nearest-neighbour estimators: scikit-learn's classes, searching on the integer engine.

::

    classification   KNeighborsClassifier
    regression       KNeighborsRegressor
    radius           RadiusNeighborsClassifier, RadiusNeighborsRegressor
    unsupervised     NearestNeighbors
    graph            KNeighborsTransformer, RadiusNeighborsTransformer, kneighbors_graph,
                     radius_neighbors_graph
    lof              LocalOutlierFactor
    tuning           KNeighborsClassifierCV, KNeighborsRegressorCV
    candidates       many k, weights and metrics scored from one search a metric and fold
    remembered       estimators that know the neighbours of a fold beforehand
    growth           partial_fit
    subset           a search among the rows of a mask
    within           radius_neighbors
    base             fit, validation and kneighbors; with the three above all that calls the engine
    metrics          which metrics the engine computes, and their integers as floats
    votes            from the neighbours' labels to a label or to probabilities
    fallback         scikit-learn's own search, in pieces, for all else
"""

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
    "kneighbors_graph",
    "radius_neighbors_graph",
]
