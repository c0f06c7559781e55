"""A good guest in any process: its threads, its forks, its memory."""

from __future__ import annotations

import os
import sys
from typing import Any

import joblib
import pytest

from knnc.engine.dispatch import openmp_version
from knnc.engine.system.threads import effective_n_threads
from tests.engine.support import run_child

needs_openmp = pytest.mark.skipif(openmp_version() == 0, reason="knnc was built without OpenMP")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /proc")


def _child(function: str, *arguments: object, **environment: str) -> dict[str, Any]:
    return run_child(
        function, *arguments, module="children", package="tests.process", **environment
    )


@on_linux
@needs_openmp
@pytest.mark.skipif(joblib.cpu_count() < 2, reason="one worker is no worker: needs two CPUs")
def test_grid_search_starts_no_more_threads_than_there_are_cpus() -> None:
    report = _child("grid_search", LOKY_MAX_CPU_COUNT="2")
    assert report["workers"] == 2
    assert report["allowed"]["none"] == [1, 1], "in each of two workers on two CPUs"
    assert report["started"]["none"] == [0, 0], "a search on one thread is the worker's own"
    assert max(report["started"]["four"]) == 3, "the count sees threads where there are some"


@on_linux
@needs_openmp
@pytest.mark.skipif(joblib.cpu_count() < 2, reason="needs two CPUs")
def test_joblibs_threads_share_the_cpus() -> None:
    """scikit-learn's own estimators take all of them in each."""
    report = _child("threading_backend", LOKY_MAX_CPU_COUNT="2", OMP_NUM_THREADS="2")
    assert report["outside"] == 2
    for name in ("none", "four"):
        assert {seen["allowed"] for seen in report[name]} == {1}
    assert {seen["native"] - report["before"] for seen in report["none"]} == {0}
    assert max(seen["native"] for seen in report["four"]) - report["before"] >= 3
    assert 0.0 <= report["score"] <= 1.0


@needs_openmp
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs sched_setaffinity")
def test_none_obeys_the_affinity_of_the_process() -> None:
    assert _child("affinity")["threads"] == 1


@needs_openmp
def test_none_is_no_more_than_joblib_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which reads the limits of control groups, as of a container."""
    monkeypatch.setattr(joblib, "cpu_count", lambda: 1)
    monkeypatch.setattr("knnc.engine.system.threads._counted", (99, (0, None), 0.0))
    assert effective_n_threads(None) == 1
    monkeypatch.setattr("knnc.engine.system.threads._counted", (1, (0, None), 0.0))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forked_children_answer_as_their_parent() -> None:
    report = _child("fork")
    for where in ("forked", "pool", "parent"):
        assert set(report[where].values()) == {True}, (where, report)


@on_linux
@pytest.mark.parametrize("algorithm", ["brute", "pruned"])
def test_too_little_memory(algorithm: str) -> None:
    """It is a MemoryError, of which the estimator takes no harm."""
    report = _child("memory", algorithm, OMP_WAIT_POLICY="passive")
    for call in ("search", "load", "fit"):
        assert set(report[call]) <= {"MemoryError", ""}, (call, report[call])
        assert report[call][-1] == "", "with room enough"
    assert report["search"][0] == report["fit"][0] == "MemoryError", "with none"
    assert all(report["same"])
