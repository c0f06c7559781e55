"""Stable sorting of (distance, row index) pairs by distance."""
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset


cdef inline int stable_sort(int64_t *dist, int64_t *ind, int64_t n) noexcept nogil:
    """Insertion sort up to 48 pairs, radix sort above. Returns -1 if there is no memory."""
    if n > 48:
        return radix_sort(dist, ind, n)
    insertion_sort(dist, ind, n)
    return 0


cdef inline void insertion_sort(int64_t *dist, int64_t *ind, int64_t n) noexcept nogil:
    """By distance; rows at the same distance stay in their order."""
    cdef int64_t i, at, own_dist, own_ind
    for i in range(1, n):
        own_dist, own_ind = dist[i], ind[i]
        at = i
        while at > 0 and dist[at - 1] > own_dist:
            dist[at], ind[at] = dist[at - 1], ind[at - 1]
            at -= 1
        dist[at], ind[at] = own_dist, own_ind


cdef inline int radix_sort(int64_t *dist, int64_t *ind, int64_t n) noexcept nogil:
    """The same for many pairs, the lowest bits first. Returns -1 if there is no memory."""
    cdef int64_t starts[2049]
    cdef int64_t largest = 0, i, digit, n_digits
    cdef int bits = 8 if n <= 4096 else 11, shift = 0
    cdef int64_t *scratch = <int64_t *>malloc(2 * n * sizeof(int64_t))
    cdef int64_t *from_dist = dist
    cdef int64_t *from_ind = ind
    cdef int64_t *to_dist = scratch
    cdef int64_t *to_ind = scratch + n
    if scratch == NULL:
        return -1
    n_digits = 1 << bits
    for i in range(n):
        largest = max(largest, dist[i])
    while shift < 63 and largest >> shift:
        memset(starts, 0, (n_digits + 1) * sizeof(int64_t))
        for i in range(n):
            starts[((from_dist[i] >> shift) & (n_digits - 1)) + 1] += 1
        for digit in range(n_digits):
            starts[digit + 1] += starts[digit]
        for i in range(n):
            digit = (from_dist[i] >> shift) & (n_digits - 1)
            to_dist[starts[digit]] = from_dist[i]
            to_ind[starts[digit]] = from_ind[i]
            starts[digit] += 1
        from_dist, to_dist = to_dist, from_dist
        from_ind, to_ind = to_ind, from_ind
        shift += bits
    if from_dist != dist:
        memcpy(dist, from_dist, n * sizeof(int64_t))
        memcpy(ind, from_ind, n * sizeof(int64_t))
    free(scratch)
    return 0
