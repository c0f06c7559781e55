"""Fixtures of the estimators' tests."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from knnc.engine.index import Index
from knnc.neighbors.fitted_rows import LazyIndex


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """Counts what reaches the integer engine: ``calls``, and ``queries`` in all of them.

    Not what reaches an index over the numbers that bytes stand for.
    """
    seen, decode = SimpleNamespace(calls=0, queries=0), LazyIndex.decoded
    decoded: list[Index | None] = []

    def counting(search: Any) -> Any:
        def counted(self: Index, queries: Any, *arguments: Any, **options: Any) -> Any:
            if self in decoded:
                return search(self, queries, *arguments, **options)
            seen.calls += 1
            seen.queries += self.n_samples_fit if queries is None else len(queries)
            return search(self, queries, *arguments, **options)

        return counted

    def kept(lazy: LazyIndex, *arguments: Any) -> Index | None:
        index = decode(lazy, *arguments)
        decoded.append(index)
        return index

    monkeypatch.setattr(LazyIndex, "decoded", kept)
    monkeypatch.setattr(Index, "search", counting(Index.search))
    monkeypatch.setattr(Index, "within", counting(Index.within))
    return seen
