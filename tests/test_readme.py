"""The README is short, and what it shows runs as it stands there."""

from __future__ import annotations

import re

import pytest

from tests.pages import ROOT, commands, python_blocks, run_blocks

README = ROOT / "README.md"
TEXT = README.read_text(encoding="utf-8") if README.exists() else ""
LINKS = re.findall(r"(?<!!)\[[^\]]*\]\(([^)]+)\)", TEXT)

pytestmark = pytest.mark.skipif(not TEXT, reason="these tests are not beside the README")


def test_it_is_read_in_half_a_minute() -> None:
    assert len(TEXT.split()) <= 700


def test_a_figure_does_not_part_its_sentence() -> None:
    """A comment that begins a line ends the paragraph before it, in Markdown."""
    assert not re.search(r"^<!-- .*? -->\S", TEXT, re.MULTILINE)


def test_python_comes_early() -> None:
    """After one sentence, the figures, and how to install."""
    assert len(re.sub(r"<picture>.*?</picture>", "", TEXT.partition("```python")[0]).split()) < 250


def test_there_is_something_to_run() -> None:
    """The commands are run with those of the other pages, in test_docs.py."""
    assert any(output for _, output in python_blocks(README)), "no block shows its output"
    assert len(commands(README)) >= 3


def test_python_blocks() -> None:
    run_blocks(README)


def test_every_picture_is_there() -> None:
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", TEXT)
    pictures += re.findall(r' (?:src|srcset)="([^"]+)"', TEXT)
    assert len(pictures) >= 3
    for picture in pictures:
        assert (ROOT / picture).is_file(), picture


@pytest.mark.parametrize("link", LINKS)
def test_every_link_leads_somewhere(link: str) -> None:
    path, _, anchor = link.partition("#")
    assert (ROOT / path).is_file()
    if anchor:
        titles = re.findall(r"^#+ (.*)$", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
        anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
        assert anchor in anchors
