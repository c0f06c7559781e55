"""What is said of an estimator: which engine serves it, how it reads the rows, and why."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MaxAbsScaler, StandardScaler

import knnc
from knnc.engine.auto import Policy
from knnc.engine.index import Index
from knnc.engine.prepared import LEAST_COUNTED
from knnc.neighbors.chosen import chosen_search
from knnc.runtime import runtime_info

RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (60, 20), np.uint8)
FLOATS = RNG.normal(size=(60, 20))

CASES: dict[str, tuple[Any, dict[str, Any], str, str, str, str]] = {
    "bytes": (BYTES, {}, "integer", "X is uint8", "brute", "8,192 rows"),
    "int8": (BYTES.view(np.int8), {}, "integer", "X is int8", "brute", ""),
    "whole": (BYTES * 1.0, {}, "integer", "whole numbers from 0 to 255$", "brute", ""),
    "pixels": (BYTES / 255, {}, "integer", "divided by 255$", "brute", ""),
    "pruned": (BYTES, {"algorithm": "pruned"}, "integer", "uint8", "pruned", "='pruned'$"),
    "brute": (BYTES, {"algorithm": "brute"}, "integer", "uint8", "brute", "='brute'$"),
    "floats": (FLOATS, {}, "float", "neither whole numbers", "brute", "1,024 rows"),
    "cosine": (
        BYTES,
        {"metric": "cosine"},
        "float",
        "'cosine' is computed in float64",
        "brute",
        "",
    ),
    "float codes": (FLOATS, {"algorithm": "pruned"}, "float", "", "pruned", "='pruned'$"),
    "sparse": (csr_array(FLOATS), {}, "sklearn", "X is sparse", "brute", "choice .* 'auto'|'auto'"),
    "metric": (
        FLOATS,
        {"metric": "canberra"},
        "sklearn",
        "only euclidean.*'canberra'",
        "brute",
        "",
    ),
    "tree": (FLOATS, {"algorithm": "kd_tree"}, "sklearn", "='kd_tree'", "kd_tree", "='kd_tree'$"),
    "narrow": (
        FLOATS.repeat(5, 0)[:, :3],
        {},
        "float",
        "neither whole",
        "tree",
        "15 features; codes",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_reasons(case: str) -> None:
    X, params, engine, why, search, why_so = CASES[case]
    nn = knnc.NearestNeighbors(**params).fit(X)
    said = chosen_search(nn)
    assert (
        (said["estimator"], said["engine"])
        == ("NearestNeighbors", nn.engine_)
        == (
            "NearestNeighbors",
            engine,
        )
    )
    assert said["search"] == search
    assert re.search(why, said["engine_reason"])
    assert re.search(why_so, said["search_reason"])


def test_a_refit_has_its_own_reason() -> None:
    nn = knnc.NearestNeighbors().fit(csr_array(FLOATS))
    assert chosen_search(nn)["engine_reason"] == "X is sparse"
    assert chosen_search(nn.fit(FLOATS))["engine"] == "float"
    assert "_engine_reason" not in vars(nn)


def test_what_searches_in_a_pipeline_or_after_a_grid_search() -> None:
    y = np.arange(60) % 3
    pipeline = make_pipeline(StandardScaler(), knnc.KNeighborsClassifier()).fit(BYTES, y)
    assert chosen_search(pipeline)["engine"] == "float"
    search = GridSearchCV(pipeline, {"kneighborsclassifier__n_neighbors": [1]}, cv=2)
    assert chosen_search(search.fit(BYTES, y))["engine"] == "float"
    tuned = knnc.KNeighborsClassifierCV([1, 2]).fit(BYTES, y)
    assert chosen_search(tuned)["estimator"] == "KNeighborsClassifier"


VOTE = knnc.KNeighborsClassifier()
GRID = GridSearchCV(VOTE, {"n_neighbors": [1]}, cv=2)


@pytest.mark.parametrize(
    "estimator",
    [
        *(knnc.NearestNeighbors(), VOTE, GRID, knnc.KNeighborsClassifierCV([1])),
        *(make_pipeline(StandardScaler(), VOTE), make_pipeline(StandardScaler(), GRID)),
        GridSearchCV(make_pipeline(StandardScaler(), VOTE), {}),
    ],
)
def test_what_is_not_fitted(estimator: Any) -> None:
    with pytest.raises(NotFittedError, match=r"This \w+ .*is not fitted yet"):
        runtime_info(estimator)


def test_a_search_that_fitted_nothing_in_the_end() -> None:
    y = np.arange(60) % 3
    for search in (knnc.KNeighborsClassifierCV([1]), clone(GRID)):
        search.set_params(refit=False).fit(BYTES, y)
        with pytest.raises(NotFittedError, match="fitted without refit"):
            runtime_info(search)


@pytest.mark.parametrize(
    ("estimator", "got"),
    [
        (StandardScaler(), "StandardScaler"),
        (knnc.NearestNeighbors, "the class NearestNeighbors"),
        (GridSearchCV, "the class GridSearchCV"),
        (Pipeline([]), "Pipeline"),
        (make_pipeline(StandardScaler(), "passthrough"), "Pipeline"),
        (GridSearchCV(StandardScaler(), {}), "GridSearchCV"),
        ("nearest", "str"),
    ],
)
def test_what_no_search_of_knnc_is_in(estimator: Any, got: str) -> None:
    with pytest.raises(TypeError, match=f"or a search over its parameters, got {got}\\.$"):
        runtime_info(estimator)


def test_a_step_before_the_last() -> None:
    steps = make_pipeline(knnc.KNeighborsTransformer(n_neighbors=3), MaxAbsScaler()).fit(BYTES)
    assert chosen_search(steps)["estimator"] == "KNeighborsTransformer"


def test_parameters_that_are_set_after_the_fit() -> None:
    """What they change is said; what counts from the next fit is not said of this one."""
    narrow = knnc.NearestNeighbors(n_neighbors=5).fit(FLOATS.repeat(5, 0)[:, :3])
    assert chosen_search(narrow)["search"] == "tree"
    said = chosen_search(narrow.set_params(n_neighbors=250))
    assert (said["search"], said["search_reason"]) == (
        "brute",
        "codes and trees save no time for 250 neighbours of 300 rows",
    )
    assert chosen_search(narrow.set_params(n_neighbors=5, p=1))["search"] == "tree"
    for rows, metric, other in (
        (BYTES, "euclidean", "manhattan"),
        (FLOATS, "cosine", "canberra"),
        (FLOATS, "canberra", "euclidean"),
    ):
        nn = knnc.NearestNeighbors(metric=metric).fit(rows)
        before = chosen_search(nn)
        said = chosen_search(nn.set_params(metric=other))
        added = f"; metric={other!r}, set after the fit, counts from the next fit"
        assert said == before | {"engine_reason": before["engine_reason"] + added}
        fresh = knnc.NearestNeighbors(metric=metric).fit(rows)
        np.testing.assert_array_equal(nn.kneighbors(rows)[0], fresh.kneighbors(rows)[0])
    tree = knnc.NearestNeighbors(algorithm="kd_tree").fit(FLOATS)
    said = chosen_search(tree)
    assert chosen_search(tree.set_params(algorithm="auto")) == said


def test_two_lines_more(capsys: pytest.CaptureFixture[str]) -> None:
    knnc.show_runtime()
    without = capsys.readouterr().out
    knnc.show_runtime(knnc.NearestNeighbors().fit(BYTES))
    lines = capsys.readouterr().out.removeprefix(without).splitlines()
    assert [line.split()[:2] for line in lines] == [["engine", "integer:"], ["search", "brute:"]]


@pytest.mark.parametrize("rows", [RNG.integers(0, 9, (300, 8), np.uint8), FLOATS.repeat(5, 0)])
@pytest.mark.parametrize(("pays", "search"), [(True, "pruned"), (False, "brute")])
def test_codes_that_wait_for_queries(rows: Any, pays: bool, search: str) -> None:
    policy = Policy(
        min_rows=1, min_bytes=1, late_features=1, late_queries=40, min_float_rows=1,
        late_float_queries=40, late_float_pairs=0, screen=lambda rows: True, trial=lambda *_: pays,
    )  # fmt: skip
    index = Index(rows, policy=policy)
    queries = np.ascontiguousarray(rows[:4], None if rows.dtype == np.uint8 else np.float64)
    assert index.scan() == ("brute", "codes are tried after 40 queries; 0 are counted")
    index.search(queries, 2)
    counted = LEAST_COUNTED if rows.dtype == np.uint8 else 4
    assert index.scan() == ("brute", f"codes are tried after 40 queries; {counted} are counted")
    for _ in range(9):
        index.search(queries, 2)
    said = "a trial found that codes save " + ("time" if pays else "no time")
    assert index.scan() == (search, said)


def test_codes_of_all_features_are_brute_force() -> None:
    policy = Policy(
        min_float_rows=1, late_float_queries=1, late_float_pairs=0, trial=lambda *_: True
    )
    index = Index(FLOATS, algorithm="brute", policy=policy)
    assert index.scan() == ("brute", "algorithm='brute'")
    index.search(FLOATS[:2].copy(), 2)
    search, why = index.scan()
    assert search == "brute"
    assert why.startswith("algorithm='brute', by codes of all features")


def test_rows_that_are_streamed() -> None:
    index = Index(BYTES, max_memory=0)
    assert index.is_streamed
    search, why = index.scan()
    assert (search, why.endswith("packed rows are larger than max_memory")) == ("streamed", True)
