"""Files that someone made up: refused, or wrong answers, or an exception, and no more harm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from knnc.engine.codes.kinds import learn_quantizer
from knnc.engine.index import Index
from tests.engine.support import METRICS, run_child

RNG = np.random.default_rng(0)
CENTRES = RNG.integers(0, 256, (20, 60))
X = (CENTRES[RNG.integers(0, 20, 3000)] + RNG.integers(-9, 9, (3000, 60))).clip(0, 255)
X = X.astype(np.uint8)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("term", [-(2**31), -(2**30), 2**30])
def test_terms_that_no_rows_have(metric: str, term: int) -> None:
    """A search would take padding for queries and rows, and write where there are no heaps."""
    state = Index(X[:201], metric, algorithm="brute").state()
    terms = state["packed"]["terms"].copy()
    terms[7:99] = term
    state["packed"]["terms"] = terms
    with pytest.raises(ValueError, match="terms are not those"):
        Index.restored(state)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lowest", -(2**63)),
        ("lowest_coarse", 2**62),
        ("step", 1e-300),
        ("fine_step", 7.5),
        ("sign", -128),
    ],
)
def test_sums_that_no_groups_have(name: str, value: float) -> None:
    state = Index(X, "manhattan", algorithm="pruned").state()
    coder = state["pruned"]["coder"]
    if isinstance(coder[name], np.ndarray):
        coder[name] = np.full_like(coder[name], value)
    else:
        coder[name] = value
    with pytest.raises(ValueError, match=r"sums of groups|no sign"):
        Index.restored(state)


def test_an_order_that_leaves_rows_out() -> None:
    state = Index(X, algorithm="pruned").state()
    state["pruned"]["order"] = np.zeros(len(X), np.int64)
    with pytest.raises(ValueError, match="order"):
        Index.restored(state)


@pytest.mark.parametrize("error", [np.nan, -1e300, 1e300])
@pytest.mark.parametrize("metric", ["sqeuclidean", "manhattan"])
def test_limits_from_errors_that_are_no_errors(metric: str, error: float) -> None:
    sizes = (16, 8) if metric == "sqeuclidean" else (8, 2)
    codes = learn_quantizer(X, metric, sizes, None, 1)
    best = np.array([0, 5, 2**40, 2**63 - 1])
    limits = codes.coarse_limits(np.full(4, error), best)
    assert np.all(limits >= 1)
    assert np.all(limits < 2**31)


def test_damaged_files(tmp_path: Path) -> None:
    report = _hostile("damaged", tmp_path, 0, 100)
    assert report.get("refused", 0) >= 95, report
    assert set(report) <= {"refused", "used", "stderr"}


def test_hostile_files(tmp_path: Path) -> None:
    """They are refused, or give wrong answers, or an exception; a crash fails the test."""
    report = _hostile("hostile", tmp_path, 0, 150)
    print(f"\n{report}")
    assert report["refused"] > 75
    assert report["used"] > 10


def _hostile(function: str, folder: Path, seed: int, n: int) -> dict[str, Any]:
    return run_child(function, folder, seed, n, module="hostile_files", package="tests.persistence")


def _float_state() -> dict[str, Any]:
    return Index(X[:500] / 7, algorithm="pruned").state()


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("axes", None, "fine_step"),
        ("axes", np.zeros((1, 60, 8)), "axes"),
        ("n_coarse", 61, "fine_step"),
        ("n_coarse", 59, "fine_step"),
        ("step", 0.0, "step"),
        ("scale", float("nan"), "scale"),
        ("mean", np.zeros(59), "mean"),
        ("signs", np.ones(60, np.float32), "signs"),
        ("signs", np.full(60, 1e308), "no sign"),
        ("far_length", -1.0, "far_length"),
    ],
)
def test_codes_of_floats_that_cannot_be(name: str, value: Any, why: str) -> None:
    state = _float_state()
    state["pruned"]["coder"][name] = value
    with pytest.raises(ValueError, match=why):
        Index.restored(state)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e308, 1e308])
def test_numbers_of_float_codes_that_are_none(value: float) -> None:
    """Wrong neighbours, at rows that there are."""
    queries = X[:50] / 7 + 0.25
    for name in ("axes", "mean"):
        state = _float_state()
        with np.errstate(over="ignore"):
            state["pruned"]["coder"][name] = np.full_like(state["pruned"]["coder"][name], value)
        ind = Index.restored(state).search(queries, 5)[1]
        assert ((ind >= 0) & (ind < 500)).all()


def test_codes_of_rows_that_have_none() -> None:
    state = {**_float_state(), "metric": "chebyshev", "algorithm": "auto"}
    with pytest.raises(ValueError, match="codes of rows that have none"):
        Index.restored(state)
    with pytest.raises(TypeError, match="uint8, float32 or float64"):
        Index.restored({**state, "rows": np.zeros((9, 4), np.int16)})
