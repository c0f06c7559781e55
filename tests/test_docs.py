"""What the documentation shows runs as it stands there; "make docs" runs the gallery."""

from __future__ import annotations

import json
import re
import tomllib
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from tests.pages import (
    PAGES,
    ROOT,
    commands,
    python_blocks,
    run_blocks,
    run_command,
    small_pictures,
)

pytestmark = pytest.mark.skipif(not PAGES, reason="these tests are not beside the documents")

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
COMMANDS = sorted({command for page in [*PAGES, ROOT / "README.md"] for command in commands(page)})


def test_the_page_of_extras_agrees_with_the_package() -> None:
    """Those above "all" are in it, those below are not, and none is left out."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    page = (ROOT / "docs/help.md").read_text(encoding="utf-8")
    table = page.split("| extra | what it adds |\n")[1].split("\n\n")[0]
    listed = re.findall(r"`([\w-]+)`", "\n".join(re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)))
    at = listed.index("all")
    assert extras["all"] == [f"knnc[{','.join(sorted(listed[:at]))}]"]
    for_users = [name for name in extras if not name.startswith("test")]
    assert sorted(listed) == sorted(set(for_users) - {"lint", "docs", "release", "dev"})


def _name(path: Path) -> str:
    return path.name


def test_there_is_something_to_run() -> None:
    assert sum(len(python_blocks(page)) for page in PAGES) >= 15
    assert len(COMMANDS) >= 5
    assert len(EXAMPLES) >= 6


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=_name)
def test_what_is_indented_is_a_command(page: Path) -> None:
    """Python goes between fences, where it is run."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert set(re.findall(r"^    (\S+)", text, re.MULTILINE)) <= {"knnc", "make", "pip"}


@pytest.mark.parametrize("page", [page for page in PAGES if python_blocks(page)], ids=_name)
def test_python_blocks(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    pytest.importorskip("skimage")
    pytest.importorskip("matplotlib")
    code = "".join(block for block, _ in python_blocks(page))
    if "dask" in code:
        pytest.importorskip("distributed")
    if "fetch_mnist" in code:
        request.getfixturevalue("mnist")
    monkeypatch.chdir(tmp_path)
    assert run_blocks(page)


@pytest.mark.parametrize(
    "name", ["index", "start", "sklearn", "tuning", "pages", "guide", "choosing"]
)
def test_what_a_page_prints_stands_below_it(name: str) -> None:
    """A tutorial shows its outputs; the test above compares them."""
    for code, output in python_blocks(ROOT / "docs" / f"{name}.md"):
        assert output or "print(" not in code, code


def test_the_keys_of_json_are_those_that_are_documented(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("typer")
    pytest.importorskip("matplotlib")
    pytest.importorskip("skimage")
    monkeypatch.chdir(tmp_path)
    guide = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
    found = dict(re.findall(r"^\| `knnc (\w+)` \| (`.*`) \|$", guide, re.MULTILINE))
    for command, options in {
        "evaluate": "digits --limit 20",
        "read": "--sample --train digits",
        "info": "",
    }.items():
        assert run_command(f"knnc {command} {options} --json", monkeypatch) == 0
        assert re.findall(r"`(\w+)`", found.pop(command)) == list(
            json.loads(capsys.readouterr().out)
        )
    assert set(found) == {"compare"}, "which takes longer; its own test has it"


def test_what_repeated_fits_share_is_what_the_page_says() -> None:
    import sklearn

    from knnc.neighbors import repeated

    words = " ".join((ROOT / "docs" / "tuning.md").read_text(encoding="utf-8").split())
    assert sklearn.get_config()["working_memory"] == 1024
    for said in (
        "`working_memory`, by default 1 GiB",
        f"less than {repeated._FEWEST_BYTES >> 10} KiB",
        f"for {repeated._SECONDS:.0f} seconds",
    ):
        assert said in words


def test_when_codes_are_made_is_what_the_policy_says() -> None:
    from knnc.engine import prepared_floats
    from knnc.engine.auto import Policy
    from knnc.engine.prepared import LEAST_COUNTED

    policy = Policy()
    mnist = np.broadcast_to(0.0, (60_000, 784))
    wide, late, tree = policy.coding.narrow_below, policy.late_features, policy.tree_features
    page = (ROOT / "docs" / "engine.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| (.*) \| ([\d,]+).* \| ([A-Z].*|cosine) \|$", page, re.MULTILINE)
    assert table == [
        (f"bytes, {wide} features or more", f"{policy.wide_queries:,}", "Euclidean, Manhattan"),
        (f"bytes, {late} to {wide - 1} features", f"{policy.late_queries:,}", "Euclidean"),
        (
            f"bytes that are streamed from a file, {wide} features or more",
            *("0", "Euclidean, Manhattan"),
        ),
        (
            f"floats, {tree + 1} features or more",
            *(f"{policy.late_float_queries}", "Euclidean, Manhattan"),
        ),
        ("any rows", f"{policy.late_float_queries}", "cosine"),
    ]
    words = " ".join(page.split())
    most, first = policy.tree_byte_features, policy.tree_byte_rows
    for said in (
        f"counts as {LEAST_COUNTED} queries at least",
        f"Fewer than {policy.min_rows:,} rows or {policy.min_bytes >> 20} MiB of bytes",
        f"fewer than {policy.min_float_rows:,} rows of floats",
        f"Fewer than {policy.late_float_pairs // policy.late_float_queries:,} rows of floats",
        f"after {policy.late_float_pairs:,} / rows queries",
        f"at most {tree} features lie in a k-d tree",
        f"From {policy.min_tree_features_coded} features on they are tried",
        f"taken {policy.late_tree_seconds} s of CPU time",
        f"and {policy.late_tree_seconds_a_million} s more for each million values",
        f"fewer than {policy.min_tree_rows} rows",
        f"at most {most} features",
        f"from {first << 1:,} rows of one feature to {first << most:,} rows of six",
        f"more than {sum(policy.coding.float_stages)} features have a whole code",
        f"more than {sum(policy.coding.float_stages)} features have them first",
        f"after {policy.whole_work:,} / (rows x features) queries",
        f"after {policy.late_float_queries} at least",
        f"On MNIST that is {policy.float_queries_for_axes(mnist):,}",
        f"A search counts as {prepared_floats.LEAST_COUNTED} of them at least",
        f"more than one in {round(1 / policy.max_share_of_rows)} rows",
        f"for {policy.trial_k} neighbours or fewer",
        f"From {policy.least_listed} neighbours on",
    ):
        assert said in words


def _examples_of_help() -> set[str]:
    """What tests/cli/test_options.py runs."""
    from knnc.cli._examples import EXAMPLES

    return {example for some in EXAMPLES.values() for example in some}


@pytest.fixture(scope="module")
def no_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of data sets where no MNIST is: the digits will do.

    One for all, so that what `knnc read` has learnt is found again.
    """
    return tmp_path_factory.mktemp("no-data")


@pytest.mark.parametrize("command", [c for c in COMMANDS if c not in _examples_of_help()])
def test_commands(
    command: str,
    no_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("typer")
    pytest.importorskip("matplotlib")
    pytest.importorskip("skimage")
    from PIL import Image
    from sklearn.datasets import load_digits

    small_pictures(monkeypatch)
    monkeypatch.setenv("KNNC_DATA_HOME", str(no_data))
    monkeypatch.chdir(tmp_path)
    ink = np.kron(load_digits().images[0] / 16, np.ones((6, 6)))
    scan = np.pad(255 - 240 * ink, 30, constant_values=255)
    Image.fromarray(scan.astype(np.uint8)).save("scan.png")
    for name, rows in (("base", 200), ("queries", 5)):
        head = np.array((rows, 8), dtype="<u4").tobytes()
        Path(f"{name}.u8bin").write_bytes(head + np.arange(8 * rows).astype(np.uint8).tobytes())
    assert run_command(command, monkeypatch) == 0, capsys.readouterr().err
    assert capsys.readouterr().out


@pytest.mark.parametrize("example", EXAMPLES, ids=_name)
def test_each_example_ends_in_a_picture(example: Path) -> None:
    assert example.name.startswith("plot_"), "others are not run"
    assert example.read_text(encoding="utf-8").endswith("\nplt.show()\n")


def test_the_reference_has_every_public_name_and_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each name in one group, and each command with its options and examples."""
    pytest.importorskip("typer")
    pytest.importorskip("matplotlib")
    pytest.importorskip("dask")
    pytest.importorskip("skimage")
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    reference = import_module("reference")
    assert not reference.ungrouped(), "docs/reference.py has to name them"
    reference.write_command_page(tmp_path / "commands.md")
    page = (tmp_path / "commands.md").read_text(encoding="utf-8")
    from knnc.cli._examples import EXAMPLES

    for command, examples in EXAMPLES.items():
        assert f"# {command}\n" in page or f"# knnc {command}\n" in page
        for example in examples:
            assert f"    {example}\n" in page
    assert re.search(r"^\| `--neighbors`, `-k` K \| ", page, re.MULTILINE)
