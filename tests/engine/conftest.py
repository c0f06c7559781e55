"""Fixtures of the engine's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from knnc.engine.dispatch import all_kernels
from tests.engine.support import ALGORITHMS, METRICS, algorithms_of, require

HERE = Path(__file__).parent


@pytest.fixture(scope="session", params=all_kernels())
def kernel(request: pytest.FixtureRequest) -> str:
    """Every kernel compiled in, one after the other; one that cannot run here is skipped."""
    name: str = request.param
    require(name)
    return name


@pytest.fixture(scope="session", params=METRICS)
def metric(request: pytest.FixtureRequest) -> str:
    """Each metric in turn."""
    name: str = request.param
    return name


@pytest.fixture(scope="session", params=ALGORITHMS)
def algorithm(request: pytest.FixtureRequest) -> str:
    """Each way to search in turn; they may differ in time, never in an answer."""
    name: str = request.param
    return name


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out, in this directory, the pairs of `metric` and `algorithm` that do not exist."""
    items[:] = [item for item in items if item.path.parent != HERE or _exists(item)]


def _exists(item: pytest.Item) -> bool:
    params = item.callspec.params if hasattr(item, "callspec") else {}
    if params.get("metric") not in METRICS or params.get("algorithm") not in ALGORITHMS:
        return True
    return params["algorithm"] in algorithms_of(params["metric"])
