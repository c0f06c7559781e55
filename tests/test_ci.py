"""What .ci/run needs of a machine."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOOLS = ("bash", "cc", "dirname", "grep", "head", "mktemp", "python3", "rm", "tail", "tee", "tr")


@pytest.mark.skipif(sys.platform != "linux", reason="a script for Linux")
@pytest.mark.parametrize("installed", [False, True])
def test_the_browser_tests_are_not_skipped_where_chromium_can_be_installed(
    tmp_path: Path, installed: bool
) -> None:
    for tool in TOOLS:
        # What is called python3 may be a script that needs more than these tools.
        found = Path(sys.executable).resolve() if tool == "python3" else shutil.which(tool)
        assert found is not None
        (tmp_path / tool).symlink_to(found)

    def program(name: str, *lines: str) -> None:
        path = tmp_path / name
        path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
        path.chmod(0o755)

    program("id", "echo 0")
    program("uname", "echo a machine")
    program("make", "exit 1")  # nothing is run after the first step
    program("apt-get", "exit 100")
    if installed:
        program("chromium")
    done = subprocess.run(
        [tmp_path / "bash", ROOT / ".ci" / "run"],
        env={"PATH": str(tmp_path), "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    failed = "make lint" if installed else "the machine"
    assert f"=== FAILED: {failed} (" in done.stdout
    assert ("without Chromium" in done.stdout) is not installed
