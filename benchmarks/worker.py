"""One system in a process of its own: ``harness.py`` starts it and asks, a JSON line at a time.

A job makes it load the arrays, fit, answer all queries once and save the answer; each ``run``
after it answers them again and says how long that took. A job may also be ``try``: which of the
system's variants is the fastest on a sample.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from memory import PeakMemory
from systems import SYSTEMS, System


def main() -> None:
    # A library that prints must not end up between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    job: Job | None = None
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "run":
            assert job is not None
            answer = {"seconds": job.run()}
        else:
            job = None  # the one before gives its memory back first
            answer, job = begin(request)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def begin(request: dict[str, Any]) -> tuple[dict[str, Any], Job | None]:
    """A job that has answered once, or the fastest variant; else the reason why not."""
    try:
        system = SYSTEMS[request["system"]](request["metric"], request["k"])
    except ImportError as error:
        return {"status": "absent", "reason": f"{type(error).__name__}: {error}"}, None
    job = JOBS[request["kind"]](system, request)
    if request["do"] == "try":
        return {"status": "ready", "config": job.fastest()}, None
    try:
        return {"status": "ready", "version": system.version, **job.first()}, job
    except ValueError as error:
        if system.is_peer:
            raise
        return {"status": "refused", "reason": str(error)}, None


def timed(function: Any, *args: Any) -> tuple[float, Any]:
    """How long a call took, in seconds, and what it returned."""
    begin = time.perf_counter()
    result = function(*args)
    return time.perf_counter() - begin, result


MIN_SAMPLES = 10  # of DBSCAN
GRID = {"n_neighbors": (1, 3, 5, 7, 9), "weights": ("uniform", "distance")}


class Job:
    """All queries in one call. The queries come shuffled: the first n are a fair sample."""

    pilot = 100  # queries by which the time of all of them is foreseen
    trial = 500  # queries by which variants are compared

    def __init__(self, system: System, request: dict[str, Any]) -> None:
        self.system = system
        self.request = request
        self.k: int = request["k"]
        self.radius: float | None = request["radius"]
        folder = Path(request["folder"])
        self.X = np.load(folder / "X.npy")[: request["n_rows"]]
        self.Q = np.load(folder / "Q.npy")[: request["n_queries"]]

    @property
    def configs(self) -> list[dict[str, Any]]:
        """The system's variants for this work."""
        return self.system.variants(self.request["kind"], self.X.shape[1])

    def prepare(self, config: dict[str, Any]) -> None:
        """The arrays as the system likes them best, made outside the clock."""
        self.rows = self.system.prepare(self.X, config)
        self.queries = self.system.prepare(self.Q, config)
        self.copied_bytes = 0 if self.rows is self.X else self.rows.nbytes + self.queries.nbytes

    def fastest(self) -> dict[str, Any]:
        """The variant that answers the trial queries soonest."""
        if len(self.configs) == 1:
            return self.configs[0]
        self.system.trying = True
        seconds = []
        for config in self.configs:
            self.prepare(config)
            self.system.fit(self.rows, config)
            queries = self.select(self.trial)
            self.answer(queries)
            seconds.append(min(timed(self.answer, queries)[0] for _ in range(3)))
        return self.configs[int(np.argmin(seconds))]

    def first(self) -> dict[str, Any]:
        """Fit, answer once and save the answer; how long it took and how much memory."""
        config = self.request["config"] or self.configs[0]
        self.prepare(config)
        with PeakMemory() as memory:
            fit_seconds, _ = timed(self.system.fit, self.rows, config)
            self.timed_queries = self.select(self.affordable())
            first_seconds, found = timed(self.answer, self.timed_queries)
            if self.request["system"] == "knnc":
                self.answer(self.timed_queries)  # codes of narrow rows come with the second batch
        indptr, dist, ind = self.flat(found)
        np.savez(self.request["answer"], indptr=indptr, dist=dist, ind=ind)
        return {
            "configuration": self.system.describe(config),
            "arithmetic": self.system.arithmetic,
            "squared": self.system.squared,
            "fit_seconds": fit_seconds,
            "first_seconds": first_seconds,
            "n_run": len(self.timed_queries),
            "n_queries": len(self.Q),
            "training_bytes": self.X.nbytes,
            "copied_bytes": self.copied_bytes,
            "peak_bytes": memory.peak_bytes,
        }

    def affordable(self) -> int:
        """How many of the queries a peer answers within the cap; knnc answers them all."""
        n, cap = len(self.Q), self.request["cap_seconds"]
        if not self.system.is_peer or n <= self.pilot:
            return n
        queries = self.select(self.pilot)
        self.answer(queries)
        foreseen = timed(self.answer, queries)[0] * n / self.pilot
        return n if foreseen <= cap else max(self.pilot, int(n * cap / foreseen))

    def select(self, n: int) -> Any:
        """The first n queries, as ``answer`` takes them; made outside the clock."""
        return self.queries[:n]

    def answer(self, queries: Any) -> Any:
        return self.system.search(queries, self.k)

    def flat(self, found: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(indptr, dist, ind) of an answer: the neighbours of all queries, one after another."""
        dist, ind = found
        return np.arange(len(ind) + 1) * self.k, dist.ravel(), ind.ravel()

    def run(self) -> Any:
        """Seconds that answering takes."""
        return timed(self.answer, self.timed_queries)[0]


class Radius(Job):
    """All rows within a radius of each query."""

    def answer(self, queries: Any) -> Any:
        return self.system.within(queries, self.radius)

    def flat(self, found: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.system.flat(found)


class Latency(Job):
    """One query a call; the seconds of each."""

    pilot = 10
    trial = 20

    def select(self, n: int) -> Any:
        return [self.queries[i : i + 1] for i in range(min(n, len(self.queries)))]

    def answer(self, queries: Any) -> Any:
        found = [self.system.search(query, self.k) for query in queries]
        return np.concatenate([d for d, _ in found]), np.concatenate([i for _, i in found])

    def run(self) -> Any:
        return [timed(self.system.search, query, self.k)[0] for query in self.timed_queries]


class SelfJoin(Job):
    """The rows against themselves, each without itself."""

    def __init__(self, system: System, request: dict[str, Any]) -> None:
        super().__init__(system, request)
        self.Q = self.X

    def prepare(self, config: dict[str, Any]) -> None:
        self.rows = self.queries = self.system.prepare(self.X, config)
        self.copied_bytes = 0 if self.rows is self.X else self.rows.nbytes

    def answer(self, queries: Any) -> Any:
        if not self.system.finds_itself:
            return self.system.search(None, self.k)
        dist, ind = self.system.search(queries, self.k + 1)
        drop = ind == np.arange(len(ind))[:, None]
        drop[~drop.any(axis=1), -1] = True  # k + 1 others at the same place: the last one goes
        return dist[~drop].reshape(-1, self.k), ind[~drop].reshape(-1, self.k)


class Scored(Job):
    """Work whose answer is no neighbours: `scores` says what it came to."""

    def __init__(self, system: System, request: dict[str, Any]) -> None:
        super().__init__(system, request)
        self.Q = self.X

    def prepare(self, config: dict[str, Any]) -> None:
        self.rows = self.queries = self.system.prepare(self.X, config)
        self.copied_bytes = 0 if self.rows is self.X else self.rows.nbytes

    def first(self) -> dict[str, Any]:
        self.prepare({})
        with PeakMemory() as memory:
            seconds, scores = timed(self.scores)
        np.savez(self.request["answer"], scores=scores)
        return {
            "configuration": self.system.describe({}),
            "first_seconds": seconds,
            "n_run": len(self.X),
            "n_queries": len(self.X),
            "training_bytes": self.X.nbytes,
            "copied_bytes": self.copied_bytes,
            "peak_bytes": memory.peak_bytes,
        }

    def scores(self) -> np.ndarray:
        raise NotImplementedError

    def run(self) -> Any:
        self.system.forget()
        return timed(self.scores)[0]


class GridSearch(Scored):
    """Cross-validation over k and weights, as scikit-learn does it."""

    def __init__(self, system: System, request: dict[str, Any]) -> None:
        super().__init__(system, request)
        self.y = np.load(Path(request["folder"]) / "y.npy")[: len(self.X)]

    def estimator(self) -> tuple[Any, dict[str, Any]]:
        """What is searched for, and its grid."""
        return self.system.classifier(), GRID

    def scores(self) -> np.ndarray:
        from sklearn.model_selection import GridSearchCV

        search = GridSearchCV(*self.estimator(), cv=5, refit=False)
        return search.fit(self.rows, self.y).cv_results_["mean_test_score"]


class ScaledGridSearch(GridSearch):
    """The same of a pipeline that standardises first."""

    def estimator(self) -> tuple[Any, dict[str, Any]]:
        from sklearn.pipeline import Pipeline
        from sklearn.preprocessing import StandardScaler

        classifier, grid = super().estimator()
        steps = [("scaler", StandardScaler()), ("classifier", classifier)]
        return Pipeline(steps), {f"classifier__{name}": values for name, values in grid.items()}


class DBSCAN(Scored):
    """scikit-learn's DBSCAN, or what a library has put in its place; a cluster for each row."""

    def scores(self) -> np.ndarray:
        return self.system.clusterer(self.radius, MIN_SAMPLES).fit_predict(self.rows)


JOBS: dict[str, type[Job]] = {
    "batch": Job,
    "latency": Latency,
    "self-join": SelfJoin,
    "radius": Radius,
    "grid-search": GridSearch,
    "scaled-grid-search": ScaledGridSearch,
    "dbscan": DBSCAN,
}

if __name__ == "__main__":
    main()
