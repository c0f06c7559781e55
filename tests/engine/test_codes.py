"""Quantizers against exact arithmetic: a distance of codes never rules out a row that it may not.

`Exact` works out anew, in whole numbers and fractions, what quantizer.pyx promises of the map P of
its docstring. A root that is no fraction is held between two that are 2**-80 apart.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from knnc.engine.codes import learning
from knnc.engine.codes import quantizer as codes_module
from knnc.engine.codes.coding import Coding
from knnc.engine.codes.kinds import learn_quantizer
from knnc.engine.dispatch import available_kernels
from knnc.engine.index import Index
from knnc.engine.metrics import PRUNED_METRICS
from tests.engine.support import PALETTES, Bytes, draw, metric_of
from tests.oracle import oracle_distances

NO_LIMIT = 2**31 - 2
NOT_FOUND = np.iinfo(np.int64).max
KERNELS = [name for name in available_kernels() if metric_of(name) == "sqeuclidean"]
Numbers = npt.NDArray[np.int64]


@pytest.fixture(scope="module", autouse=True)
def one_blas_thread() -> Iterator[None]:
    """As an index does: threads of BLAS wait for each other on a machine that is busy."""
    with threadpool_limits(limits=1, user_api="blas"):
        yield


@pytest.fixture(scope="session", params=PRUNED_METRICS)
def metric(request: pytest.FixtureRequest) -> str:
    """Each metric that can be pruned."""
    name: str = request.param
    return name


SCALE = 2**80


def scaled_root(value: Fraction | int) -> int:
    """SCALE times the square root, rounded down."""
    return math.isqrt(math.floor(Fraction(value) * SCALE**2))


def root(value: Fraction | int) -> tuple[Fraction, Fraction]:
    """The square root, from below and from above; one number if it is a multiple of 1 / SCALE."""
    low = scaled_root(value)
    high = low if Fraction(low, SCALE) ** 2 == value else low + 1
    return Fraction(low, SCALE), Fraction(high, SCALE)


@dataclass(frozen=True)
class Model:
    """What a coder learns, worked out again."""

    coder: Any
    sample: Bytes
    sizes: tuple[int, ...]

    @cached_property
    def mean(self) -> Numbers:
        return np.rint(self.sample.mean(axis=0)).astype(np.int64)

    @cached_property
    def axes(self) -> Numbers:
        """Those of each stage; the second, or the only one, has the tail too."""
        sizes = list(self.sizes)
        sizes[min(1, len(sizes) - 1)] -= 1
        return learning.principal_axes(self.sample, tuple(sizes)).astype(np.int64)

    @cached_property
    def steps(self) -> Numbers:
        """Of each coordinate: the last stage's, doubled for each two bits that come later."""
        shifts = np.array(self.coder.shifts)
        assert not (shifts % 2).any()
        assert shifts[0] == 0
        later = (shifts.sum() - np.cumsum(shifts)) // 2
        return np.repeat(int(self.coder.step) * 2**later, self.sizes)

    @cached_property
    def groups(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], Numbers]:
        """The fine group of each feature, the coarse one, and the sign."""
        levels = sorted(int(math.log2(size)) for size in self.sizes)
        (fine, coarse), signs = learning.feature_groups(self.sample, tuple(levels))
        return fine, coarse, signs.astype(np.int64)


@dataclass(frozen=True)
class Exact:
    """Codes of some rows, and what is to be true of them."""

    model: Model
    rows: Bytes

    @cached_property
    def encoded(self) -> tuple[Numbers, npt.NDArray[np.float64]]:
        coder = self.model.coder
        codes, errors = coder.encode(self.rows, 1)
        assert codes.shape == (len(self.rows), coder.n_coarse + coder.n_fine)
        assert errors.shape == (len(self.rows), 2)
        return codes.astype(np.int64), errors

    def check_errors(self) -> None:
        """An error is what the code loses, or a hair more."""
        if self.model.coder.metric == "sqeuclidean":
            self._check_projected()
        else:
            self._check_summed()

    def _check_projected(self) -> None:
        model, coder, (codes, errors) = self.model, self.model.coder, self.encoded
        centred = self.rows.astype(np.int64) - model.mean
        points = centred @ model.axes.T
        computed, tails = coder.points_of(self.rows, 1)
        np.testing.assert_array_equal(computed, points)
        assert coder.stages == model.sizes
        assert codes.min() >= 1
        assert codes.max() <= 255
        assert coder.step == int(coder.step) >= 1
        assert not errors[:, 1].any()
        tail_at = sum(model.sizes[:2]) - 1
        steps, codes = np.delete(model.steps, tail_at), codes - 128
        cut = np.clip(points, -127 * steps, 127 * steps)
        lost = cut - steps * np.delete(codes, tail_at, axis=1)
        for i, error in enumerate(errors[:, 0]):
            squares = sum(v**2 for v in lost[i].tolist())
            length = Fraction(coder.norm) * int((centred[i] ** 2).sum())
            tail = root(length - sum(v**2 for v in points[i].tolist()))
            spare = Fraction(1e-6 * math.sqrt(length))
            assert all(abs(Fraction(tails[i]) - t) <= spare for t in tail)
            end, at = (int(model.steps[tail_at]) * v for v in (127, int(codes[i, tail_at])))
            above = [t - Fraction(coder.tail_origin) for t in tail]
            low, high = sorted(squares + (max(-end, min(end, t)) - at) ** 2 for t in above)
            assert high <= Fraction(error) ** 2, f"{float(high) ** 0.5} is more than {error}"
            assert error <= math.sqrt(low) * (1 + 1e-9) + spare

    def _check_summed(self) -> None:
        coder, (codes, errors) = self.model.coder, self.encoded
        fine, coarse, signs = self.model.groups
        above = self.rows.astype(np.int64) * signs - 255 * np.minimum(signs, 0)
        parts = [(coarse, coder.step, codes[:, : coder.n_coarse])]
        if coder.n_fine:
            parts += [(fine, coder.fine_step, codes[:, coder.n_coarse :])]
        else:  # its groups would be the coarse ones
            assert fine.max() == coarse.max()
            assert not errors[:, 1].any()
        for stage, (group, step, code) in enumerate(parts):
            lost = np.stack([_summed(row, group) for row in above]) - int(step) * code
            assert step == int(step) == np.bincount(group).max()
            np.testing.assert_array_equal(errors[:, stage], np.abs(lost).sum(axis=1))

    def check_pairs(self, others: Exact) -> int:
        """No pair is ruled out at its own distance or above; returns how many are one below."""
        coder, metric = (
            self.model.coder,
            "sqeuclidean" if self.model.coder.metric == "sqeuclidean" else "manhattan",
        )
        (codes, errors), (other_codes, other_errors) = self.encoded, others.encoded
        dist = np.array([oracle_distances(others.rows, row, metric) for row in self.rows])
        diff = np.abs(codes[:, np.newaxis] - other_codes)
        if coder.metric == "sqeuclidean":
            diff = diff**2 * (self.model.steps // int(coder.step)) ** 2
        coarse = diff[:, :, : coder.n_coarse].sum(axis=2)
        assert coarse.max(initial=0) < 2**30
        both = (errors[:, np.newaxis, 0] + other_errors[:, 0]).ravel()  # as the engine adds them
        for above in (0, 1, 1000):
            limits = coder.coarse_limits(both, dist.ravel() + above)
            assert np.all(coarse.ravel() < limits), f"{above=}"
        if coder.metric != "sqeuclidean":
            self._check_fine(others, dist, diff[:, :, coder.n_coarse :].sum(axis=2))
        below = coder.coarse_limits(both, np.maximum(dist.ravel() - 1, 0))
        return int(np.count_nonzero(coarse.ravel() >= below))

    def _check_fine(self, others: Exact, dist: Numbers, fine: Numbers) -> None:
        """What the fine test compares is no more than the distance and the errors of both rows."""
        lost, others_lost = (
            [math.floor(Fraction(v) * SCALE) for v in part.encoded[1][:, 1].tolist()]
            for part in (self, others)
        )
        step = int(self.model.coder.fine_step) * SCALE
        for i, error in enumerate(lost):
            pairs = zip(dist[i].tolist(), fine[i].tolist(), others_lost, strict=True)
            for best, f, other_error in pairs:
                assert step * f <= best * SCALE + error + other_error


def _summed(values: Numbers, group: npt.NDArray[np.int32]) -> Numbers:
    sums = np.zeros(group.max() + 1, dtype=np.int64)
    np.add.at(sums, group, values)
    return sums


def _sizes(metric: str, d: int) -> tuple[int, ...]:
    """Those that an index asks for."""
    if metric == "manhattan":
        return 8, 4
    coding = Coding()
    stages = coding.stages if d >= coding.narrow_below else coding.narrow_stages
    ends = [min(end, d + 1) for end in accumulate(stages)]
    return tuple(b - a for a, b in pairwise([0, *ends]) if b > a)


def check(
    metric: str,
    sample: Bytes,
    queries: Bytes,
    sizes: tuple[int, ...] | None = None,
    kernel: str | None = None,
) -> int:
    """All that is promised, for the sample against itself and against the queries."""
    sizes = _sizes(metric, sample.shape[1]) if sizes is None else sizes
    model = Model(learn_quantizer(sample, metric, sizes, kernel, 1), sample, sizes)
    rows, points = Exact(model, sample), Exact(model, queries)
    rows.check_errors()
    points.check_errors()
    return points.check_pairs(rows) + rows.check_pairs(rows)


# --- errors and bounds ---


def _near(rows: Bytes, seed: int) -> Bytes:
    """Copies of rows with a few features changed, by little or by much."""
    rng = np.random.default_rng(seed)
    copies = rows[rng.integers(0, len(rows), size=24)].copy()
    for copy in copies:
        at = rng.integers(0, rows.shape[1], size=rng.integers(1, 4))
        copy[at] = np.clip(copy[at] + rng.choice([-1, 1, 9, 255], size=len(at)), 0, 255)
    return copies


def _one_far_feature() -> Bytes:
    rows = draw(1, 30, 70, "few")
    rows[::3, 7] = 255
    return rows


def _ramp(n: int, d: int, step: int = 1) -> Bytes:
    """Row i is i * step in every feature: all distances along one direction."""
    return np.repeat((np.arange(n) * step).astype(np.uint8)[:, np.newaxis], d, axis=1)


def _planes(d: int) -> Bytes:
    rng = np.random.default_rng(d)
    values = rng.standard_normal((40, 3)) @ rng.standard_normal((3, d))
    return np.clip(np.rint(127 + 50 * values), 0, 255).astype(np.uint8)


SAMPLES: Mapping[str, Bytes] = {
    "one byte": np.arange(0, 256, 5, dtype=np.uint8)[:, np.newaxis],
    "every byte": np.arange(256, dtype=np.uint8)[::9, np.newaxis].copy(),
    "one row": draw(2, 1, 40),
    "one row of one byte": draw(2, 1, 1),
    "two rows": draw(3, 2, 65),
    "equal rows": np.full((12, 33), 200, np.uint8),
    "black and white": np.repeat(np.array([[0], [255]] * 8, np.uint8), 100, axis=1),
    "ties": draw(4, 40, 5, "few"),
    "a far feature": _one_far_feature(),
    "a ramp": _ramp(51, 24, 5),
    "a ramp of 784": _ramp(16, 784, 17),
    "three directions": _planes(90),
    "three directions of 784": _planes(784),
    "random bytes": draw(5, 30, 130),
    "more axes than rows": draw(6, 20, 300, "extremes"),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_errors_and_bounds_in_exact_arithmetic(metric: str, name: str) -> None:
    sample = SAMPLES[name]
    far = np.concatenate([draw(7, 4, sample.shape[1], p) for p in ("zeros", "full", "extremes")])
    check(metric, sample, np.concatenate([_near(sample, 8), far]))


@pytest.mark.parametrize("d", [1, 2, 3, 18, 19, 20, 21, 47, 48, 95, 96, 190, 191, 192, 193])
def test_widths_about_the_number_of_axes(metric: str, d: int) -> None:
    check(metric, draw(9, 25, d), _near(draw(9, 25, d), 10))
    check(metric, draw(9, 25, d, "few"), draw(11, 10, d))


@pytest.mark.parametrize("sizes", [(2,), (1, 1), (3, 4), (20, 11), (31,), (4, 1, 1, 9)])
def test_other_numbers_of_axes(sizes: tuple[int, ...]) -> None:
    check("sqeuclidean", draw(12, 30, 30), _near(draw(12, 30, 30), 13), sizes)


@pytest.mark.parametrize("sizes", [(2, 1), (16, 2), (32, 1), (64, 32), (4, 4), (1, 1)])
def test_other_sizes_of_groups(sizes: tuple[int, int]) -> None:
    check("manhattan", draw(12, 30, 30), _near(draw(12, 30, 30), 13), sizes)


def test_rows_far_outside_the_sample_are_cut_off(metric: str) -> None:
    """What a code cannot hold counts as at its end, 127 steps, and is no part of its error."""
    sample = np.random.default_rng(14).integers(100, 103, size=(50, 20)).astype(np.uint8)
    queries = np.concatenate([draw(15, 12, 20), draw(16, 6, 20, "extremes")])
    check(metric, sample, queries)
    if metric == "sqeuclidean":
        codes, errors = learn_quantizer(sample, metric, (20,), None, 1).encode(queries, 1)
        assert {1, 255} & set(codes.ravel().tolist())
        step = learn_quantizer(sample, metric, (20,), None, 1).step
        assert errors[:, 0].max() <= step / 2 * math.sqrt(20) * (1 + 1e-9) + 1


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_widest_rows(kernel: str) -> None:
    """32,768 features of 0 or 255: the largest sums there are."""
    sample = np.concatenate([draw(17, 4, 32_768, "constant rows"), draw(18, 4, 32_768, "extremes")])
    queries = np.repeat(np.array([[0], [255], [128]], np.uint8), 32_768, axis=1)
    check("sqeuclidean", sample, queries, (3, 3), kernel)


def test_bounds_that_leave_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one dimension a code is twice the value: a row one farther than the best is ruled out.

    But for values in the outer halves, which count as at 127 steps from the middle.
    """
    monkeypatch.setattr(codes_module, "COARSE_RANGE", 0.5)
    values = np.arange(1, 256, dtype=np.uint8)[:, np.newaxis]
    coder = learn_quantizer(values, "sqeuclidean", (2,), None, 1)
    codes, errors = coder.encode(values, 1)
    assert errors[:, 0].max() <= 0.5 * coder.step * (1 + 1e-9)
    inner = (values[:, 0] > 64) & (values[:, 0] < 192)
    assert errors[inner, 0].max() < coder.step / 100, "t, from the margin of s, and no more"
    np.testing.assert_array_equal(np.abs(np.diff(codes[inner, 0].astype(int))), 2)
    assert set(codes[~inner, 0].tolist()) == {1, 255}
    best = np.arange(255, dtype=np.int64) ** 2
    np.testing.assert_array_equal(coder.coarse_limits(np.zeros(255), best), 4 * best + 1)


def test_sums_that_leave_no_room() -> None:
    """Rows of one value have whole steps for sums: likewise."""
    rows = _ramp(256, 48)
    coder = learn_quantizer(rows, "manhattan", (8, 4), None, 1)
    assert (coder.n_coarse, coder.n_fine, coder.step, coder.fine_step) == (6, 12, 8, 4)
    codes, errors = coder.encode(rows, 1)
    assert not errors.any()
    np.testing.assert_array_equal(codes, np.repeat(rows[:, :1], 18, axis=1))
    best = 48 * np.arange(256, dtype=np.int64)
    np.testing.assert_array_equal(coder.coarse_limits(np.zeros(256), best), best // 8 + 1)
    np.testing.assert_array_equal(coder.coarse_limits(np.zeros(256), best + 7), best // 8 + 1)
    assert check("manhattan", _ramp(29, 48, 9), _near(rows, 19)) > 0


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 14),
    d=st.one_of(st.integers(1, 9), st.sampled_from([17, 64, 66])),
    palettes=st.tuples(st.sampled_from(list(PALETTES)), st.sampled_from(list(PALETTES))),
    divisor=st.sampled_from([1, 1, 7, 60]),
    data=st.data(),
)
def test_any_rows_and_queries(
    metric: str,
    seed: int,
    n: int,
    d: int,
    palettes: tuple[str, str],
    divisor: int,
    data: st.DataObject,
) -> None:
    sample = draw(seed, n, d, palettes[0]) // np.uint8(divisor)
    queries = np.concatenate([draw(seed + 1, 5, d, palettes[1]), _near(sample, seed)[:5]])
    sizes = _sizes(metric, d)
    if metric == "sqeuclidean":
        total = data.draw(st.integers(2, d + 1), label="coordinates")
        cuts = data.draw(st.sets(st.integers(1, total - 1), max_size=3), label="cuts")
        sizes = tuple(end - start for start, end in pairwise([0, *sorted(cuts), total]))
    check(metric, sample, queries, sizes)


# --- limits ---


def _limits(coder: Any, error: float, best: list[int]) -> list[int]:
    errors = np.full(len(best), error)
    return [int(v) for v in coder.coarse_limits(errors, np.array(best, dtype=np.int64))]


@pytest.mark.parametrize("name", ["one byte", "ties", "three directions", "a ramp of 784"])
@pytest.mark.parametrize("error", [0.0, 0.5, 12345.678, 3.0e6])
def test_a_limit_is_the_next_whole_number_above_the_bound(
    metric: str, name: str, error: float
) -> None:
    sample = SAMPLES[name]
    coder = learn_quantizer(sample, metric, _sizes(metric, sample.shape[1]), None, 1)
    widest = sample.shape[1] * (255 if metric == "manhattan" else 255**2)
    best = sorted({*range(40), *np.linspace(0, widest, 60, dtype=int).tolist()})
    step = int(coder.step)
    for b, limit in zip(best, _limits(coder, error, best), strict=True):
        reach = (
            root(Fraction(coder.norm) * b)
            if coder.metric == "sqeuclidean"
            else (Fraction(b), Fraction(b))
        )
        low, high = ((r + Fraction(error)) / step for r in reach)
        if coder.metric == "sqeuclidean":
            low, high = low**2, high**2
        high *= 1 + Fraction(1, 10**11)
        assert min(math.floor(low) + 1, NO_LIMIT) <= limit <= math.floor(high) + 1
        assert limit <= NO_LIMIT


def test_without_a_best_there_is_no_limit(metric: str) -> None:
    coder = learn_quantizer(SAMPLES["ties"], metric, _sizes(metric, 5), None, 1)
    assert _limits(coder, 0.0, [NOT_FOUND, 2**62]) == [NO_LIMIT, NO_LIMIT]
    assert _limits(coder, 1e300, [0, 5, NOT_FOUND]) == [NO_LIMIT] * 3
    assert _limits(coder, coder.step * 2.0**31, [0]) == [NO_LIMIT], "no number of 32 bits"


# --- the same codes however they are made ---


@pytest.mark.parametrize("name", ["one byte", "random bytes", "three directions of 784"])
def test_the_same_codes_from_every_kernel(name: str) -> None:
    sample = SAMPLES[name]
    made = [
        learn_quantizer(
            sample, "sqeuclidean", _sizes("sqeuclidean", sample.shape[1]), kernel, 1
        ).encode(sample, 1)
        for kernel in KERNELS
    ]
    for codes, errors in made[1:]:
        np.testing.assert_array_equal(codes, made[0][0])
        np.testing.assert_array_equal(errors, made[0][1])


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_the_same_codes_from_any_number_of_rows_and_threads(metric: str, n_threads: int) -> None:
    rows = draw(20, 70, 66)
    coder = learn_quantizer(rows, metric, _sizes(metric, 66), None, n_threads)
    codes, errors = learn_quantizer(rows, metric, _sizes(metric, 66), None, 1).encode(rows, 1)
    for n in [*range(1, 35), 70]:
        some, some_errors = coder.encode(rows[:n], n_threads)
        np.testing.assert_array_equal(some, codes[:n])
        np.testing.assert_array_equal(some_errors, errors[:n])


@pytest.mark.parametrize("algorithm", ["brute", "pruned"])
def test_what_is_made_of_rows_has_a_state_and_no_pickle(algorithm: str) -> None:
    """An index that is pickled half would answer nonsense; estimators pickle its rows."""
    index = Index(draw(1, 300, 40), algorithm=algorithm)
    made = index._prepared._packed if algorithm == "brute" else index._prepared._codes
    for thing in (index, made):
        with pytest.raises(TypeError, match=r"cannot pickle 'knnc\.engine"):
            pickle.dumps(thing)
