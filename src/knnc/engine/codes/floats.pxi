# Codes of float rows for squared Euclidean distance: coordinates along principal axes, and turned
# whole rows.
#
# Let m be a vector near the mean, c a power of two, and clip(v) each number of v cut off at
# +-2^40. A row x is first centred, y(x) = clip(c (x - m)), under which no distance grows by more
# than c. There are two maps of y:
#
# - It is projected as bytes are (axes.pxi): with A a matrix of float32 numbers, taken as they are,
#   and s^2 at least the square of its largest singular value,
#
#       P(x) = (A y, t),   t = sqrt(s^2 |y|^2 - |A y|^2),   |P(q) - P(x)| <= s c |q - x|.
#
#   The coordinate t is left out where A has an axis for each feature.
# - It is turned: T(x) = H y, with H orthogonal (knnc_turn in code.h), so that |T(q) - T(x)| <=
#   s c |q - x| for any s >= 1. This spreads each feature over all coordinates. These then have
#   about the same size, and one step fits all. So codes of turned rows leave few rows on any data.
#
# The coarse code is P, and the fine code T if P has fewer axes than there are features. Without
# axes the coarse code is T. Each coordinate is cut off at 127 steps. Clipping weakens the bound but
# keeps it valid; it is not part of the error e.
#
# Rounding. Let u = 2^-53.
#
# - Centring is the difference of c x and c m, rounded once. Scaling by the power of two is exact
#   but for underflow. Where c x overflows, its clip is the right one. So the computed y' has
#   |y' - y| <= u |y| + d 2^-1074, and the map turns that into s times as much.
# - What follows is done in float32; let v = 2^-24. y' becomes float32 numbers, which differ from it
#   by at most v |y'| in all. Underflow adds less than 1e-30 to what is below.
# - A product is the sum of d / 64 sums of 64 products each, fused or not. It errs by at most g |a|
#   |y'| with g = n v / (1 - n v), n = 66 + d / 64. All axes together: g |A|_F |y'|, with |A|_F the
#   root of the sum of squares. With the above this is `slack`, a part of e.
# - A turn is two transforms of at most 15 rounds each. A round replaces a and b by a + b and a - b,
#   each rounded once, so it errs by at most v times the length of its result. Each transform ends
#   with a product with a constant; both are rounded. That is less than 40 v |y| in all with the
#   centring. The constants may stretch distances by 1 + 4 v, which s is larger than.
# - s^2 |y|^2 - |A y|^2 errs by at most D = (2 s |y| + slack) slack + 4 (d + 64) u s^2 |y|^2, so t
#   by at most sqrt(D), and by at most D / t where t > 0. That is a part of e.
# - What rounding to a code loses is computed with an error of at most 2^-44 steps a coordinate.
#   That is a part of e.
#
# A key is the squared distance as the engine rounds it: at least (1 - (d / 8 + 8) u) |q - x|^2
# less d 2^-1074. So rows whose key is at most K have s c |q - x| <= s c sqrt(K (1 + (d + 64) u) +
# d 2^-1073): that is the reach.

# u and v.
cdef double ROUNDING = making.ROUNDING
cdef double ROUNDING_OF_FLOATS = making.ROUNDING_OF_FLOATS
# Centred and scaled numbers are cut off here. Those of the sample are about 1.
cdef double CLIP = learning.CLIP
# Rows projected together, so that axes are read once for all of them.
cdef int64_t BLOCK_ROWS = 32


cdef class FloatQuantizer(Quantizer):
    """Coordinates of float rows along principal axes and of turned rows, learnt from a sample.

    Parameters
    ----------
    sample : ndarray of shape (n_rows, n_features), float64
        No value is NaN or infinite.
    sizes : tuple of int
        The coordinates of each stage, at most n_features + 1 in all. If there are n_features in
        all, each is an axis. Otherwise the last coordinate of the second stage, or of the only one,
        is t, and turned rows are the fine code.
    is_whole : bool
        Whether the stages are those of turned rows. Then there are n_features coordinates, no
        axes, and no fine code.
    """

    def __init__(self, sample, sizes, is_whole=False):
        self.take(
            making.float_codes(sample, sizes, is_whole, turned_rows, KNNC_AXES_A_BLOCK,
                               KNNC_FEATURES_A_SUM),
            sample.shape[1])

    def state(self):
        """All that is needed to restore this; see fields.py."""
        return {
            "n_coarse": self.n_coarse, "step": self.step, "fine_step": self.fine_step,
            "stages": np.array(self.stages), "shifts": np.array(self.shifts),
            "norm": self.norm, "gamma": self.gamma, "scale": self.scale,
            "tail_origin": self.tail_origin, "far_length": self.far_length,
            "mean": np.asarray(self.mean), "signs": np.asarray(self.signs),
            "axes": self.blocks() if self.n_axes else None}

    @staticmethod
    def restored(saved, int64_t n_features):
        """The quantizer whose `state` this is.

        Numbers that are not learnt from these rows make bounds wrong. Codes are bytes whatever the
        numbers: knnc_to_code cuts coordinates off, even NaN.
        """
        cdef FloatQuantizer self = FloatQuantizer.__new__(FloatQuantizer)
        self.take(saved, n_features)
        return self

    def take(self, saved, int64_t n_features):
        """Set all fields from what `state` returns, or would return."""
        self.metric, self.n_features = "sqeuclidean", n_features
        sizes, numbers, arrays = making.checked_float_codes(
            saved, n_features, KNNC_AXES_A_BLOCK, KNNC_MAX_SHIFT)
        self.n_coarse, self.n_axes, self.n_fine, self.tail_at, self.stages, self.shifts = sizes
        (self.step, self.fine_step, self.norm, self.gamma, self.scale, self.tail_origin,
         self.far_length) = numbers
        self.mean, self.signs, axes = arrays
        self.set_steps()
        self.key_margin = 1 + (n_features + 64) * ROUNDING
        self.kernel = find_float_kernel(None)
        if self.n_axes:
            self.axes = axes.reshape(-1).view(np.uint8)

    def blocks(self):
        """The axes in blocks, see making.py."""
        return np.asarray(self.axes).view(np.float32).reshape(
            -1, self.n_features, KNNC_AXES_A_BLOCK)

    def map(self):
        """The matrix A, ndarray (n_axes, n_features), and the vector m."""
        blocks = self.blocks().transpose(0, 2, 1).reshape(-1, self.n_features)
        return {"axes": blocks[:self.n_axes], "mean": np.asarray(self.mean)}

    def turned(self, rows):
        """Turned rows, ndarray (n, n_features), of rows that are centred and scaled."""
        return turned_rows(rows, self.signs)

    # ---- coding

    cdef int encode_onto(self, rows, uint8_t *codes, double *errors, int n_threads) except -1:
        """Rows of float64; columns beyond n_features are ignored."""
        cdef const double[:, ::1] values = rows
        cdef int64_t n = values.shape[0], width = values.shape[1], first, last, i
        cdef int64_t m = self.n_coarse + self.n_fine
        cdef int64_t block = BLOCK_ROWS
        cdef int failed = 0
        cdef double pace = FIRST_PACE
        cdef Steps steps
        if n <= block:
            with nogil:
                failed = self.encode_block(&values[0, 0], width, n, codes, errors)
            if failed:
                raise MemoryError("no memory to code rows.")
            return 0
        steps = steps_of(n, block * n_threads, self.n_features, n_threads)
        while next_step(&steps, pace):
            first, last = steps.first, steps.last
            for i in prange((last - first + block - 1) // block, nogil=True,
                            num_threads=n_threads):
                failed += self.encode_block(
                    &values[0, 0] + (first + i * block) * width, width,
                    min(block, last - first - i * block),
                    codes + (first + i * block) * m, errors + 2 * (first + i * block))
            if failed:
                raise MemoryError("no memory to code rows.")
            look(&steps, &pace)
        return 0

    cdef int encode_block(
        self, const double *rows, int64_t width, int64_t n, uint8_t *codes, double *errors
    ) noexcept nogil:
        """At most BLOCK_ROWS rows; -1 if there is no memory."""
        cdef int64_t d = self.n_features, m = self.n_coarse + self.n_fine, r
        cdef int64_t n_blocks = (self.n_axes + KNNC_AXES_A_BLOCK - 1) // KNNC_AXES_A_BLOCK
        cdef int64_t stride = n_blocks * KNNC_AXES_A_BLOCK
        cdef double *centred = <double *>malloc(
            n * (d + 1) * sizeof(double) + (n * (d + stride) + d) * sizeof(float))
        cdef double *squares = centred + n * d
        cdef float *floats = <float *>(squares + n)
        cdef float *scratch = floats + n * d
        cdef float *projected = scratch + d
        cdef knnc_float_mode before
        if centred == NULL:
            return -1
        before = enter_float_mode()  # other libraries may leave threads with other rounding
        for r in range(n):
            squares[r] = knnc_centre(rows + r * width, &self.mean[0], self.scale, CLIP, d,
                                     centred + r * d)
        knnc_to_floats(centred, n * d, floats)
        if self.n_axes:
            self.kernel.project(floats, n, d, <const float *>&self.axes[0], n_blocks, projected)
        for r in range(n):
            errors[2 * r + 1] = 0
            if self.n_axes:
                self.code_row(
                    projected + r * stride, centred, squares[r], codes + r * m, errors + 2 * r)
            if self.n_fine:
                errors[2 * r + 1] = self.code_turned(
                    floats + r * d, scratch, centred, squares[r], codes + r * m + self.n_coarse)
            elif self.n_axes == 0:
                errors[2 * r] = self.code_turned(
                    floats + r * d, scratch, centred, squares[r], codes + r * m)
        leave_float_mode(before)
        free(centred)
        return 0

    cdef double code_turned(
        self, float *centred, float *scratch, double *turned, double square, uint8_t *code
    ) noexcept nogil:
        """Turn a row and code it; returns the error of the code. `centred` is overwritten."""
        cdef int64_t d = self.n_features
        knnc_turn(centred, &self.signs[0], d, scratch)
        knnc_to_doubles(centred, d, turned)
        knnc_to_code(turned, &self.fine_step, 0, d, code)
        return MARGIN * (64 * ROUNDING_OF_FLOATS * sqrt(square) + 1e-30
                         + d * 2.0 ** -44 * self.fine_step + sqrt(knnc_sum_of_squares(turned, d)))

    cdef void code_row(
        self, const float *projected, double *points, double square, uint8_t *code, double *error
    ) noexcept nogil:
        """The code of a projected row, and its error. `points` is scratch memory."""
        cdef double length = sqrt(square), s = sqrt(self.norm) * MARGIN, tail = 0, doubt
        cdef double slack = self.gamma * length * MARGIN + 1e-30
        cdef int64_t d = self.n_features, at = self.tail_at
        knnc_to_doubles(projected, self.n_axes, points)
        error[0] = slack + self.n_coarse * 2.0 ** -44 * self.steps[0]
        if at >= 0:
            doubt = (2 * s * length + slack) * slack
            doubt += 4 * (d + 64) * ROUNDING * self.norm * square
            tail = self.norm * square - knnc_sum_of_squares(points, self.n_axes)
            tail = sqrt(tail if tail > 0 else 0)
            error[0] += min(sqrt(doubt), doubt / tail if tail > 0 else INFINITY) * MARGIN
            knnc_to_doubles(projected + at, self.n_axes - at, points + at + 1)
            points[at] = tail - self.tail_origin
        knnc_to_code(points, &self.steps[0], 1, self.n_coarse, code)
        error[0] = (error[0] + sqrt(knnc_sum_of_squares(points, self.n_coarse))) * MARGIN

    def far(self, rows):
        """Numbers of the queries so far out that their codes, cut off, rule out hardly any rows.

        The coordinates of a turned row have a standard deviation of its length / sqrt(n_features).
        Of MNIST after StandardScaler one image of 200 is far. It would be compared with most rows.
        """
        cdef const double[:, ::1] values = rows
        cdef double[::1] centred = np.empty(self.n_features)
        cdef double limit = self.far_length * self.far_length
        cdef int64_t r
        return [r for r in range(values.shape[0]) if knnc_centre(
            &values[r, 0], &self.mean[0], self.scale, CLIP, self.n_features, &centred[0]) > limit]

    # ---- what a distance of codes says

    cdef double reach(self, int64_t best) noexcept nogil:
        cdef double key
        memcpy(&key, &best, sizeof(double))
        return sqrt(key * self.key_margin + self.n_features * 2.0 ** -1073) * sqrt(
            self.norm) * self.scale * MARGIN

    cdef double far_in_steps(self, double far) noexcept nogil:
        return far * far * MARGIN

    cdef bint is_ruled_out(self, int32_t fine, double reach_and_errors) noexcept nogil:
        return self.fine_step * sqrt(<double>fine) > reach_and_errors * MARGIN


cdef class FloatGroupQuantizer(GroupQuantizer):
    """Sums over groups of the features of float rows, for Manhattan distance.

    A row is centred as above, at medians ("mean" in files), rounded to bytes by one step, and coded
    as bytes are (groups.pxi).
    What the bytes lose, in steps, is a part of the error. So is the rounding of centring, at most
    u |y| in the norm of this metric. So are 2^-44 steps a feature, which the code loses.

    Parameters
    ----------
    sample : ndarray of shape (n_rows, n_features), float64
        No value is NaN or infinite.
    sizes : tuple of int
        As GroupQuantizer takes them.
    """
    cdef double scale, grid_step, key_margin
    cdef const double[::1] centre

    def __init__(self, sample, sizes):
        self.set_grid(*making.float_grid(sample))
        rows = np.empty(sample.shape, np.uint8)
        cdef uint8_t[:, ::1] bytes_of = rows
        cdef const double[:, ::1] values = sample
        cdef double[::1] scratch = np.empty(sample.shape[1])
        cdef int64_t r
        for r in range(values.shape[0]):
            self.to_bytes(&values[r, 0], &scratch[0], values.shape[1], &bytes_of[r, 0])
        GroupQuantizer.__init__(self, rows, sizes)

    def set_grid(self, centre, double scale, double step):
        """Set the numbers that map a row to bytes."""
        self.centre, self.scale, self.grid_step = centre, scale, step
        self.key_margin = 1 + (len(centre) + 64) * ROUNDING

    def state(self):
        """All that is needed to restore this; see fields.py."""
        return GroupQuantizer.state(self) | {
            "mean": np.asarray(self.centre), "scale": self.scale, "grid_step": self.grid_step}

    @staticmethod
    def restored(saved, int64_t n_features):
        """The quantizer whose `state` this is."""
        cdef FloatGroupQuantizer self = FloatGroupQuantizer.__new__(FloatGroupQuantizer)
        self.metric, self.n_features = "manhattan", n_features
        self.n_coarse = count_of(saved, "n_coarse", 1, n_features + 1)
        self.set_groups(*making.saved_groups(saved, n_features, self.n_coarse))
        self.set_grid(array_of(saved, "mean", np.float64, (n_features,)),
                      number_of(saved, "scale", positive=True),
                      number_of(saved, "grid_step", positive=True))
        return self

    cdef double to_bytes(
        self, const double *row, double *scratch, int64_t d, uint8_t *code
    ) noexcept nogil:
        """A row as bytes; returns what they lose, in steps."""
        cdef double size = 0, lost = 0
        cdef int64_t j
        knnc_centre(row, &self.centre[0], self.scale, CLIP, d, scratch)
        for j in range(d):
            size += fabs(scratch[j])
        knnc_to_code(scratch, &self.grid_step, 0, d, code)
        for j in range(d):
            lost += fabs(scratch[j])
        return ((lost + 2 * ROUNDING * size + 1e-300) / self.grid_step + d * 2.0 ** -44) * MARGIN

    cdef int encode_onto(self, rows, uint8_t *codes, double *errors, int n_threads) except -1:
        """Rows of float64; columns beyond n_features are ignored."""
        cdef const double[:, ::1] values = rows
        cdef int64_t n = values.shape[0], m = self.n_coarse + self.n_fine, i
        cdef int failed = 0
        cdef double pace = FIRST_PACE
        cdef Steps steps = steps_of(n, TILE * n_threads, self.n_features, n_threads)
        while next_step(&steps, pace):
            for i in prange((steps.last - steps.first + TILE - 1) // TILE, nogil=True,
                            num_threads=n_threads):
                failed += self.encode_some(
                    &values[0, 0], values.shape[1], steps.first + i * TILE,
                    min(steps.last, steps.first + (i + 1) * TILE), codes, errors)
            if failed:
                raise MemoryError("no memory to code rows.")
            look(&steps, &pace)
        return 0

    cdef int encode_some(
        self, const double *rows, int64_t width, int64_t first, int64_t last, uint8_t *codes,
        double *errors,
    ) noexcept nogil:
        """Rows first to last, at most TILE; -1 if there is no memory."""
        cdef int64_t d = self.n_features, n = last - first, r
        cdef double *scratch = <double *>malloc((d + TILE) * sizeof(double) + n * d)
        cdef double *lost = scratch + d
        cdef uint8_t *rounded = <uint8_t *>(lost + TILE)
        cdef int failed
        cdef knnc_float_mode before
        if scratch == NULL:
            return -1
        before = enter_float_mode()
        for r in range(n):
            lost[r] = self.to_bytes(rows + (first + r) * width, scratch, d, rounded + r * d)
        failed = self.encode_tile(
            rounded, <int>n, codes + first * (self.n_coarse + self.n_fine), errors + 2 * first)
        for r in range(n):
            errors[2 * (first + r)] += lost[r]
            errors[2 * (first + r) + 1] += lost[r]
        leave_float_mode(before)
        free(scratch)
        return failed

    cdef double reach(self, int64_t best) noexcept nogil:
        cdef double key
        memcpy(&key, &best, sizeof(double))
        return (key * self.key_margin + self.n_features * 2.0 ** -1073) * (
            self.scale * MARGIN) / self.grid_step


def turned_rows(rows, const double[::1] signs):
    """Turned rows, ndarray (n, n_features), float64, of float64 rows."""
    cdef int64_t i, d = signs.shape[0]
    turned = np.array(rows, np.float64, order="C")
    cdef double[:, ::1] values = turned
    cdef float *floats = <float *>malloc(2 * d * sizeof(float))
    if floats == NULL:
        raise MemoryError("no memory to turn rows.")
    for i in range(values.shape[0]):
        knnc_to_floats(&values[i, 0], d, floats)
        knnc_turn(floats, &signs[0], d, floats + d)
        knnc_to_doubles(floats, d, &values[i, 0])
    free(floats)
    return turned
