"""What the benchmark writes into the README: the chart, the figures, and when it does not."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest

HERE = Path(__file__).parents[1] / "benchmarks"

pytestmark = pytest.mark.skipif(not HERE.is_dir(), reason="these tests are not beside the sources")

QUIET = {"cpu": "A processor", "cpus": 4, "n_threads": 4, "load_average": 0.3}
README = """# knnc

Fast: <!-- speed -->?<!-- /speed --> times.

<!-- benchmark -->
<!-- /benchmark -->

More.
"""


def row(system: str, median: float, status: str = "ready") -> dict[str, Any]:
    return {"system": system, "median": median, "status": status}


def workload(name: str, *rows: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "title": f"The {name}", "what": "10 queries", "rows": list(rows)}


RESULTS = {
    "machine": QUIET,
    "workloads": [
        workload("mnist", row("knnc", 0.1), row("faiss", 2.0), row("sklearn-uint8", 7.0)),
        workload("mnist-latency", row("knnc", 0.1), row("faiss", 0.2)),
        workload("random", row("knnc", 0.2), row("sklearn-float32", 0.5)),
        workload("sift", row("knnc", 0.3), row("faiss", 0.1, "wrong"), row("sklearnex", 3.6)),
        workload("mnist-pca50", row("knnc", 1.0), row("faiss", 0.5), row("knnc-brute", 0.1)),
        workload("text-cosine", row("knnc-brute", 0.1), row("faiss", 0.2)),
    ],
}


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    monkeypatch.syspath_prepend(str(HERE))
    names = ("chart", "report", "run")
    modules: dict[str, ModuleType] = {name: __import__(name) for name in names}
    return SimpleNamespace(**modules)


@pytest.fixture
def readme(tmp_path: Path) -> Path:
    path = tmp_path / "README.md"
    path.write_text(README, encoding="utf-8")
    return path


def test_the_figures_are_those_of_the_results(scripts: SimpleNamespace, readme: Path) -> None:
    assert scripts.report.update_readme(RESULTS, readme)
    text = readme.read_text(encoding="utf-8")
    assert "Fast: <!-- speed -->2.5 to 70<!-- /speed --> times." in text
    faiss = scripts.chart.SYSTEMS["faiss"].label
    assert f"knnc takes 0.1 s, {faiss} 2 s, scikit-learn 7 s." in text
    assert "A processor, 4 threads." in text
    assert "busy" not in text
    assert text.startswith("# knnc\n")
    assert text.endswith("\n\nMore.\n")
    for picture in re.findall(r'(?:src|srcset)="(.*?)"', text):
        ElementTree.parse(readme.parent / picture)
    scripts.report.update_readme(RESULTS, readme)  # again: nothing is there twice
    assert readme.read_text(encoding="utf-8") == text


def test_the_bars(scripts: SimpleNamespace) -> None:
    """Of knnc's default and the fastest right answer of others, in a fixed order; losses too."""
    bars = scripts.chart.chosen(RESULTS["workloads"])
    assert [bar.title for bar in bars] == ["The mnist", "The sift", "The random", "The mnist-pca50"]
    assert [round(bar.ratio, 3) for bar in bars] == [20, 12, 2.5, 0.5]
    assert f"{scripts.chart.SYSTEMS['faiss'].label}, 0.5 s" in scripts.chart._svg(
        bars, *scripts.chart.COLOURS["dark"]
    )


def test_floats_are_among_the_six_bars(scripts: SimpleNamespace) -> None:
    names = [*scripts.chart.IN_THEIR_PLACE, *reversed(scripts.chart.WORKLOADS)]
    pair = row("knnc", 0.1), row("faiss", 2.0)
    bars = scripts.chart.chosen([workload(name, *pair) for name in names])
    assert [bar.title for bar in bars] == [f"The {name}" for name in scripts.chart.WORKLOADS]


def test_a_busy_machine_is_said_beside_the_figures(scripts: SimpleNamespace, readme: Path) -> None:
    busy = copy.deepcopy(RESULTS) | {"machine": QUIET | {"load_average": 2.5}}
    scripts.report.update_readme(busy, readme)
    assert "busy with other work when this began (load average 2.5 on 4" in readme.read_text()


def test_a_busy_run_leaves_the_readme(
    scripts: SimpleNamespace, readme: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    busy = copy.deepcopy(RESULTS) | {"machine": QUIET | {"load_average": 2.5}}
    scripts.run.publish(busy, readme)
    assert readme.read_text() == README
    assert "The README is not changed" in capsys.readouterr().out
    scripts.run.publish(RESULTS, readme)
    assert readme.read_text() != README


def test_a_partial_run_leaves_the_readme(scripts: SimpleNamespace) -> None:
    nothing = {"only": None, "systems": None, "limit": None, "quick": False, "output": None}
    assert scripts.run.is_whole(Namespace(**nothing))
    for name, value in {"only": ["mnist"], "systems": ["knnc"], "limit": 5, "quick": True}.items():
        assert not scripts.run.is_whole(Namespace(**nothing | {name: value}))
    assert not scripts.run.is_whole(Namespace(**nothing | {"output": Path("here.md")}))


def test_a_run_waits_for_a_quiet_machine(
    scripts: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    loads = iter([8.0, 4.0, 0.0])
    monkeypatch.setattr(scripts.run.machine, "load_average", lambda: next(loads))
    monkeypatch.setattr(scripts.run.time, "sleep", lambda seconds: None)
    scripts.run.wait_for_quiet()
    assert capsys.readouterr().out.count("waiting for it to be quiet") == 2
    assert next(loads, None) is None


def test_the_readme_has_the_marks(scripts: SimpleNamespace, tmp_path: Path) -> None:
    copied = tmp_path / "README.md"
    copied.write_text((HERE.parent / "README.md").read_text(encoding="utf-8"), encoding="utf-8")
    assert scripts.report.update_readme(RESULTS, copied)


def test_a_report_of_a_partial_run_leaves_the_readme(
    scripts: SimpleNamespace, readme: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = readme.parent / "benchmarks"
    (here / "results").mkdir(parents=True)
    (here / "results" / "results.json").write_text(json.dumps(RESULTS | {"whole": False}))
    written = []
    monkeypatch.setattr(scripts.report, "HERE", here)
    monkeypatch.setattr(scripts.report, "write", lambda results, path: written.append(path))
    monkeypatch.setattr("sys.argv", ["report.py"])
    with pytest.raises(SystemExit, match="partial"):
        scripts.report.main()
    assert readme.read_text() == README
    (here / "results" / "results.json").write_text(json.dumps(RESULTS | {"whole": True}))
    scripts.report.main()
    assert written == [here / "results" / "RESULTS.md", here / "RESULTS.md"]
    assert readme.read_text() != README


# Those that are programs; the worker takes its arguments from a pipe.
SCRIPTS = [
    str(path)
    for path in sorted(HERE.glob("*.py"))
    if "__main__" in path.read_text(encoding="utf-8") and path.name != "worker.py"
]


# One process for all of them: what they import takes longer than they do.
HELP = """
import contextlib, io, runpy, sys
for script in sys.argv[1:]:
    sys.argv = [script, "--help"]
    with contextlib.redirect_stdout(io.StringIO()) as said:
        try:
            runpy.run_path(script, run_name="__main__")
        except SystemExit as end:
            assert not end.code, script
    assert said.getvalue().startswith("usage: "), script
"""


def test_scripts_obey_help() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HELP, *SCRIPTS],
        cwd=HERE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_report_of_its_own_name_leaves_the_pictures_of_the_other(
    scripts: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = []
    monkeypatch.setattr(scripts.report, "draw", lambda _, folder: folders.append(folder) or ["a"])
    for part in ("_machine", "_headline", "_workload", "_method"):
        monkeypatch.setattr(scripts.report, part, lambda _: "")
    for name, folder in (("RESULTS.md", "plots"), ("RESULTS_OTHERS.md", "RESULTS_OTHERS-plots")):
        scripts.report.write(RESULTS | {"command": "", "left_out": {}}, tmp_path / name)
        assert folders.pop() == tmp_path / folder
        assert f"![a]({folder}/a)" in (tmp_path / name).read_text()
