"""Deskew, Blur and Shift against slow and obvious versions, and what all transformers share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

import knnc
from knnc.image import (
    HOG,
    Blur,
    Deskew,
    DistortionKNeighborsClassifier,
    LocalDiscriminant,
    Shift,
    Stretch,
)
from tests.image.support import Bytes, draw_images

TRANSFORMERS = [HOG(), Deskew(), Blur(), Blur(1, step=2), Shift(1, -2), Stretch()]
SHAPES = [(28, 28), (8, 8), (5, 9), (9, 4), (1, 12), (7, 1)]


# --- what all share ---


@pytest.mark.parametrize(
    "estimator",
    [*TRANSFORMERS, LocalDiscriminant(2), DistortionKNeighborsClassifier()],
    ids=lambda estimator: type(estimator).__name__,
)
@pytest.mark.parametrize("again", [False, True])
def test_a_fit_that_raises_changes_nothing(estimator: Any, again: bool) -> None:
    """Of a width and with names that scikit-learn has noted before these are no bytes."""
    estimator, y = clone(estimator), np.arange(20) % 2
    if again:
        estimator.fit(draw_images(1, 20, (4, 4), "uniform"), y)
    before = dict(vars(estimator))
    bad = pd.DataFrame(draw_images(2, 20, (3, 3), "uniform") + 0.25, columns=list("abcdefghi"))
    with pytest.raises(ValueError, match="hold pixels"):
        estimator.fit(bad, y)
    assert vars(estimator).keys() == before.keys()
    assert all(value is before[name] for name, value in vars(estimator).items())


@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=repr)
@pytest.mark.parametrize("shape", SHAPES)
def test_bytes_out_one_image_at_a_time_or_many(transformer, shape) -> None:
    X = np.concatenate([draw_images(1, 9, shape), draw_images(2, 9, shape, "strokes")])
    X[4] = 0
    fitted = clone(transformer).set_params(image_shape=shape).fit(X)
    assert fitted.image_shape_ == shape
    all_at_once = fitted.transform(X)
    assert all_at_once.dtype == np.uint8
    assert all_at_once.flags.c_contiguous
    for i in range(len(X)):
        np.testing.assert_array_equal(fitted.transform(X[i : i + 1])[0], all_at_once[i])


@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=repr)
def test_pixels_of_other_dtypes_are_the_same_images(transformer) -> None:
    X = draw_images(3, 6, (8, 8))
    expected = clone(transformer).fit_transform(X)
    for other in (X.astype(np.int64), X.astype(np.float32), X / 255.0, X.tolist()):
        np.testing.assert_array_equal(clone(transformer).fit_transform(other), expected)


@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=repr)
def test_the_input_is_left_alone(transformer) -> None:
    X = draw_images(3, 6, (8, 8))
    before = X.copy()
    out = clone(transformer).fit_transform(X)
    out[:] = 7
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=repr)
@pytest.mark.parametrize(
    ("image_shape", "X", "words"),
    [
        (None, np.zeros((2, 10), np.uint8), "no square.*image_shape"),
        ((2, 4), np.zeros((2, 10), np.uint8), "2 x 4 has 8 pixels.*10"),
        ((2, 5, 1), np.zeros((2, 10), np.uint8), "two positive integers"),
        (10, np.zeros((2, 10), np.uint8), "two positive integers"),
        ((2.0, 5), np.zeros((2, 10), np.uint8), "two positive integers"),
        ((-2, -5), np.zeros((2, 10), np.uint8), "two positive integers"),
        (None, np.full((2, 9), 0.3), "hold pixels"),
        (None, np.full((2, 9), -1), "hold pixels"),
        (None, np.full((2, 9), 256), "hold pixels"),
        (None, np.full((2, 3, 3), 1), "dim 3"),
    ],
)
def test_what_is_no_image_is_refused(transformer, image_shape, X, words) -> None:
    with pytest.raises(ValueError, match=words):
        clone(transformer).set_params(image_shape=image_shape).fit(X)


@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=repr)
def test_a_query_of_another_kind_is_refused(transformer) -> None:
    fitted = clone(transformer).fit(np.zeros((2, 9), np.uint8))
    with pytest.raises(ValueError, match=r"Row 1 .*hold pixels of the encoding"):
        fitted.transform([[1.0] * 9, [0.5] * 9])
    with pytest.raises(ValueError, match="9 features"):
        fitted.transform(np.zeros((2, 16), np.uint8))


@pytest.mark.parametrize(
    ("transformer", "words"),
    [
        (HOG(0), "cell_sizes"),
        (HOG(()), "cell_sizes"),
        (HOG((4, 2.5)), "cell_sizes"),
        (HOG(0.0), "cell_sizes"),
        (HOG("4"), "cell_sizes"),
        (HOG(n_bins=0), "n_bins.* 1 to 64"),
        (HOG(n_bins=65), "n_bins.* 1 to 64"),
        (HOG(block_size=0), "block_size"),
        (HOG(noise=0), "noise"),
        (HOG(noise=np.nan), "noise"),
        (Blur(-1), "sigma"),
        (Blur("much"), "sigma"),
        (Blur(np.nan), "sigma"),
        (Blur(step=0), "step"),
        (Shift(0.5), "down"),
        (Shift(right="1"), "right"),
        (Shift(fill=256), "fill"),
    ],
    ids=repr,
)
def test_wrong_parameters_are_named(transformer, words) -> None:
    with pytest.raises(ValueError, match=words):
        transformer.fit(np.zeros((2, 9), np.uint8))


def test_they_tune_in_a_pipeline(digits) -> None:
    pipeline = make_pipeline(Deskew(), HOG(), knnc.KNeighborsClassifier(3))
    grid = {"deskew__deskew": [False, True], "hog__cell_sizes": [2, (2, 4)]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(digits.X[:300], digits.y[:300])
    assert search.best_score_ > 0.9
    assert search.best_estimator_[-1].engine_ == "integer"


# --- each by itself ---


def _deskewed(image: Bytes, deskew: bool, center: bool) -> np.ndarray:
    """By scipy's interpolation at the places the definition names."""
    h, w = image.shape
    y, x = np.mgrid[:h, :w]
    mass = image.sum(dtype=float)
    if mass == 0:
        return image.astype(float)
    cy, cx = (y * image).sum() / mass, (x * image).sum() / mass
    spread = ((y - cy) ** 2 * image).sum()
    slope = ((y - cy) * (x - cx) * image).sum() / spread if spread > 1e-9 else 0.0
    slope = np.clip(slope, -1, 1) * deskew
    ty, tx = ((h - 1) / 2, (w - 1) / 2) if center else (cy, cx)
    places = [y + (cy - ty), x + (cx - tx) + slope * (y - ty)]
    return ndimage.map_coordinates(image.astype(float), places, order=1, mode="grid-constant")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("deskew", "center"), [(True, True), (True, False), (False, True)])
def test_deskew(shape, deskew, center) -> None:
    X = np.concatenate([draw_images(1, 9, shape), draw_images(2, 9, shape, "strokes")])
    X[4] = 0
    got = Deskew(deskew=deskew, center=center, image_shape=shape).fit_transform(X)
    for row, image in zip(got, X, strict=True):
        want = _deskewed(image.reshape(shape), deskew, center)
        assert np.abs(row.reshape(shape) - want).max() <= 0.5 + 1e-6


def test_deskew_without_either_is_nothing() -> None:
    X = draw_images(1, 5, (9, 9))
    np.testing.assert_array_equal(Deskew(deskew=False, center=False).fit_transform(X), X)


def test_deskew_makes_slanted_writing_upright() -> None:
    upright = np.zeros((28, 28), np.uint8)
    upright[4:24, 13:15] = 255
    slanted = np.zeros_like(upright)
    for y in range(28):
        slanted[y] = np.roll(upright[y], round(0.4 * (13.5 - y)))
    got = Deskew().fit_transform(slanted.reshape(1, -1)).reshape(28, 28)
    assert got.sum(axis=0)[12:16].sum() > 0.95 * got.sum()


@pytest.mark.parametrize("sigma", [0, 0.3, 0.7, 1.5, 4])
@pytest.mark.parametrize("shape", [(28, 28), (5, 9), (1, 12)])
def test_blur(sigma, shape) -> None:
    X = np.concatenate([draw_images(1, 4, shape), draw_images(1, 4, shape, "extremes")])
    got = Blur(sigma, image_shape=shape).fit_transform(X)
    for row, image in zip(got, X, strict=True):
        want = image.reshape(shape).astype(float)
        if sigma:
            radius = int(np.ceil(3 * sigma))
            want = ndimage.gaussian_filter(want, sigma, mode="nearest", radius=radius)
        assert np.abs(row.reshape(shape) - want).max() <= 1.0


def test_blur_in_steps() -> None:
    X = draw_images(1, 4, (7, 10))
    whole = Blur(1, image_shape=(7, 10)).fit_transform(X).reshape(-1, 7, 10)
    got = Blur(1, step=3, image_shape=(7, 10)).fit_transform(X)
    np.testing.assert_array_equal(got.reshape(-1, 3, 4), whole[:, ::3, ::3])


def test_stretch() -> None:
    fitted = Stretch().fit(np.array([[0, 3, 9, 16]]))
    assert fitted.brightest_ == 16
    got = fitted.transform(np.array([[0, 1, 16, 200]]))
    np.testing.assert_array_equal(got, [[0, 16, 255, 255]])
    np.testing.assert_array_equal(Stretch().fit_transform(np.zeros((2, 4))), np.zeros((2, 4)))


def test_blur_keeps_what_is_even() -> None:
    X = np.repeat(np.arange(256, dtype=np.uint8)[:, np.newaxis], 49, axis=1)
    np.testing.assert_array_equal(Blur(1.3).fit_transform(X), X)


@pytest.mark.parametrize(("down", "right"), [(0, 0), (1, 0), (0, -2), (-3, 2), (99, 0), (0, -99)])
@pytest.mark.parametrize("mirror", [False, True])
def test_shift(down, right, mirror) -> None:
    shape = (6, 5)
    X = draw_images(1, 4, shape)
    got = Shift(down, right, mirror=mirror, fill=9, image_shape=shape).fit_transform(X)
    for row, image in zip(got.reshape(-1, *shape), X.reshape(-1, *shape), strict=True):
        flipped = image[:, ::-1] if mirror else image
        for y in range(6):
            for x in range(5):
                inside = 0 <= y - down < 6 and 0 <= x - right < 5
                assert row[y, x] == (flipped[y - down, x - right] if inside else 9)


@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=repr)
def test_frames_of_named_columns(transformer) -> None:
    fitted = clone(transformer).set_output(transform="pandas").fit(draw_images(1, 3, (8, 8)))
    frame = fitted.transform(draw_images(1, 3, (8, 8)))
    assert list(frame.columns) == list(fitted.get_feature_names_out())
    assert (frame.dtypes == np.uint8).all()
