"""The cases of the soak: each draws all that it does from one generator, and says what it did."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

import knnc
from knnc import inspection
from knnc.image._distortion import TERMS
from tests.engine.support import PALETTES
from tests.neighbors.support import METRICS
from tests.oracle import oracle_kneighbors

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


def within(rng: Rng) -> str:
    """All rows within a radius, or among the rows of a mask, against the oracle."""
    n, d = _size(rng)
    rows, queries = _rows(rng, min(n, 500) + 2, d), _rows(rng, int(rng.integers(1, 30)), d)
    metric = str(rng.choice(list(METRICS)))
    nn = knnc.NearestNeighbors(metric=metric, n_jobs=int(rng.integers(1, 4))).fit(rows)
    _, want = oracle_kneighbors(rows, queries, len(rows), METRICS[metric])
    dist = nn.kneighbors(queries, len(rows))[0]
    radius = float(dist[0, rng.integers(len(rows))])
    for i, ind in enumerate(nn.radius_neighbors(queries, radius, return_distance=False)):
        np.testing.assert_array_equal(ind, np.sort(want[i, dist[i] <= radius]))
    mask = rng.random(len(rows)) < rng.choice([0.01, 0.5, 0.999])
    mask[0] = True
    k = min(3, int(mask.sum()))
    got = nn.kneighbors(queries, k, return_distance="exact", row_mask=mask)
    among = oracle_kneighbors(rows[mask], queries, k, METRICS[metric])
    np.testing.assert_array_equal(got[0], among[0])
    np.testing.assert_array_equal(got[1], np.flatnonzero(mask)[among[1]])
    return "within"


def images(rng: Rng) -> str:
    """Images transformed: the same on one thread as on three."""
    side = int(rng.integers(8, 20))
    pixels = _any_form(rng, _rows(rng, 40, side * side))
    answers = []
    for n_jobs in (1, 3):
        steps = [knnc.image.Deskew(), knnc.image.Blur(), knnc.image.HOG(n_jobs=n_jobs)]
        try:
            answers.append([step.fit_transform(pixels) for step in steps])
        except EXPECTED:
            return "refused images"
    for one, three in zip(*answers, strict=True):
        np.testing.assert_array_equal(one, three)
    return "images"


def distorted(rng: Rng) -> str:
    """Images told apart by distances that forgive distortions, tangent distance among them."""
    side = int(rng.integers(6, 20))
    pixels = _rows(rng, 50, side * side)
    labels = rng.integers(0, 3, 50)
    terms = rng.choice(sorted(TERMS), size=int(rng.integers(1, 4)), replace=False)
    parameters: dict[str, Any] = {
        "distance": {str(term): float(rng.uniform(0.1, 2)) for term in terms},
        "n_candidates": int(rng.integers(1, 60)),
        "warp": int(rng.integers(0, 4)),
        "max_shift": int(rng.integers(0, 3)),
        "weights": rng.choice(["uniform", "distance"]),
        "features": [None, knnc.image.Blur()][rng.integers(2)],
    }
    odd = {"warp": -1, "n_candidates": 0, "distance": "no such", "image_shape": (3, 7), "p": 2}
    name = str(rng.choice(list(odd)))
    if rng.random() < 0.1 and name in parameters:
        parameters[name] = odd[name]
    queries = _any_form(rng, pixels[: int(rng.integers(1, 9))])
    answers = []
    for n_jobs in (1, 3):
        clf = knnc.image.DistortionKNeighborsClassifier(**parameters, n_jobs=n_jobs)
        try:
            clf = pickle.loads(pickle.dumps(clf.fit(pixels, labels)))
            answers.append((*clf.kneighbors(queries), clf.predict_proba(queries)))
        except EXPECTED:
            return "refused distorted"
    for one, three in zip(*answers, strict=True):
        np.testing.assert_array_equal(one, three)
    return "distorted"


def tuned(rng: Rng) -> str:
    """A choice by leave-one-out or folds, of a classifier or a regressor, and what it chose."""
    n, d = _size(rng)
    rows = _rows(rng, min(n, 300) + 30, d)
    classifies = rng.random() < 0.5
    cls, plain = (
        (knnc.KNeighborsClassifierCV, knnc.KNeighborsClassifier)
        if classifies
        else (knnc.KNeighborsRegressorCV, knnc.KNeighborsRegressor)
    )
    y = rng.integers(0, 2, len(rows)) if classifies else rng.normal(size=len(rows))
    metrics = list(rng.choice(list(METRICS), size=2, replace=False))
    search = cls(range(1, 9), metric=metrics, cv=[None, 3][rng.integers(2)])
    if rng.random() < 0.3:
        odd = {"n_neighbors": [0], "weights": ["none"], "metric": ["none"], "scoring": "none"}
        name = str(rng.choice(list(odd)))
        search.set_params(**{name: odd[name]})
    X = _any_form(rng, rows)
    try:
        chosen = search.fit(X, y).best_params_
    except EXPECTED:
        assert not hasattr(search, "best_params_"), "half a fit is left"
        return "refused tuned"
    again = plain(**chosen).fit(X, y)
    np.testing.assert_array_equal(search.predict(X), again.predict(X))
    return f"tuned {cls.__name__}"


def inspected(rng: Rng) -> str:
    """Labels in dispute and near-duplicates, counted again by other means."""
    n, d = _size(rng)
    rows = _rows(rng, min(n, 300) + 9, d)
    labels = rng.integers(0, 3, len(rows))
    clf = knnc.KNeighborsClassifier(int(rng.integers(1, 6))).fit(rows, labels)
    ind = oracle_kneighbors(rows, None, clf.n_neighbors, "sqeuclidean")[1]
    votes = np.array([np.bincount(labels[own], minlength=3) for own in ind])[:, clf.classes_]
    shares = inspection.leave_one_out_proba(clf)
    np.testing.assert_array_equal(shares, votes / clf.n_neighbors)
    disputed = inspection.disputed_labels(clf, min_share=float(rng.choice([0, 0.5, 1])))
    assert (disputed.suggested != labels[disputed.index]).all()
    assert (disputed.suggested_share > disputed.label_share).all()
    metric = str(rng.choice(list(METRICS)))
    dist = knnc.NearestNeighbors(metric=metric).fit(rows).kneighbors(rows, len(rows))
    radius = float(rng.choice([0.0, np.sort(dist[0][:, 1])[len(rows) // 9]]))
    pairs = {
        (i, int(j)) for i in range(len(rows)) for j in dist[1][i][dist[0][i] <= radius] if i < j
    }
    found = inspection.near_duplicates(rows, radius, metric=metric)
    assert {(int(i), int(j)) for i, j in found.pairs} == pairs
    try:
        inspection.near_duplicates(_any_form(rng, rows), radius, metric=metric)
    except EXPECTED:
        return "refused inspected"
    return "inspected"


@cache
def _reader() -> Any:
    digits = knnc.datasets.load_digits()
    images = np.kron(digits.images * np.uint8(15), np.ones((3, 3), np.uint8))
    rows = knnc.ocr.normalise(list(images))
    return make_pipeline(knnc.image.Blur(), knnc.KNeighborsClassifier(3)).fit(rows, digits.target)


def read(rng: Rng) -> str:
    """A page with digits on it, or anything else, is read; what is found lies on it."""
    shape = tuple(int(size) for size in (10 ** rng.uniform(0, 2.6, 2)).round())
    page = np.full(shape, 255, np.uint8)
    digits = knnc.datasets.load_digits().images * np.uint8(15)
    zoom = int(rng.integers(1, 5))
    for _ in range(int(rng.integers(0, 30))):
        ink = np.kron(digits[rng.integers(len(digits))], np.ones((zoom, zoom), np.uint8))
        place = page[int(rng.integers(shape[0])) :, int(rng.integers(shape[1])) :]
        place = place[: ink.shape[0], : ink.shape[1]]
        np.minimum(place, 255 - ink[: place.shape[0], : place.shape[1]], out=place)
    if rng.random() < 0.3:
        page = _rows(rng, *shape)
    image = page
    if rng.random() < 0.4:
        forms: list[Callable[[], Any]] = [
            lambda: page / 255,
            lambda: page.astype(np.uint16) * 257,
            lambda: page > 99,
            lambda: np.dstack([page] * 3),
            lambda: np.dstack([page] * 4),
            lambda: page[::-1, ::2],
            *(lambda form=form: form(rng, page) for form in HOSTILE.values()),
        ]
        with np.errstate(all="ignore"):
            image = forms[rng.integers(len(forms))]()
    try:
        found = knnc.ocr.read_page(image, _reader(), min_confidence=[None, 0.9][rng.integers(2)])
    except (*EXPECTED, OSError):
        return "refused read"
    for glyph in found.glyphs:
        x0, y0, x1, y1 = glyph.box
        assert 0 <= x0 < x1 <= found.size[0], glyph.box
        assert 0 <= y0 < y1 <= found.size[1], glyph.box
        assert 0.0 <= glyph.probability <= 1.0
    assert len(found.text.replace(" ", "").replace("\n", "")) == len(found.glyphs)
    return "read"


KINDS = (
    exact,
    exact,
    within,
    hostile,
    hostile,
    hostile,
    stopped,
    grown,
    images,
    distorted,
    tuned,
    inspected,
    read,
)
