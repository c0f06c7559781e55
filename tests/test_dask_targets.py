"""Labels and numbers of rows on a cluster: taken, refused and scored as one machine does."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import is_classifier, is_regressor
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import get_tags

import knnc

pytest.importorskip("dask", reason="needs the extra 'dask'")

import dask
import dask.array as da

import knnc.dask as knnc_dask

RNG = np.random.default_rng(0)
X = RNG.integers(0, 4, (900, 12), dtype=np.uint8)
Y = RNG.integers(0, 5, 900)
Q = RNG.integers(0, 4, (77, 12), dtype=np.uint8)
NAMES = np.array(["a", "a-b", "b", "c-c", "ddd"])[Y]
LENGTHS = (0, 300, 0, 5, 595, 0)
ROWS = da.from_array(X, chunks=(LENGTHS, 12))
MISSING = np.where(np.arange(900) == 700, np.nan, Y)


@pytest.fixture(autouse=True)
def on_threads() -> Iterator[None]:
    with dask.config.set(scheduler="threads", num_workers=4):
        yield


def _lazy(y: np.ndarray) -> Any:
    """Cut otherwise than the rows are."""
    return da.from_array(y, chunks=((200, 700), *y.shape[1:]), name=False)


def _same_classes(clf: Any, expected: Any) -> None:
    assert clf.outputs_2d_ == expected.outputs_2d_
    both = (clf.classes_, expected.classes_)
    for one, other in zip(*both, strict=True) if clf.outputs_2d_ else [both]:
        np.testing.assert_array_equal(one, other, strict=True)


# --- what is taken ---


@pytest.mark.parametrize(
    "y",
    [
        pd.Series(NAMES),
        pd.Series(NAMES, dtype=object),
        pd.Series(NAMES).astype("category"),
        NAMES.astype(object),
        NAMES.tolist(),
        np.c_[NAMES, NAMES[::-1]].astype(object),
        pd.DataFrame({"one": NAMES, "other": NAMES[::-1]}),
        _lazy(NAMES),
        _lazy(NAMES.astype(object)),
        _lazy(np.c_[NAMES, NAMES[::-1]].astype(object)),
        _lazy(Y.astype(float)),
    ],
    ids=lambda y: f"{type(y).__name__} {getattr(y, 'dtype', '')} {np.ndim(y)}",
)
def test_labels(y: Any) -> None:
    in_memory = y.compute() if isinstance(y, da.Array) else y
    expected = knnc.KNeighborsClassifier(5).fit(X, in_memory)
    clf = knnc_dask.KNeighborsClassifier(5).fit(ROWS, y)
    _same_classes(clf, expected)
    answer = clf.predict(Q)
    want = expected.predict(Q)
    assert answer.dtype == want.dtype
    np.testing.assert_array_equal(answer.compute(), want, strict=True)
    right = (want == np.asarray(in_memory)[:77]).reshape(77, -1).all(axis=1)
    for truth in (in_memory[:77], y[:77]):
        assert clf.score(Q, truth) == right.mean()


def test_objects_that_dask_takes_for_the_same() -> None:
    """Its names of arrays of strings are made of them with "-" between."""
    rows = X[:2]
    one, other = (np.array(y, dtype=object) for y in (["a-b", "c"], ["a", "b-c"]))
    first, second = (knnc_dask.KNeighborsClassifier(1).fit(rows, y) for y in (one, other))
    assert first.predict(rows).name != second.predict(rows).name
    assert first.predict(rows).compute().tolist() == one.tolist()
    assert second.predict(rows).compute().tolist() == other.tolist()


@pytest.mark.parametrize("make", [np.asarray, _lazy], ids=["in memory", "lazy"])
def test_one_column_of_labels(make: Any) -> None:
    column = make(NAMES[:, np.newaxis])
    with pytest.warns(DataConversionWarning, match="column-vector") as said:
        clf = knnc_dask.KNeighborsClassifier(5).fit(ROWS, column)
    assert [w.filename for w in said if w.category is DataConversionWarning] == [__file__]
    expected = knnc.KNeighborsClassifier(5).fit(X, NAMES)
    _same_classes(clf, expected)
    np.testing.assert_array_equal(clf.predict(Q).compute(), expected.predict(Q), strict=True)
    np.testing.assert_array_equal(clf.predict_proba(Q).compute(), expected.predict_proba(Q))
    assert clf.score(ROWS, column) == expected.score(X, NAMES) < 1


@pytest.mark.parametrize("make", [np.asarray, _lazy], ids=["in memory", "lazy"])
@pytest.mark.parametrize("dtype", [np.int64, np.float64, np.float32, bool, object])
@pytest.mark.parametrize("weights", ["uniform", "distance"])
@pytest.mark.parametrize("shape", [(900,), (900, 1), (900, 2)])
def test_numbers(make: Any, dtype: Any, weights: str, shape: tuple[int, ...]) -> None:
    y = np.resize(Y, shape).astype(dtype)
    expected = knnc.KNeighborsRegressor(5, weights=weights)
    expected.fit(X, y.astype(float) if dtype is object else y)
    reg = knnc_dask.KNeighborsRegressor(5, weights=weights).fit(ROWS, make(y))
    answer = reg.predict(Q)
    want = expected.predict(Q)
    assert answer.dtype == want.dtype
    np.testing.assert_array_equal(answer.compute(), want, strict=True)


def test_lazy_targets_are_computed_once() -> None:
    computed: list[int] = []

    def watched(block: np.ndarray) -> np.ndarray:
        computed.append(len(block))
        return block

    for estimator in (knnc_dask.KNeighborsClassifier(), knnc_dask.KNeighborsRegressor()):
        estimator.fit(ROWS, _lazy(Y).map_blocks(watched, dtype=Y.dtype, meta=Y[:0]))
        assert sorted(computed) == [200, 700]
        computed.clear()


def test_as_many_labels_as_rows_of_a_chunk() -> None:
    """scikit-learn warns of so many labels, of all rows: a chunk's, or their set, are not all."""
    y = np.arange(900) % 300
    rows = da.from_array(X, chunks=(100, 12))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf = knnc_dask.KNeighborsClassifier(1).fit(rows, da.from_array(y, chunks=100))
    np.testing.assert_array_equal(clf.classes_, np.arange(300))


# --- what is refused ---


@pytest.mark.parametrize("make", [np.asarray, _lazy], ids=["in memory", "lazy"])
@pytest.mark.parametrize(
    ("y", "why", "of_a_regressor"),
    [
        (MISSING, "y contains NaN", True),
        (np.where(np.isnan(MISSING), np.inf, Y), "y contains infinity", True),
        (np.c_[Y, MISSING], "y contains NaN", True),
        (np.where(np.isnan(MISSING), np.nan, NAMES.astype(object)), "Input contains NaN", False),
        (Y + 0.5, "Unknown label type: continuous", False),
        (np.c_[Y, Y + 0.5], "Unknown label type: continuous", False),
        (Y.astype(object), "Unknown label type: unknown", False),
        (Y[:9], "each of the 900 rows", True),
        (np.zeros((900, 0)), "0 feature", True),
        (np.zeros((900, 2, 2)), r"dim 3|got \(900, 2, 2\)", True),
    ],
    ids=lambda y: None if isinstance(y, np.ndarray) else str(y),
)
def test_targets_that_are_none(make: Any, y: np.ndarray, why: str, of_a_regressor: bool) -> None:
    given = make(y) if len(y) == 900 else da.from_array(y) if make is _lazy else y
    with pytest.raises(
        ValueError, match=r"NaN|infinity|Unknown label|inconsistent|0 feature|dim 3"
    ):
        knnc.KNeighborsClassifier().fit(X, y)
    with pytest.raises(ValueError, match=why):
        knnc_dask.KNeighborsClassifier().fit(ROWS, given)
    if of_a_regressor:
        with pytest.raises(ValueError, match=why):
            knnc_dask.KNeighborsRegressor().fit(ROWS, given)


@pytest.mark.parametrize("make", [np.asarray, _lazy], ids=["in memory", "lazy"])
def test_names_are_no_numbers(make: Any) -> None:
    with pytest.raises(ValueError, match="are numbers, got y of <U"):
        knnc_dask.KNeighborsRegressor().fit(ROWS, make(NAMES))
    with pytest.raises(ValueError, match="could not convert"):
        knnc_dask.KNeighborsRegressor().fit(ROWS, make(NAMES.astype(object)))


# --- scores, and what scikit-learn is told ---


@pytest.mark.parametrize("make", [np.asarray, _lazy], ids=["in memory", "lazy"])
@pytest.mark.parametrize("n_outputs", [None, 1, 3])
def test_the_score_of_a_regressor(make: Any, n_outputs: int | None) -> None:
    y = RNG.standard_normal(900 if n_outputs is None else (900, n_outputs))
    weights = RNG.random(900)
    expected = knnc.KNeighborsRegressor(5).fit(X, y)
    reg = knnc_dask.KNeighborsRegressor(5).fit(ROWS, make(y))
    assert reg.score(ROWS, make(y)) == expected.score(X, y) > 0
    assert reg.score(None, make(y)) == expected.score(None, y) < 0
    assert reg.score(X, make(y), make(weights)) == expected.score(X, y, weights)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        reg.score(Q, y)


@pytest.mark.parametrize("make", [np.asarray, _lazy], ids=["in memory", "lazy"])
def test_the_score_of_a_classifier(make: Any) -> None:
    weights = RNG.random(900)
    expected = knnc.KNeighborsClassifier(5).fit(X, Y)
    clf = knnc_dask.KNeighborsClassifier(5).fit(ROWS, Y)
    assert clf.score(None, make(Y)) == expected.score(None, Y)
    weighted = clf.score(None, make(Y), sample_weight=make(weights))
    assert weighted == pytest.approx(expected.score(None, Y, weights), rel=1e-14)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        clf.score(Q, make(Y))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        clf.score(None, Y, weights[:9])
    with pytest.raises(ValueError, match="of shape"):
        clf.score(None, np.c_[Y, Y])


@pytest.mark.parametrize("name", ["KNeighborsClassifier", "KNeighborsRegressor"])
def test_what_scikit_learn_is_told(name: str) -> None:
    ours, theirs = getattr(knnc_dask, name)(), getattr(knnc, name)()
    assert is_classifier(ours) == is_classifier(theirs) == (name == "KNeighborsClassifier")
    assert is_regressor(ours) == is_regressor(theirs) == (name == "KNeighborsRegressor")
    assert get_tags(ours).target_tags == get_tags(theirs).target_tags
    assert get_tags(ours).classifier_tags == get_tags(theirs).classifier_tags
    neither = knnc_dask.NearestNeighbors()
    assert not is_classifier(neither)
    assert not is_regressor(neither)
