"""What README and the pages of docs/ show: Python blocks with their outputs, and commands."""

from __future__ import annotations

import re
import shlex
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
# A block of Python, and the block "text" below it, which is what it prints.
_BLOCK = re.compile(r"```python\n(.*?)```\n(?:\n```text\n(.*?)```\n)?", re.DOTALL)


def python_blocks(page: Path) -> list[tuple[str, str | None]]:
    """The blocks marked as Python from top to bottom, each with the output shown, if one is."""
    found = _BLOCK.findall(page.read_text(encoding="utf-8") + "\n")
    return [(code, output or None) for code, output in found]


def commands(page: Path) -> list[str]:
    """The indented lines that begin with knnc, without their comments."""
    text = page.read_text(encoding="utf-8")
    return re.findall(r"^    (knnc .*?)(?: +#.*)?$", text, re.MULTILINE)


def run_blocks(page: Path) -> str:
    """Run a page's blocks one after the other, as a reader would paste them; what they print.

    An output that the page shows is what its block prints.
    """
    names: dict[str, object] = {"__name__": "__main__"}
    printed = ""
    for code, output in python_blocks(page):
        with redirect_stdout(StringIO()) as said:
            exec(compile(code, str(page), "exec"), names)
        if output is not None:
            assert said.getvalue() == output, code
        printed += said.getvalue()
    return printed


def small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands draw small and few pictures and measure no times: nobody looks at them.

    tests/plot and tests/cli/test_view.py draw those of full size; tests/cli/test_demo.py takes
    times.
    """
    from knnc.cli import _console, _race
    from knnc.plot import EmbeddingDisplay

    monkeypatch.setattr(_console, "_DPI", 10)
    monkeypatch.setattr(_race, "_median_seconds", lambda call: 1.0)
    save = EmbeddingDisplay.save_animation

    def save_three_frames(display: EmbeddingDisplay, file: Path) -> None:
        display.frames, display.iterations = display.frames[-3:], display.iterations[-3:]
        save(display, file, size=96)

    monkeypatch.setattr(EmbeddingDisplay, "save_animation", save_three_frames)


def run_command(command: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run a line as the program would; its exit status."""
    from knnc.cli import main

    monkeypatch.setattr("sys.argv", shlex.split(command))
    return main()
