"""What the README shows runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.pages import ROOT, commands, python_blocks, run_blocks, run_command

README = ROOT / "README.md"


def test_there_is_something_to_run() -> None:
    assert len(python_blocks(README)) >= 3
    assert len(commands(README)) >= 4


@pytest.mark.usefixtures("mnist")
def test_python_blocks(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("skimage")
    pytest.importorskip("matplotlib")
    pytest.importorskip("distributed")
    monkeypatch.chdir(tmp_path)
    run_blocks(README)
    said = capsys.readouterr().out
    score, engine = said.split()[:2]
    assert 0.9 < float(score) <= 1
    assert engine == "integer"
    assert re.search(r"^(\d+) of \1$", said, re.MULTILINE), "no progress was shown"


@pytest.mark.parametrize("command", commands(README))
def test_commands(
    command: str,
    mnist: SimpleNamespace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("typer")
    pytest.importorskip("matplotlib")
    pytest.importorskip("skimage")
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    Image.fromarray(255 - mnist.test[0].reshape(28, 28)).save("scan.png")
    for name, rows in (("base", mnist.test[:200]), ("queries", mnist.test[:5])):
        header = np.array(rows.shape, dtype="<u4").tobytes()
        (tmp_path / f"{name}.u8bin").write_bytes(header + rows.tobytes())
    assert run_command(command, monkeypatch) == 0, capsys.readouterr().err


def test_every_picture_is_there() -> None:
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README.read_text(encoding="utf-8"))
    assert pictures
    for picture in pictures:
        assert (ROOT / picture).is_file(), picture
