"""Sorts each query's candidates, a few hundred of them, by distances made for images.

    rerank
      chunks of queries (and of candidates, when they are many): at most about 0.05 s each; between
      two chunks signals are checked and progress is reported, with the GIL held
        one query in each OpenMP iteration, against a range of its candidates
          first the cheap terms, then the expensive ones, until the sum passes the k-th so far

A distance is a weighted sum of terms in a fixed order. No term is negative, so a candidate is
dropped as soon as a partial sum is above the k-th distance. Which candidates are dropped early
depends on their order; the result does not.
"""
from cython.parallel cimport prange
from libc.math cimport HUGE_VAL
from libc.stdint cimport INT64_MAX, int8_t, int32_t, int64_t, uint8_t
from libc.stdlib cimport free, malloc

from knnc.engine.dispatch cimport can_run
from knnc.engine.system._pace cimport Steps, look, next_step, steps_of
from knnc.image._idm cimport (
    KNNC_IDM_MAX_WARP,
    KNNC_TANGENTS,
    knnc_idm_gradients,
    knnc_idm_kernel,
    knnc_idm_kernel_at,
    knnc_idm_layout,
    knnc_idm_shape,
    knnc_n_idm_kernels,
    knnc_tangent_distance,
    knnc_tangents,
)

import numpy as np

# More than what rounding can take from a sum of a few terms.
cdef double MARGIN = 1 + 1e-12

MAX_WARP = KNNC_IDM_MAX_WARP
# In the order in which they are added up.
TERMS = (
    "features", "pixels", "manhattan", "shift", "tangent", "tangent_both", "idm", "idm_back"
)


def all_idm_kernels():
    """Names of the kernels of the image distortion model, best first."""
    return [knnc_idm_kernel_at(i).name.decode() for i in range(knnc_n_idm_kernels())]


def available_idm_kernels():
    """Names of the kernels that can run here."""
    return [
        knnc_idm_kernel_at(i).name.decode()
        for i in range(knnc_n_idm_kernels())
        if can_run(knnc_idm_kernel_at(i).needs)
    ]


cdef const knnc_idm_kernel *find_idm_kernel(str name) except NULL:
    cdef int i
    for i in range(knnc_n_idm_kernels()):
        if can_run(knnc_idm_kernel_at(i).needs):
            if name is None or knnc_idm_kernel_at(i).name.decode() == name:
                return knnc_idm_kernel_at(i)
    raise ValueError(
        f"kernel {name!r} cannot run here; these can: {', '.join(available_idm_kernels())}."
    )


cdef struct Weights:
    double features, pixels, manhattan, shift, tangent, tangent_both, idm, idm_back
    int64_t max_shift


cdef struct Best:
    # The k nearest so far, in ascending order of (distance, row).
    double *dist
    int64_t *ind
    int64_t k


cdef inline void keep(Best *best, double dist, int64_t row) noexcept nogil:
    cdef int64_t at = best.k - 1
    if dist > best.dist[at] or (dist == best.dist[at] and row > best.ind[at]):
        return
    while at > 0 and (
        best.dist[at - 1] > dist or (best.dist[at - 1] == dist and best.ind[at - 1] > row)
    ):
        best.dist[at] = best.dist[at - 1]
        best.ind[at] = best.ind[at - 1]
        at -= 1
    best.dist[at] = dist
    best.ind[at] = row


cdef inline int64_t limit_of(double left, double weight) noexcept nogil:
    """A term above this limit, weighted, is more than `left`, however the sum is rounded."""
    cdef double limit = left / weight * MARGIN
    return INT64_MAX // 2 if limit >= 4e18 else <int64_t>limit + 1


cdef int64_t square_distance(const uint8_t *x, const uint8_t *y, int64_t n) noexcept nogil:
    cdef int64_t total = 0, start, end, i
    cdef int32_t part, diff
    for start in range(0, n, 16384):  # a part fits 32 bits: 16,384 * 255^2 < 2^31
        part = 0
        end = min(n, start + 16384)
        for i in range(start, end):
            diff = <int32_t>x[i] - <int32_t>y[i]
            part += diff * diff
        total += part
    return total


cdef int64_t absolute_distance(const uint8_t *x, const uint8_t *y, int64_t n) noexcept nogil:
    cdef int64_t total = 0, start, end, i
    cdef int32_t part, diff
    for start in range(0, n, 16384):
        part = 0
        end = min(n, start + 16384)
        for i in range(start, end):
            diff = <int32_t>x[i] - <int32_t>y[i]
            part += diff if diff > 0 else -diff
        total += part
    return total


cdef int64_t shifted_distance(
    const uint8_t *x, const uint8_t *y, int64_t h, int64_t w, int64_t down, int64_t right,
    int64_t limit,
) noexcept nogil:
    """|x - shifted y|^2, with zeros outside of both; if above limit, any number above it."""
    cdef int64_t total = 0, r, c, source
    cdef int64_t first = max(<int64_t>0, right), last = w + min(<int64_t>0, right)
    for r in range(h):
        source = r - down
        if source < 0 or source >= h:
            for c in range(w):
                total += <int64_t>x[r * w + c] * x[r * w + c]
            continue
        total += square_distance(x + r * w + first, y + source * w + first - right, last - first)
        for c in range(first):
            total += <int64_t>x[r * w + c] * x[r * w + c]
        for c in range(last, w):
            total += <int64_t>x[r * w + c] * x[r * w + c]
        # The pixels of y that were shifted out at the sides.
        for c in range(max(<int64_t>0, w - right), w):
            total += <int64_t>y[source * w + c] * y[source * w + c]
        for c in range(min(w, max(<int64_t>0, -right))):
            total += <int64_t>y[source * w + c] * y[source * w + c]
        if total > limit:
            return total
    for r in range(h):
        if r + down < 0 or r + down >= h:
            for c in range(w):
                total += <int64_t>y[r * w + c] * y[r * w + c]
    return total


cdef int64_t best_shift(
    const uint8_t *x, const uint8_t *y, int64_t h, int64_t w, int64_t reach
) noexcept nogil:
    cdef int64_t best = INT64_MAX, down, right
    for down in range(max(-reach, -h), min(reach, h) + 1):
        for right in range(max(-reach, -w), min(reach, w) + 1):
            best = min(best, shifted_distance(x, y, h, w, down, right, best))
    return best


cdef class Gallery:
    """Training images, prepared for comparison.

    Parameters
    ----------
    images : ndarray of shape (n_images, height * width), uint8, C-contiguous
        Kept, not copied.
    height, width : int
    warp : int
        How far a pixel may move, 0 to MAX_WARP.
    weights : dict of str to float
        Weights of the terms. Gradients are stored only if a term needs them.
    max_shift : int
        The largest shift that the term "shift" tries.
    n_threads : int
    kernel : str or None
        None for the best that runs here.
    root : bool
        Whether each gradient is scaled to the square root of its length.
    """
    cdef object _images, _pairs  # own the memory that the pointers refer to
    cdef const uint8_t *images
    cdef int8_t *pairs  # NULL: no term needs gradients
    cdef int64_t n_images, n_pixels
    cdef const knnc_idm_kernel *found
    cdef knnc_idm_shape shape
    cdef Weights weights
    cdef double pace  # pairs a second and thread, as last seen

    def __init__(
        self, const uint8_t[:, ::1] images, int64_t height, int64_t width, int64_t warp,
        weights, int64_t max_shift, int n_threads, kernel=None, bint root=False,
    ):
        if images.shape[1] != height * width:
            raise ValueError(
                f"height and width are {height} and {width}: not {images.shape[1]} pixels.")
        if not 0 <= warp <= KNNC_IDM_MAX_WARP:
            raise ValueError(f"warp must be from 0 to {KNNC_IDM_MAX_WARP}, got {warp}.")
        self._images = images
        self.images = &images[0, 0]
        self.n_images, self.n_pixels = images.shape[0], images.shape[1]
        self.pairs = NULL
        self.found = find_idm_kernel(kernel)
        self.pace = 1e5
        knnc_idm_layout(&self.shape, height, width, warp, root)
        self.weights.features = weights.get("features", 0.0)
        self.weights.pixels = weights.get("pixels", 0.0)
        self.weights.manhattan = weights.get("manhattan", 0.0)
        self.weights.shift = weights.get("shift", 0.0)
        self.weights.tangent = weights.get("tangent", 0.0)
        self.weights.tangent_both = weights.get("tangent_both", 0.0)
        self.weights.idm = weights.get("idm", 0.0)
        self.weights.idm_back = weights.get("idm_back", 0.0)
        self.weights.max_shift = max_shift
        if self.weights.idm > 0 or self.weights.idm_back > 0:
            self.take_gradients(n_threads)

    cdef int take_gradients(self, int n_threads) except -1:
        cdef int64_t i, n_bytes = self.shape.n_bytes
        cdef double pace = self.pace
        cdef Steps steps = steps_of(self.n_images, n_threads, 1, n_threads)
        # At a multiple of 64 bytes, as are all images after the first.
        cdef int8_t[::1] room = np.empty(self.n_images * n_bytes + 64, dtype=np.int8)
        self._pairs = room
        self.pairs = &room[<int64_t>(-<size_t>&room[0] % 64)]
        while next_step(&steps, pace):
            with nogil:
                for i in prange(
                    steps.first, steps.last, num_threads=n_threads, schedule="static"
                ):
                    knnc_idm_gradients(
                        &self.shape, self.images + i * self.n_pixels, self.pairs + i * n_bytes)
            look(&steps, &pace)
        return 0

    @property
    def kernel(self):
        """The kernel's name."""
        return self.found.name.decode()

    @property
    def nbytes(self):
        """Bytes of the gradients."""
        return self.n_images * self.shape.n_bytes if self.pairs else 0

    cdef int compare(
        self, const uint8_t *query, const int64_t *candidates, const int64_t *features,
        int64_t n_candidates, Best *best,
    ) noexcept nogil:
        """Keep the best of some candidates; -1 if there is no memory."""
        cdef int8_t *pairs = NULL
        cdef double *tangents = NULL  # the query's, and after them the candidate's
        cdef int64_t j
        if self.pairs:
            pairs = <int8_t *>malloc(self.shape.n_bytes)
            if pairs == NULL:
                return -1
            knnc_idm_gradients(&self.shape, query, pairs)
        if self.weights.tangent > 0 or self.weights.tangent_both > 0:
            tangents = <double *>malloc(2 * KNNC_TANGENTS * self.n_pixels * sizeof(double))
            if tangents == NULL:
                free(pairs)
                return -1
            knnc_tangents(query, self.shape.height, self.shape.width, tangents)
        for j in range(n_candidates):
            self.compare_pair(query, pairs, tangents, candidates[j], features[j], best)
        free(pairs)
        free(tangents)
        return 0

    cdef double tangent_terms(
        self, const uint8_t *query, double *tangents, const uint8_t *image
    ) noexcept nogil:
        cdef double total = 0
        cdef double *others = tangents + KNNC_TANGENTS * self.n_pixels
        if self.weights.tangent > 0:
            total += self.weights.tangent * knnc_tangent_distance(
                query, image, self.n_pixels, tangents, NULL)
        if self.weights.tangent_both > 0:
            knnc_tangents(image, self.shape.height, self.shape.width, others)
            total += self.weights.tangent_both * knnc_tangent_distance(
                query, image, self.n_pixels, tangents, others)
        return total

    cdef void compare_pair(
        self, const uint8_t *query, const int8_t *pairs, double *tangents, int64_t row,
        int64_t features, Best *best,
    ) noexcept nogil:
        cdef const uint8_t *image = self.images + row * self.n_pixels
        cdef const int8_t *others = self.pairs + row * self.shape.n_bytes if self.pairs else NULL
        cdef int64_t n = self.n_pixels, limit, cost
        cdef double worst = best.dist[best.k - 1], total = self.weights.features * features
        if self.weights.pixels > 0:
            total += self.weights.pixels * square_distance(query, image, n)
        if self.weights.manhattan > 0:
            total += self.weights.manhattan * absolute_distance(query, image, n)
        if total > worst:
            return
        if self.weights.shift > 0:
            total += self.weights.shift * best_shift(
                query, image, self.shape.height, self.shape.width, self.weights.max_shift)
            if total > worst:
                return
        if tangents:
            total += self.tangent_terms(query, tangents, image)
            if total > worst:
                return
        if self.weights.idm > 0:
            limit = limit_of(worst - total, self.weights.idm)
            cost = self.found.cost(&self.shape, pairs, others, limit)
            if cost > limit:
                return
            total += self.weights.idm * cost
            if total > worst:
                return
        if self.weights.idm_back > 0:
            limit = limit_of(worst - total, self.weights.idm_back)
            cost = self.found.cost(&self.shape, others, pairs, limit)
            if cost > limit:
                return
            total += self.weights.idm_back * cost
        keep(best, total, row)


def rerank(
    Gallery gallery, const uint8_t[:, ::1] queries, const int64_t[:, ::1] candidates,
    const int64_t[:, ::1] features, int64_t k, int n_threads, progress,
):
    """The k nearest of each query's candidates, in ascending order of (distance, row index).

    Parameters
    ----------
    gallery : Gallery
    queries : ndarray of shape (n_queries, height * width), uint8
    candidates : ndarray of shape (n_queries, n_candidates), int64
        Rows of the gallery; the nearest first saves time.
    features : ndarray of shape (n_queries, n_candidates), int64
        The term "features" of each candidate.
    k : int
        At most n_candidates.
    n_threads : int
    progress : callable or None
        Called with (queries done, queries in all) after each chunk.

    Returns
    -------
    dist : ndarray of shape (n_queries, k), float64
    ind : ndarray of shape (n_queries, k), int64
    """
    cdef int64_t n_queries = queries.shape[0], n_candidates = candidates.shape[1]
    cdef int64_t first, n_now, i
    cdef int failed
    cdef Steps chunks = steps_of(n_queries, n_threads, n_candidates, n_threads), steps
    if queries.shape[1] != gallery.n_pixels or candidates.shape[0] != n_queries:
        raise ValueError(
            f"queries need {gallery.n_pixels} pixels each, and candidates a row for each query.")
    if features.shape[0] != n_queries or features.shape[1] != n_candidates or k > n_candidates:
        raise ValueError(
            "features and candidates differ in shape, or there are fewer candidates than k.")
    dist = np.full((n_queries, k), HUGE_VAL)
    ind = np.full((n_queries, k), INT64_MAX)
    cdef double[:, ::1] dist_of = dist
    cdef int64_t[:, ::1] ind_of = ind
    while next_step(&chunks, gallery.pace):
        n_now = chunks.last - chunks.first
        steps = steps_of(n_candidates, 1, n_now, min(<int64_t>n_threads, n_now))
        while next_step(&steps, gallery.pace):
            first, failed = steps.first, 0
            with nogil:
                for i in prange(
                    chunks.first, chunks.last, num_threads=n_threads, schedule="dynamic",
                    chunksize=1,
                ):
                    failed += compare_query(
                        gallery, &queries[i, 0], &candidates[i, first], &features[i, first],
                        steps.last - first, &dist_of[i, 0], &ind_of[i, 0], k)
            if failed:
                raise MemoryError("no memory for the gradients or the tangents of a query.")
            look(&steps, &gallery.pace)
        if progress is not None:
            progress(chunks.last, n_queries)
    return dist, ind


cdef int compare_query(
    Gallery gallery, const uint8_t *query, const int64_t *candidates, const int64_t *features,
    int64_t n_candidates, double *dist, int64_t *ind, int64_t k,
) noexcept nogil:
    cdef Best best
    best.dist, best.ind, best.k = dist, ind, k
    return gallery.compare(query, candidates, features, n_candidates, &best)
