"""What a scan collects for each query: the k nearest, or all within a limit."""
from libc.stdint cimport int64_t
from libc.stdlib cimport realloc

from knnc.engine.scan._heap cimport heap_push


cdef struct List:
    # The rows found for one query in one part of all rows, and their keys if wanted.
    int64_t *ind
    int64_t *dist
    int64_t n
    int64_t room


cdef struct Collector:
    # The k nearest: query q's heap is at dist + q * k and ind + q * k.
    int64_t *dist
    int64_t *ind
    int64_t k
    # All within a limit: query q's list is at lists + q. NULL when the k nearest are wanted.
    List *lists
    int64_t limit  # the largest key to accept
    bint with_dist


cdef inline int make_room(List *found, int64_t more, bint with_dist) noexcept nogil:
    """Returns -1 when there is no memory."""
    cdef int64_t room = max(found.n + more, found.room + found.room // 2)
    cdef int64_t *grown
    if found.n + more <= found.room:
        return 0
    grown = <int64_t *>realloc(found.ind, room * sizeof(int64_t))
    if grown == NULL:
        return -1
    found.ind = grown
    if with_dist:
        grown = <int64_t *>realloc(found.dist, room * sizeof(int64_t))
        if grown == NULL:
            return -1
        found.dist = grown
    found.room = room
    return 0


cdef inline int64_t worst(const Collector *found, int64_t query) noexcept nogil:
    """The largest key that is still accepted."""
    return found.limit if found.lists else found.dist[query * found.k]


cdef inline int collect(
    Collector *found, int64_t query, int64_t key, int64_t row
) noexcept nogil:
    """Accept a row if it is near enough, in any order. Returns -1 if there is no memory."""
    cdef List *into
    if found.lists == NULL:
        heap_push(found.dist + query * found.k, found.ind + query * found.k, found.k, key, row)
        return 0
    if key > found.limit:
        return 0
    into = found.lists + query
    if make_room(into, 1, found.with_dist):
        return -1
    into.ind[into.n] = row
    if found.with_dist:
        into.dist[into.n] = key
    into.n += 1
    return 0
