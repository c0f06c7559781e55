"""What these tests run in a process of its own: ``python -m tests.process.children FUNCTION ARG``.

Each function returns what it saw as a dict, printed as one line of JSON; the test judges it.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import pickle
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import joblib
import numpy as np
from sklearn.model_selection import GridSearchCV

import knnc
from knnc.engine.system.threads import effective_n_threads
from tests.engine.child import Report, in_fork
from tests.engine.fork_children import own_threads
from tests.engine.support import draw

# --- threads ---


class Counted(knnc.KNeighborsClassifier):
    """Knows how many threads its process had before the fit."""

    def fit(self, X: Any, y: Any) -> Self:
        """Count, then fit."""
        self.threads_before_ = own_threads()
        return super().fit(X, y)


def _count_while_scoring(classifier: Counted, X: Any, y: Any) -> dict[str, float]:
    score = classifier.score(X, y)
    before, now = classifier.threads_before_, own_threads()
    started = -1 if before is None or now is None else now - before
    return {"score": score, "started": started, "allowed": effective_n_threads(None)}


def grid_search() -> Report:
    """Threads that one worker of GridSearchCV(n_jobs=-1) starts, and may start, by its n_jobs."""
    rows = draw(1, 3_000, 64)
    search = GridSearchCV(
        Counted(n_neighbors=3),
        {"n_jobs": [None, 4]},
        scoring=_count_while_scoring,
        refit=False,
        cv=2,
        n_jobs=-1,
    ).fit(rows, rows[:, 0] % 3)
    report: Report = {"workers": joblib.effective_n_jobs(-1)}
    for name in ("started", "allowed"):
        splits = [search.cv_results_[f"split{split}_test_{name}"] for split in (0, 1)]
        report[name] = dict(zip(("none", "four"), np.transpose(splits).tolist(), strict=True))
    return report


def _native_threads() -> int:
    """Threads of this process that are not Python's: those of OpenMP, above all."""
    return (own_threads() or 0) - threading.active_count()


def _search_in_a_worker(n_jobs: int | None) -> dict[str, int]:
    rows = draw(1, 3_000, 64)
    nn = knnc.NearestNeighbors(n_neighbors=3, n_jobs=n_jobs).fit(rows)
    nn.kneighbors(rows)
    return {"allowed": effective_n_threads(None), "native": _native_threads()}


def threading_backend() -> Report:
    """Threads that searches in joblib's threads start, by n_jobs, and those there were before."""
    report: Report = {"before": _native_threads()}
    with joblib.parallel_config(backend="threading", n_jobs=2):
        report["outside"] = effective_n_threads(None)
        for name, n_jobs in (("none", None), ("four", 4)):
            report[name] = joblib.Parallel()(
                joblib.delayed(_search_in_a_worker)(n_jobs) for _ in range(4)
            )
        search = GridSearchCV(knnc.KNeighborsClassifier(), {"n_neighbors": [1, 3]}, cv=2)
        rows = draw(1, 300, 64)
        report["score"] = search.fit(rows, rows[:, 0] % 2).best_score_
    return report


def affinity() -> Report:
    """The threads of a process that may use one CPU only."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    return {"threads": effective_n_threads(None)}


# --- fork ---

ROWS = draw(2, 3_000, 40, "few")
LABELS = ROWS[:, 0].astype(int)
# Bytes, a row that is none and so is left to scikit-learn, one query, the rows themselves.
QUERIES = {
    "bytes": ROWS[:300].copy(),
    "halves": ROWS[:300] + 0.5,
    "one": ROWS[:1].copy(),
    "leave one out": None,
}
ESTIMATORS: dict[str, Callable[[], Any]] = {
    "brute": lambda: knnc.NearestNeighbors(n_neighbors=4, algorithm="brute", n_jobs=2),
    "pruned": lambda: knnc.NearestNeighbors(n_neighbors=4, algorithm="pruned", n_jobs=2),
    "scikit-learn": lambda: knnc.NearestNeighbors(n_neighbors=4, metric="canberra"),
    "classifier": lambda: knnc.KNeighborsClassifier(3, n_jobs=2),
    "radius": lambda: knnc.RadiusNeighborsClassifier(7.5, outlier_label=1, n_jobs=2),
    "scikit-learn radius": lambda: knnc.RadiusNeighborsClassifier(
        12.0, metric="canberra", algorithm="brute", outlier_label=1
    ),
}
_fitted: dict[str, Any] = {}
_expected: dict[str, dict[str, Any]] = {}


def _answers(estimator: Any) -> dict[str, Any]:
    answers = {}
    for name, queries in QUERIES.items():
        if hasattr(estimator, "kneighbors"):
            answers[name] = estimator.kneighbors(queries)
        else:
            parts = zip(*estimator.radius_neighbors(queries), strict=True)
            answers[name] = [part for own in parts for part in own]
    if hasattr(estimator, "predict"):
        answers["labels"] = [estimator.predict(QUERIES[name]) for name in ("bytes", "halves")]
    return answers


def _are_same(answers: dict[str, Any], expected: dict[str, Any]) -> bool:
    return all(
        np.array_equal(got, want)
        for name in expected
        for got, want in zip(answers[name], expected[name], strict=True)
    )


def _same_in_this_process(name: str) -> bool:
    """Of the parent's fit, and of one made here."""
    with warnings.catch_warnings():  # that the child searches on one thread
        warnings.simplefilter("ignore", RuntimeWarning)
        anew = ESTIMATORS[name]().fit(ROWS, LABELS)
        return all(_are_same(_answers(nn), _expected[name]) for nn in (_fitted[name], anew))


def fork() -> Report:
    """Search in forked children with what the parent has fitted and searched, each in turn."""
    for name, make in ESTIMATORS.items():
        _fitted[name] = make().fit(ROWS, LABELS)
        _expected[name] = _answers(_fitted[name])
    report: Report = {
        "forked": {
            name: in_fork(lambda n=name: {"same": _same_in_this_process(n)})["same"]
            for name in ESTIMATORS
        }
    }
    with multiprocessing.get_context("fork").Pool(2) as pool:
        same = pool.map_async(_same_in_this_process, list(ESTIMATORS)).get(timeout=90)
    report["pool"] = dict(zip(ESTIMATORS, same, strict=True))
    report["parent"] = {
        name: _are_same(_answers(_fitted[name]), _expected[name]) for name in ESTIMATORS
    }
    return report


# --- memory ---


def _address_space() -> int:
    """Bytes of it that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def _with_room(n_bytes: int, call: Callable[[], Any]) -> tuple[str, Any]:
    """Call with so much more address space: what was raised, or "", and what was returned."""
    import resource

    gc.collect()
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    limit = _address_space() + n_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        return "", call()
    except Exception as error:  # the test wants to know which
        return type(error).__name__, None
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def memory(algorithm: str) -> Report:
    """Fit and search with too little memory, from next to nothing up to enough."""
    rows, queries = draw(3, 3_000, 64, "duplicates"), draw(4, 3_000, 64)
    labels = rows[:, 0] % 5
    classifier = knnc.KNeighborsClassifier(5, algorithm=algorithm, n_jobs=2).fit(rows, labels)
    # All that is started or imported when first needed, is by now: threads have stacks.
    # So few neighbours have heaps; lists of more would fit memory that was freed before.
    expected = classifier.kneighbors(queries, 150)
    votes = classifier.predict(queries[:50])
    before = dict(vars(classifier))
    report: Report = {"search": [], "load": [], "fit": [], "same": []}

    def note(what: str, room: int, call: Callable[[], Any]) -> Any:
        raised, value = _with_room(room, call)
        report[what].append(raised)
        # Identity: what was fitted is neither lost nor made anew.
        unchanged = vars(classifier).keys() == before.keys() and all(
            vars(classifier)[name] is before[name] for name in before
        )
        if what == "fit" and not raised:
            vars(classifier).clear()
            vars(classifier).update(before)
        else:
            report["same"].append(unchanged)
        report["same"].append(np.array_equal(classifier.predict(queries[:50]), votes))
        return value

    state = pickle.dumps(classifier)
    for megabytes in (0, 3, 512):
        room = megabytes << 20
        found = note("search", room, lambda: classifier.kneighbors(queries, 150))
        if found is not None:
            report["same"].append(_are_same({"": found}, {"": expected}))
        loaded = pickle.loads(state)
        note("load", room, lambda loaded=loaded: loaded.predict(queries[:50]))
        report["same"].append(np.array_equal(loaded.predict(queries[:50]), votes))
        other = np.resize(queries, (12_000, 64))[:, ::-1]  # which a fit has to copy
        note("fit", room, lambda other=other: classifier.fit(other, np.arange(12_000) % 3))
    return report


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
