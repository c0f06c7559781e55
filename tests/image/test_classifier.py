"""DistortionKNeighborsClassifier: candidates, their new order, the vote, and what is refused."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

import knnc
from knnc.image import HOG, Blur, Deskew, DistortionKNeighborsClassifier, Shift, SoftWeights
from tests.engine.support import child_environment
from tests.image.oracle import idm_cost
from tests.image.support import draw_images
from tests.oracle import oracle_kneighbors

SHAPE = (8, 8)
HOG_8 = HOG(cell_sizes=(2, 4))
LABELS = np.arange(60) % 5


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """Strokes, with twins among them and a blank one."""
    X = draw_images(1, 60, SHAPE, "strokes")
    X[30:34] = X[2]
    X[7] = 0
    return X


@pytest.mark.parametrize("features", [None, HOG_8], ids=["pixels", "hog"])
@pytest.mark.parametrize("leave_out", [False, True])
def test_neighbors_are_the_nearest_of_the_candidates(images, features, leave_out) -> None:
    weights = {"idm": 1.0, "features": 0.5, "idm_back": 0.25}
    clf = DistortionKNeighborsClassifier(
        n_candidates=9, features=features, distance=weights, warp=1
    ).fit(images, LABELS)
    Q = None if leave_out else draw_images(2, 7, SHAPE, "strokes")
    dist, ind = clf.kneighbors(Q, 5)
    rows = images if features is None else clone(features).fit_transform(images)
    if leave_out:
        queries, near, found = images, *oracle_kneighbors(rows, None, 9, "sqeuclidean")
    else:
        asked = Q if features is None else clone(features).fit_transform(Q)
        queries, near, found = Q, *oracle_kneighbors(rows, asked, 9, "sqeuclidean")
    for i, query in enumerate(queries):
        pairs = [
            (
                idm_cost(query.reshape(SHAPE), images[j].reshape(SHAPE), 1)
                + 0.5 * near[i, at]
                + 0.25 * idm_cost(images[j].reshape(SHAPE), query.reshape(SHAPE), 1),
                j,
            )
            for at, j in enumerate(found[i])
        ]
        np.testing.assert_array_equal(np.array(sorted(pairs)[:5]), np.stack([dist[i], ind[i]]).T)
    assert ind.dtype == np.intp
    if leave_out:
        assert not (ind == np.arange(60)[:, np.newaxis]).any()


def test_mirrored_images_are_training_images_too(images) -> None:
    params = {"n_candidates": 9, "features": HOG_8, "distance": "idm", "warp": 1}
    clf = DistortionKNeighborsClassifier(**params, mirrored=True).fit(images, LABELS)
    mirrored = images.reshape(-1, *SHAPE)[:, :, ::-1].reshape(images.shape)
    both = DistortionKNeighborsClassifier(**params)
    both.fit(np.concatenate([images, mirrored]), np.tile(LABELS, 2))
    Q = np.concatenate([draw_images(2, 7, SHAPE, "strokes"), mirrored[3:5]])
    dist, ind = clf.kneighbors(Q, 5)
    want_dist, want_ind = both.kneighbors(Q, 5)
    np.testing.assert_array_equal(dist, want_dist)
    np.testing.assert_array_equal(ind, want_ind % len(images))
    np.testing.assert_array_equal(ind[-2:, 0], [3, 4])
    np.testing.assert_array_equal(clf.predict_proba(Q), both.predict_proba(Q))
    few = DistortionKNeighborsClassifier(3, mirrored=True).fit(images[:4], LABELS[:4])
    assert sorted(few.kneighbors(Q[:1], 8)[1][0]) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert sorted(few.kneighbors(None, 6)[1][1]) == [0, 0, 2, 2, 3, 3]
    for X, k in ((Q, 9), (None, 7)):
        with pytest.raises(ValueError, match="the number of candidates"):
            few.kneighbors(X, k)


@pytest.mark.parametrize("n_candidates", [3, 9])
def test_leave_one_out_leaves_the_mirrored_one_out_too(images, n_candidates) -> None:
    clf = DistortionKNeighborsClassifier(
        n_candidates=n_candidates, features=HOG_8, warp=1, mirrored=True
    )
    dist, ind = clf.fit(images, LABELS).kneighbors(n_neighbors=3)
    for i in (0, 2, 7, 31, 33):
        others = np.delete(np.arange(len(images)), i)
        clf.fit(images[others], LABELS[others])
        want_dist, want_ind = clf.kneighbors(images[i : i + 1], 3)
        np.testing.assert_array_equal(dist[i], want_dist[0])
        np.testing.assert_array_equal(ind[i], others[want_ind[0]])


def test_the_vote_is_that_of_the_other_classifiers(images) -> None:
    y = np.array(["b", "a", "c"])[np.arange(60) % 3]
    Q = draw_images(2, 30, SHAPE, "strokes")
    for weights in ("uniform", "distance", None, SoftWeights(0.3), lambda d: 1 / (1 + d)):
        params = {"n_neighbors": 4, "weights": weights}
        ours = DistortionKNeighborsClassifier(**params, n_candidates=60, distance="pixels")
        theirs = knnc.KNeighborsClassifier(**params, metric="sqeuclidean")
        ours.fit(images, y), theirs.fit(images, y)
        np.testing.assert_array_equal(ours.kneighbors(Q)[1], theirs.kneighbors(Q)[1])
        np.testing.assert_array_equal(ours.predict(Q), theirs.predict(Q))
        np.testing.assert_array_equal(ours.predict_proba(Q), theirs.predict_proba(Q))
        assert ours.score(Q, theirs.predict(Q)) == 1.0
        assert ours.score(None, y) == theirs.score(None, y)


def test_soft_weights() -> None:
    dist = np.array([[10.0, 10.0, 11.0, 20.0], [0.0, 0.0, 1e-9, 5.0]])
    want = [np.exp([0, 0, -1, -10]), [1, 1, 0, 0]]
    np.testing.assert_allclose(SoftWeights(0.1)(dist), want, atol=1e-300)
    assert SoftWeights(0.1) == SoftWeights(0.1) != SoftWeights(0.2)
    for width in (0, -1, np.nan, np.inf):
        with pytest.raises(ValueError, match="width"):
            SoftWeights(width)(dist)


def test_threads_and_batches_do_not_count(images) -> None:
    Q = np.concatenate([draw_images(seed, 300, SHAPE, "strokes") for seed in (2, 3)])
    clf = DistortionKNeighborsClassifier(features=HOG_8, n_candidates=20, n_jobs=1)
    dist, ind = clf.fit(images, LABELS).kneighbors(Q)
    for n_jobs in (2, 5, None):
        again = clone(clf).set_params(n_jobs=n_jobs).fit(images, LABELS)
        for got, want in zip(again.kneighbors(Q), (dist, ind), strict=True):
            np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(
        np.concatenate([clf.kneighbors(Q[i : i + 1])[1] for i in range(0, 600, 50)]), ind[::50]
    )


def test_the_first_of_k_are_those_of_fewer(images) -> None:
    clf = DistortionKNeighborsClassifier(n_candidates=30).fit(images, LABELS)
    dist, ind = clf.kneighbors(n_neighbors=12)
    for k in (1, 5):
        for got, want in zip(clf.kneighbors(n_neighbors=k), (dist, ind), strict=True):
            np.testing.assert_array_equal(got, want[:, :k])


def test_other_dtypes_and_frames(images) -> None:
    import pandas as pd

    y, Q = LABELS, images[::7]
    expected = DistortionKNeighborsClassifier().fit(images, y).predict_proba(Q)
    for make in (
        lambda A: A.astype(np.float64),
        lambda A: (A / 255).astype(np.float32),
        lambda A: pd.DataFrame(A),
        lambda A: A.tolist(),
    ):
        clf = DistortionKNeighborsClassifier().fit(make(images), y)
        np.testing.assert_array_equal(clf.predict_proba(make(Q)), expected)


def test_pickles_are_small_and_answer_the_same(images) -> None:
    clf = DistortionKNeighborsClassifier(features=HOG_8).fit(images, LABELS)
    state = pickle.dumps(clf)
    assert len(state) < 3 * images.nbytes + 8000
    copy = pickle.loads(state)
    for got, want in zip(copy.kneighbors(), clf.kneighbors(), strict=True):
        np.testing.assert_array_equal(got, want)


def test_parameters_that_are_set_after_the_fit_wait_for_the_next(images) -> None:
    """A copy that was pickled after that took them at once."""
    Q = draw_images(2, 9, SHAPE, "strokes")
    distance = {"idm": 1.0, "shift": 1.0}
    clf = DistortionKNeighborsClassifier(distance=distance).fit(images, LABELS)
    expected = clf.kneighbors(Q)
    for params in ({"warp": 0}, {"max_shift": 5}, {"gradients": "root"}, {"mirrored": True}):
        changed = DistortionKNeighborsClassifier(distance=distance).fit(images, LABELS)
        changed.set_params(**params)
        for one in (changed, pickle.loads(pickle.dumps(changed))):
            for got, want in zip(one.kneighbors(Q), expected, strict=True):
                np.testing.assert_array_equal(got, want)
        assert (changed.fit(images, LABELS).kneighbors(Q)[0] != expected[0]).any()


def test_it_tunes_in_a_grid_and_a_pipeline(digits) -> None:
    X, y = digits.X[:240] * 15, digits.y[:240]
    pipeline = make_pipeline(Deskew(), DistortionKNeighborsClassifier(features=HOG_8))
    grid = {
        "distortionkneighborsclassifier__warp": [0, 1],
        "distortionkneighborsclassifier__distance": ["idm", {"idm": 1.0, "features": 0.2}],
        "distortionkneighborsclassifier__features__n_bins": [4, 8],
    }
    search = GridSearchCV(pipeline, grid, cv=2).fit(X, y)
    assert search.best_score_ > 0.9
    nested = DistortionKNeighborsClassifier(1, features=make_pipeline(Blur(), Shift(), HOG_8))
    assert nested.fit(X, y).score(X, y) == 1.0


def test_progress_counts_queries(images) -> None:
    clf = DistortionKNeighborsClassifier(features=HOG_8).fit(images, LABELS)
    Q = np.repeat(images, 12, axis=0)
    calls: list[tuple[int, int]] = []
    with knnc.progress(lambda *now: calls.append(now)):
        clf.predict(Q)
    assert calls[-1] == (720, 720)
    assert calls == sorted(set(calls))
    assert len(calls) >= 2


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no os.kill(SIGINT)")
def test_ctrl_c() -> None:
    program = """
import numpy as np
from knnc.image import DistortionKNeighborsClassifier
X = np.random.default_rng(1).integers(0, 256, (4000, 784), dtype=np.uint8)
clf = DistortionKNeighborsClassifier(n_neighbors=2000, n_candidates=4000, n_jobs=1)
clf.fit(X, np.arange(4000) % 5)
print("ready", flush=True)
try:
    clf.kneighbors(np.tile(X, (5, 1)))
except KeyboardInterrupt:
    print("stopped", clf.kneighbors(X[:1], 1)[1].tolist(), flush=True)
"""
    child = subprocess.Popen(
        [sys.executable, "-c", program],
        env=child_environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        time.sleep(0.5)
        child.send_signal(signal.SIGINT)
        sent = time.monotonic()
        assert child.stdout.readline() == "stopped [[0]]\n"
        assert time.monotonic() - sent < 10


@pytest.mark.parametrize(
    ("params", "error", "words"),
    [
        ({"n_neighbors": 0}, ValueError, "n_neighbors must be at least 1"),
        ({"n_neighbors": 1.5}, TypeError, "n_neighbors must be an integer"),
        ({"n_candidates": 2}, ValueError, "n_candidates=2 are fewer than n_neighbors=3"),
        ({"n_candidates": True}, TypeError, "n_candidates"),
        ({"warp": 9}, ValueError, "warp must be from 0 to 8"),
        ({"warp": -1}, ValueError, "warp must be from 0 to 8"),
        ({"max_shift": 65}, ValueError, "max_shift"),
        ({"weights": "none"}, ValueError, "weights"),
        ({"distance": "euclid"}, ValueError, "unknown term 'euclid'.*idm_back"),
        ({"distance": {}}, ValueError, "distance"),
        ({"distance": 3}, ValueError, "distance"),
        ({"distance": {"idm": 0.0}}, ValueError, "weight of 'idm'"),
        ({"distance": {"idm": np.nan}}, ValueError, "weight of 'idm'"),
        ({"distance": {"idm": "1"}}, ValueError, "weight of 'idm'"),
        ({"gradients": "cubic"}, ValueError, "gradients must be 'linear' or 'root'"),
        ({"image_shape": (4, 4)}, ValueError, "16 pixels.*64"),
        ({"n_jobs": 0}, ValueError, "n_jobs"),
    ],
    ids=str,
)
def test_wrong_parameters(images, params, error, words) -> None:
    with pytest.raises(error, match=words):
        DistortionKNeighborsClassifier(**params).fit(images, LABELS)


def test_wrong_input(images) -> None:
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    clf = DistortionKNeighborsClassifier()
    with pytest.raises(ValueError, match="no square"):
        clf.fit(images[:, :-1], LABELS)
    with pytest.raises(ValueError, match="hold pixels"):
        clf.fit(images + 0.25, LABELS)
    with pytest.raises(ValueError, match="inconsistent"):
        clf.fit(images, LABELS[1:])
    with pytest.raises(ValueError, match=r"must give uint8.*float64"):
        clone(clf).set_params(features=StandardScaler()).fit(images, LABELS)
    for odd in (lambda X: X[1:], lambda X: X.reshape(-1, *SHAPE), lambda X: X[:, 0]):
        with pytest.raises(ValueError, match="must give uint8 of shape"):
            clone(clf).set_params(features=FunctionTransformer(odd)).fit(images, LABELS)
    clf.fit(images[:5], LABELS[[0, 1, 0, 1, 0]])
    assert clf.kneighbors(images, 5)[1].shape == (60, 5)
    with pytest.raises(ValueError, match=r"n_neighbors = 5.*n_samples_fit = 5.*left out"):
        clf.kneighbors(None, 5)
    with pytest.raises(ValueError, match="n_neighbors = 6"):
        clf.kneighbors(images, 6)
    with pytest.raises(ValueError, match="features"):
        clf.predict(images[:, :-1])
    with pytest.raises(ValueError, match="hold pixels"):
        clf.predict(images + 0.5)
    with pytest.raises(ValueError, match="zero weights"):
        clf.set_params(weights=np.zeros_like).predict(images)


def test_real_digits_better_than_by_pixels(digits) -> None:
    X, y = digits.X * 15, digits.y
    clf = DistortionKNeighborsClassifier(features=HOG_8, n_candidates=50, warp=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours = clf.fit(X[:1000], y[:1000]).score(X[1000:], y[1000:])
    plain = knnc.KNeighborsClassifier(3).fit(X[:1000], y[:1000]).score(X[1000:], y[1000:])
    assert ours > plain
