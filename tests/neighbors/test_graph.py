"""Graphs: scikit-learn's, of the neighbours that the engine finds."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn.neighbors
from scipy.sparse import csr_array, issparse
from sklearn.base import clone

import knnc
from tests.neighbors.support import any_bytes, assert_same_error, few_values, oracle

X, Q = any_bytes(1, 70, 12), any_bytes(2, 9, 12)
FITS = {
    "uint8": lambda A: A,
    "int8": lambda A: A.view(np.int8),
    "bool": lambda A: A > 100,
    "float64": lambda A: A.astype(np.float64),
    "float32 / 255": lambda A: A.astype(np.float32) / np.float32(255),
    "float": lambda A: A + 0.5,
    "sklearn": lambda A: A + 0.5,
}


def _assert_graphs(got: Any, expected: Any, rtol: float = 1e-6) -> None:
    """The same edges, weights to rounding, of the same kind, in the same order where none ties."""
    assert type(got) is type(expected)
    assert got.format == expected.format == "csr"
    assert got.shape == expected.shape
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got.indptr, expected.indptr)
    np.testing.assert_allclose(got.toarray(), expected.toarray(), rtol=rtol)


@pytest.mark.parametrize("mode", ["distance", "connectivity"])
@pytest.mark.parametrize("fit", ["uint8", "int8", "float64", "float32 / 255", "float", "sklearn"])
def test_the_k_neighbors_transformer(fit: str, mode: str) -> None:
    make = FITS[fit]
    algorithm = "kd_tree" if fit == "sklearn" else "auto"
    ours = knnc.KNeighborsTransformer(n_neighbors=4, mode=mode, algorithm=algorithm)
    theirs = sklearn.neighbors.KNeighborsTransformer(n_neighbors=4, mode=mode, algorithm="brute")
    graph = ours.fit_transform(make(X))
    assert ours.engine_ == (fit if fit in ("float", "sklearn") else "integer")
    _assert_graphs(graph, theirs.fit_transform(make(X).astype(float)))
    _assert_graphs(ours.transform(make(Q)), theirs.transform(make(Q).astype(float)))
    assert (np.diff(graph.indptr) == 4 + (mode == "distance")).all()
    odd = make(Q).astype(float) + 0.123
    _assert_graphs(ours.transform(odd), theirs.transform(odd))
    np.testing.assert_array_equal(ours.get_feature_names_out(), theirs.get_feature_names_out())
    for copy in (pickle.loads(pickle.dumps(ours)), clone(ours).fit(make(X))):
        assert abs(copy.transform(make(Q)) - ours.transform(make(Q))).nnz == 0


def test_the_transformer_goes_through_the_engine(searches) -> None:
    knnc.KNeighborsTransformer().fit_transform(X / 255)
    assert (searches.calls, searches.queries) == (1, 70)


def test_the_transformers_graph_in_ties() -> None:
    """Edges in the order of (distance, index), and the row itself among its own."""
    rows = few_values(3, 60, 3, 3)
    graph = knnc.KNeighborsTransformer(n_neighbors=6).fit_transform(rows)
    dist, ind = oracle(rows, rows, 7, "euclidean")
    np.testing.assert_array_equal(graph.indices.reshape(60, 7), ind)
    np.testing.assert_array_equal(graph.data.reshape(60, 7), dist)


@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_set_output_says_no_to_a_sparse_graph(output: str) -> None:
    pytest.importorskip(output, reason="needs the extra 'test-frames'")
    ours = knnc.KNeighborsTransformer().set_output(transform=output).fit(X)
    theirs = sklearn.neighbors.KNeighborsTransformer().set_output(transform=output).fit(X)
    assert_same_error(lambda: ours.transform(X), lambda: theirs.transform(X))


@pytest.mark.parametrize("include_self", [True, False, "auto"])
@pytest.mark.parametrize("mode", ["distance", "connectivity"])
@pytest.mark.parametrize("fit", FITS)
def test_kneighbors_graph(fit: str, mode: str, include_self: Any) -> None:
    rows = FITS[fit](X)
    theirs = sklearn.neighbors.NearestNeighbors(algorithm="brute").fit(rows.astype(float))
    expected = sklearn.neighbors.kneighbors_graph(theirs, 3, mode=mode, include_self=include_self)
    ours = knnc.NearestNeighbors().fit(rows)
    for given in (rows, rows.tolist(), ours):
        got = knnc.kneighbors_graph(given, 3, mode=mode, include_self=include_self)
        if fit != "bool":  # full of ties
            _assert_graphs(got, expected)
    _assert_graphs(knnc.kneighbors_graph(theirs, 3, mode=mode, include_self=include_self), expected)
    of_scikit_learn = sklearn.neighbors.kneighbors_graph(
        ours, 3, mode=mode, include_self=include_self
    )
    assert abs(of_scikit_learn - got).nnz == 0


def test_its_rows_stand_for_themselves(searches) -> None:
    """The bytes that an estimator keeps are its rows, whatever they were scaled by."""
    ours = knnc.NearestNeighbors(n_neighbors=1).fit(X / 255)
    np.testing.assert_array_equal(ours.kneighbors(ours._fit_X)[1].ravel(), np.arange(70))
    named = knnc.NearestNeighbors(n_neighbors=1).fit(pd.DataFrame(X).rename(columns=str))
    assert knnc.kneighbors_graph(named, 1, include_self=True).diagonal().all()
    assert searches.calls == 2


def test_sparse_rows_make_a_graph_too() -> None:
    rows = X * (X > 128)
    _assert_graphs(
        knnc.kneighbors_graph(csr_array(rows), 3, mode="distance"),
        sklearn.neighbors.kneighbors_graph(csr_array(rows), 3, mode="distance"),
    )


@pytest.mark.parametrize(
    "arguments",
    [
        {"n_neighbors": 0},
        {"n_neighbors": 2.5},
        {"n_neighbors": 70},
        {"mode": "nearest"},
        {"metric": "euclid"},
        {"p": -1},
        {"metric_params": 3},
        {"include_self": "perhaps"},
        {"n_jobs": 1.5},
        {"X": None},
        {"X": np.empty((0, 3), dtype=np.uint8)},
        {"X": knnc.NearestNeighbors()},
        {"X": knnc.NearestNeighbors().fit(X), "metric": "l1"},
    ],
    ids=str,
)
def test_bad_arguments(arguments: dict[str, Any]) -> None:
    asked = {"X": X, "n_neighbors": 3, **arguments}
    assert_same_error(
        lambda: knnc.kneighbors_graph(**asked),
        lambda: sklearn.neighbors.kneighbors_graph(**asked),
    )


def test_checks_can_be_switched_off() -> None:
    with sklearn.config_context(skip_parameter_validation=True):
        assert issparse(knnc.kneighbors_graph(X, np.int64(2), include_self=np.bool_(True)))
