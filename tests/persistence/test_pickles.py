"""Pickles, copies and clones: the rows once, nothing packed, the same answers."""

from __future__ import annotations

import copy
import io
import os
import pickle
import subprocess
import sys
import threading
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError

import knnc
from knnc.neighbors import repeated
from tests.engine.support import child_environment
from tests.neighbors.support import TWINS, any_bytes, assert_same, few_values

X, Q, Y = any_bytes(1, 4000, 50), any_bytes(2, 30, 50), np.arange(4000) % 7
FITS = {
    "uint8": X,
    "int8": X.view(np.int8),
    "bool": X > 127,
    "float64": X.astype(np.float64),
    "float32 / 255": X.astype(np.float32) / np.float32(255),
}


def _joblib(estimator: Any) -> bytes:
    file = io.BytesIO()
    joblib.dump(estimator, file)
    return file.getvalue()


WAYS = {
    "pickle": (pickle.dumps, pickle.loads),
    **{
        f"pickle {protocol}": (lambda e, p=protocol: pickle.dumps(e, protocol=p), pickle.loads)
        for protocol in range(3, pickle.HIGHEST_PROTOCOL + 1)  # 2 writes bytes as text
    },
    "joblib": (_joblib, lambda state: joblib.load(io.BytesIO(state))),
}


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("way", WAYS)
def test_a_pickle_holds_the_rows_once(fit: str, way: str) -> None:
    dump, load = WAYS[way]
    nn = knnc.NearestNeighbors(n_neighbors=3, n_jobs=2).fit(FITS[fit])
    before = dict(vars(nn))
    state = dump(nn)
    assert vars(nn) == before  # and dumping takes nothing away
    assert X.nbytes < len(state) < 1.05 * X.nbytes
    back = load(state)
    assert back.engine_ == "integer"
    assert back.get_params() == nn.get_params()
    assert_same(back.kneighbors(FITS[fit][:30]), nn.kneighbors(FITS[fit][:30]))
    assert_same(back.kneighbors(Q + 0.5), nn.kneighbors(Q + 0.5))
    assert len(dump(back)) == len(state)  # also after it was packed anew


@pytest.mark.parametrize("fit", ["integer", "float", "sklearn"])
def test_copies(fit: str) -> None:
    data = X[:200] + (0 if fit == "integer" else 0.5)
    algorithm = "kd_tree" if fit == "sklearn" else "auto"
    clf = knnc.KNeighborsClassifier(3, weights="distance", algorithm=algorithm)
    clf.fit(data, Y[:200])
    assert clf.engine_ == fit
    answer = clf.predict_proba(Q)
    for other in (copy.deepcopy(clf), copy.copy(clf), pickle.loads(pickle.dumps(clf))):
        assert type(other) is knnc.KNeighborsClassifier
        np.testing.assert_array_equal(other.predict_proba(Q), answer)
        other.fit(X[:9] + 0.5, Y[:9])
        np.testing.assert_array_equal(clf.predict_proba(Q), answer)
    assert not np.shares_memory(copy.deepcopy(clf)._fit_X, clf._fit_X)
    fresh = clone(clf)
    assert fresh.get_params() == clf.get_params()
    with pytest.raises(NotFittedError):
        fresh.predict(Q)


@pytest.mark.parametrize("cls", TWINS)
def test_an_unfitted_estimator_pickles(cls: type) -> None:
    back = pickle.loads(pickle.dumps(cls(leaf_size=9, algorithm="pruned")))
    assert back.get_params() == cls(leaf_size=9, algorithm="pruned").get_params()
    assert vars(back) == vars(cls(leaf_size=9, algorithm="pruned"))


def test_joblib_memory_maps_the_rows(tmp_path) -> None:
    nn = knnc.NearestNeighbors(n_neighbors=3).fit(X)
    joblib.dump(nn, tmp_path / "nn")
    back = joblib.load(tmp_path / "nn", mmap_mode="r")
    assert isinstance(back._fit_X, np.memmap)
    assert_same(back.kneighbors(Q), nn.kneighbors(Q))
    assert_same(back.kneighbors(), nn.kneighbors())


def test_another_process_reads_it(tmp_path) -> None:
    nn = knnc.KNeighborsClassifier(3).fit(FITS["float32 / 255"], Y)
    queries = FITS["float32 / 255"][::100]
    (tmp_path / "clf").write_bytes(pickle.dumps((nn, queries)))
    code = (
        "import pickle, sys; clf, Q = pickle.load(open(sys.argv[1], 'rb'));"
        "print(*clf.predict(Q), clf.engine_)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "clf")],
        env=child_environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.split() == [*map(str, nn.predict(queries)), "integer"]


def test_packed_when_first_needed_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many threads arrive together."""
    built = []
    Index = repeated.Index

    def counted(*args: Any, **kwargs: Any) -> Any:
        built.append(1)
        return Index(*args, **kwargs)

    monkeypatch.setattr(repeated, "Index", counted)
    nn = knnc.NearestNeighbors(n_neighbors=3).fit(X)
    assert len(built) == 1  # fit has packed
    expected = nn.kneighbors(Q)
    for load in (lambda: pickle.loads(pickle.dumps(nn)), lambda: copy.deepcopy(nn)):
        built.clear()
        back = load()
        assert not built
        gate, answers = threading.Barrier(8), []

        def search(back=back, gate=gate, answers=answers) -> None:
            gate.wait()
            answers.append(back.kneighbors(Q))

        threads = [threading.Thread(target=search) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(built) == 1
        assert len(answers) == 8
        for answer in answers:
            assert_same(answer, expected)


def test_several_threads_share_an_estimator() -> None:
    nn = knnc.NearestNeighbors(n_neighbors=4).fit(X)
    jobs = [Q, Q[:7], None, Q + 0.5, Q[::-1]] * 3
    expected = [nn.kneighbors(job) for job in jobs]
    answers: dict[int, Any] = {}

    def search(i: int) -> None:
        answers[i] = nn.kneighbors(jobs[i])

    threads = [threading.Thread(target=search, args=(i,)) for i in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, answer in enumerate(expected):
        assert_same(answers[i], answer)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_fork_while_another_thread_packs() -> None:
    """The child has a copy of a lock that no thread of its own will ever release."""
    code = """
import os, pickle, signal, sys, warnings
import numpy as np, knnc
from knnc.neighbors import fitted_rows
X = np.arange(40, dtype=np.uint8).reshape(20, 2)
nn = pickle.loads(pickle.dumps(knnc.NearestNeighbors(n_neighbors=2).fit(X)))
fitted_rows._building.held().acquire()
if os.fork() == 0:
    warnings.simplefilter("ignore")
    signal.alarm(20)
    os._exit(0 if nn.kneighbors(X)[1][:, 0].tolist() == list(range(20)) else 1)
sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env=child_environment(), timeout=60, check=False
    )
    assert done.returncode == 0


def _state(estimator: Any, **changes: Any) -> dict[str, Any]:
    return {**estimator.__getstate__(), **changes}


def test_states_of_other_versions() -> None:
    nn = knnc.NearestNeighbors(n_neighbors=3).fit(X)
    made, version, sklearn_version = nn.__getstate__()["_knnc_state"]
    assert version == knnc.__version__
    back = knnc.NearestNeighbors()
    with pytest.raises(ValueError, match=r"pickled by knnc 99\.0, in a form that knnc"):
        back.__setstate__(_state(nn, _knnc_state=(made + 1, "99.0", sklearn_version)))
    with pytest.raises(ValueError, match="not the state of a NearestNeighbors of knnc"):
        back.__setstate__({"n_neighbors": 3})
    assert not hasattr(back, "engine_")
    with pytest.warns(InconsistentVersionWarning, match="from version 0.1 when using version"):
        back.__setstate__(_state(nn, _knnc_state=(made, version, "0.1")))
    assert_same(back.kneighbors(Q), nn.kneighbors(Q))


IMAGES = any_bytes(7, 40, 64)
OTHERS = [
    knnc.KNeighborsClassifierCV([1, 3]),
    knnc.KNeighborsRegressorCV([1, 3]),
    knnc.image.Blur(),
    knnc.image.HOG(),
    knnc.image.Stretch(),
    knnc.image.LocalDiscriminant(4),
    knnc.image.DistortionKNeighborsClassifier(1),
]


@pytest.mark.parametrize("estimator", OTHERS, ids=lambda e: type(e).__name__)
def test_all_that_is_fitted_bears_the_mark(estimator: Any) -> None:
    fitted = clone(estimator).fit(IMAGES, np.arange(40) % 2)
    method = "transform" if hasattr(fitted, "transform") else "predict"
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(getattr(again, method)(IMAGES), getattr(fitted, method)(IMAGES))
    made, _, sklearn_version = fitted.__getstate__()["_knnc_state"]
    back = clone(estimator)
    with pytest.raises(ValueError, match=r"pickled by knnc 99\.0, in a form that knnc"):
        back.__setstate__(_state(fitted, _knnc_state=(made + 1, "99.0", sklearn_version)))
    with pytest.raises(ValueError, match=f"not the state of a {type(back).__name__} of knnc"):
        back.__setstate__(estimator.get_params())
    assert vars(back) == vars(clone(estimator))


@pytest.mark.parametrize("estimator", OTHERS, ids=lambda e: type(e).__name__)
def test_a_fit_that_fails_changes_none_of_them(
    estimator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted = clone(estimator).fit(IMAGES, np.arange(40) % 2)
    before = dict(vars(fitted))
    with pytest.raises(ValueError, match="NaN"):
        fitted.fit(IMAGES[:, :49] * np.nan, np.arange(40) % 2)
    assert vars(fitted) == before

    def no_memory(*args: object, **kwargs: object) -> None:
        raise MemoryError

    for place in ("knnc.engine.index.Index.__init__", "knnc.image.base.shape_of"):
        monkeypatch.setattr(place, no_memory)
    with pytest.raises(MemoryError):
        fitted.fit(IMAGES[:, ::-1][:30], np.arange(30) % 3)
    assert vars(fitted) == before


def test_an_algorithm_that_was_set_after_the_fit() -> None:
    """No codes bound this metric: fit would refuse, a copy of what was fitted before need not."""
    X = few_values(0, 60, 4)
    nn = knnc.NearestNeighbors(metric="chebyshev").fit(X).set_params(algorithm="pruned")
    for copied in (pickle.loads(pickle.dumps(nn)), copy.deepcopy(nn)):
        assert_same(copied.kneighbors(X), nn.kneighbors(X))
