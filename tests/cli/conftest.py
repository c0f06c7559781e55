"""Ways to run the program, and a folder of IDX files to run it on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("typer", reason="the command line needs the extra 'cli'")
pytest.importorskip("rich", reason="the command line needs the extra 'cli'")

# Variables that make rich think of a terminal, or of none, whatever the streams are.
_ABOUT_TERMINALS = ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLORTERM")


@dataclass
class Result:
    """What a run of the program left."""

    code: int
    out: str
    err: str


Program = Callable[..., Result]


@pytest.fixture
def knnc_here(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Program:
    """Run the program in this process: ``knnc_here("evaluate", "digits")``."""
    from knnc.cli import main

    for name in _ABOUT_TERMINALS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")

    def run(*args: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["knnc", *map(str, args)])
        capsys.readouterr()
        code = main()
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return run


def environment(**changes: str) -> dict[str, str]:
    """The environment of a child process that is as if started from a shell with colours."""
    inherited = {k: v for k, v in os.environ.items() if k not in _ABOUT_TERMINALS}
    return inherited | {"TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"} | changes


@pytest.fixture
def knnc_child(tmp_path: Path) -> Program:
    """Run the program in a process of its own, standard output and error being pipes."""

    def run(*args: object, code: str | None = None, **env: str) -> Result:
        start = ["-m", "knnc"] if code is None else ["-c", code]
        done = subprocess.run(
            [sys.executable, *start, *map(str, args)],
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            cwd=tmp_path,
            env=environment(**env),
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    return run


def write_idx(path: Path, array: npt.NDArray[np.uint8]) -> None:
    """Write uint8 data as an IDX file."""
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, dtype=">u4").tobytes()
    path.write_bytes(header + array.tobytes())


def write_folder(
    folder: Path, *, n_train: int, n_test: int, shape: tuple[int, ...] = (6, 5), seed: int = 0
) -> Path:
    """Write four IDX files of random images, whose label is in their first pixel."""
    rng = np.random.default_rng(seed)
    folder.mkdir(exist_ok=True)
    for part, n in (("train", n_train), ("t10k", n_test)):
        images = rng.integers(0, 20, size=(n, *shape), dtype=np.uint8)
        labels = rng.integers(0, 4, size=n, dtype=np.uint8)
        images.reshape(n, -1)[:, 0] = 60 * labels
        write_idx(folder / f"{part}-images-idx3-ubyte", images)
        write_idx(folder / f"{part}-labels-idx1-ubyte", labels)
    return folder


@pytest.fixture
def idx_folder(tmp_path: Path) -> Path:
    """A folder with four small IDX files: 300 training images and 70 test images of 6 x 5."""
    return write_folder(tmp_path / "letters", n_train=300, n_test=70)
