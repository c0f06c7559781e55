from libc.stdint cimport int32_t, int64_t, uint8_t

from knnc.engine._kernels cimport KNNC_LIMIT_NONE, knnc_queries
from knnc.engine.packed cimport PackedRows
from knnc.engine.scan._plan cimport Rows


cdef inline int32_t limit_of(int64_t worst, int64_t offset, bint largest) noexcept nogil:
    """The limit for a distance over the kept columns; `offset` is that over the dropped columns.

    The whole distance is their sum, or the larger of the two. It has to be below `worst`.
    """
    if not largest:
        worst -= offset
    elif worst <= offset:
        worst = 0
    return <int32_t>max(<int64_t>0, min(worst, <int64_t>KNNC_LIMIT_NONE))


cdef struct Sums:
    # Distances of a tile of queries to a panel block, combined over blocks of features: their sum,
    # or for Chebyshev the largest.
    int64_t *dist
    int64_t first_row
    int64_t n_rows


cdef struct Item:
    const uint8_t *queries
    int64_t n_queries
    int64_t first_row
    int64_t first_self
    int64_t first_panel
    int64_t last_panel
    int64_t *dist
    int64_t *ind
    int64_t k


cdef int32_t add_block(void *context, int query, int64_t row, int32_t dist) noexcept nogil
cdef int32_t max_block(void *context, int query, int64_t row, int32_t dist) noexcept nogil
cdef int64_t panels_at_a_time(PackedRows rows) noexcept nogil
cdef int64_t tile_bytes(PackedRows rows) noexcept nogil
cdef int pack_tiles(
    PackedRows rows, const uint8_t *queries, int64_t n_queries, uint8_t *values,
    knnc_queries *tiles, int32_t *offsets,
) noexcept nogil
cdef int finish(
    Item *whole, int64_t n_parts, const int64_t *part_dist, const int64_t *part_ind, int n_threads
) except -1
cdef Rows rows_of(PackedRows rows) noexcept nogil
