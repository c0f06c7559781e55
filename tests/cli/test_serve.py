"""``knnc serve``: what it refuses, how it starts, and how it ends."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.cli.conftest import Program, environment

pytest.importorskip("uvicorn", reason="knnc serve needs the extra 'web'")
pytest.importorskip("fastapi", reason="knnc serve needs the extra 'web'")
pytest.importorskip("skimage", reason="knnc serve needs the extra 'ocr'")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--recipe", "best"], "no recipe is called"),
        (["--train", "letters"], "neither one of"),
        (["--host", "0.0.0.0"], "--allow-remote"),
        (["--port", "99999"], "65535"),
    ],
)
def test_wrong_usage_is_said(knnc_here: Program, arguments: list[str], said: str) -> None:
    result = knnc_here("serve", *arguments)
    assert result.code == 2
    assert said in result.err


def test_a_missing_extra_is_named(knnc_child: Program) -> None:
    code = (
        "import sys; sys.modules['uvicorn'] = None; sys.argv = ['knnc', 'serve']; "
        "from knnc.cli import main; sys.exit(main())"
    )
    result = knnc_child(code=code)
    assert result.code == 1
    assert 'pip install "knnc[web]"' in result.err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process")
def test_it_says_where_it_is_and_ends_at_ctrl_c(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "knnc", "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=environment(),
    ) as server:
        assert server.stderr is not None
        address = re.search(r"http://127\.0\.0\.1:\d+/", server.stderr.readline())
        assert address is not None
        with urllib.request.urlopen(address[0], timeout=60) as page:
            assert "<title>knnc</title>" in page.read().decode()
        server.send_signal(signal.SIGINT)
        began = time.monotonic()
        _, said = server.communicate(timeout=60)
        assert time.monotonic() - began < 30
        assert server.returncode in (0, 130)
        assert "Traceback" not in said
