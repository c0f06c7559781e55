"""A pytest plugin: scikit-learn's tests meet knnc's classes under scikit-learn's names.

``python -m pytest -p tests.neighbors.in_place ...``. It is configured before any test module is
loaded, so all that they import from :mod:`sklearn.neighbors` by a public name is knnc's.
"""

from __future__ import annotations

import os

import pytest
import sklearn.neighbors

import knnc

# What the suite would test is something else than knnc. By the name of the test function.
NOT_KNNCS = {
    "test_k_and_radius_neighbors_duplicates": (
        "wants the first of several duplicates left out of a row's neighbours, not the row itself"
    ),
}


def pytest_configure(config: pytest.Config) -> None:
    """Only where this is a plugin: other tests compare knnc with what they find there."""
    replaced = [name for name in knnc.__all__ if hasattr(sklearn.neighbors, name)]
    classes = {name: getattr(knnc, name) for name in replaced}  # all, before the first is replaced
    vars(sklearn.neighbors).update(classes)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take out what is not knnc's, and with KNNC_ONLY_CONFLICTS all else."""
    conflicts = [item for item in items if item.name.split("[")[0] in NOT_KNNCS]
    others = [item for item in items if item not in conflicts]
    if os.environ.get("KNNC_ONLY_CONFLICTS"):
        conflicts, others = others, conflicts
    config.hook.pytest_deselected(items=conflicts)
    items[:] = others
