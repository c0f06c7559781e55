"""What all commands share: help, streams, progress, Ctrl-C, missing extras, exit codes."""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

import pytest

import knnc
from knnc.engine import dispatch
from knnc.image import _distortion
from knnc.runtime import runtime_info

from .conftest import Program, environment, write_folder


def test_version(knnc_here: Program) -> None:
    result = knnc_here("--version")
    assert (result.code, result.out, result.err) == (0, f"knnc {knnc.__version__}\n", "")


@pytest.mark.parametrize(
    "args",
    [
        ["--help"],
        ["-h"],
        ["demo", "-h"],
        ["evaluate", "-h"],
        ["compare", "-h"],
        ["view", "-h"],
        ["view", "embedding", "-h"],
        ["read", "-h"],
        ["info", "-h"],
    ],
)
def test_help(knnc_here: Program, args: list[str]) -> None:
    result = knnc_here(*args)
    assert (result.code, result.err) == (0, "")
    assert f"Usage: {' '.join(['knnc', *args[:-1]])}" in result.out
    assert all(len(line) <= 80 for line in result.out.splitlines())


def test_no_command_shows_help(knnc_here: Program) -> None:
    result = knnc_here()
    for command in ("demo", "evaluate", "compare", "view", "read", "groundtruth", "info"):
        assert command in result.out + result.err


def test_unknown_command_is_a_wrong_usage(knnc_here: Program) -> None:
    result = knnc_here("evalaute")
    assert (result.code, result.out) == (2, "")
    assert "evalaute" in result.err


def test_python_m_is_the_same_program(knnc_here: Program, knnc_child: Program) -> None:
    here, child = knnc_here("--help"), knnc_child("--help", COLUMNS="80")
    assert (child.code, child.err) == (0, "")
    assert child.out == here.out


def test_help_loads_no_estimator_of_its_own() -> None:
    """Beyond what ``import knnc`` loads, ``knnc --help`` is typer and rich."""
    code = (
        "import sys, knnc; before = set(sys.modules); from knnc.cli._app import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new & {'matplotlib', 'numpy', 'scipy', 'sklearn', 'pandas', 'pooch'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_info(knnc_here: Program, capsys: pytest.CaptureFixture[str]) -> None:
    result = knnc_here("info")
    knnc.show_runtime()
    assert (result.code, result.err) == (0, "")
    assert result.out == capsys.readouterr().out
    assert knnc.__version__ in result.out


def test_info_names_every_kernel_in_use(knnc_here: Program) -> None:
    said = knnc_here("info").out
    for kernel in (dispatch.kernel_for("manhattan", None), _distortion.available_idm_kernels()[0]):
        assert re.search(rf"^kernel, {kernel.partition('_')[0]} +{kernel}$", said, re.MULTILINE)


def test_info_json(knnc_here: Program) -> None:
    result = knnc_here("info", "--json")
    assert (result.code, result.err) == (0, "")
    assert result.out.count("\n") == 1
    assert json.loads(result.out) == json.loads(json.dumps(runtime_info()))


@pytest.mark.parametrize(
    ("name", "args", "extra"),
    [
        ("typer", ["info", "--json"], "cli"),
        ("rich", ["--help"], "cli"),
        ("matplotlib", ["demo"], "plot"),
    ],
)
def test_missing_extra_is_one_sentence(
    knnc_here: Program,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
    args: list[str],
    extra: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, name, None)
    result = knnc_here(*args)
    assert (result.code, result.out) == (1, "")
    assert result.err.count("\n") == 1
    assert name in result.err
    assert f'pip install "knnc[{extra}]"' in result.err
    assert list(tmp_path.iterdir()) == []


def test_the_program_starts_without_its_extra(knnc_child: Program) -> None:
    code = "import sys; sys.modules['typer'] = sys.modules['rich'] = None; "
    result = knnc_child(code=code + "from knnc.cli import main; sys.exit(main())")
    assert (result.code, result.out) == (1, "")
    assert 'pip install "knnc[cli]"' in result.err


@pytest.mark.parametrize("name", ["typer", "rich"])
@pytest.mark.parametrize("args", ["info", "--version"])
def test_what_runs_is_said_without_the_extra(
    args: str, name: str, knnc_here: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = knnc_here(args)
    monkeypatch.setitem(sys.modules, name, None)
    assert knnc_here(args) == expected
    assert expected.code == 0


def test_ctrl_c_exits_with_130_in_one_line(
    knnc_here: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("knnc.datasets.load_dataset", interrupt)
    result = knnc_here("evaluate", "digits", "--json")
    assert (result.code, result.out) == (130, "")
    assert result.err == "knnc: interrupted\n"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (FileNotFoundError(2, "No such file", "a [b].gz"), "No such file: a [b].gz"),
        (
            OSError("no network: put " + "x" * 100 + " there"),
            "no network: put " + "x" * 100 + " there",
        ),
        (MemoryError(), "MemoryError"),
    ],
)
def test_errors_are_one_line_on_standard_error(
    knnc_here: Program, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr("knnc.datasets.load_dataset", fail)
    result = knnc_here("evaluate", "digits", "--json")
    assert (result.code, result.out, result.err) == (1, "", f"knnc: error: {message}\n")


def test_a_bug_keeps_its_traceback(knnc_here: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knnc.datasets.load_dataset", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        knnc_here("evaluate", "digits")


def test_what_the_library_logs_goes_to_standard_error(
    knnc_here: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = knnc.datasets.load_dataset

    def download(*args: Any, **kwargs: Any) -> Any:
        logging.getLogger("knnc.datasets._download").info("downloading %s", "a file")
        return load(*args, **kwargs)

    monkeypatch.setattr("knnc.datasets.load_dataset", download)
    result = knnc_here("evaluate", "digits", "--json")
    assert (result.code, result.err) == (0, "knnc: downloading a file\n")
    assert json.loads(result.out)["dataset"] == "digits"
    assert logging.getLogger("knnc").handlers == []


# As on Windows, where a write to a pipe without a reader is an invalid argument.
AS_ON_WINDOWS = """
import errno, io, os, sys
from knnc.cli import _streams, main

class Pipe(io.FileIO):
    def write(self, data):
        try:
            return os.write(1, data)
        except BrokenPipeError:
            raise OSError(errno.EINVAL, "Invalid argument") from None

_streams._ON_WINDOWS = True
sys.stdout = io.TextIOWrapper(io.BufferedWriter(Pipe(1, "w", closefd=False)), "utf-8")
sys.exit(main())
"""


@pytest.mark.parametrize("start", [["-m", "knnc"], ["-c", AS_ON_WINDOWS]], ids=["here", "Windows"])
@pytest.mark.parametrize("args", [["evaluate", "digits", "--json"], ["--help"]])
def test_reader_that_has_gone_is_no_traceback(start: list[str], args: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, *start, *args],
            stdout=writing,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


def test_an_invalid_argument_with_a_file_is_about_that_file(
    knnc_here: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise OSError(errno.EINVAL, "Invalid argument", "a<b")

    monkeypatch.setattr("knnc.cli._streams._ON_WINDOWS", True)
    monkeypatch.setattr("knnc.datasets.load_dataset", fail)
    result = knnc_here("evaluate", "digits")
    assert (result.code, result.err) == (1, "knnc: error: Invalid argument: a<b\n")


class OnTerminal:
    """The program with standard error on a pseudo-terminal and standard output in a pipe."""

    def __init__(self, *args: object, **env: str) -> None:
        import pty

        self.terminal, theirs = pty.openpty()
        self.child = subprocess.Popen(
            [sys.executable, "-m", "knnc", *map(str, args)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=theirs,
            env=environment(COLUMNS="80", **env),
        )
        os.close(theirs)
        self.seen = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.child.kill()
        self.child.communicate()
        os.close(self.terminal)

    def wait_for(self, text: bytes | None, seconds: float = 60.0) -> None:
        """Read what appears on the terminal until ``text`` is there, or to its end."""
        deadline = time.monotonic() + seconds
        while text is None or text not in self.seen:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([self.terminal], [], [], left)[0]:
                pytest.fail(f"{text!r} did not appear within {seconds} s: {self.seen[-300:]!r}")
            try:
                part = os.read(self.terminal, 65536)
            except OSError:  # Linux: the other side has closed
                part = b""
            if not part:
                assert text is None, f"ended without {text!r}: {self.seen[-300:]!r}"
                return
            self.seen += part

    def finish(self) -> tuple[int, bytes]:
        """Wait for the end: the exit code and what came out of the pipe."""
        self.wait_for(None)
        out, _ = self.child.communicate(timeout=60)
        return self.child.returncode, out


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
class TestTerminal:
    def test_progress_is_on_the_terminal_and_the_result_in_the_pipe(self) -> None:
        with OnTerminal("evaluate", "digits", "--json") as run:
            code, out = run.finish()
        assert code == 0
        assert json.loads(out)["n_test"] == 768
        assert out.count(b"\n") == 1
        assert b"Predicting" in run.seen
        assert b"768/768" in run.seen
        # Cursor hidden, line erased at the end, cursor shown again.
        assert run.seen.rfind(b"\x1b[?25h") > run.seen.rfind(b"\x1b[?25l") >= 0
        assert b"\x1b[2K" in run.seen

    def test_how_far_a_page_is(self) -> None:
        with OnTerminal("read", "--sample", "--train", "digits") as run:
            code, out = run.finish()
        assert (code, b"Reading" in run.seen, b"/100" in run.seen) == (0, True, True)
        assert out

    def test_no_color_leaves_no_colours(self) -> None:
        with OnTerminal("evaluate", "mnits", NO_COLOR="1") as run:
            code, _ = run.finish()
        seen = run.seen.decode()
        assert code == 2
        assert "mnits" in seen
        # Codes 30 to 49 and 90 to 107 of "select graphic rendition" are colours.
        runs = re.findall(r"\x1b\[([\d;]*)m", seen)
        codes = {int(code) for run in runs for code in run.split(";") if code}
        assert not any(30 <= code <= 49 or 90 <= code <= 107 for code in codes)

    def test_ctrl_c_in_a_search_ends_it(self, tmp_path: Path) -> None:
        folder = write_folder(tmp_path / "long", n_train=20_000, n_test=20_000, shape=(28, 28))
        slow = {"KNNC_DISABLE_CPU_FEATURES": ",".join(dispatch.detected_cpu_features())}
        with OnTerminal("evaluate", folder, **slow) as run:
            run.wait_for(b"/20000")
            start = time.monotonic()
            run.child.send_signal(signal.SIGINT)
            code, out = run.finish()
            took = time.monotonic() - start
        assert (code, out) == (130, b"")
        assert b"interrupted" in run.seen
        assert b"Traceback" not in run.seen
        assert took < 5


def test_pipes_get_no_escape_codes(knnc_child: Program) -> None:
    result = knnc_child("evaluate", "digits")
    assert result.code == 0
    assert result.err == ""
    assert "\x1b" not in result.out
    assert "\r" not in result.out


def test_progress_stays_out_of_a_pipe_even_with_forced_colours(knnc_child: Program) -> None:
    result = knnc_child("evaluate", "digits", "--json", FORCE_COLOR="1")
    assert (result.code, result.err) == (0, "")
    assert json.loads(result.out)["dataset"] == "digits"
