"""Fixtures of the engine's tests."""

from __future__ import annotations

import pytest

from knnc.engine.dispatch import all_kernels
from tests.engine.support import ALGORITHMS, METRICS, require


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
