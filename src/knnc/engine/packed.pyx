"""Rows in a kernel's layout, without the columns that hold one value in all rows.

What such a column adds to a distance depends on the query alone. A search therefore compares the
other columns, and adds the rest once per query: |q - x|^2 = sum of kept (q - x)^2 + sum of dropped
(q - c)^2. The same holds for Manhattan and Hamming; Chebyshev takes the larger of the two. Of
MNIST's 784 columns, 67 are 0 in every training image; without them a scan takes 10 % less time.
"""
from cython.parallel cimport prange
from libc.stdint cimport int32_t, int64_t, uint8_t, uintptr_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from knnc.engine._kernels cimport (
    KNNC_BLOCK_FEATURES,
    KNNC_MAX_SHIFT,
    KNNC_MAX_STAGES,
    KNNC_PAD_TERM,
    KNNC_SQEUCLIDEAN,
    knnc_kernel,
    knnc_pair,
    knnc_rows,
)
from knnc.engine.dispatch cimport (
    add_differences,
    chain_terms,
    find_kernel,
    pack_rows,
    pad_term,
)
from knnc.engine.system._pace cimport Steps, look, next_step, steps_of

import numpy as np

from knnc.engine.fields import array_of, count_of
from knnc.engine.aligned import aligned, aligned_bytes, own_pages, runs_of

# Features that one accumulator of 32 bits holds.
BLOCK_FEATURES = KNNC_BLOCK_FEATURES
# Rows searched first for columns that vary, on one thread: mostly all columns vary there.
cdef int64_t FIRST_ROWS = 1024
# Bytes packed a second and thread, as long as it is not known.
cdef double FIRST_PACE = 8e7


def nbytes_for(str metric, kernel, int64_t n_rows, int64_t n_features):
    """Bytes that rows take when they are packed, or fewer if columns hold one value."""
    cdef const knnc_kernel *found = find_kernel(metric, kernel)
    cdef int64_t height = found.layout.panel_rows, lane = found.layout.lane
    cdef int64_t n_blocks = (n_features - 1) // KNNC_BLOCK_FEATURES + 1
    # Every block but the last is a whole number of steps.
    cdef int64_t row_bytes = (n_features + lane - 1) // lane * lane + 4 * n_blocks
    return (n_rows + height - 1) // height * height * row_bytes


cdef class PackedRows:
    """Rows in one kernel's layout, in blocks of at most KNNC_BLOCK_FEATURES features.

    Rows that are read in stages are for a kernel's `tile` only, not for `search`.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features), uint8, C-contiguous
    metric : {"sqeuclidean", "manhattan", "chebyshev", "hamming"}
    kernel : str or None
        The kernel's name; None for the best that runs here.
    n_threads : int
    drop_constant : bool
        Leave out columns that hold one value in all rows, if that saves a step of the kernel.
    stages, shifts : tuple of int
        Features of each stage in which panels are read; all but the last are multiples of the
        kernel's lane. Before a stage is added, the distances so far are shifted left by its number
        of bits. A panel is left after a stage if no row in it can be within a query's limit.
    parts : list of ndarray of shape (n_rows, size of the stage)
        The features of each stage; `rows` is None then. The list is emptied as parts are packed,
        so that no part is in memory twice.
    saved : dict or None
        What `state` returned for the same rows; `rows` is None then.
    kept : bool, default=True
        Whether the packed rows stay for a while. If so, large ones get pages of their own. Chunks
        of a stream do not: new pages would make the next chunk take half as long again.
    """

    def __cinit__(self, const uint8_t[:, ::1] rows, str metric, kernel, int n_threads,
                  bint drop_constant=False, stages=(), shifts=(), parts=None, saved=None,
                  bint kept=True):
        cdef int b
        cdef int64_t width, panel_bytes = 0, height, lane
        self.kernel = find_kernel(metric, kernel)
        self._pace = 2e9
        height, lane = self.kernel.layout.panel_rows, self.kernel.layout.lane
        if saved is not None:
            self.n_rows = count_of(saved, "n_rows", 1, 1 << 36)
            self.n_features = self.n_kept = count_of(saved, "n_features", 1, 1 << 25)
            self.restore_columns(saved)
        elif parts is not None:
            self.n_rows, self.n_features = len(parts[0]), sum(stages)
            self.n_kept = self.n_features
        else:
            self.n_rows = rows.shape[0]
            self.n_features = self.n_kept = rows.shape[1]
        if drop_constant and self.n_features <= KNNC_BLOCK_FEATURES:
            self.choose_columns(np.asarray(rows), n_threads)
        self.n_panels = (self.n_rows + height - 1) // height
        self.block_ends = self.cut(stages, shifts)
        self.n_blocks = len(self.block_ends)
        self.is_staged = len(stages) > 1
        self.blocks = <knnc_rows *>malloc(self.n_blocks * sizeof(knnc_rows))
        if self.blocks == NULL:
            raise MemoryError()
        for b in range(self.n_blocks):
            width = self.block_end(b) - self.block_start(b)
            self.blocks[b].n_steps = (width + lane - 1) // lane
            self.blocks[b].next = NULL
            self.blocks[b].shift = shifts[b] if self.is_staged else 0
            if self.is_staged and b + 1 < self.n_blocks:
                self.blocks[b].next = &self.blocks[b + 1]
            panel_bytes += self.block_bytes(b)
        cdef int64_t n_terms = self.n_panels * height * self.n_blocks
        if saved is not None:
            panel_bytes *= self.n_panels
            self._panels = aligned(array_of(saved, "panels", np.uint8, (panel_bytes,)))
            self._terms = aligned(array_of(saved, "terms", np.int32, (n_terms,)).view(np.uint8))
            self.point_blocks()
            self.check_terms()
            self.check_padding()
            return
        allocate = own_pages if kept else aligned_bytes
        self._panels = allocate(self.n_panels * panel_bytes)
        self._terms = allocate(n_terms * sizeof(int32_t))
        self.point_blocks()
        self.pack(rows, parts, n_threads)

    def __dealloc__(self):
        free(self.blocks)

    def cut(self, stages, shifts):
        """The ends of the blocks of features, ndarray of int64."""
        lane = self.kernel.layout.lane
        if len(stages) < 2:
            whole = range(KNNC_BLOCK_FEATURES, self.n_kept, KNNC_BLOCK_FEATURES)
            return np.array([*whole, self.n_kept], np.int64)
        ends = np.cumsum(stages, dtype=np.int64)
        if (len(ends) > KNNC_MAX_STAGES or sum(shifts) > KNNC_MAX_SHIFT or min(stages) < 1
                or (ends[:len(ends) - 1] % lane).any() or sum(stages) != self.n_kept):
            raise ValueError(f"{self.n_kept} features cannot be read in stages of {stages}.")
        return ends

    def choose_columns(self, rows, int n_threads):
        """Keep the columns that vary, or the first if none does, where that saves a step."""
        cdef int64_t lane = self.kernel.layout.lane, d = self.n_features
        # The fewest constant columns that save one: down to the next multiple of the lane.
        varies = varying(rows, (d - 1) % lane + 1, n_threads)
        varies[0] |= not varies.any()
        kept = np.count_nonzero(varies)
        if (kept + lane - 1) // lane < (d + lane - 1) // lane:
            self.columns = Columns(varies, rows[0])
            self.n_kept = kept

    def state(self):
        """Everything that `saved` needs to make these rows again; see fields.py."""
        saved = {"n_rows": self.n_rows, "n_features": self.n_features, "panels": self._panels,
                 "terms": self._terms.view(np.int32), "varies": None, "first_row": None}
        if self.columns is not None:
            varies = np.zeros(self.n_features, bool)
            for start, length in self.columns._runs[0]:
                varies[start:start + length] = True
            first_row = np.zeros(self.n_features, np.uint8)
            first_row[~varies] = self.columns.constants
            saved["varies"], saved["first_row"] = varies, first_row
        return saved

    def restore_columns(self, saved):
        if saved.get("varies") is None:
            return
        varies = array_of(saved, "varies", bool, (self.n_features,))
        first_row = array_of(saved, "first_row", np.uint8, (self.n_features,))
        if not varies.any() or varies.all() or self.n_features > KNNC_BLOCK_FEATURES:
            raise ValueError("varies leaves out no columns, or all")
        self.columns = Columns(varies, first_row)
        self.n_kept = self.columns.n_kept

    def pad_terms(self):
        """The term of a padding row in each block, ndarray (n_blocks, 1)."""
        if not self.is_staged:
            return np.full((self.n_blocks, 1), KNNC_PAD_TERM, np.int32)
        terms = np.zeros((self.n_blocks, 1), np.int32)
        terms[0] = pad_term(self.blocks)
        return terms

    def check_terms(self):
        """Refuse terms outside the range that packing can give them."""
        cdef int64_t bias = self.kernel.layout.bias, least = 0, most = 0, width
        cdef int b
        terms = self._terms.view(np.int32).reshape(self.n_blocks, -1)
        if self.is_staged and self.kernel.metric == KNNC_SQEUCLIDEAN:
            return  # chained ones may be any number: no kernel lets a negative distance pass
        for b in range(self.n_blocks):
            if self.kernel.metric == KNNC_SQEUCLIDEAN:
                width = self.block_end(b) - self.block_start(b)
                least, most = -bias * bias * width, max(0, 255 * (255 - 2 * bias)) * width
            own = terms[b, :self.n_rows]
            if own.min() < least or own.max() > most:
                raise ValueError("terms are not those of rows of bytes")

    def check_padding(self):
        """Refuse padding rows unlike those that packing makes, which no search finds."""
        cdef int64_t height = self.kernel.layout.panel_rows, lane = self.kernel.layout.lane
        cdef int64_t n_padding = self.n_panels * height - self.n_rows, start = 0, end
        cdef int b
        if n_padding == 0:
            return
        terms = self._terms.view(np.int32).reshape(self.n_blocks, self.n_panels * height)
        is_right = bool((terms[:, -n_padding:] == self.pad_terms()).all())
        for b in range(self.n_blocks):
            end = start + self.n_panels * self.block_bytes(b)
            last = self._panels[end - self.block_bytes(b):end].reshape(-1, height, lane)
            is_right = is_right and not last[:, height - n_padding:].any()
            start = end
        if not is_right:
            raise ValueError("panels have rows past the last")

    @property
    def kernel_name(self):
        return self.kernel.name.decode()

    @property
    def nbytes(self):
        return self._panels.nbytes + self._terms.nbytes

    @property
    def pace(self):
        """Multiply-adds per second and thread, last measured."""
        return self._pace

    @pace.setter
    def pace(self, double pace):
        self._pace = pace

    cdef int64_t block_start(self, int b) noexcept nogil:
        cdef int64_t before = b - 1
        return 0 if b == 0 else self.block_ends[before]

    cdef int64_t block_end(self, int b) noexcept nogil:
        return self.block_ends[b]

    cdef int64_t block_bytes(self, int b) noexcept nogil:
        """Bytes of one panel of the block."""
        return self.blocks[b].n_steps * self.kernel.layout.panel_rows * self.kernel.layout.lane

    cdef void point_blocks(self):
        cdef uintptr_t panels = self._panels.ctypes.data, terms = self._terms.ctypes.data
        cdef int b
        for b in range(self.n_blocks):
            self.blocks[b].panels = <const uint8_t *>panels
            self.blocks[b].terms = <const int32_t *>terms
            panels += self.n_panels * self.block_bytes(b)
            terms += self.n_panels * self.kernel.layout.panel_rows * sizeof(int32_t)

    cdef int pack(self, const uint8_t[:, ::1] rows, parts, int n_threads) except -1:
        cdef int64_t p, start
        cdef double pace = FIRST_PACE
        cdef Steps steps
        cdef int b, failed = 0
        for b in reversed(range(self.n_blocks)):
            start = self.block_start(b)
            if parts is not None:
                rows, start = parts.pop(), 0
            steps = self.panel_steps(n_threads)
            while next_step(&steps, pace):
                for p in prange(steps.first, steps.last, nogil=True, num_threads=n_threads,
                                schedule="static"):
                    failed += self.pack_panel(rows, start, b, p)
                look(&steps, &pace)
        if failed:
            raise MemoryError("no memory to pack rows.")
        if self.is_staged:
            self.chain_all_terms(n_threads)
        return 0

    cdef Steps panel_steps(self, int n_threads) noexcept nogil:
        return steps_of(self.n_panels, n_threads,
                        self.n_features * self.kernel.layout.panel_rows, n_threads)

    cdef int chain_all_terms(self, int n_threads) except -1:
        cdef int64_t p, height = self.kernel.layout.panel_rows
        cdef double pace = FIRST_PACE
        cdef Steps steps = self.panel_steps(n_threads)
        while next_step(&steps, pace):
            for p in prange(steps.first, steps.last, nogil=True, num_threads=n_threads,
                            schedule="static"):
                chain_terms(
                    self.kernel, self.blocks, self.n_rows, p * height, (p + 1) * height)
            look(&steps, &pace)
        return 0

    cdef int pack_panel(
        self, const uint8_t[:, ::1] rows, int64_t start, int b, int64_t p
    ) noexcept nogil:
        """Panel p of block b, which begins at column `start` of `rows`."""
        cdef const knnc_kernel *kernel = self.kernel
        cdef int64_t height = kernel.layout.panel_rows, r, n
        cdef int64_t width = self.block_end(b) - self.block_start(b)
        cdef uint8_t *panels = <uint8_t *>self.blocks[b].panels
        cdef int32_t *terms = <int32_t *>self.blocks[b].terms
        cdef uint8_t *kept
        if self.columns is None:
            pack_rows(kernel, &rows[0, start], rows.shape[1], self.n_rows, width, p, p + 1,
                      panels, terms)
            return 0
        n = min(height, self.n_rows - p * height)
        kept = <uint8_t *>malloc(n * width)
        if kept == NULL:
            return -1
        for r in range(n):
            self.columns.keep(&rows[p * height + r, 0], kept + r * width)
        pack_rows(kernel, kept, width, n, width, 0, 1, panels + p * self.block_bytes(b),
                  terms + p * height)
        free(kept)
        return 0


# ------------------------------------------------------------------------------------------------
# Constant columns

cdef class Columns:
    """Rows without some of their columns.

    Parameters
    ----------
    varies : ndarray of shape (n_features,), bool
        The columns to keep.
    first_row : ndarray of shape (n_features,), uint8
        What the other columns hold.
    """

    def __init__(self, varies, first_row):
        cdef Run[::1] kept, dropped
        self.n_kept = np.count_nonzero(varies)
        self.n_dropped = len(varies) - self.n_kept
        self._runs = runs_of(varies), runs_of(~varies)
        kept, dropped = self._runs
        self.n_kept_runs, self.n_dropped_runs = len(kept), len(dropped)
        self.kept = &kept[0] if len(kept) else NULL
        self.dropped = &dropped[0] if len(dropped) else NULL
        self.constants = np.ascontiguousarray(first_row[~varies])

    cdef void keep(self, const uint8_t *row, uint8_t *out) noexcept nogil:
        """The kept columns of a row."""
        take_runs(row, self.kept, self.n_kept_runs, out)

    cdef int32_t offset(
        self, const uint8_t *query, knnc_pair pair, uint8_t *scratch
    ) noexcept nogil:
        """A query's distance from every row in the dropped columns; scratch: n_dropped bytes."""
        take_runs(query, self.dropped, self.n_dropped_runs, scratch)
        return pair(scratch, &self.constants[0], self.n_dropped)


cdef void take_runs(
    const uint8_t *row, const Run *runs, int64_t n_runs, uint8_t *out
) noexcept nogil:
    cdef int64_t i
    for i in range(n_runs):
        memcpy(out, row + runs[i].start, runs[i].length)
        out += runs[i].length


def varying(const uint8_t[:, ::1] rows, int64_t fewest, int n_threads):
    """Which columns hold more than one value, ndarray (n_features,), bool.

    Stops, and says that all do, as soon as fewer than `fewest` can still be constant.
    """
    cdef int64_t n_rows = rows.shape[0], d = rows.shape[1], step, part
    cdef double pace = FIRST_PACE
    cdef Steps steps = steps_of(n_rows, n_threads, d, n_threads)
    cdef uint8_t[:, ::1] differs = np.zeros((n_threads, d), np.uint8)
    steps.last = min(n_rows, FIRST_ROWS)
    with nogil:  # the rows may have to come from a disk
        add_differences(&rows[0, 0], d, 0, steps.last, &differs[0, 0])
    while True:
        varies = np.asarray(differs).any(axis=0)
        if np.count_nonzero(~varies) < fewest:
            return np.ones(d, dtype=bool)
        if not next_step(&steps, pace):
            return varies
        step = (steps.last - steps.first + n_threads - 1) // n_threads
        for part in prange(n_threads, nogil=True, num_threads=n_threads, schedule="static"):
            add_differences(&rows[0, 0], d, steps.first + part * step,
                            min(steps.last, steps.first + (part + 1) * step), &differs[part, 0])
        look(&steps, &pace)
