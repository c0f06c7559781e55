"""Random calls, valid and hostile, for as long as wanted: ``python -m tests.soak --seconds 600``.

Each case is made of a seed alone, so a failure is repeated by ``python -m tests.soak --seed N``.
Answers are compared with the oracle, errors must be of the documented types, and the memory of the
process, once it has seen every kind of case, must not grow. The process ends with 1 at a failure.
"""

from __future__ import annotations

import argparse
import copy
import ctypes
import gc
import os
import pickle
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import clone

import knnc
from tests.engine.support import PALETTES
from tests.neighbors.support import METRICS
from tests.oracle import oracle_kneighbors

# Growth of resident memory that is still called flat, and cases before it is first looked at.
MAX_GROWTH = 16 << 20
WARM_UP = 400

Rng = np.random.Generator
DTYPES = (np.uint8, np.int8, np.bool_, np.int16, np.int64, np.uint64, np.float32, np.float64)
PARAMETERS: dict[str, list[Any]] = {
    "n_neighbors": [1, 2, 5, 17, 0, -1, 2.5, None, "5", 10**12],
    "n_jobs": [None, 1, 2, 3, -1, 0, 1.5],
    "algorithm": ["auto", "brute", "pruned", "kd_tree", "nothing", None],
    "metric": [*METRICS, "cosine", "minkowski", "haversine", "nothing", None],
    "p": [1, 2, 3, 0, -1, np.inf, None],
    "leaf_size": [30, 1, 0],
    "weights": ["uniform", "distance", None, np.negative, "nothing"],
}
HOSTILE: dict[str, Callable[[Rng, Any], Any]] = {
    "nothing": lambda rng, X: None,
    "no rows": lambda rng, X: X[:0],
    "no features": lambda rng, X: X[:, :0],
    "one row, flat": lambda rng, X: X[0],
    "a feature less": lambda rng, X: X[:, 1:],
    "three axes": lambda rng, X: X[:, :, np.newaxis],
    "NaN": lambda rng, X: np.where(X.max() == X, np.nan, X),
    "infinity": lambda rng, X: np.where(X.max() == X, np.inf, X),
    "words": lambda rng, X: X.astype(str).astype(object) + "x",
    "None in it": lambda rng, X: np.where(X.max() == X, None, X),
    "complex": lambda rng, X: X + 1j,
    "ragged": lambda rng, X: [[1, 2], [3]],
    "a string": lambda rng, X: "bytes",
    "dates": lambda rng, X: X.astype("M8[s]"),
    "huge": lambda rng, X: X.astype(np.float64) * 1e300,
    "itself": lambda rng, X: object(),
}
FORMS: dict[str, Callable[[Rng, Any], Any]] = {
    "as it is": lambda rng, X: X,
    "Fortran": lambda rng, X: np.asfortranarray(X),
    "strided": lambda rng, X: np.repeat(X, 2, axis=0)[::2],
    "backwards": lambda rng, X: X[::-1, ::-1][::-1, ::-1],
    "read only": lambda rng, X: np.frombuffer(X.tobytes(), X.dtype).reshape(X.shape),
    "another dtype": lambda rng, X: (
        X % 2 if (t := rng.choice(DTYPES)) == np.bool_ else X % 128 if t == np.int8 else X
    ).astype(t),
    "list": lambda rng, X: X.tolist(),
    "sparse": lambda rng, X: sparse.csr_array(X.astype(np.float64)),
    "halves": lambda rng, X: X + 0.5,
    "by 255": lambda rng, X: X.astype(np.float32) / np.float32(255),
    "times 1/255": lambda rng, X: X * (1 / 255),
    "swapped bytes": lambda rng, X: X.astype(">i4"),
}
EXPECTED = (ValueError, TypeError, NotImplementedError)


class _Stop(Exception):
    """What a progress callback raises here, as Ctrl-C would."""


def _rows(rng: Rng, n: int, d: int) -> Any:
    palette = str(rng.choice(list(PALETTES)))
    return np.ascontiguousarray(PALETTES[palette](rng, (n, d)))


def _size(rng: Rng) -> tuple[int, int]:
    """Rows and features; small ones as a rule, of all magnitudes."""
    return int(10 ** rng.uniform(0, 3.3)), int(10 ** rng.uniform(0, 2.4))


def _estimator_classes() -> list[type]:
    names = [name for name in knnc.__all__ if name[0].isupper() and not name.endswith("CV")]
    return [getattr(knnc, name) for name in names]


# --- the kinds of case; each returns what it did in a word ---


def exact(rng: Rng) -> str:
    """A valid search on the integer engine, against the oracle, in several ways at once."""
    n, d = _size(rng)
    rows, queries = _rows(rng, n + 2, d), _rows(rng, int(rng.integers(1, 60)), d)
    queries[:: int(rng.integers(1, 9))] = rows[0]
    metric = str(rng.choice(list(METRICS)))
    k = int(rng.integers(1, len(rows) + 1)) if rng.random() < 0.2 else min(5, len(rows))
    can_prune = metric in ("euclidean", "sqeuclidean", "manhattan")
    algorithm = str(rng.choice(["auto", "brute", *["pruned"] * can_prune]))
    n_jobs = [None, 1, 2, 3, 9][rng.integers(5)]
    nn = knnc.NearestNeighbors(n_neighbors=k, metric=metric, algorithm=algorithm, n_jobs=n_jobs)
    nn.fit(rows)
    assert nn.engine_ == "integer"
    want = oracle_kneighbors(rows, queries, k, METRICS[metric])
    others = [nn, pickle.loads(pickle.dumps(nn)), copy.copy(nn)]
    if rng.random() < 0.2:
        with ThreadPoolExecutor(4) as pool:
            found = list(
                pool.map(lambda nn: nn.kneighbors(queries, return_distance="exact"), others * 3)
            )
    else:
        found = [nn.kneighbors(queries, return_distance="exact") for nn in others[: 1 + (n < 50)]]
    for dist, ind in found:
        np.testing.assert_array_equal(ind, want[1])
        np.testing.assert_array_equal(dist, want[0])
    if k < len(rows) <= 300:
        ind = nn.kneighbors(None, k, return_distance=False)
        np.testing.assert_array_equal(ind, oracle_kneighbors(rows, None, k, METRICS[metric])[1])
    return "exact"


def stopped(rng: Rng) -> str:
    """A search that its callback ends; after it the estimator answers as before."""
    n, d = _size(rng)
    rows = _rows(rng, n + 5, d)
    nn = knnc.NearestNeighbors(n_neighbors=3, n_jobs=int(rng.integers(1, 4))).fit(rows)
    queries = FORMS[str(rng.choice(["as it is", "halves"]))](rng, rows[:200])
    want = nn.kneighbors(queries)

    def stop(done: int, total: int) -> None:
        raise _Stop

    try:
        with knnc.progress(stop):
            nn.kneighbors(queries)
    except _Stop:
        pass
    else:
        raise AssertionError("the callback was never called")
    for got, expected in zip(nn.kneighbors(queries), want, strict=True):
        np.testing.assert_array_equal(got, expected)
    return "stopped"


def grown(rng: Rng) -> str:
    """partial_fit of parts against one fit."""
    n, d = _size(rng)
    rows = _rows(rng, n + 9, d)
    labels = rng.integers(0, 5, len(rows))
    cut = int(rng.integers(3, len(rows)))
    parts = knnc.KNeighborsClassifier(3).fit(rows[:cut], labels[:cut])
    parts.partial_fit(rows[cut:], labels[cut:])
    whole = knnc.KNeighborsClassifier(3).fit(rows, labels)
    queries = _rows(rng, 20, d)
    np.testing.assert_array_equal(parts.predict_proba(queries), whole.predict_proba(queries))
    return "grown"


def hostile(rng: Rng) -> str:
    """Any parameters, any input: an answer of the right shape, or an error of the right type."""
    n, d = _size(rng)
    rows = _rows(rng, min(n, 300) + 1, d)
    cls = _estimator_classes()[rng.integers(len(_estimator_classes()))]
    estimator = cls()
    names = [name for name in PARAMETERS if name in estimator.get_params()]
    for name in rng.choice(names, size=int(rng.integers(0, 4)), replace=False):
        estimator.set_params(**{name: PARAMETERS[name][rng.integers(len(PARAMETERS[name]))]})
    labels = rng.integers(0, 4, len(rows))
    with np.errstate(all="ignore"):
        X = _any_form(rng, rows)
        queries = _any_form(rng, rows[: int(rng.integers(1, 30))])
    try:
        estimator.fit(X, labels)
    except EXPECTED:
        assert not hasattr(estimator, "engine_"), "half a fit is left"
        return "refused fit"
    state = {name: id(value) for name, value in vars(estimator).items()}
    said = "answered"
    for method in (
        "kneighbors",
        "predict",
        "predict_proba",
        "transform",
        "radius_neighbors",
        "kneighbors_graph",
        "partial_fit",
        "score",
    ):
        if not hasattr(estimator, method) or rng.random() < 0.4:
            continue
        arguments = (queries, labels[:30]) if method in ("partial_fit", "score") else (queries,)
        try:
            getattr(estimator, method)(*arguments)
        except (*EXPECTED, ZeroDivisionError) as error:
            if isinstance(error, ZeroDivisionError):  # NumPy's, of weights that sum to zero
                assert callable(getattr(estimator, "weights", None))
            said = "refused queries"
            now = {name: id(value) for name, value in vars(estimator).items()}
            assert now == state, f"{method} raised and left the estimator another one"
        state = {name: id(value) for name, value in vars(estimator).items()}
    clone(estimator)
    return said


def _any_form(rng: Rng, rows: Any) -> Any:
    if rng.random() < 0.4:
        return HOSTILE[str(rng.choice(list(HOSTILE)))](rng, rows)
    return FORMS[str(rng.choice(list(FORMS)))](rng, rows)


def images(rng: Rng) -> str:
    """Images, transformed and told apart: the same on one thread as on three."""
    side = int(rng.integers(8, 20))
    pixels = _any_form(rng, _rows(rng, 40, side * side))
    labels = rng.integers(0, 3, 40)
    answers = []
    for n_jobs in (1, 3):
        steps = [knnc.image.Deskew(), knnc.image.Blur(), knnc.image.HOG(n_jobs=n_jobs)]
        classifier = knnc.image.DistortionKNeighborsClassifier(n_candidates=9, n_jobs=n_jobs)
        try:
            answers.append([step.fit_transform(pixels) for step in steps])
            answers[-1].append(classifier.fit(pixels, labels).predict(pixels))
        except EXPECTED:
            return "refused images"
    for one, three in zip(*answers, strict=True):
        np.testing.assert_array_equal(one, three)
    return "images"


def tuned(rng: Rng) -> str:
    """The choice of k by leave-one-out or folds, and what it chose as an estimator."""
    n, d = _size(rng)
    rows = _rows(rng, min(n, 300) + 30, d)
    labels = rng.integers(0, 2, len(rows))
    search = knnc.KNeighborsClassifierCV(range(1, 9), cv=[None, 3][rng.integers(2)])
    chosen = search.fit(rows, labels).best_params_
    again = knnc.KNeighborsClassifier(**chosen).fit(rows, labels)
    np.testing.assert_array_equal(search.predict(rows[:9]), again.predict(rows[:9]))
    return "tuned"


KINDS = (exact, exact, hostile, hostile, hostile, stopped, grown, images, tuned)


def run_case(seed: int) -> str:
    """One case: all that it does follows from its seed."""
    rng = np.random.default_rng(seed)
    kind = KINDS[rng.integers(len(KINDS))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return kind(rng)


def compact_memory() -> None:
    """Let glibc keep one heap, and nothing large in it: with one a thread, holes look like leaks.

    45 MiB after 12,000 cases, which 14 rounds of the same 150 cases do not make.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(-8, 1)  # M_ARENA_MAX
        libc.mallopt(-3, 1 << 16)  # M_MMAP_THRESHOLD


def resident() -> int:
    """Bytes of memory in use, once what can be given back is."""
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has one
        if trim is not None:
            trim(0)
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    return 0


def soak(seconds: float, first_seed: int) -> int:
    """Run cases until the time is over; the exit status."""
    compact_memory()
    said: Counter[str] = Counter()
    baseline = last_look = 0
    end = time.monotonic() + seconds
    case = 0
    while time.monotonic() < end or case <= WARM_UP:
        seed = first_seed + case
        try:
            said[run_case(seed)] += 1
        except Exception:  # of any kind: that is what is looked for
            traceback.print_exc()
            print(f"FAILED: repeat it with: python -m tests.soak --seed {seed}", flush=True)
            said["FAILED"] += 1
        case += 1
        if case % WARM_UP == 0:
            last_look = resident()
            baseline = baseline or last_look
            print(f"{case} cases, {last_look / 2**20:.1f} MiB, {dict(said)}", flush=True)
    growth = resident() - baseline
    print(f"{case} cases, seeds {first_seed}..{first_seed + case - 1}: {dict(said)}")
    print(f"memory grew by {growth / 2**20:.1f} MiB since case {WARM_UP}")
    if growth > MAX_GROWTH:
        print(f"FAILED: more than {MAX_GROWTH / 2**20:.0f} MiB")
    return int(said["FAILED"] > 0 or growth > MAX_GROWTH)


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--first-seed", type=int, default=None, help="default: from the clock")
    parser.add_argument("--seed", type=int, help="run this one case only, errors and all")
    options = parser.parse_args()
    if options.seed is not None:
        print(run_case(options.seed))
        return 0
    first = time.time_ns() // 10**9 * 10**6 if options.first_seed is None else options.first_seed
    print(f"first seed {first}", flush=True)
    return soak(options.seconds, first)


if __name__ == "__main__":
    sys.exit(main())
