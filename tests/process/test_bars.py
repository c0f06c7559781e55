"""Progress bars that are ready to use."""

from __future__ import annotations

import sys
from typing import Any

import pytest

import knnc
from knnc import _progress
from knnc.engine.system.progress import current
from tests.engine.support import draw

KINDS = list(_progress.BARS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_bar_shows_how_far_each_search_is(
    kind: Any, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(kind)
    monkeypatch.setenv("COLUMNS", "100")
    rows = draw(1, 300, 20)
    nn = knnc.NearestNeighbors(n_neighbors=3).fit(rows)
    with knnc.progress(kind, "Looking"):
        nn.kneighbors(rows[:77])
        nn.kneighbors(rows[:123] + 0.5)
    assert current() is None
    said = capfd.readouterr()
    assert said.out == ""
    assert "Looking" in said.err
    assert "123/123" in said.err


@pytest.mark.parametrize("kind", KINDS)
def test_a_bar_begins_anew_with_each_search(kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Also where the next one is as long: `done` falls."""
    pytest.importorskip(kind)
    with _progress.BARS[kind]("") as move:
        for done, total in ((3, 9), (9, 9), (4, 9), (9, 9), (1, 2)):
            move(done, total)
    assert "1/2 " in capfd.readouterr().err


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_inside_passes_through_a_bar(kind: Any) -> None:
    pytest.importorskip(kind)
    with pytest.raises(ZeroDivisionError), knnc.progress(kind):
        raise ZeroDivisionError
    assert current() is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_library_that_is_not_installed(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("rich", "rich.progress", "tqdm", "tqdm.auto"):
        monkeypatch.setitem(sys.modules, name, None)
    with (
        pytest.raises(ImportError, match=rf'needs {kind}.*pip install "knnc\[progress\]"'),
        knnc.progress(kind),
    ):
        pass


def test_a_word_that_is_no_bar() -> None:
    with pytest.raises(ValueError, match="'alive'"), knnc.progress("alive"):  # type: ignore[arg-type]
        pass
