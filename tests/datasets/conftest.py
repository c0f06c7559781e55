"""The tiny collection in place of MNIST, with and without a server for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from knnc.datasets import _download, _registry
from tests.datasets.server import Mirror, serve
from tests.datasets.support import tiny_collection


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """``fetch_mnist`` means the tiny collection, which no mirror has."""
    monkeypatch.setitem(_registry.COLLECTIONS, "mnist", tiny_collection())


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    """``fetch_mnist`` means the tiny collection, served by a server of this process."""
    pytest.importorskip("pooch", reason="downloading needs pooch")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(_download, "WAIT", 0.01)
    with serve() as mirror:
        monkeypatch.setitem(_registry.COLLECTIONS, "mnist", tiny_collection(mirror.url))
        yield mirror
