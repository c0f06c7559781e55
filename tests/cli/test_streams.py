"""Every command with standard streams that are closed, full, or have no reader."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest

from knnc.datasets import load_digits
from tests.datasets.test_vectors import write_vectors

from .conftest import environment, write_folder
from .test_app import OnTerminal

pytestmark = pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="needs /dev/full, which Linux has"
)
ROOT = Path(__file__).parents[2]

VIEWS = {
    "sprite": [],
    "read": [],
    "misread": ["--limit", "20"],
    "confusion": ["--limit", "20"],
    "curve": ["--train-images", "60", "--max-k", "4"],
    "embedding": ["--train-images", "60", "--perplexity", "5", "--iterations", "250"],
    "pixels": [],
    "disputed": [],
    "duplicates": [],
}
COMPARE = "compare letters --train-images 40 --test-images 20 --json"
COMMANDS = [
    "info",
    "info --json",
    "--help",
    "--version",
    "evaluate letters --limit 20",
    "evaluate letters --limit 20 --json",
    "groundtruth base.u8bin queries.u8bin -o truth.ibin -k 3 --restart",
    "read page.png --train digits --recipe plain --no-cache",
    "read page.png --train digits --recipe plain --no-cache --json",
    *(" ".join(["view", name, "letters", *options]) for name, options in VIEWS.items()),
    COMPARE,
    "demo",
]
# A command that says on standard error which step it is at, where that is no terminal.
PROGRESS = {COMPARE: "plain on letters, 1 of 1\n"}
WRONG = ["evalaute", "evaluate nothing", "groundtruth base.u8bin base.u8bin -o truth.txt"]


WAYS = ["closed", "full", "without a reader"]
# Pictures are saved and told of by one function, so each such command has one of the ways in turn.
PICTURES = [command for command in COMMANDS if command.startswith(("view", "demo"))]
ASKED = dict.fromkeys([*COMMANDS, *WRONG], WAYS) | {
    command: [way] for command, way in zip(PICTURES, cycle(WAYS), strict=False)
}
Reports = dict[str, dict[str, str | int]]


def _can_run(command: str) -> bool:
    """Whether the extra of a command is installed."""
    if command.startswith(("view", "compare", "demo")):
        return find_spec("matplotlib") is not None
    return not command.startswith("read") or None not in (find_spec("skimage"), find_spec("PIL"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the commands read."""
    folder = tmp_path_factory.mktemp("streams")
    write_folder(folder / "letters", n_train=100, n_test=30, shape=(8, 8))
    rows = np.random.default_rng(0).integers(0, 9, (50, 8), np.uint8)
    write_vectors(folder / "base.u8bin", rows)
    write_vectors(folder / "queries.u8bin", rows[:5])
    if find_spec("PIL"):
        from PIL import Image

        digits = np.kron(load_digits().images[10:13] * np.uint8(15), np.ones((4, 4), np.uint8))
        page = np.pad(np.hstack([np.pad(digit, ((0, 0), (4, 4))) for digit in digits]), 20)
        Image.fromarray(255 - page).save(folder / "page.png")
    return folder


@pytest.fixture(scope="module")
def swept(folder: Path) -> dict[str, Reports]:
    """The reports of all commands, from one child: what it imports takes longer than most."""
    asked = {command: ways for command, ways in ASKED.items() if _can_run(command)}
    done = subprocess.run(
        [sys.executable, "-m", "tests.cli.stream_children", json.dumps(asked)],
        capture_output=True,
        encoding="utf-8",
        timeout=850,
        cwd=folder,
        env=environment(PYTHONPATH=os.pathsep.join([str(ROOT), *sys.path])),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    reports: dict[str, Reports] = json.loads(done.stdout)
    return reports


@pytest.mark.parametrize("command", COMMANDS)
def test_results_that_are_lost_are_a_failure_and_messages_are_not(
    command: str, swept: dict[str, Reports]
) -> None:
    if not _can_run(command):
        pytest.skip(f"knnc {command} needs an extra that is not installed")
    reports, ways = dict(swept[command]), ASKED[command]
    assert {report["raised"] for report in reports.values()} == {""}
    expected = reports.pop("")
    progress = PROGRESS.get(command, "")
    assert (expected["code"], expected["stderr"]) == (0, progress)
    assert expected["stdout"]
    for name in ("stdin closed", *(f"stderr {way}" for way in ways)):
        report = reports.pop(name)
        messages = progress if name == "stdin closed" else ""
        assert (name, report["code"], report["stderr"]) == (name, 0, messages)
        assert str(report["stdout"]).count("\n") == str(expected["stdout"]).count("\n")
    said = {name: (report["code"], report["stderr"]) for name, report in reports.items()}
    messages_of = {
        "closed": f"{progress}knnc: error: Bad file descriptor: standard output\n",
        "full": f"{progress}knnc: error: No space left on device: standard output\n",
        "without a reader": progress,
    }
    assert said == {
        **{f"stdout {way}": (1, messages_of[way]) for way in ways},
        "all closed": (1, ""),
    }


@pytest.mark.parametrize("command", WRONG)
def test_a_refusal_keeps_its_code_whatever_the_streams(
    command: str, swept: dict[str, Reports]
) -> None:
    reports = swept[command]
    expected = reports[""]
    assert expected["code"] in (1, 2)
    assert len(reports) == 9
    for name, report in reports.items():
        assert (name, report["code"], report["raised"]) == (name, expected["code"], "")
        assert report["stdout"] == ""
        assert report["stderr"] == (
            "" if name.startswith(("stderr", "all")) else expected["stderr"]
        )


# A shell's redirection, and the code of a command that prints a result.
REDIRECTIONS = {">&-": 1, "2>&-": 0, "<&-": 0, ">/dev/full": 1, "2>/dev/full": 0}


@pytest.mark.parametrize(
    ("command", "redirection"),
    [
        *(("--help", redirection) for redirection in REDIRECTIONS),
        *(("info", redirection) for redirection in (">&-", "<&-", "2>/dev/full")),
        *(("evaluate digits --json", redirection) for redirection in (">/dev/full", "2>&-")),
    ],
)
def test_a_shell_sees_the_same(command: str, redirection: str) -> None:
    """Up to the end of the interpreter, which writes what is left in the buffers."""
    done = subprocess.run(
        f'"$PYTHON" -m knnc {command} {redirection}',
        shell=True,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        env=environment(PYTHON=sys.executable),
        check=False,
    )
    code = REDIRECTIONS[redirection]
    assert done.returncode == code
    assert done.stderr.count("\n") == code
    assert bool(done.stdout) == (code == 0)


def test_a_script_that_is_not_there_is_no_result() -> None:
    done = subprocess.run(
        '"$PYTHON" -m knnc nothing.py 2>&-',
        shell=True,
        capture_output=True,
        timeout=120,
        env=environment(PYTHON=sys.executable),
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, b"")


def test_a_terminal_that_goes_away_ends_no_search() -> None:
    """Nor does a bar that can no longer be drawn."""
    with OnTerminal("evaluate", "digits", "--json") as run:
        run.wait_for(b"Reading")
        os.close(run.terminal)
        run.terminal = os.open(os.devnull, os.O_RDONLY)  # which the test closes at its end
        out, _ = run.child.communicate(timeout=60)
    assert run.child.returncode == 0
    assert json.loads(out)["n_test"] == 768
