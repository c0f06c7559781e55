"""Histograms of oriented gradients, a cell at a time: integers throughout, so exact on any machine.

A pixel votes for the two nearest bins and the four nearest cells, by how near they are. Every vote
is a whole number. A table has the votes for two bins, in 1/16 grey levels, of each gradient
(-255..255 in both directions). The share of a cell is counted in half pixels.
"""
from cython.parallel cimport prange
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libc.string cimport memset

# Differences along an axis are -SPAN..SPAN.
cdef int SPAN = 255


cdef struct Grid:
    int64_t height, width, n_rows, n_columns, n_bins
    const int32_t *row_cell     # for each pixel row, the upper of its two cells, -1 outside
    const int32_t *row_share    # and the share of the lower one, out of 2 * cell
    const int32_t *column_cell
    const int32_t *column_share
    int64_t whole               # 2 * cell


cdef inline void vote(
    const Grid *grid, int64_t *cells, int64_t row, int64_t column, int64_t share,
    int64_t low, int64_t high, int64_t low_votes, int64_t high_votes,
) noexcept nogil:
    cdef int64_t *cell
    if 0 <= row < grid.n_rows and 0 <= column < grid.n_columns and share > 0:
        cell = cells + (row * grid.n_columns + column) * grid.n_bins
        cell[low] += share * low_votes
        cell[high] += share * high_votes


cdef void count_image(
    const Grid *grid, const uint8_t *image, const uint32_t *table, int64_t *cells
) noexcept nogil:
    cdef int64_t y, x, right, down, low, high, low_votes, high_votes, row, column, below, beside
    cdef int64_t h = grid.height, w = grid.width
    cdef const uint8_t *upper
    cdef const uint8_t *lower
    cdef uint32_t entry
    memset(cells, 0, grid.n_rows * grid.n_columns * grid.n_bins * sizeof(int64_t))
    for y in range(h):
        upper = image + max(y - 1, <int64_t>0) * w
        lower = image + min(y + 1, h - 1) * w
        for x in range(w):
            right = (<int64_t>image[y * w + min(x + 1, w - 1)]
                     - <int64_t>image[y * w + max(x - 1, <int64_t>0)])
            down = <int64_t>lower[x] - <int64_t>upper[x]
            if right == 0 and down == 0:
                continue
            entry = table[(down + SPAN) * (2 * SPAN + 1) + right + SPAN]
            low = entry >> 26
            high = low + 1 if low + 1 < grid.n_bins else 0
            low_votes = entry >> 13 & 0x1fff
            high_votes = entry & 0x1fff
            row, column = grid.row_cell[y], grid.column_cell[x]
            below, beside = grid.row_share[y], grid.column_share[x]
            vote(grid, cells, row, column, (grid.whole - below) * (grid.whole - beside),
                 low, high, low_votes, high_votes)
            vote(grid, cells, row, column + 1, (grid.whole - below) * beside,
                 low, high, low_votes, high_votes)
            vote(grid, cells, row + 1, column, below * (grid.whole - beside),
                 low, high, low_votes, high_votes)
            vote(grid, cells, row + 1, column + 1, below * beside,
                 low, high, low_votes, high_votes)


def count(
    const uint8_t[:, :, ::1] images, const uint32_t[::1] table, int64_t cell,
    const int32_t[:, ::1] rows, const int32_t[:, ::1] columns, int64_t[:, :, :, ::1] cells,
    int n_threads,
):
    """Fill in the histograms of every cell.

    Parameters
    ----------
    images : ndarray of shape (n_images, height, width), uint8
    table : ndarray of shape (511 * 511,), uint32
        For each (down, right) gradient: 6 bits for the lower bin, 13 for its votes, 13 for those
        of the next bin.
    cell : int
        Pixels of a cell's side.
    rows, columns : ndarray of shape (2, height) and (2, width), int32
        For each pixel, the first of its two cells, and the second's share out of 2 * cell.
    cells : ndarray of shape (n_images, n_rows, n_columns, n_bins), int64
        Written to.
    n_threads : int
    """
    cdef Grid grid
    cdef int64_t n_images = images.shape[0], i
    grid.height, grid.width = images.shape[1], images.shape[2]
    grid.n_rows, grid.n_columns, grid.n_bins = cells.shape[1], cells.shape[2], cells.shape[3]
    grid.row_cell, grid.row_share = &rows[0, 0], &rows[1, 0]
    grid.column_cell, grid.column_share = &columns[0, 0], &columns[1, 0]
    grid.whole = 2 * cell
    with nogil:
        for i in prange(n_images, num_threads=n_threads, schedule="static"):
            count_image(&grid, &images[i, 0, 0], &table[0], &cells[i, 0, 0, 0])
