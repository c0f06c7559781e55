"""Progress bars that are ready to use."""

from __future__ import annotations

import errno
import io
import sys
from typing import Any

import numpy as np
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


class Broken(io.StringIO):
    """A stream on a disk that is full."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    def flush(self) -> None:
        self.write("")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stream", [None, Broken()], ids=["none", "full"])
def test_a_bar_that_cannot_be_written_ends_no_search(
    kind: Any, stream: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(kind)
    rows = draw(1, 300, 20)
    nn = knnc.NearestNeighbors(n_neighbors=3).fit(rows)
    expected = nn.kneighbors(return_distance=False)
    monkeypatch.setattr(sys, "stderr", stream)
    with knnc.progress(kind):
        found = nn.kneighbors(return_distance=False)
    np.testing.assert_array_equal(found, expected)


def test_what_runs_is_said_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a program has no standard output."""
    monkeypatch.setattr(sys, "stdout", None)
    knnc.show_runtime()


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
