"""The estimators' fixtures."""

from tests.neighbors.conftest import searches

__all__ = ["searches"]
