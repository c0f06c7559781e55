"""HOG against its definition, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest

import knnc
from knnc.image import HOG
from tests.image.support import Bytes, draw_images


def _cells(image: Bytes, size: int, n_bins: int, signed: bool) -> np.ndarray:
    """Histograms of the cells, in grey levels, in floats."""
    h, w = image.shape
    rows, columns = -(-h // size), -(-w // size)
    # The grid is centred: where it begins, in pixels.
    top, left = -(rows * size - h) / 2, -(columns * size - w) / 2
    cells = np.zeros((rows, columns, n_bins))
    padded = np.pad(image.astype(float), 1, mode="edge")
    for y in range(h):
        for x in range(w):
            right = padded[y + 1, x + 2] - padded[y + 1, x]
            down = padded[y + 2, x + 1] - padded[y, x + 1]
            around = 2 * np.pi if signed else np.pi
            at = np.arctan2(down, right) % around / around * n_bins
            for row in range(rows):
                for column in range(columns):
                    near_y = 1 - abs(y + 0.5 - top - (row + 0.5) * size) / size
                    near_x = 1 - abs(x + 0.5 - left - (column + 0.5) * size) / size
                    share = max(0.0, near_y) * max(0.0, near_x) * np.hypot(right, down)
                    cells[row, column, int(at) % n_bins] += share * (1 - at % 1)
                    cells[row, column, (int(at) + 1) % n_bins] += share * (at % 1)
    return cells


def _hog(image: Bytes, sizes, n_bins, signed, block, square_root, noise) -> np.ndarray:
    features = []
    for size in sizes:
        cells = _cells(image, size, n_bins, signed)
        side = min(block, *cells.shape[:2])
        for row in range(cells.shape[0] - side + 1):
            for column in range(cells.shape[1] - side + 1):
                part = cells[row : row + side, column : column + side].ravel()
                # noise grey levels at each of size^2 pixels of side^2 cells
                unit = (noise * size**2) ** 2 * side**2
                part = part / np.sqrt((part**2).sum() + unit)
                features.append(np.sqrt(part) if square_root else part)
    return 255 * np.concatenate(features)


@pytest.mark.parametrize(
    ("shape", "params"),
    [
        ((12, 12), {"cell_sizes": (4, 6)}),
        ((8, 8), {"cell_sizes": (2, 4)}),
        ((9, 7), {"cell_sizes": 4, "n_bins": 9, "signed": False}),
        ((7, 10), {"cell_sizes": [3], "block_size": 1, "square_root": False}),
        ((5, 5), {"cell_sizes": 8, "n_bins": 1}),
        ((6, 9), {"cell_sizes": 3, "block_size": 3, "noise": 20.0, "n_bins": 12}),
        ((1, 9), {"cell_sizes": 3}),
    ],
)
def test_definition(shape, params) -> None:
    X = np.concatenate([draw_images(1, 3, shape), draw_images(2, 4, shape, "strokes")])
    X[1] = 0
    got = HOG(image_shape=shape, **params).fit_transform(X)
    full = {
        "n_bins": 8,
        "signed": True,
        "block": params.get("block_size", 2),
        "square_root": True,
        "noise": 1.0,
    } | {key: value for key, value in params.items() if key != "block_size"}
    sizes = np.atleast_1d(full.pop("cell_sizes"))
    for row, image in zip(got, X, strict=True):
        want = _hog(image.reshape(shape), sizes, **full)
        assert row.shape == want.shape
        # Votes are counted in sixteenths, and the root is steep near 0.
        assert np.abs(row - want).max() < (4.0 if full["square_root"] else 1.0)
        assert np.abs(row - want).mean() < 0.6


def test_sizes_as_parts_of_the_image() -> None:
    for side, sizes in ((28, (4, 7)), (20, (3, 5)), (8, (2, 2))):
        X = draw_images(1, 5, (side, side))
        np.testing.assert_array_equal(
            HOG((1 / 7, 0.25)).fit_transform(X), HOG(sizes).fit_transform(X)
        )


def test_contrast_does_not_count() -> None:
    X = draw_images(2, 20, (28, 28), "strokes")
    bright, dark = HOG().fit_transform(X).astype(int), HOG().fit_transform(X // 3).astype(int)
    assert np.abs(bright - dark).mean() < 4


def test_a_blank_image_has_no_edges() -> None:
    assert not HOG().fit_transform(np.full((2, 64), 200, np.uint8)).any()


def test_a_mirrored_image_has_mirrored_histograms() -> None:
    """Of directions d and half a turn - d; edges of the grid included."""
    X = draw_images(1, 5, (12, 12))
    hog = HOG(cell_sizes=4, block_size=1)
    there = hog.fit_transform(X).reshape(5, 3, 3, 8)
    back = hog.fit_transform(X.reshape(-1, 12, 12)[:, :, ::-1].reshape(5, -1)).reshape(5, 3, 3, 8)
    turned = (4 - np.arange(8)) % 8
    assert np.abs(there[:, :, ::-1][..., turned].astype(int) - back).max() <= 3


def test_threads_do_not_count() -> None:
    X = draw_images(1, 300, (28, 28))
    expected = HOG(n_jobs=1).fit_transform(X)
    for n_jobs in (2, 3, 7, None):
        np.testing.assert_array_equal(HOG(n_jobs=n_jobs).fit_transform(X), expected)


def test_real_digits(digits) -> None:
    X, y = digits.X, digits.y
    features = HOG(cell_sizes=(2, 4)).fit_transform(X)
    error = {
        name: 1
        - knnc.KNeighborsClassifier(3).fit(rows[:1000], y[:1000]).score(rows[1000:], y[1000:])
        for name, rows in (("pixels", X), ("hog", features))
    }
    assert error["hog"] < error["pixels"]
