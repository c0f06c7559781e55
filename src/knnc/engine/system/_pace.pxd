"""How much work is done between two checks of signals: 0.05 s of it, at the pace last seen.

    while next_step(&steps, pace):
        ...  # without the GIL: the pieces from steps.first to steps.last
        look(&steps, &pace)

A pace is work per second and thread. It may be kept for later steps, as that of rows is.
"""
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t


cdef extern from *:
    """
    #include <time.h>
    #define KNNC_STEP_SECONDS 0.05

    static double knnc_now(void) {
        struct timespec now;
    #ifdef _WIN32
        timespec_get(&now, TIME_UTC); /* if it is set meanwhile, one step is too long or short */
    #else
        clock_gettime(CLOCK_MONOTONIC, &now);
    #endif
        return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    }
    """
    const double KNNC_STEP_SECONDS
    double knnc_now() noexcept nogil


cdef struct Steps:
    int64_t n  # pieces of work in all
    int64_t unit  # a step has a multiple of this
    int64_t most  # and at most this; 0 is no limit
    double work  # of a piece
    double seconds  # of a step
    int n_threads
    # The pieces of this step.
    int64_t first
    int64_t last
    double began


cdef inline Steps steps_of(int64_t n, int64_t unit, double work, int n_threads) noexcept nogil:
    cdef Steps steps
    steps.n, steps.unit, steps.most, steps.work = n, unit, 0, work
    steps.seconds, steps.n_threads = KNNC_STEP_SECONDS, n_threads
    steps.first = steps.last = 0
    return steps


cdef inline bint next_step(Steps *steps, double pace) noexcept nogil:
    """Go on to the next pieces, if there are any."""
    cdef int64_t left = steps.n - steps.last, size
    # Limited to what is left before the conversion, so that an integer holds it.
    size = <int64_t>min(<double>left, pace * steps.n_threads * steps.seconds / steps.work)
    size = steps.unit * max(<int64_t>1, size // steps.unit)
    if steps.most:
        size = min(size, steps.most)
    if left - size < size // 4:  # too little is left for a step of its own
        size = left
    steps.first = steps.last
    steps.last += size
    steps.began = knnc_now()
    return size > 0


cdef inline int look(Steps *steps, double *pace) except -1:
    """After a step: set the pace, and check signals."""
    cdef double elapsed = knnc_now() - steps.began
    cdef double seen = steps.work * (steps.last - steps.first) / (
        max(elapsed, 1e-4) * steps.n_threads)
    # A time below 1e-4 s only shows that the pace is at least `seen`. One measurement may be wrong,
    # so the next step is at most eight times as large.
    if elapsed > 1e-4 or seen > pace[0]:
        pace[0] = min(8 * pace[0], seen)
    return PyErr_CheckSignals()
