"""Histograms of oriented gradients, as bytes."""

from __future__ import annotations

from functools import cache
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnc.engine.system.threads import effective_n_threads
from knnc.image._histograms import count as count_votes
from knnc.image.base import Images, ImageTransformer, Shape, chunks

__all__ = ["HOG"]

# Votes are counted in so many parts of a grey level. The largest vote, of sqrt(2) 255 grey levels,
# is 5,770, below the table's limit of 2^13.
_PARTS = 16
_MAX_BINS = 64


class HOG(ImageTransformer):
    """Histograms of oriented gradients: the directions of edges, cell by cell.

    Each pixel votes, with the magnitude of its gradient, for the two nearest of `n_bins` directions
    in the four nearest cells. The histograms of a block of cells are divided by the root of the sum
    of their squares, so that contrast does not count. They are then scaled to bytes. The features
    of several cell sizes are joined. The bytes are the same for every batch and number of threads,
    because votes are whole numbers and the rest is done image by image.

    Parameters
    ----------
    cell_sizes : int, float or sequence of these, default=(4, 7)
        Side of a cell in pixels. A float below 1 is a share of the shorter side of the image,
        rounded, and at least 2 pixels. If the side of the image is not a multiple of it, cells
        reach beyond both ends.
    n_bins : int, default=8
        Number of directions, at most 64.
    signed : bool, default=True
        Whether dark-to-light and light-to-dark are two directions, in 360 degrees, or one.
    block_size : int, default=2
        Side of a block in cells. Neighbouring blocks are one cell apart. 1 normalises each cell by
        itself.
    square_root : bool, default=True
        Whether to take the root of the normalised values. Euclidean distances then are Hellinger's.
    noise : float, default=1.0
        A block with a smaller gradient, in grey levels a pixel, is darkened. All other blocks are
        made equally bright.
    image_shape : (int, int) or None, default=None
        Height and width; None for a square.
    n_jobs : int or None, default=None
        Threads, as :class:`knnc.KNeighborsClassifier` takes them.

    Attributes
    ----------
    image_shape_ : (int, int)
        Height and width.
    n_features_in_ : int
        Pixels.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, if X has names that are all strings.

    References
    ----------
    N. Dalal and B. Triggs, "Histograms of oriented gradients for human detection", CVPR 2005.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from knnc import KNeighborsClassifier, datasets
    >>> from knnc.image import HOG
    >>> digits = datasets.load_digits()
    >>> HOG(cell_sizes=2).fit_transform(digits.data).shape
    (1797, 288)
    >>> reader = make_pipeline(HOG(cell_sizes=(2, 4)), KNeighborsClassifier(3))
    >>> reader.fit(digits.data[:1200], digits.target[:1200]).predict(digits.data[1200:1205])
    array([7, 7, 3, 5, 1])
    """

    def __init__(
        self,
        cell_sizes: Any = (4, 7),
        *,
        n_bins: int = 8,
        signed: bool = True,
        block_size: int = 2,
        square_root: bool = True,
        noise: float = 1.0,
        image_shape: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.cell_sizes = cell_sizes
        self.n_bins = n_bins
        self.signed = signed
        self.block_size = block_size
        self.square_root = square_root
        self.noise = noise
        self.image_shape = image_shape
        self.n_jobs = n_jobs

    def _check_parameters(self) -> None:
        for name, value, high in (
            ("n_bins", self.n_bins, _MAX_BINS),
            ("block_size", self.block_size, None),
        ):
            if not isinstance(value, Integral) or value < 1 or (high and value > high):
                limit = f"from 1 to {high}" if high else "above 0"
                raise ValueError(f"{name} must be an integer {limit}, got {value!r}.")
        given = self.cell_sizes
        given = given if isinstance(given, (tuple, list, np.ndarray)) else (given,)
        if len(given) == 0 or not all(map(_is_size, given)):
            raise ValueError(
                "cell_sizes must be positive integers or floats between 0 and 1, one or several, "
                f"got {self.cell_sizes!r}."
            )
        if not isinstance(self.noise, Real) or not 0 < self.noise < np.inf:
            raise ValueError(f"noise must be a positive number, got {self.noise!r}.")

    def _sizes(self) -> list[int]:
        """Of cells, in pixels."""
        given = self.cell_sizes
        given = given if isinstance(given, (tuple, list, np.ndarray)) else (given,)
        side = min(self.image_shape_)
        return [
            int(size) if isinstance(size, Integral) else max(2, round(size * side))
            for size in given
        ]

    def _transform_images(self, images: Images) -> Images:
        n_threads = effective_n_threads(self.n_jobs)
        parts = [self._cells(self.image_shape_, size) for size in self._sizes()]
        widths = [rows * columns * side**2 * self.n_bins for rows, columns, side in parts]
        out = np.empty((len(images), sum(widths)), dtype=np.uint8)
        for part in chunks(len(images), max(max(widths), images[0].size)):
            some = np.ascontiguousarray(images[part])
            start = 0
            for size, width in zip(self._sizes(), widths, strict=True):
                cells = _count(some, size, self.n_bins, self.signed, n_threads)
                out[part, start : start + width] = self._blocks(cells, size)
                start += width
        return out

    def _cells(self, shape: Shape, size: int) -> tuple[int, int, int]:
        """Blocks down and across, and cells of a block's side."""
        rows, columns = (-(-side // size) for side in shape)
        side = min(self.block_size, rows, columns)
        return rows - side + 1, columns - side + 1, side

    def _blocks(self, cells: NDArray[np.int64], size: int) -> Images:
        """The normalised histograms of the blocks, as bytes of shape (n_images, n_features)."""
        rows, columns, side = self._cells(self.image_shape_, size)
        n_images = len(cells)
        energy = np.zeros(cells.shape[:3])
        for votes in np.moveaxis(cells, 3, 0):  # in this order: sum() may choose another
            energy += np.square(votes, dtype=np.float64)
        # The norm of a block with `noise` grey levels of gradient at each pixel, all in one
        # direction.
        unit = self.noise * _PARTS * (2 * size) ** 2 * size**2
        totals = np.full((n_images, rows, columns), unit * unit * side**2)
        for y in range(side):
            for x in range(side):
                totals += energy[:, y : y + rows, x : x + columns]
        lengths = np.sqrt(totals)[..., np.newaxis]
        blocks = np.empty((n_images, rows, columns, side * side, self.n_bins), dtype=np.uint8)
        for y in range(side):
            for x in range(side):
                share = cells[:, y : y + rows, x : x + columns] / lengths
                if self.square_root:
                    np.sqrt(share, out=share)
                share *= 255
                blocks[:, :, :, side * y + x] = np.rint(share, out=share)
        return blocks.reshape(n_images, -1)

    @property
    def _n_features_out(self) -> int:
        parts = (self._cells(self.image_shape_, size) for size in self._sizes())
        return sum(rows * columns * side**2 * self.n_bins for rows, columns, side in parts)


def _is_size(size: Any) -> bool:
    if isinstance(size, Integral):
        return int(size) >= 1
    return isinstance(size, Real) and 0 < float(size) < 1


def _count(
    images: Images, size: int, n_bins: int, signed: bool, n_threads: int
) -> NDArray[np.int64]:
    """Histograms of the cells, (n_images, rows, columns, n_bins)."""
    n_rows, n_columns = (-(-side // size) for side in images.shape[1:])
    cells = np.empty((len(images), n_rows, n_columns, n_bins), dtype=np.int64)
    rows, columns = (_places(side, size) for side in images.shape[1:])
    count_votes(images, _table(n_bins, bool(signed)), size, rows, columns, cells, n_threads)
    return cells


def _places(side: int, size: int) -> NDArray[np.int32]:
    """The first of the two cells of each pixel, and the share of the second out of 2 size.

    Positions are in half pixels: a cell is 2 size long with its centre at size; a pixel's is at 1.
    """
    over = -(-side // size) * size - side
    places = np.divmod(2 * np.arange(side) + 1 + over - size, 2 * size)
    return np.array(places, dtype=np.int32)


@cache
def _table(n_bins: int, signed: bool) -> NDArray[np.uint32]:
    """Bin and votes of every gradient; see `_histograms.pyx`."""
    steps = np.arange(-255, 256, dtype=np.float64)
    down, right = steps[:, np.newaxis], steps[np.newaxis, :]
    turns = np.arctan2(down, right) / (2 * np.pi if signed else np.pi)
    low, share = np.divmod(np.mod(turns, 1.0) * n_bins, 1.0)
    votes = np.rint(_PARTS * np.hypot(down, right))
    high_votes = np.rint(votes * share)
    table: NDArray[np.uint32] = (low.astype(np.uint32) % np.uint32(n_bins)) << np.uint32(26)
    table |= (votes - high_votes).astype(np.uint32) << np.uint32(13)
    table |= high_votes.astype(np.uint32)
    return table.reshape(-1)
