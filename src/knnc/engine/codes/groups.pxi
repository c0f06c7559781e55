# Codes of bytes for Manhattan distance: sums over groups of features, each feature with a sign.
#
# The absolute value of a sum is at most the sum of the absolute values, so the map increases no
# distance: s = 1. The fine code, if there is one, has smaller groups than the coarse code, and is
# compared without it. Sums are exact.

cdef class GroupQuantizer(Quantizer):
    """Sums over groups of features that vary together, learnt from a sample of rows.

    Parameters
    ----------
    sample : ndarray of shape (n_rows, n_features), uint8
    sizes : tuple of int
        How many features a group has: in the coarse code and, if there is one, in the fine code.
        Powers of 2.
    """

    def __init__(self, sample, sizes):
        self.metric, self.n_features = "manhattan", sample.shape[1]
        levels = sorted([int(size).bit_length() - 1 for size in sizes])
        groups, sign = learning.feature_groups(sample, tuple(levels))
        fine, coarse = groups[0], groups[len(levels) - 1]
        self.n_coarse = coarse.max() + 1
        parent = np.empty(fine.max() + 1, np.int32)
        parent[fine] = coarse
        self.set_groups(fine, sign, parent)

    def set_groups(self, group, sign, parent):
        """Set the groups of both codes, and what follows from them."""
        self.group, self.sign, self.parent = group, sign, parent
        self.n_groups = len(parent)
        self.n_fine = self.n_groups if self.n_groups > self.n_coarse else 0
        self.lowest, self.lowest_coarse, self.fine_step, self.step = making.groups_of(
            group, sign, parent, self.n_coarse)
        self.stages, self.shifts = (self.n_coarse,), (0,)

    def state(self):
        """Everything that `restored` needs; see fields.py."""
        return {
            "n_coarse": self.n_coarse, "step": self.step,
            "n_fine": self.n_groups, "fine_step": self.fine_step,
            "group": np.asarray(self.group), "sign": np.asarray(self.sign),
            "parent": np.asarray(self.parent), "lowest": np.asarray(self.lowest),
            "lowest_coarse": np.asarray(self.lowest_coarse)}

    @staticmethod
    def restored(saved, int64_t n_features):
        """The quantizer that `state` described."""
        cdef GroupQuantizer self = GroupQuantizer.__new__(GroupQuantizer)
        self.metric, self.n_features = "manhattan", n_features
        self.n_coarse = count_of(saved, "n_coarse", 1, n_features + 1)
        self.set_groups(*making.saved_groups(saved, n_features, self.n_coarse))
        return self

    cdef int encode_tile(
        self, const uint8_t *rows, int n, uint8_t *codes, double *errors
    ) noexcept nogil:
        cdef int64_t n_coarse = self.n_coarse, n_fine = self.n_fine, n_groups = self.n_groups, f, g
        cdef int q
        cdef uint8_t *code
        cdef int64_t *coarse = <int64_t *>malloc((n_coarse + n_groups) * sizeof(int64_t))
        cdef int64_t *fine = coarse + n_coarse
        if coarse == NULL:
            return -1
        for q in range(n):
            code = codes + q * (n_coarse + n_fine)
            for g in range(n_coarse):
                coarse[g] = -self.lowest_coarse[g]
            for g in range(n_groups):
                fine[g] = -self.lowest[g]
            for f in range(self.n_features):
                fine[self.group[f]] += self.sign[f] * <int64_t>rows[q * self.n_features + f]
            for g in range(n_groups):
                coarse[self.parent[g]] += fine[g] + self.lowest[g]
            errors[2 * q] = errors[2 * q + 1] = 0
            for g in range(n_coarse):
                code[g] = <uint8_t>floor(coarse[g] / self.step + 0.5)
                errors[2 * q] += fabs(coarse[g] - self.step * code[g])
            for g in range(n_fine):
                code[n_coarse + g] = <uint8_t>floor(fine[g] / self.fine_step + 0.5)
                errors[2 * q + 1] += fabs(fine[g] - self.fine_step * code[n_coarse + g])
        free(coarse)
        return 0
