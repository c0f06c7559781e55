"""Each line of docs/differences.md, held by the test of its name."""

from __future__ import annotations

import math
import pickle
import re
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn
import sklearn.neighbors
from scipy.sparse import csr_array
from sklearn.exceptions import InconsistentVersionWarning

import knnc
from knnc.engine.system import threads
from tests.neighbors.support import any_bytes, few_values

PAGE = Path(__file__).resolve().parents[1] / "docs" / "differences.md"
X, Q = any_bytes(1, 60, 5), any_bytes(2, 20, 5)
Y = np.arange(60) % 3
# Rows and queries that no bytes stand for, of enough features for the float engine.
FLOATS, FLOAT_QUERIES = np.tile(X, 4) + 0.5, np.tile(Q, 4) + 0.25
BOTH = ((X, Q), (FLOATS, FLOAT_QUERIES))


@pytest.mark.skipif(not PAGE.exists(), reason="these tests are not beside the documents")
def test_every_line_has_a_test() -> None:
    names = re.findall(r"^- `(\w+)`:", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(names) == len(set(names)) > 20
    assert set(names) == {
        name.removeprefix("test_").rstrip("_")
        for name in vars(sys.modules[__name__])
        if name.startswith("test_") and name != "test_every_line_has_a_test"
    }


# ---- Promises about the answers


def test_ties() -> None:
    rows = few_values(3, 200, 2, 3)
    for some in (rows, np.tile(rows, 8) + 0.5):
        dist, ind = knnc.NearestNeighbors(n_neighbors=99).fit(some).kneighbors(some)
        same = np.diff(dist, axis=1) == 0
        assert same.any()
        assert (np.diff(ind, axis=1)[same] > 0).all()
    theirs = sklearn.neighbors.NearestNeighbors(n_neighbors=150, algorithm="brute").fit(rows)
    dist, ind = theirs.kneighbors(rows)
    assert (np.diff(ind, axis=1)[np.diff(dist, axis=1) == 0] < 0).any()


def test_prefix() -> None:
    rows = few_values(4, 200, 2, 3)
    for some in (rows, np.tile(rows, 8) + 0.5):
        nn = knnc.NearestNeighbors().fit(some)
        whole = nn.kneighbors(n_neighbors=199, return_distance=False)
        for j in (1, 2, 50):
            np.testing.assert_array_equal(nn.kneighbors(n_neighbors=j)[1], whole[:, :j])


def test_exact_distances() -> None:
    """Two white images that differ in one pixel by one."""
    rows = np.full((2, 50_000), 255, np.uint8)
    rows[1, 0] = 254
    for given, exact in ((rows, 1.0), (rows / 255.0, 1 / 255), (rows * (1 / 255), 1 / 255)):
        dist, _ = knnc.NearestNeighbors(n_neighbors=2).fit(given).kneighbors(given)
        np.testing.assert_array_equal(dist, [[0, exact], [0, exact]])
    theirs = sklearn.neighbors.NearestNeighbors(n_neighbors=2, algorithm="brute").fit(rows / 255.0)
    assert abs(255 * theirs.kneighbors(rows / 255.0)[0][0, 1] - 1) > 1e-9


def test_float_distances() -> None:
    """Two rows far from the origin, and near each other."""
    rows = np.full((2, 20), 1e6 + 0.1)
    rows[1, 0] += 2**-10
    dist, _ = knnc.NearestNeighbors(n_neighbors=2).fit(rows).kneighbors(rows)
    np.testing.assert_allclose(dist, [[0.0, 2**-10]] * 2, rtol=1e-6)
    single = rows.astype(np.float32)
    assert knnc.NearestNeighbors(n_neighbors=1).fit(single).kneighbors()[0].dtype == np.float64
    theirs = sklearn.neighbors.NearestNeighbors(n_neighbors=2, algorithm="brute").fit(rows)
    assert abs(theirs.kneighbors(rows)[0][0, 1] * 2**10 - 1) > 0.1
    dist, _ = knnc.NearestNeighbors(n_neighbors=2).fit(X).kneighbors(X[:1] + 0.5)
    assert dist[0, 0] == np.sqrt(5 * 0.25)


def test_tiny_cosine() -> None:
    rows = np.array([[1e-200, 0.0], [0.0, 1e300], [0.0, 0.0]])
    nn = knnc.NearestNeighbors(n_neighbors=3, metric="cosine").fit(rows)
    dist, _ = nn.kneighbors([[5.0, 0.0]])
    np.testing.assert_allclose(dist, [[0.0, 1.0, 1.0]], atol=1e-15)
    theirs = sklearn.neighbors.NearestNeighbors(n_neighbors=1, metric="cosine").fit(rows[:1])
    assert theirs.kneighbors([[5.0, 0.0]])[0][0, 0] > 0.9


def test_any_threads() -> None:
    for rows, queries in ((X, np.vstack([Q, Q[:3] + 0.25])), BOTH[1]):
        _search_in_every_way(rows, queries)


def _search_in_every_way(rows: Any, queries: Any) -> None:
    nn = knnc.NearestNeighbors(n_neighbors=7).fit(rows)
    expected = nn.kneighbors(queries)
    for n_jobs in (1, 2, 5):
        for algorithm in ("brute", "pruned"):
            other = knnc.NearestNeighbors(n_neighbors=7, algorithm=algorithm, n_jobs=n_jobs)
            other.fit(rows)
            assert other.engine_ == nn.engine_ != "sklearn"
            np.testing.assert_array_equal(other.kneighbors(queries), expected)
            each = [other.kneighbors(queries[i : i + 1]) for i in range(len(queries))]
            np.testing.assert_array_equal(np.concatenate(each, axis=1), expected)


def test_leave_one_out() -> None:
    for rows in (FLOATS, X):
        same = np.repeat(rows[:2], 5, axis=0)
        ind = knnc.NearestNeighbors(n_neighbors=2).fit(same).kneighbors(return_distance=False)
        assert (ind != np.arange(10)[:, np.newaxis]).all()
        assert ind[:5].tolist() == [[1, 2], [0, 2], [0, 1], [0, 1], [0, 1]]
    theirs = sklearn.neighbors.NearestNeighbors(n_neighbors=2, algorithm="brute").fit(same)
    other = theirs.kneighbors(return_distance=False)
    assert (other == np.arange(10)[:, np.newaxis]).any() or (other != ind).any()


def test_radius_as_kneighbors() -> None:
    """The distance that the one returns, taken for the radius of the other."""
    for rows in (X, X / 255.0, FLOATS / 7):
        nn = knnc.NearestNeighbors().fit(rows)
        dist, ind = nn.kneighbors(rows, 60)
        for i in range(60):
            for radius in (dist[i, 30], np.nextafter(dist[i, 30], 0)):
                inside = nn.radius_neighbors(rows[i : i + 1], radius, return_distance=False)[0]
                np.testing.assert_array_equal(inside, np.sort(ind[i][dist[i] <= radius]))


def test_radius_order() -> None:
    rows = few_values(5, 80, 3, 4)
    for some, radius in ((rows, 2.0), (np.tile(rows, 6) + 0.5, 5.0)):
        nn = knnc.NearestNeighbors(radius=radius).fit(some)
        assert len(np.concatenate(nn.radius_neighbors()[1])) > 200
        for ind in nn.radius_neighbors()[1]:
            assert (np.diff(ind) > 0).all()
        for dist, ind in zip(*nn.radius_neighbors(sort_results=True), strict=True):
            assert (np.lexsort((ind, dist)) == np.arange(len(ind))).all()


def test_pixels() -> None:
    nn = knnc.NearestNeighbors(n_neighbors=9).fit(X / 255.0)
    exact = knnc.NearestNeighbors(n_neighbors=9).fit(X).kneighbors(Q)
    for queries in (Q / 255.0, Q.astype(np.float32) / np.float32(255), Q * (1 / 255)):
        dist, ind = nn.kneighbors(queries)
        np.testing.assert_array_equal(ind, exact[1])
        np.testing.assert_allclose(dist, exact[0] / 255, rtol=1e-15)


# ---- What is stored and returned


def test_engine_attribute() -> None:
    assert knnc.NearestNeighbors().fit(X).engine_ == "integer"
    many = np.tile(X, 4) + 0.5
    for metric in ("euclidean", "sqeuclidean", "manhattan", "chebyshev", "hamming", "cosine"):
        assert knnc.NearestNeighbors(metric=metric).fit(many).engine_ == "float"
    assert knnc.NearestNeighbors(metric="cosine").fit(X).engine_ == "float"
    assert knnc.NearestNeighbors(metric="canberra").fit(many).engine_ == "sklearn"
    assert knnc.NearestNeighbors().fit(csr_array(X)).engine_ == "sklearn"
    assert knnc.NearestNeighbors(algorithm="kd_tree").fit(many).engine_ == "sklearn"
    for d in (1, 16):
        assert knnc.NearestNeighbors().fit(many[:, :d]).engine_ == "float"
    assert not hasattr(knnc.NearestNeighbors(), "engine_")


def test_float_rows() -> None:
    for dtype, stored in (
        *((dtype, np.float32) for dtype in (np.float16, np.uint16, np.int16, np.float32)),
        *((dtype, np.float64) for dtype in (np.float64, np.int32, np.int64)),
    ):
        rows = (np.tile(X, 4) + 1000.5).astype(dtype)
        nn = knnc.NearestNeighbors().fit(rows)
        assert nn._tree is None
        assert nn._fit_X.dtype == stored
        assert (nn._rows is rows) == (dtype == stored)
        assert not nn._fit_X.flags.c_contiguous


def test_changed_engine() -> None:
    nn = knnc.NearestNeighbors().fit(np.tile(X, 4) / 255)
    engines = [nn.engine_]
    before = nn.kneighbors()[0]
    engines.append(nn.partial_fit(np.full((1, 20), 9.5)).engine_)
    assert engines == ["integer", "float"]
    np.testing.assert_allclose(nn.kneighbors()[0][:60], before, rtol=1e-12)


def test_fitted_rows() -> None:
    nn = knnc.NearestNeighbors().fit(X / 255.0)
    np.testing.assert_array_equal(nn._fit_X, X / 255.0, strict=True)
    assert not nn._fit_X.flags.c_contiguous
    assert not nn._fit_X.flags.writeable
    assert nn._tree is None
    assert knnc.NearestNeighbors().fit(X)._fit_X is X


def test_rows_kept() -> None:
    assert np.shares_memory(knnc.NearestNeighbors().fit(X)._fit_X, X)
    numbers = X.astype(np.float64)
    ours = knnc.NearestNeighbors(algorithm="brute").fit(numbers)
    expected = ours.kneighbors(Q)
    theirs = sklearn.neighbors.NearestNeighbors(algorithm="brute").fit(numbers)
    before = theirs.kneighbors(Q)[0]
    numbers[:] = 255 - numbers
    np.testing.assert_array_equal(ours.kneighbors(Q), expected)
    assert (theirs.kneighbors(Q)[0] != before).any()
    assert knnc.NearestNeighbors().fit(FLOATS)._rows is FLOATS


def test_radius_views() -> None:
    for rows, _ in BOTH:
        first, second, *_ = knnc.NearestNeighbors(radius=200.0).fit(rows).radius_neighbors()[1]
        assert first.base is second.base is not None


def test_lof_dtype() -> None:
    for rows in (X / 255, FLOATS):
        for module, dtype in ((knnc, np.float64), (sklearn.neighbors, np.float32)):
            lof = module.LocalOutlierFactor(n_neighbors=5).fit(rows.astype(np.float32))
            assert lof.negative_outlier_factor_.dtype == dtype
    lof = knnc.LocalOutlierFactor(n_neighbors=5, novelty=True).fit(FLOATS)
    single = FLOAT_QUERIES.astype(np.float32)
    rounded, whole = lof.score_samples(single), lof.score_samples(single.astype(np.float64))
    assert (rounded != whole).any()
    np.testing.assert_allclose(rounded, whole, rtol=1e-6)


def test_radius_regression_nan() -> None:
    for rows, queries in BOTH:
        with warnings.catch_warnings(action="ignore"):
            ours, theirs = (
                module.RadiusNeighborsRegressor(0.5).fit(rows, Y).predict(queries)
                for module in (knnc, sklearn.neighbors)
            )
        assert np.isnan(ours).all()
        assert not np.isnan(theirs).any()


# ---- Everywhere


def test_pruned() -> None:
    nn = knnc.NearestNeighbors(algorithm="pruned")
    assert nn.fit(X).engine_ == "integer"
    assert nn.fit(X + 0.5).engine_ == "float"
    with pytest.raises(ValueError, match="'pruned' needs knnc's own search, and X is sparse"):
        nn.fit(csr_array(X))
    with pytest.raises(ValueError, match="'pruned' rules rows out by short codes"):
        nn.set_params(metric="hamming").fit(X)
    assert nn.set_params(metric="manhattan").fit(FLOATS).engine_ == "float"


def test_names() -> None:
    line = re.search(r"^- `names`:.*?^- ", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    assert line is not None
    told = set(re.findall(r"`(\w+)`", line[0])) - {"names"}
    missing = {name for name in sklearn.neighbors.__all__ if not hasattr(knnc, name)}
    assert missing <= told
    assert told == missing
    for name in missing:
        assert getattr(knnc.neighbors, name) is getattr(sklearn.neighbors, name)


def test_html() -> None:
    link = 'href="https://scikit-learn.org'
    assert link not in knnc.NearestNeighbors()._repr_html_()
    assert link in sklearn.neighbors.NearestNeighbors()._repr_html_()


def test_n_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "openmp_max_threads", lambda: 2)
    monkeypatch.setattr(threads, "_cpu_count", lambda: 3)
    assert knnc.NearestNeighbors()._n_threads() == 2
    assert knnc.NearestNeighbors(n_jobs=-1)._n_threads() == 3
    for rows in (X, X + 0.5, FLOATS):
        with pytest.raises(ValueError, match="n_jobs == 0"):
            knnc.NearestNeighbors(n_jobs=0).fit(rows)


def test_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = [knnc.NearestNeighbors(n_jobs=2).fit(rows) for rows, _ in BOTH]
    expected = [nn.kneighbors(BOTH[i][1]) for i, nn in enumerate(fitted)]
    monkeypatch.setattr(threads, "_forked", True)
    monkeypatch.setattr(threads, "_warned", False)
    with pytest.warns(RuntimeWarning, match="searches on one thread"):
        assert fitted[0]._n_threads() == 1
    for i, nn in enumerate(fitted):
        np.testing.assert_array_equal(nn.kneighbors(BOTH[i][1]), expected[i])


def test_none_is_nan() -> None:
    for rows in (X, X + 0.5):
        with pytest.raises(ValueError, match="contains NaN"):
            knnc.NearestNeighbors().fit(rows).kneighbors([[1, 2, 3, 4, None]])


def test_wrong_type() -> None:
    for call in (
        lambda nn: nn.kneighbors(Q, n_neighbors="3"),
        lambda nn: nn.kneighbors(Q, n_neighbors=2.5),
        lambda nn: nn.radius_neighbors(Q, radius="3"),
    ):
        for rows in (X, X + 0.5):
            raised = []
            for module in (knnc, sklearn.neighbors):
                with pytest.raises((TypeError, ValueError)) as caught:
                    call(module.NearestNeighbors(algorithm="brute").fit(rows))
                raised.append(caught.type)
            assert raised[0] is raised[1]


def test_assume_finite() -> None:
    for rows, _ in BOTH:
        nan = np.full((2, rows.shape[1]), np.nan)
        with sklearn.config_context(assume_finite=True):
            for module in (knnc, sklearn.neighbors):
                with warnings.catch_warnings(action="ignore"):
                    ind = module.NearestNeighbors().fit(rows).kneighbors(nan)[1]
                assert ((ind >= 0) & (ind < len(rows))).all()


def test_negative_radius() -> None:
    for metric in ("euclidean", "manhattan", "chebyshev"):
        with pytest.raises(ValueError, match="radius == -3"):
            knnc.NearestNeighbors(metric=metric).fit(X).radius_neighbors(Q, -3)
        with pytest.raises(ValueError, match="radius == -3"):
            knnc.NearestNeighbors(metric=metric).fit(FLOATS).radius_neighbors(FLOAT_QUERIES, -3)
    theirs = sklearn.neighbors.NearestNeighbors(algorithm="brute").fit(X)
    assert len(theirs.radius_neighbors(X, -300.0)[1][0]) > 1


def _votes_by_manhattan(module: Any) -> Any:
    """Of rows that no bytes stand for, of the classes 1 and 5."""
    clf = module.RadiusNeighborsClassifier(1.0, p=1, algorithm="brute", outlier_label=1)
    return clf.fit(X + 0.5, np.where(Y == 0, 1, 5))


def test_outlier_label() -> None:
    far = np.full((2, 5), 999.0)
    np.testing.assert_array_equal(_votes_by_manhattan(knnc).predict_proba(far), [[1, 0]] * 2)
    if sklearn.__version__.startswith("1.9."):
        theirs = _votes_by_manhattan(sklearn.neighbors)
        np.testing.assert_array_equal(theirs.predict_proba(far), [[0, 1]] * 2)


def test_radius_queries() -> None:
    bad = np.full((2, 5), np.nan)
    assert len(_votes_by_manhattan(sklearn.neighbors).predict(bad)) == 2
    for queries in (bad, Q[:, :4] + 0.5, Q[:0] + 0.5):
        with pytest.raises(ValueError, match=r"contains NaN|4 features|0 sample"):
            _votes_by_manhattan(knnc).predict(queries)


def test_set_after_fit() -> None:
    for rows in (X, X + 0.5):
        expected = knnc.KNeighborsClassifier().fit(rows, Y).predict(Q + 0.25)
        clf = knnc.KNeighborsClassifier(algorithm="brute").fit(rows, Y)
        clf.set_params(metric="hamming", algorithm="kd_tree", metric_params={"w": np.ones(5)})
        np.testing.assert_array_equal(clf.predict(Q + 0.25), expected)
        for k in (0, -1):
            with pytest.raises(ValueError, match="n_neighbors > 0"):
                clf.set_params(n_neighbors=k).kneighbors(Q + 0.25)
    theirs = sklearn.neighbors.KNeighborsClassifier(algorithm="brute").fit(X, Y)
    assert theirs.set_params(n_neighbors=-1).kneighbors(Q)[0].shape[1] != 1


def test_failed_fit() -> None:
    for rows, queries in (*BOTH, (X + 0.5, Q)):
        clf = knnc.KNeighborsClassifier(3).fit(rows, Y)
        expected = clf.predict(queries)
        with pytest.raises(ValueError, match="contains NaN"):
            clf.fit(np.full((9, 4), math.nan), Y[:9])
        np.testing.assert_array_equal(clf.predict(queries), expected)


def test_progress() -> None:
    def stop(done: int, total: int) -> None:
        raise RuntimeError(f"{done} of {total}")

    for rows, queries in (*BOTH, (X + 0.5, Q)):
        nn = knnc.NearestNeighbors().fit(rows)
        expected = nn.kneighbors(queries)
        with knnc.progress(stop), pytest.raises(RuntimeError, match="of 20"):
            nn.kneighbors(queries)
        np.testing.assert_array_equal(nn.kneighbors(queries), expected)


def test_pickles() -> None:
    nn = knnc.NearestNeighbors().fit(X)
    assert pickle.loads(pickle.dumps(nn)).engine_ == "integer"
    assert pickle.loads(pickle.dumps(knnc.NearestNeighbors().fit(FLOATS))).engine_ == "float"
    form, version, sklearn_version = nn.__getstate__()["_knnc_state"]
    later = {**nn.__getstate__(), "_knnc_state": (form + 1, "99.0", sklearn_version)}
    with pytest.raises(ValueError, match="pickled by knnc 99"):
        knnc.NearestNeighbors().__setstate__(later)
    other = {**nn.__getstate__(), "_knnc_state": (form, version, "0.1")}
    with pytest.warns(InconsistentVersionWarning):
        knnc.NearestNeighbors().__setstate__(other)


# ---- More than scikit-learn has


def test_partial_fit() -> None:
    for rows, queries in BOTH:
        clf = knnc.KNeighborsClassifier(3).partial_fit(rows[:20], Y[:20])
        clf.partial_fit(rows[20:], Y[20:])
        whole = knnc.KNeighborsClassifier(3).fit(rows, Y)
        np.testing.assert_array_equal(clf.predict_proba(queries), whole.predict_proba(queries))
    assert hasattr(clf.get_metadata_routing(), "partial_fit")
    assert not hasattr(sklearn.neighbors.KNeighborsClassifier, "partial_fit")


def test_row_mask() -> None:
    mask = Y == 1
    for rows, queries in BOTH:
        nn = knnc.NearestNeighbors().fit(rows)
        ind = nn.kneighbors(queries, row_mask=mask, return_distance=False)
        part = knnc.NearestNeighbors().fit(rows[mask]).kneighbors(queries, return_distance=False)
        np.testing.assert_array_equal(ind, np.flatnonzero(mask)[part])


def test_exact_on_request() -> None:
    dist, ind = knnc.NearestNeighbors().fit(X).kneighbors(Q, return_distance="exact")
    assert dist.dtype == np.int64
    difference = Q[:, np.newaxis].astype(np.int64) - X[ind]
    np.testing.assert_array_equal(dist, (difference**2).sum(axis=2))
    with pytest.raises(ValueError, match="exact"):
        knnc.NearestNeighbors().fit(FLOATS).kneighbors(FLOAT_QUERIES, return_distance="exact")


def test_tuners() -> None:
    for tuner in (knnc.KNeighborsClassifierCV, knnc.KNeighborsRegressorCV):
        for rows, _ in BOTH:
            tuned = tuner([1, 3]).fit(rows, Y)
            assert tuned.best_params_["n_neighbors"] in (1, 3)
            assert tuned.best_estimator_.engine_ != "sklearn"
