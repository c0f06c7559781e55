"""What --help shows, old names, completion, and lines for those who wait at a pipe."""

from __future__ import annotations

import json
import os
import shlex
import time
from pathlib import Path

import numpy as np
import pytest

import knnc
from knnc.datasets import get_data_home
from knnc.datasets._load import DATASETS
from knnc.recipes import RECIPES
from tests.pages import small_pictures

from .conftest import Program, Result

pytest.importorskip("matplotlib", reason="pictures need the extra 'plot'")

from typer.main import get_command

from knnc.cli import _console, _options
from knnc.cli._app import app
from knnc.cli._examples import EXAMPLES

# A server runs until it is stopped.
EVERY = sorted(
    {example for some in EXAMPLES.values() for example in some if "serve" not in example}
)


def test_names_are_those_of_the_packages() -> None:
    """They are written down, because completion and --help do not load the packages."""
    assert _options.DATASETS == DATASETS
    assert set(_options.RECIPES) == set(RECIPES)


def all_commands() -> dict[str, object]:
    program = get_command(app)
    found: dict[str, object] = {"knnc": program}
    for name, command in program.commands.items():  # type: ignore[attr-defined]
        found[name] = command
        for sub in getattr(command, "commands", {}):
            found[f"{name} {sub}"] = command.commands[sub]
    return found


def test_every_command_has_an_example(knnc_here: Program) -> None:
    assert set(all_commands()) == set(EXAMPLES)
    for name, examples in EXAMPLES.items():
        shown = knnc_here(*([] if name == "knnc" else name.split()), "--help").out
        for example in examples:
            assert example in " ".join(shown.split())


@pytest.fixture(scope="module")
def no_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all examples, so that what `knnc read` has learnt is found again."""
    return tmp_path_factory.mktemp("no-data")


@pytest.mark.parametrize("example", EVERY)
def test_examples(
    example: str,
    knnc_here: Program,
    no_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("skimage", reason="reading pages needs the extra 'ocr'")
    monkeypatch.chdir(tmp_path)
    small_pictures(monkeypatch)
    if "mnist" in example:
        if not (Path(get_data_home()) / "mnist").is_dir():
            pytest.skip("needs real data: MNIST is not in KNNC_DATA_HOME")
    else:
        monkeypatch.setenv("KNNC_DATA_HOME", str(no_data))
    for name, n in (("base", 200), ("queries", 5)):
        rows = np.arange(n * 8, dtype=np.uint8).reshape(n, 8)
        head = np.array(rows.shape, dtype="<u4").tobytes()
        (tmp_path / f"{name}.u8bin").write_bytes(head + rows.tobytes())
    result = knnc_here(*shlex.split(example)[1:])
    assert result.code == 0, result.err
    assert result.out


@pytest.mark.parametrize("args", [["--help"], ["evaluate", "-h"], ["info", "-h"], ["view", "-h"]])
def test_a_flag_looks_like_a_flag(knnc_here: Program, args: list[str]) -> None:
    assert "bool" not in knnc_here(*args).out


def test_old_names_of_options(knnc_here: Program, tmp_path: Path) -> None:
    same = [
        knnc_here("evaluate", "digits", *k, "--limit", 50).out.splitlines()[1]
        for k in (["-k", 7], ["--neighbors", 7], ["--n-neighbors", 7], ["--n-neighbors=7"])
    ]
    assert len(set(same)) == 1
    assert "n_neighbors = 7" in same[0]
    out = tmp_path / "a.png"
    args = ("view", "embedding", "digits", "--sample", 40, "--iterations", 250, "--perplexity", 5)
    assert knnc_here(*args, "--output", out).code == 0
    assert out.exists()
    assert "n-neighbors" not in knnc_here("evaluate", "-h").out
    sizes = "--train", 40, "--test", 20, "--json", "--out", out
    (record,) = json.loads(knnc_here("compare", "digits", *sizes).out)["datasets"].values()
    assert (record["n_train"], record["n_test"]) == (40, 20)
    curve = knnc_here("view", "curve", "digits", "--train", 40, "--max-k", 3, "--out", out)
    assert curve.code == 0


def test_one_name_means_one_thing() -> None:
    """An option takes the same kind of value in every command that has it."""
    kinds: dict[str, set[str | None]] = {}
    for command in all_commands().values():
        for parameter in command.params:  # type: ignore[attr-defined]
            for name in parameter.opts:
                kinds.setdefault(name, set()).add(parameter.metavar)
    assert {name: some for name, some in kinds.items() if len(some) > 1} == {}


def test_short_version(knnc_here: Program) -> None:
    assert knnc_here("-V").out == f"knnc {knnc.__version__}\n"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("knnc eva", {"evaluate"}),
        ("knnc evaluate m", {"mnist"}),
        ("knnc view misread digits --recipe ", set(RECIPES)),
        ("knnc evaluate digits --metric man", {"manhattan"}),
    ],
)
def test_completion(line: str, expected: set[str], knnc_child: Program) -> None:
    """As bash asks for it; -m has another name for the program."""
    code = "import sys; sys.argv[0] = 'knnc'; from knnc.cli import main; sys.exit(main())"
    words = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    result = knnc_child(code=code, _KNNC_COMPLETE="complete_bash", **words)
    assert (set(result.out.split()), result.err) == (expected, "")


@pytest.mark.parametrize(
    "args",
    [
        ["evaluate", "/no/where"],
        ["view", "sprite", "nowhere"],
        ["compare", "digits", "nowhere"],
        ["groundtruth", "no.u8bin", "no.u8bin", "--out", "truth.ibin"],
        ["read", "no.png"],
        ["read"],
        ["demo", "--out", "demo.gif"],
        ["compare", "digits", "--out", "a.txt"],
    ],
)
def test_what_is_not_there_or_cannot_be_written_is_a_wrong_usage(
    args: list[str], knnc_here: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("skimage", reason="reading pages needs the extra 'ocr'")
    monkeypatch.chdir(tmp_path)
    result = knnc_here(*args)
    assert (result.code, result.out) == (2, "")
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_is_a_folder(
    knnc_here: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The work before it would be lost."""
    monkeypatch.chdir(tmp_path)
    Path("a.png").mkdir()
    result = knnc_here("demo", "--out", "a.png")
    assert result.code == 2
    assert "a.png is a folder, not a file" in said(result)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="needs a user whom permissions bind"
)
def test_an_output_in_a_folder_that_is_read_only(
    knnc_here: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("locked")
    folder.mkdir(mode=0o555)
    result = knnc_here("demo", "--out", folder / "a.png")
    assert result.code == 2
    assert "you may not write to the folder" in said(result)


def said(result: Result) -> str:
    """What is in the box, which is 80 characters wide: a long path in it is broken anywhere."""
    return " ".join(result.err.replace("│", " ").split())


def test_ground_truth_is_an_ibin_file(
    knnc_here: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    base = Path("base.u8bin")
    base.write_bytes(np.array([1, 1], dtype="<u4").tobytes() + b"\0")
    result = knnc_here("groundtruth", base, base, "-k", 1, "--out", "truth.npy")
    assert result.code == 2
    assert "truth.npy has to end in .ibin" in said(result)


def test_a_pipe_hears_of_long_work_once_a_minute(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_console, "LINE_SECONDS", 0.01)
    with _console.status("Learning"):
        deadline = time.monotonic() + 60
        said = ""
        while "Learning: 0 min so far\n" not in said:
            assert time.monotonic() < deadline
            time.sleep(0.01)
            said += capsys.readouterr().err


def test_the_first_use_of_mnist_says_what_it_does_and_names_every_file(
    knnc_here: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from knnc.datasets import _fetch

    def no_network(file: object, mirrors: object, folder: object) -> None:
        raise _fetch.DownloadError("no network", retry=False)

    monkeypatch.setattr(_fetch, "download", no_network)
    result = knnc_here("evaluate", "mnist", "--data-home", tmp_path)
    assert (result.code, result.out) == (1, "")
    folder = tmp_path / "mnist"
    assert f"knnc: MNIST is downloaded to {folder}, this once: 4 files, 55 MB" in result.err
    for part in ("train", "t10k"):
        for kind in ("images-idx3", "labels-idx1"):
            assert f"{part}-{kind}-ubyte.gz" in result.err.splitlines()[-1]
