"""The k nearest so far: a bounded max-heap on (distance, row index).

A heap is two arrays of length k; the worst pair in lexicographic order is at 0. An empty slot
holds (INT64_MAX, INT64_MAX), which is worse than any row, so no count is needed.
"""
from libc.stdint cimport INT64_MAX, int32_t, int64_t

from knnc.engine._kernels cimport KNNC_LIMIT_NONE


cdef inline bint is_worse(
    int64_t dist_a, int64_t ind_a, int64_t dist_b, int64_t ind_b
) noexcept nogil:
    return dist_a > dist_b or (dist_a == dist_b and ind_a > ind_b)


cdef inline void heap_clear(int64_t *dist, int64_t *ind, int64_t k) noexcept nogil:
    cdef int64_t i
    for i in range(k):
        dist[i] = INT64_MAX
        ind[i] = INT64_MAX


cdef inline void sift_down(
    int64_t *dist, int64_t *ind, int64_t size, int64_t new_dist, int64_t new_ind
) noexcept nogil:
    """Put a pair in place of the top of a heap of `size` and restore the order."""
    cdef int64_t at = 0, child = 1
    while child < size:
        if child + 1 < size and is_worse(dist[child + 1], ind[child + 1], dist[child], ind[child]):
            child += 1
        if not is_worse(dist[child], ind[child], new_dist, new_ind):
            break
        dist[at] = dist[child]
        ind[at] = ind[child]
        at = child
        child = 2 * at + 1
    dist[at] = new_dist
    ind[at] = new_ind


cdef inline void heap_push(
    int64_t *dist, int64_t *ind, int64_t k, int64_t new_dist, int64_t new_ind
) noexcept nogil:
    """Keep the pair if it is among the k best."""
    if is_worse(dist[0], ind[0], new_dist, new_ind):
        sift_down(dist, ind, k, new_dist, new_ind)


cdef inline void heap_sort_part(
    int64_t *dist, int64_t *ind, int64_t size, int64_t end
) noexcept nogil:
    """Move the worst pairs of a heap of `size` to its end, until `end` are left in the heap.

    With `end` 1 all pairs are sorted, ascending in (distance, row index).
    """
    cdef int64_t last_dist, last_ind
    while size > end:
        size -= 1
        last_dist = dist[size]
        last_ind = ind[size]
        dist[size] = dist[0]
        ind[size] = ind[0]
        sift_down(dist, ind, size, last_dist, last_ind)


cdef struct Nearest:
    # Heaps of the queries of a tile, one after another: what a kernel pushes to.
    int64_t *dist
    int64_t *ind
    int64_t k


cdef inline int32_t keep_nearest(
    void *context, int query, int64_t row, int32_t dist
) noexcept nogil:
    """A knnc_push: put a row into its query's heap, whose top is the query's new limit."""
    cdef Nearest *nearest = <Nearest *>context
    cdef int64_t *heap = nearest.dist + query * nearest.k
    sift_down(heap, nearest.ind + query * nearest.k, nearest.k, dist, row)
    return <int32_t>min(heap[0], <int64_t>KNNC_LIMIT_NONE)
