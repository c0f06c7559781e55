"""The examples in docstrings do what they say."""

from __future__ import annotations

import doctest
from importlib import import_module
from pkgutil import walk_packages

import pytest

import knnc

# What needs an extra, or is a program, is tested where it is.
LEFT_OUT = ("knnc.cli", "knnc.datasets", "knnc.__main__")
MODULES = [
    module.name
    for module in walk_packages(knnc.__path__, "knnc.")
    if not module.name.startswith(LEFT_OUT)
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    if name.startswith("knnc.plot."):
        pytest.importorskip("matplotlib")
    if name.startswith("knnc.ocr."):
        pytest.importorskip("PIL")
    if name.startswith("knnc.dask"):
        pytest.importorskip("dask")
    if name.startswith("knnc.web."):
        pytest.importorskip("fastapi")
        pytest.importorskip("PIL")
    failed, _ = doctest.testmod(import_module(name))
    assert not failed


def test_there_are_some() -> None:
    found = doctest.DocTestFinder().find(import_module("knnc.neighbors.graph"))
    assert sum(len(test.examples) for test in found) > 10
