"""What README and the pages of docs/ show: Python blocks, and commands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))


def python_blocks(page: Path) -> list[str]:
    """The blocks marked as Python, from top to bottom."""
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def commands(page: Path) -> list[str]:
    """The indented lines that begin with knnc, without their comments."""
    text = page.read_text(encoding="utf-8")
    return re.findall(r"^    (knnc .*?)(?: +#.*)?$", text, re.MULTILINE)


def run_blocks(page: Path) -> None:
    """Run a page's blocks one after the other, as a reader would paste them."""
    names: dict[str, object] = {}
    for block in python_blocks(page):
        exec(compile(block, str(page), "exec"), names)


def run_command(command: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run a line as the program would; its exit status."""
    from knnc.cli import main

    monkeypatch.setattr("sys.argv", shlex.split(command))
    return main()
