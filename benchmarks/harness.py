"""Runs the systems: each in a process of its own, checked first, then timed in turn.

The timed runs of all the systems are interleaved: a round asks each of them once, so that what
else the machine does in the meantime falls on all of them alike.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from answers import Answer, by_numpy, compare, radius_of
from workloads import Workload

WORKER = Path(__file__).with_name("worker.py")
PAUSE = 0.2  # seconds between two timed runs: threads of the one before that spin, stop
REFERENCE = "knnc-brute"
SCORE_TOLERANCE = 0.001
SELF = ("self-join", "grid-search", "scaled-grid-search", "dbscan")  # the rows are the queries
COMPARED = ("grid-search", "scaled-grid-search", "dbscan")  # with one another, by their scores
ASKED = 200  # queries that a radius is found with
Row = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """How long to take over it."""

    rounds: int  # at most
    rounds_at_least: int
    seconds_a_system: float  # after which a system sits the later rounds out
    cap_seconds: float  # a run longer than this is made with fewer queries, and scaled
    try_variants: bool  # or take each system's best guess
    checked: int  # queries on bytes that NumPy answers too
    checked_floats: int  # and on other rows, which takes longer


FULL = Settings(
    rounds=7,
    rounds_at_least=3,
    seconds_a_system=4,
    cap_seconds=4,
    try_variants=True,
    checked=100,
    checked_floats=20,
)
QUICK = Settings(
    rounds=2,
    rounds_at_least=1,
    seconds_a_system=1,
    cap_seconds=1,
    try_variants=False,
    checked=10,
    checked_floats=3,
)


class WorkerError(RuntimeError):
    """A system's process ended, or said something that is no answer."""


class Worker:
    """A process that runs one system, asked by JSON lines."""

    def __init__(self, n_threads: int | None = None) -> None:
        env = dict(os.environ)
        if n_threads is not None:
            env["OMP_NUM_THREADS"] = str(n_threads)
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed in close()
        self._process = subprocess.Popen(
            [sys.executable, WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=env,
        )

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request and wait for the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):  # it has ended: no line comes back
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            self._errors.seek(0)
            last = (self._errors.read().strip().splitlines() or ["no message"])[-1]
            raise WorkerError(f"the process ended with code {code}: {without_places(last)}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()
        self._errors.close()


@contextmanager
def worker(n_threads: int | None = None) -> Iterator[Worker]:
    """A worker that ends with the block."""
    process = Worker(n_threads)
    try:
        yield process
    finally:
        process.close()


def without_places(text: str) -> str:
    """A message without what is true on this machine only: addresses and absolute paths."""
    return re.sub(r"\w+://\S+|(?<![\w.])/[\w./+-]+", "...", text)


class Measurement:
    """One workload: who answers it, whether rightly, and how fast."""

    def __init__(
        self,
        workload: Workload,
        folder: Path,
        settings: Settings,
        say: Callable[[str], None],
        n_threads: int | None = None,
    ) -> None:
        self.workload = workload
        self.folder = folder
        self.settings = settings
        self.say = say
        self.n_threads = n_threads
        self.rows = np.load(folder / "X.npy", mmap_mode="r")[: workload.n_rows]
        is_self = workload.kind in SELF
        self.queries = self.rows if is_self else np.load(folder / "Q.npy")[: workload.n_queries]
        self.radius: float | None = None
        if workload.kind in ("radius", "dbscan"):
            self.radius = radius_of(self.rows, self.queries[:ASKED], workload.k)

    def run(self, systems: list[str]) -> list[Row]:
        """A row for each of the systems, the timed ones with their seconds a round.

        knnc's brute force goes first, whether it is asked for or not: it is the reference.
        """
        reference: Answer | None = None
        rows: dict[str, Row] = {}
        with ExitStack() as stack:
            timed: list[tuple[Worker, Row]] = []
            first = [] if self.workload.kind in COMPARED else [REFERENCE]
            for name in dict.fromkeys([*first, *systems]):
                process = stack.enter_context(worker(self.n_threads))
                row = rows[name] = {"system": name}
                try:
                    row.update(self._first(process, name))
                except WorkerError as error:
                    row.update(status="failed", reason=str(error))
                if name in first:
                    reference = self._reference(row)
                if row["status"] == "ready":
                    self._check(row, reference)
                self.say(f"  {name}: {row['status']} {row.get('reason', '')}")
                if row["status"] == "ready" and name in systems:
                    timed.append((process, row))
            if reference is None:
                _check_scores(list(rows.values()), self.workload.kind)
            self._rounds(timed)
        return [rows[name] for name in systems]

    def _request(self, name: str, do: str, **more: Any) -> dict[str, Any]:
        w = self.workload
        return {
            "do": do,
            "system": name,
            "kind": w.kind,
            "metric": w.metric,
            "k": w.k,
            "folder": str(self.folder),
            "n_rows": w.n_rows,
            "n_queries": w.n_queries,
            "radius": self.radius,
            "cap_seconds": self.settings.cap_seconds,
            "answer": str(self._answer_path(name)),
            "config": None,
            **more,
        }

    def _answer_path(self, name: str) -> Path:
        return self.folder / f"answer-{name}.npz"

    def _first(self, process: Worker, name: str) -> Row:
        """The best variant is found in another process: what it leaves behind is not counted."""
        config = None
        if self.settings.try_variants and self.workload.kind not in COMPARED:
            with worker(self.n_threads) as trial:
                tried = trial.ask(**self._request(name, "try"))
            if tried["status"] != "ready":
                return tried
            config = tried["config"]
        return process.ask(**self._request(name, "job", config=config))

    def _reference(self, row: Row) -> Answer:
        """The answer of knnc's brute force, held against NumPy."""
        w = self.workload
        if row["status"] != "ready":
            raise WorkerError(f"knnc's brute force did not run: {row['reason']}")
        reference = Answer.load(self._answer_path(REFERENCE))
        is_bytes = self.rows.dtype == np.uint8
        n = self.settings.checked if is_bytes else self.settings.checked_floats
        some = self.queries[: min(n, len(self.queries))]
        leave_out, radius = w.kind == "self-join", self.radius
        expected = by_numpy(self.rows, some, w.metric, k=w.k, radius=radius, leave_out=leave_out)
        if wrong := self._compare(reference.first(len(some)), expected, row):
            raise WorkerError(f"{w.name}: knnc's brute force and NumPy do not agree: {wrong}")
        return reference

    def _check(self, row: Row, reference: Answer | None) -> None:
        """An answer that is wrong is no row to time."""
        path = self._answer_path(row["system"])
        if reference is None:
            with np.load(path) as file:
                row["scores"] = file["scores"].tolist()
        elif wrong := self._compare(Answer.load(path), reference, row):
            row.update(status="wrong", reason=wrong)

    def _compare(self, answer: Answer, reference: Answer, row: Row) -> str | None:
        return compare(
            answer,
            reference,
            self.rows,
            self.queries,
            metric=self.workload.metric,
            arithmetic=row["arithmetic"],
            squared=row["squared"],
            radius=self.radius,
        )

    def _rounds(self, timed: list[tuple[Worker, Row]]) -> None:
        for _, row in timed:
            row.update(seconds=[], spent=0.0)
        for number in range(self.settings.rounds):
            for process, row in timed:
                if row["status"] == "ready" and self._has_time(number, row):
                    self._run_once(process, row)
        for _, row in timed:
            if row["status"] == "ready":
                row.update(summary(self.workload.kind, row))

    def _has_time(self, number: int, row: Row) -> bool:
        enough = row["spent"] > self.settings.seconds_a_system
        return number < self.settings.rounds_at_least or not enough

    def _run_once(self, process: Worker, row: Row) -> None:
        time.sleep(PAUSE)
        begin = time.perf_counter()
        try:
            row["seconds"].append(process.ask(do="run")["seconds"])
        except WorkerError as error:
            row.update(status="failed", reason=str(error))
        row["spent"] += time.perf_counter() - begin


def _check_scores(rows: list[Row], kind: str) -> None:
    """Grid searches agree if no mean accuracy differs by more than ties between rows explain.

    Clusters do if hardly a row changes them: one on an edge may belong to two.
    """
    scores = {row["system"]: np.asarray(row.pop("scores")) for row in rows if "scores" in row}
    for row in rows:
        if row["system"] in scores:
            one, other = scores[row["system"]], next(iter(scores.values()))
            if kind == "dbscan":
                what, apart = "of the rows are in other clusters", float((one != other).mean())
            else:
                what, apart = "is how far mean accuracies are off", np.abs(one - other).max()
            if apart > SCORE_TOLERANCE:
                row.update(status="wrong", reason=f"{apart:.4f} {what}")


def summary(kind: str, row: Row) -> Row:
    """Median and spread; a run with fewer queries is scaled to all of them."""
    if kind == "latency":
        each = np.concatenate([np.asarray(part) for part in row["seconds"]])
        return {
            "median": float(np.median(each)),
            "low": float(np.quantile(each, 0.05)),
            "high": float(np.quantile(each, 0.99)),
        }
    seconds = np.asarray(row["seconds"]) * (row["n_queries"] / row["n_run"])
    return {
        "median": float(np.median(seconds)),
        "low": float(seconds.min()),
        "high": float(seconds.max()),
    }
