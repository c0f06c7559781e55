"""scikit-learn's own tests of its neighbours, with knnc's classes in place of its own.

They come with its wheel. They run in a process of their own, under scikit-learn's conftest and
without this project's settings of pytest; ``tests.neighbors.in_place`` puts the classes there.
"""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import sklearn.neighbors

from tests.engine.support import child_environment
from tests.neighbors.in_place import NOT_KNNCS

ROOT = Path(sklearn.__file__).parent
FILES = [
    "test_graph.py",
    "test_lof.py",
    "test_neighbors.py",
    "test_neighbors_pipeline.py",
    "test_neighbors_tree.py",
]

pytestmark = pytest.mark.skipif(
    find_spec("sklearn.neighbors.tests") is None, reason="scikit-learn came without its tests"
)


@pytest.fixture(scope="module")
def said() -> str:
    """All that a run of those tests printed."""
    options = [
        *("-p", "tests.neighbors.in_place", "-p", "no:cacheprovider"),
        *("-c", _no_settings(), f"--rootdir={ROOT}", f"--confcutdir={ROOT}"),
        *("-q", "-rx", "--tb=short", "-W", "ignore"),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options]
        + [str(ROOT / "neighbors" / "tests" / name) for name in FILES],
        env=child_environment(OMP_WAIT_POLICY="passive"),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    print(done.stdout + done.stderr)
    return done.stdout


def _no_settings() -> str:
    """A settings file with nothing in it."""
    return "NUL" if sys.platform == "win32" else "/dev/null"


def test_scikit_learns_tests_pass(said: str) -> None:
    """A test that `in_place` leaves out, and that passes, counts as failed."""
    counts = {word: int(n) for n, word in re.findall(r"(\d+) (\w+)", said.rstrip().split("\n")[-1])}
    assert not {"failed", "error", "errors"} & counts.keys(), said
    assert counts["passed"] > 900
    served = {engine: int(n) for engine, n in re.findall(r"fits served by (\w+): (\d+)", said)}
    assert min(served["integer"], served["float"]) > 50, "scikit-learn would be testing itself"


def test_what_is_left_out_has_to_be(said: str) -> None:
    """Each of them was run and failed, or the list of excuses is out of date."""
    for name in NOT_KNNCS:
        assert re.search(rf"XFAIL .*::{re.escape(name)}(?!\w)", said), said


def test_only_there() -> None:
    """In this process scikit-learn has its own classes, or other tests would prove nothing."""
    for name in sklearn.neighbors.__all__:
        there = getattr(sklearn.neighbors, name)
        assert getattr(there, "__module__", "sklearn.").startswith("sklearn."), name
