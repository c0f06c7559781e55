"""Ruled lines: they go, and the strokes that cross, touch or follow them stay."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from knnc.ocr._ink import widened
from knnc.ocr._parts import dilated
from knnc.ocr._rules import opened, without_rules

HEIGHT = 40.0
WHOLE = (slice(None), slice(None))


def page(darkness: float) -> np.ndarray:
    """Empty but for a line of two rows, at 60 and 61."""
    ink = np.zeros((120, 600), np.float32)
    ink[60:62] = darkness
    return ink


def taken(ink: np.ndarray) -> np.ndarray:
    return without_rules(ink, 3 * HEIGHT, HEIGHT)


@pytest.mark.parametrize("darkness", [0.5, 1.0])
@pytest.mark.parametrize("turned", [False, True])
def test_a_line_alone_goes(darkness: float, turned: bool) -> None:
    ink = page(darkness)
    ink = ink.T if turned else ink
    assert taken(ink).max() == 0


@pytest.mark.parametrize("darkness", [0.5, 1.0])
@pytest.mark.parametrize(
    ("stroke", "kept"),
    [
        ((slice(40, 80), slice(300, 305)), WHOLE),  # crosses
        ((slice(40, 61), slice(300, 305)), (slice(40, 60), slice(None))),  # stands on it
        ((slice(58, 62), slice(300, 325)), WHOLE),  # runs along it, and sticks out above
        ((slice(60, 64), slice(300, 325)), WHOLE),  # and below
    ],
)
def test_strokes_stay(
    darkness: float, stroke: tuple[slice, slice], kept: tuple[slice, slice]
) -> None:
    ink = page(darkness)
    ink[stroke] = 1
    left = taken(ink)
    drawn = np.zeros_like(ink)
    drawn[stroke] = 1
    np.testing.assert_array_equal(left[kept] > 0, drawn[kept] > 0)
    away = np.ones(600, bool)
    away[stroke[1]] = False
    assert left[:, away].max() == 0


def test_a_leaning_stroke_is_not_cut() -> None:
    ink = page(1.0)
    for y in range(40, 80):
        ink[y, 300 + (y - 40) // 2 : 304 + (y - 40) // 2] = 1
    left = taken(ink)
    assert (left[40:80].sum(axis=1) >= 4).all()
    assert left.sum() <= 4 * 40 + 8


def test_a_line_that_is_not_quite_level() -> None:
    ink = np.zeros((120, 600), np.float32)
    for x in range(600):
        ink[60 + x // 120 : 62 + x // 120, x] = 1
    ink[40:90, 300:305] = 1
    left = taken(ink)
    assert left[40:90, 300:305].min() == 1
    left[:, 299:306] = 0
    assert left.max() == 0


def test_what_is_thick_is_no_line() -> None:
    """Nor is a picture or the edge of the sheet: an eighth of a character's height is the most."""
    for thickness, goes in ((4, True), (8, False)):
        ink = np.zeros((120, 600), np.float32)
        ink[60 : 60 + thickness] = 1
        assert (taken(ink).max() == 0) == goes


@pytest.mark.parametrize("gap", [3, 9])
def test_a_line_with_gaps_goes(gap: int) -> None:
    ink = page(1.0)
    ink[:, np.arange(600) % (20 + gap) >= 20] = 0
    assert taken(ink).max() == 0


@pytest.mark.parametrize("width", [2, 4])
@pytest.mark.parametrize("slope", [1, 2])
def test_a_stroke_that_leans_far_stays_whole(slope: int, width: int) -> None:
    """It comes in at other columns than it goes out."""
    ink = page(1.0)
    drawn = np.zeros(ink.shape, bool)
    for y in range(40, 80):
        drawn[y, 250 + slope * (y - 40) : 250 + slope * (y - 39) + width] = True
    ink[drawn] = 1
    left = taken(ink) > 0
    assert left[drawn].all()
    left[:, 250 + slope * 17 : 250 + slope * 25 + width] = False
    assert not left[60:62].any()


def test_runs_of_a_length() -> None:
    runs = np.array([[1, 1, 1, 0, 1, 1, 1, 1], [1, 1, 1, 1, 0, 1, 1, 0]], bool)
    expected = [[0, 0, 0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0, 0, 0]]
    np.testing.assert_array_equal(opened(runs, 4), np.array(expected, bool))


@pytest.mark.parametrize("gap", [0, 1, 2, 3, 9])
def test_gaps_are_filled_as_a_closing_does(gap: int) -> None:
    rng = np.random.default_rng(gap)
    for share in (0.05, 0.2, 0.5, 0.9):
        for width in (1, 2, 5, 40):
            mask = rng.random((30, width)) < share
            filled = ndimage.grey_closing(mask.astype(np.uint8), size=(1, gap + 1))
            np.testing.assert_array_equal(opened(mask, 1, gap), filled)


def test_pixels_near_others() -> None:
    mask = np.random.default_rng(0).random((20, 30)) < 0.05
    expected = ndimage.binary_dilation(mask, np.ones((5, 3), bool))
    np.testing.assert_array_equal(widened(mask, 2, 1), expected)
    np.testing.assert_array_equal(dilated(mask, 3), ndimage.binary_dilation(mask, iterations=3))
