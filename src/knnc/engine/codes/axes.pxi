# Codes of bytes for squared Euclidean distance: coordinates along principal axes.
#
# A is a matrix of whole numbers (learning.principal_axes), s^2 at least the square of its largest
# singular value, m the byte vector nearest the mean, and
#
#     P(x) = (A (x - m), t(x)),   t(x) = sqrt(s^2 |x - m|^2 - |A (x - m)|^2).
#
# With R the root of s^2 I - A'A, which is positive semidefinite, s^2 |q - x|^2 = |A (q - x)|^2 +
# |R (q - x)|^2, and t(x) = |R (x - m)|, so that |t(q) - t(x)| <= |R (q - x)|, and |P(q) - P(x)| <=
# s |q - x|. Each coordinate is clipped to 127 steps, which increases no difference either.
# Clipping weakens the bound but keeps it valid; it is not part of the error e.
#
# The coordinates come in stages, first the axes along which rows vary most. A scan leaves a panel
# of rows as soon as its partial sums are beyond every query's limit, because further coordinates
# only add to them (kernels.h).
#
# Rounding. A (x - m) is exact: whole numbers below 2^53. Differences cancel in t, and in what is
# left after rounding to a code. Their error is at most sqrt(1e-13 s^2 |x - m|^2), which is added to
# e.

# Rows of a sample that are projected at a time.
SLAB_ROWS = 512


cdef class AxisQuantizer(Quantizer):
    """Coordinates along principal axes, learnt from a sample of rows.

    Parameters
    ----------
    sample : ndarray of shape (n_rows, n_features), uint8
    sizes : tuple of int
        How many coordinates each stage has, at most n_features + 1 in all. The last coordinate of
        the second stage, or of the only stage, is t.
    kernel : str or None
        The kernel that projects.
    n_threads : int
    """

    def __init__(self, sample, sizes, kernel, int n_threads):
        self.metric, self.n_features = "sqeuclidean", sample.shape[1]
        self.stages = sizes
        axes_a_stage = list(sizes)
        axes_a_stage[min(1, len(sizes) - 1)] -= 1
        axes = learning.principal_axes(sample, tuple(axes_a_stage))
        planes = learning.as_planes(axes)
        self.n_axes = len(axes)
        self.n_coarse, self.n_fine, self.tail_at = sum(sizes), 0, sum(sizes[:2]) - 1
        self.norm = learning.squared_norm_bound(axes)
        self.planes = _PackedRows(planes, "sqeuclidean", kernel, n_threads)
        self.set_plane_squares((planes.astype(np.int64) ** 2).sum(axis=1))
        self.mean = np.rint(sample.mean(axis=0)).astype(np.uint8)
        # Whole numbers, which NumPy multiplies without BLAS: see clusters._chain.
        self.origin = (axes.astype(np.int64) @ np.asarray(self.mean, np.int64)).astype(np.float64)
        step, self.shifts = making.choose_steps(
            self.n_coarse, COARSE_RANGE * self.look_at(sample, axes_a_stage, n_threads), 1.0)
        self.step = np.ceil(step)
        self.set_steps()

    def look_at(self, sample, axes_a_stage, int n_threads):
        """The largest coordinate of a sample along the axes of each stage. Sets the middle of t.

        Works on a slab at a time: coordinates as doubles take ten times the sample's bytes.
        """
        ends = np.cumsum(axes_a_stage)[:len(axes_a_stage) - 1]
        largest, tails = np.zeros(len(axes_a_stage)), []
        for start in range(0, len(sample), SLAB_ROWS):
            points, t = self.points_of(sample[start:start + SLAB_ROWS], n_threads)
            tails += [t.min(), t.max()]
            parts = np.split(np.abs(points, out=points), ends, axis=1)
            largest = np.maximum(largest, [part.max(initial=0) for part in parts])
        self.tail_origin = (max(tails) + min(tails)) / 2
        return largest

    def set_plane_squares(self, squares):
        """Set |a|^2 of each plane, and the sum over the two planes of an axis for `project`."""
        self.plane_squares = squares
        self.plane_sums = 32.0 * squares[:self.n_axes] + 0.5 * squares[self.n_axes:]

    def state(self):
        """Everything that `restored` needs; see fields.py."""
        return {
            "n_coarse": self.n_coarse, "step": self.step,
            "stages": np.array(self.stages), "shifts": np.array(self.shifts),
            "norm": self.norm, "tail_origin": self.tail_origin, "planes": self.planes.state(),
            "plane_squares": np.asarray(self.plane_squares), "mean": np.asarray(self.mean),
            "origin": np.asarray(self.origin)}

    @staticmethod
    def restored(saved, int64_t n_features, kernel):
        """The quantizer that `state` described."""
        cdef AxisQuantizer self = AxisQuantizer.__new__(AxisQuantizer)
        self.metric, self.n_features = "sqeuclidean", n_features
        self.n_coarse = count_of(saved, "n_coarse", 2, n_features + 1)
        self.step = number_of(saved, "step", positive=True)
        self.stages, self.shifts = making.stages_of(saved, self.n_coarse, KNNC_MAX_SHIFT)
        self.set_steps()
        self.n_fine, self.n_axes = 0, self.n_coarse - 1
        self.tail_at = sum(self.stages[:2]) - 1
        self.norm = number_of(saved, "norm", positive=True)
        self.tail_origin = number_of(saved, "tail_origin")
        self.planes = _PackedRows(
            None, "sqeuclidean", kernel, 1, saved=part_of(saved, "planes"))
        if (self.planes.n_rows, self.planes.n_features) != (2 * self.n_axes, n_features):
            raise ValueError("planes are not two for each axis")
        if self.planes.columns is not None:
            raise ValueError("planes lack columns")
        self.set_plane_squares(array_of(saved, "plane_squares", np.int64, (2 * self.n_axes,)))
        self.mean = array_of(saved, "mean", np.uint8, (n_features,))
        self.origin = array_of(saved, "origin", np.float64, (self.n_axes,))
        return self

    def points_of(self, const uint8_t[:, ::1] rows, int n_threads):
        """A (x - m) of rows, ndarray (n, n_axes), and t, ndarray (n,)."""
        cdef int64_t n = rows.shape[0], first
        cdef int failed
        cdef double pace = FIRST_PACE
        cdef Steps steps = steps_of(
            n, self.tile_rows() * n_threads, self.n_features, n_threads)
        points, tails, errors = np.empty((n, self.n_axes)), np.empty(n), np.empty(n)
        cdef double[:, ::1] points_view = points
        cdef double[::1] tails_view = tails, errors_view = errors
        while next_step(&steps, pace):
            first = steps.first
            with nogil:
                failed = self.project_rows(
                    &rows[first, 0], steps.last - first, &points_view[first, 0],
                    &tails_view[first], &errors_view[first], n_threads)
            if failed:
                raise MemoryError("no memory to project rows.")
            look(&steps, &pace)
        return points, tails

    cdef int64_t tile_rows(self) noexcept nogil:
        return self.planes.kernel.layout.tile_queries

    cdef int project_rows(
        self, const uint8_t *rows, int64_t n, double *points, double *tails, double *tail_errors,
        int n_threads,
    ) noexcept nogil:
        cdef int64_t tile = self.tile_rows(), i
        cdef int failed = 0
        for i in prange((n + tile - 1) // tile, num_threads=n_threads):
            failed += self.project(
                rows + i * tile * self.n_features, <int>min(tile, n - i * tile),
                points + i * tile * self.n_axes, tails + i * tile, tail_errors + i * tile)
        return failed

    cdef int project(
        self, const uint8_t *rows, int n, double *points, double *tails, double *tail_errors
    ) noexcept nogil:
        """A (x - m) and t of a tile of rows, from their exact distances to the planes of A.

        |x - a|^2 = |x|^2 + |a|^2 - 2 x.a, so x.a follows exactly; a has 128 added to each number.
        """
        cdef const knnc_kernel *kernel = self.planes.kernel
        cdef int64_t d = self.n_features, n_axes = self.n_axes
        cdef int q
        cdef double *point
        cdef knnc_moments moments
        cdef knnc_found found
        cdef knnc_queries queries
        cdef void *values = malloc(packed_tile_bytes(kernel, d))
        cdef const int32_t *dist
        # One more than rows: an entry is written before it is known to count.
        found.room = 2 * n_axes + 1
        found.first_row = 0
        found.rows = <int32_t *>malloc(2 * n * found.room * sizeof(int32_t))
        found.dist = found.rows + n * found.room
        if values == NULL or found.rows == NULL:
            free(values)
            free(found.rows)
            return -1
        pack_queries(kernel, rows, d, n, d, values, &queries)
        for q in range(n):
            found.counts[q] = 0
            queries.limits[q] = KNNC_LIMIT_NONE
        # Without a limit all planes are listed, in their order.
        kernel.tile(&self.planes.blocks[0], 0, self.planes.n_panels, &queries, NULL, &found)
        for q in range(n):
            dist = found.dist + q * found.room
            moments = knnc_moments_of(rows + q * d, &self.mean[0], d)
            point = points + q * n_axes
            knnc_project(dist, dist + n_axes, 32.5 * moments.square - 65.0 * 128 * moments.total,
                         &self.plane_sums[0], &self.origin[0], n_axes, point)
            tails[q] = sqrt(max(
                0.0, self.norm * moments.centred - knnc_sum_of_squares(point, n_axes)))
            tail_errors[q] = sqrt(1e-13 * self.norm * moments.centred)
        free(values)
        free(found.rows)
        return 0

    cdef int encode_tile(
        self, const uint8_t *rows, int n, uint8_t *codes, double *errors
    ) noexcept nogil:
        cdef int64_t n_axes = self.n_axes, n_coarse = self.n_coarse, before = self.tail_at
        cdef int q, status
        cdef double *points = <double *>malloc((n * (n_axes + 2) + n_coarse) * sizeof(double))
        cdef double *tails = points + n * n_axes
        cdef double *values = tails + 2 * n
        cdef const double *point
        if points == NULL:
            return -1
        status = self.project(rows, n, points, tails, tails + n)
        if status == 0:
            for q in range(n):
                point = points + q * n_axes
                memcpy(values, point, before * sizeof(double))
                values[before] = tails[q] - self.tail_origin
                memcpy(values + before + 1, point + before, (n_axes - before) * sizeof(double))
                knnc_to_code(values, &self.steps[0], 1, n_coarse, codes + q * n_coarse)
                errors[2 * q] = sqrt(knnc_sum_of_squares(values, n_coarse)) * MARGIN + tails[n + q]
                errors[2 * q + 1] = 0
        free(points)
        return status

    cdef double reach(self, int64_t best) noexcept nogil:
        return sqrt(self.norm * best) * MARGIN

    cdef double far_in_steps(self, double far) noexcept nogil:
        return far * far * MARGIN
