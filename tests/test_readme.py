"""What the README shows runs as it stands there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

README = Path(__file__).parents[1] / "README.md"
TEXT = README.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = re.findall(r"^    (knnc .*?)(?: +#.*)?$", TEXT, re.MULTILINE)


def test_there_is_something_to_run() -> None:
    assert len(BLOCKS) >= 3
    assert len(COMMANDS) >= 4


@pytest.mark.usefixtures("mnist")
def test_python_blocks(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after the other, as a reader would paste them."""
    pytest.importorskip("skimage")
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in BLOCKS:
        exec(compile(block, str(README), "exec"), names)
    said = capsys.readouterr().out
    score, engine = said.split()[:2]
    assert 0.9 < float(score) <= 1
    assert engine == "integer"
    assert re.search(r"^(\d+) of \1$", said, re.MULTILINE), "no progress was shown"


@pytest.mark.parametrize("command", COMMANDS)
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

    from knnc.cli import main

    monkeypatch.chdir(tmp_path)
    Image.fromarray(255 - mnist.test[0].reshape(28, 28)).save("scan.png")
    for name, rows in (("base", mnist.test[:200]), ("queries", mnist.test[:5])):
        header = np.array(rows.shape, dtype="<u4").tobytes()
        (tmp_path / f"{name}.u8bin").write_bytes(header + rows.tobytes())
    monkeypatch.setattr("sys.argv", shlex.split(command))
    assert main() == 0, capsys.readouterr().err
