"""Codes of float rows: exact arithmetic confirms the bound, and no answer changes with them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knnc.engine.auto import Policy
from knnc.engine.codes.coding import Coding
from knnc.engine.codes.kinds import learn_quantizer
from knnc.engine.codes.quantizer import FloatGroupQuantizer, FloatQuantizer
from knnc.engine.index import Index
from knnc.engine.metrics import FLOAT_METRICS
from knnc.engine.prepared_floats import LEAST_COUNTED
from knnc.engine.system.progress import progress
from tests.engine.float_support import PALETTES, draw_floats
from tests.engine.support import THREADS, Answer
from tests.float_oracle import FLOAT_METRICS as ORACLE_METRICS
from tests.float_oracle import Float64, Int64, float_keys, float_table, nearest, within

PRUNED = ("sqeuclidean", "manhattan", "cosine")
# Codes after the first query, whatever a trial would say, of rows of few features too.
AT_ONCE = Policy(
    min_float_rows=1,
    late_float_queries=1,
    late_float_pairs=0,
    whole_work=0,
    tree_features=0,
    trial=lambda *searches: True,
)


def _steps(quantizer: FloatQuantizer) -> Int64:
    """The step of each coordinate, in those of the last stage."""
    later = sum(quantizer.shifts) - np.cumsum(quantizer.shifts)
    return np.repeat(2 ** (later // 2), quantizer.stages)


def _distances(quantizer: FloatQuantizer, codes: Int64, others: Int64) -> Int64:
    """Squared distances of codes as a scan counts them."""
    diff = (codes[:, np.newaxis] - others) * _steps(quantizer)
    return np.asarray((diff * diff).sum(axis=2))


def _sizes(d: int) -> list[tuple[int, ...]]:
    """All axes in one stage, in several, and few axes with a tail."""
    sizes: list[tuple[int, ...]] = [(d,)]
    if d > 4:
        sizes += [(4, d - 4), (4,), (4, 1)]
    return sizes


@pytest.mark.parametrize("palette", list(PALETTES))
@pytest.mark.parametrize("d", [1, 3, 9, 70])
def test_no_pair_is_ruled_out_at_its_own_key(palette: str, d: int) -> None:
    """Nor one at any larger key, up to overflow; the bound takes the keys that the engine makes."""
    sample, rows = draw_floats(1, 60, d, palette), draw_floats(2, 40, d, palette)
    keys = float_table(rows, sample, "sqeuclidean")
    for sizes, is_whole in [(sizes, False) for sizes in _sizes(d)] + [((d,), True)]:
        quantizer = learn_quantizer(sample, "sqeuclidean", sizes, None, 1, is_whole=is_whole)
        assert isinstance(quantizer, FloatQuantizer)
        n_coarse = quantizer.n_coarse
        codes, errors = quantizer.encode(rows, 1)
        own_codes, own_errors = quantizer.encode(sample, 1)
        codes, own_codes = codes[:, :n_coarse], own_codes[:, :n_coarse]
        dist = _distances(quantizer, own_codes.astype(np.int64), codes.astype(np.int64))
        assert dist.max() < 2**30
        both = (own_errors[:, np.newaxis, 0] + errors[:, 0]).ravel()
        for more in (0, 1, 2**20):
            limits = quantizer.coarse_limits(both, keys.ravel() + more)
            assert np.all(dist.ravel() < limits), (sizes, more)


@pytest.mark.parametrize("palette", list(PALETTES))
@pytest.mark.parametrize("d", [1, 9, 70])
@pytest.mark.parametrize("sizes", [(8, 4), (4, 1), (1,)])
def test_sums_of_groups_rule_no_pair_out_at_its_own_key(
    palette: str, d: int, sizes: tuple[int, ...]
) -> None:
    sample, rows = draw_floats(1, 60, d, palette), draw_floats(2, 40, d, palette)
    keys = float_table(rows, sample, "manhattan")
    quantizer = learn_quantizer(sample, "manhattan", sizes, None, 1)
    assert isinstance(quantizer, FloatGroupQuantizer)
    assert quantizer.n_coarse == -(-d // sizes[0])
    if sizes == (1,) or d == 1:
        assert quantizer.n_fine == 0
    codes, errors = quantizer.encode(rows, 1)
    own_codes, own_errors = quantizer.encode(sample, 1)
    differ = np.abs(own_codes[:, np.newaxis].astype(np.int64) - codes)[..., : quantizer.n_coarse]
    both = (own_errors[:, np.newaxis, 0] + errors[:, 0]).ravel()
    for more in (0, 1, 2**20):
        limits = quantizer.coarse_limits(both, keys.ravel() + more)
        assert np.all(differ.sum(axis=2).ravel() < limits)


@pytest.mark.parametrize("palette", ["normal", "ties", "offset", "tiny", "last bits", "tenths"])
@pytest.mark.parametrize("d", [5, 70])
def test_fine_codes_of_turned_rows_bound_the_distance(palette: str, d: int) -> None:
    """With 60 digits: no distance of codes is larger than the rows' own and both errors allow."""
    rows = draw_floats(18, 30, d, palette)
    quantizer = learn_quantizer(rows, "sqeuclidean", (4,), None, 1)
    assert isinstance(quantizer, FloatQuantizer)
    assert quantizer.n_fine == d
    codes, errors = quantizer.encode(rows, 1)
    fine = codes[:, quantizer.n_coarse :].astype(np.int64)
    with localcontext(prec=60):
        stretch = Decimal(quantizer.norm).sqrt() * Decimal(quantizer.scale)
        exact = [[Decimal(v) for v in row] for row in rows.tolist()]
        for i in range(len(rows)):
            for j in range(i):
                far = sum((a - b) ** 2 for a, b in zip(exact[i], exact[j], strict=True))
                limit = stretch * Decimal(far).sqrt() + Decimal(errors[i, 1] + errors[j, 1])
                steps = int(np.square(fine[i] - fine[j]).sum())
                assert Decimal(quantizer.fine_step) * Decimal(steps).sqrt() <= limit


@pytest.mark.parametrize("d", [1, 2, 5, 8, 70, 784])
def test_a_turn_keeps_distances_and_rounds_little(d: int) -> None:
    """Within 40 roundings of float32 of what 60 digits give, and each feature is spread."""
    rows = draw_floats(19, 6, d)
    quantizer = learn_quantizer(rows, "sqeuclidean", (d,), None, 1, is_whole=True)
    assert isinstance(quantizer, FloatQuantizer)
    turned = quantizer.turned(rows)
    units = quantizer.turned(np.eye(d))
    size = 1 << (d.bit_length() - 1)
    assert np.abs(units).max() <= 1.01 / np.sqrt(size) if size == d else np.abs(units).max() < 0.8
    np.testing.assert_allclose(units @ units.T, np.eye(d), atol=1e-6)
    with localcontext(prec=60):
        for row, found in zip(rows.tolist(), turned.tolist(), strict=True):
            exact = [Decimal(v) for v in row]
            squares = sum(v * v for v in exact)
            image = sum(Decimal(v) ** 2 for v in found)
            assert abs(image - squares) <= squares * Decimal(80 * 2.0**-24)


def _projected(quantizer: FloatQuantizer, rows: Float64) -> list[list[Fraction]]:
    """Coordinates along all axes, exactly, of rows that are not cut off."""
    state = quantizer.map()
    mean = [Fraction(v) for v in state["mean"].tolist()]
    axes = [[Fraction(v) for v in axis] for axis in state["axes"].tolist()]
    found = []
    for row in rows.tolist():
        centred = [
            (Fraction(v) - m) * Fraction(quantizer.scale) for v, m in zip(row, mean, strict=True)
        ]
        found.append([sum(a * c for a, c in zip(axis, centred, strict=True)) for axis in axes])
    return found


@pytest.mark.parametrize("palette", ["normal", "ties", "offset", "tiny", "last bits", "tenths"])
@pytest.mark.parametrize("d", [3, 9])
def test_the_error_is_what_the_code_loses(palette: str, d: int) -> None:
    """In whole fractions: at least the distance of the projection, cut off, from its code."""
    rows = draw_floats(3, 25, d, palette)
    quantizer = learn_quantizer(rows, "sqeuclidean", (d,), None, 1)
    assert isinstance(quantizer, FloatQuantizer)
    codes, errors = quantizer.encode(rows, 1)
    step = Fraction(quantizer.step)
    for code, error, point in zip(codes, errors[:, 0], _projected(quantizer, rows), strict=True):
        lost = Fraction(0)
        for byte, value in zip(code.tolist(), point, strict=True):
            cut = max(-127 * step, min(127 * step, value))
            lost += (cut - (byte - 128) * step) ** 2
        assert lost <= Fraction(error) ** 2
        # And it is not much more: half a step a coordinate, and what the sample's size rounds.
        assert error <= float(step) * d**0.5 + 1e-6 * (1 + abs(error))


@pytest.mark.parametrize("d", [3, 40])
def test_axes_stretch_no_distance_beyond_the_norm(d: int) -> None:
    """x'A'Ax <= s^2 x'x, checked in fractions with vectors that A stretches most."""
    quantizer = learn_quantizer(draw_floats(4, 90, d), "sqeuclidean", (d,), None, 1)
    assert isinstance(quantizer, FloatQuantizer)
    axes = quantizer.map()["axes"]
    exact = [[Fraction(v) for v in axis] for axis in axes.tolist()]
    for vector in np.linalg.svd(axes)[2][:3].tolist():
        x = [Fraction(v) for v in vector]
        image = sum(sum(a * v for a, v in zip(axis, x, strict=True)) ** 2 for axis in exact)
        assert image <= Fraction(quantizer.norm) * sum(v * v for v in x)


@pytest.mark.parametrize("metric", ["sqeuclidean", "manhattan"])
def test_rows_at_both_sides_of_where_their_difference_from_the_mean_overflows(metric: str) -> None:
    """1.7e308 less a mean of -2e307 is infinite, and their neighbours' are not."""
    near = 1.6e308 * (1 + 1e-3 * np.arange(60.0))
    rows = np.concatenate([near, np.full(90, -1.2e308)])[:, np.newaxis]
    for width in (1, 70):
        wide = np.zeros((150, width))
        wide[:, :1] = rows
        table = float_table(wide, wide, metric)
        _assert_same(_pruned(wide, metric).search(wide, 4, n_threads=1), nearest(table, 4))


# --- searches ---


def _assert_same(got: Answer, expected: tuple[Int64, Int64]) -> None:
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_array_equal(a, b, strict=True)


def _pruned(rows: npt.NDArray[np.float64] | npt.NDArray[np.float32], metric: str) -> Index:
    index = Index(rows, metric, algorithm="pruned", n_threads=2)
    assert index.is_pruned
    return index


@pytest.mark.parametrize("palette", list(PALETTES))
@pytest.mark.parametrize("metric", PRUNED)
@pytest.mark.parametrize(("n", "d"), [(700, 5), (300, 70), (40, 300)])
def test_searches_equal_the_oracle(palette: str, metric: str, n: int, d: int) -> None:
    rows, queries = draw_floats(5, n, d, palette), draw_floats(6, 7, d, palette)
    queries[:3] = rows[:3]
    table = float_table(rows, queries, metric)
    index = _pruned(rows, metric)
    for k in (1, 5, n):
        _assert_same(index.search(queries, k, n_threads=2), nearest(table, k))
    limit = int(np.sort(table[0])[min(20, n - 1)])
    for bound in (-1, 0, limit - 1, limit, 2**63 - 1):
        got = index.within(queries, bound, sort=True)
        for a, b in zip(got, within(table, bound, sort=True), strict=True):
            np.testing.assert_array_equal(a, b)
    own = float_table(rows, rows[:9], metric)
    left_out = index.search(None, 3, n_threads=2)
    own[np.arange(9), np.arange(9)] = 2**63 - 1
    np.testing.assert_array_equal(left_out[1][:9], nearest(own, 3)[1])


@pytest.mark.parametrize("n_threads", THREADS)
@pytest.mark.parametrize("metric", PRUNED)
def test_float32_rows_threads_and_batches(metric: str, n_threads: int) -> None:
    """The same bits in any batch, on any number of threads, with and without codes."""
    rows = draw_floats(7, 3_000, 30).astype(np.float32)
    queries = draw_floats(8, 90, 30)
    expected = Index(rows, metric, algorithm="brute").search(queries, 9)
    index = _pruned(rows, metric)
    _assert_same(index.search(queries, 9, n_threads=n_threads), expected)
    one_by_one = [index.search(queries[i : i + 1], 9, n_threads=n_threads) for i in range(20)]
    for j in range(2):
        np.testing.assert_array_equal(np.concatenate([a[j] for a in one_by_one]), expected[j][:20])


@pytest.mark.parametrize("metric", ORACLE_METRICS)
def test_auto_answers_alike(metric: str) -> None:
    """Whether or not the metric has codes; they come with the first query here."""
    rows, queries = draw_floats(9, 500, 12, "ties"), draw_floats(10, 9, 12, "ties")
    index = Index(rows, metric, policy=AT_ONCE)
    for k in (1, 4):
        _assert_same(index.search(queries, k), nearest(float_table(rows, queries, metric), k))
    assert index.is_pruned == (metric in PRUNED)


def test_codes_come_after_many_queries() -> None:
    rows = draw_floats(11, 600, 20)
    policy = Policy(min_float_rows=1, late_float_queries=50, late_float_pairs=0, trial=_wins)
    index = Index(rows, policy=policy)
    index.search(rows[:49], 3)
    assert not index.is_pruned
    index.search(rows[:1], 3)
    assert index.is_pruned
    slower = Index(rows, policy=replace(policy, trial=_loses))
    slower.search(rows[:60], 3)
    assert not slower.is_pruned


def test_how_many_queries_are_many() -> None:
    """The numbers that docs/engine.md gives, for the fewest rows that get codes and for many."""
    rows = draw_floats(17, 32_768, 16)
    for n, needed in ((1_023, None), (1_024, 8_192), (32_768, 256)):
        index = Index(rows[:n], policy=Policy(trial=_wins))
        index.search(rows[: (needed or 9_000) - 1], 1)
        assert not index.is_pruned
        index.search(rows[:1], 1)
        assert index.is_pruned == (needed is not None)


@pytest.mark.parametrize(("metric", "more"), [("sqeuclidean", 256), ("manhattan", 75)])
def test_wide_rows_get_short_codes_only_where_these_tell_them_apart(metric: str, more: int) -> None:
    """Noise gets codes of all features; and rows that overflow float32 are no warning."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(1_500, 300))
    low_rank = noise[:, :8] @ rng.normal(size=(8, 300))
    for rows, n_bytes in ((noise, 300), (low_rank, 300 + more), (low_rank * 1e300, 300 + more)):
        table = float_table(rows, rows[:2], metric)
        for algorithm in ("auto", "brute"):
            index = Index(rows, metric, policy=AT_ONCE, algorithm=algorithm)
            _assert_same(index.search(rows[:2], 3), nearest(table, 3))
            wanted = 300 if algorithm == "brute" else n_bytes
            assert wanted * len(rows) <= index.nbytes_packed <= (wanted + 40) * len(rows)


def test_wide_rows_have_whole_codes_until_axes_pay() -> None:
    """Axes after 3 queries more here, which count as 8 each; both answer alike."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(1_500, 8)) @ rng.normal(size=(8, 300))
    policy = replace(AT_ONCE, whole_work=4 * LEAST_COUNTED * rows.size)
    index = Index(rows, policy=policy)
    table = float_table(rows, rows[:4], "sqeuclidean")
    for first, n_bytes in ((0, 300), (1, 300), (2, 300), (3, 556)):
        _assert_same(index.search(rows[first : first + 1], 3), nearest(table[first : first + 1], 3))
        assert n_bytes * 1_500 <= index.nbytes_packed <= (n_bytes + 40) * 1_500


@pytest.mark.parametrize(
    ("n_features", "stages"),
    [
        (96, [96]),
        (160, [160]),
        (161, [160, 1]),
        (784, [160, 160, 160, 304]),
        (1_601, [320, 320, 320, 641]),
    ],
)
def test_whole_codes_are_read_in_stages(n_features: int, stages: list[int]) -> None:
    """Rows near a plane, of which early stages rule most out, and noise, of which they do not."""
    rng = np.random.default_rng(n_features)
    plane = rng.normal(size=(400, 6)) @ rng.normal(size=(6, n_features))
    for rows in (plane, rng.normal(size=plane.shape)):
        index = Index(rows, algorithm="brute", policy=AT_ONCE)
        queries = (rows[:20] + rng.normal(size=(20, n_features)) / 10).astype(np.float32)
        table = float_table(rows, queries.astype(np.float64), "sqeuclidean")
        for some in (queries, queries.astype(np.float64)):
            _assert_same(index.search(some, 5, n_threads=2), nearest(table, 5))
        coder = index.state()["pruned"]["coder"]
        assert coder["axes"] is None
        assert coder["stages"].tolist() == stages


def test_bytes_lose_nothing_of_a_background() -> None:
    """The value that more than half of the rows have; its distance from the mean is no step."""
    rows = draw_floats(27, 300, 40)
    background = draw_floats(28, 1, 40)[0]
    rows[np.random.default_rng(0).random(rows.shape) < 0.6] = 0
    rows += background
    coder = FloatGroupQuantizer(rows, (1,))
    _, errors = coder.encode(np.vstack([background, rows]), 1)
    assert errors[0].max() < 1e-6 < errors[1:, 0].mean()


def test_too_wide_rows_have_no_whole_codes() -> None:
    rows = draw_floats(20, 30, 16_385)
    index = Index(rows, algorithm="brute", policy=AT_ONCE)
    _assert_same(index.search(rows[:2], 3), nearest(float_table(rows, rows[:2], "sqeuclidean"), 3))
    assert not index.is_pruned


@pytest.mark.parametrize("n_features", [12, 300])
@pytest.mark.parametrize("algorithm", ["pruned", "brute"])
def test_queries_far_from_all_rows(n_features: int, algorithm: str) -> None:
    """Whole rows answer them, for their codes are cut off; rows leave themselves out."""
    rows = draw_floats(21, 900, n_features)
    rows[::300] *= 60
    rows[100:103] = rows[0]
    index = Index(rows, algorithm=algorithm, policy=AT_ONCE)
    table = float_table(rows, rows, "sqeuclidean")
    for k in (1, 7):
        _assert_same(index.search(rows, k, n_threads=2), nearest(table, k))
    np.fill_diagonal(table, 2**63 - 1)
    _assert_same(index.search(None, 4, n_threads=2), nearest(table, 4))
    quantizer = learn_quantizer(rows, "sqeuclidean", (n_features,), None, 1, is_whole=True)
    far = quantizer.far(rows)
    assert far == [0, 100, 101, 102, 300, 600]


def test_far_queries_count_as_done_when_they_are_answered() -> None:
    """The end is told once: after the rows of the last far query are compared."""
    rows = draw_floats(22, 900, 12)
    queries = np.concatenate([rows[:90], rows[:10] * 1e3])
    index = _pruned(rows, "sqeuclidean")
    told: list[tuple[int, int]] = []
    with progress(lambda done, total: told.append((done, total))):
        index.search(queries, 3)
    assert (90, 100) in told
    assert told == sorted(told)
    assert told.index((100, 100)) == len(told) - 1


def _wins(*searches: object) -> bool:
    return True


def _loses(*searches: object) -> bool:
    return False


def test_a_radius_that_most_rows_are_within_leaves_codes_alone() -> None:
    rows = draw_floats(12, 400, 6)
    pays = Policy(max_share_of_rows=0.1, sampled_queries=4)
    codes = Coding().encode_floats(_pruned(rows, "sqeuclidean")._prepared._floats, 1)  # type: ignore[union-attr]
    table = np.sort(float_table(rows, rows, "sqeuclidean"), axis=1)
    assert pays.pays_within(codes, rows, int(table[:, 10].min()), 0, 1)
    assert not pays.pays_within(codes, rows, int(table[:, -1].max()), 0, 1)


@given(
    st.integers(0, 10**6), st.integers(1, 60), st.integers(1, 40), st.sampled_from(list(PALETTES))
)
def test_any_data(seed: int, n: int, d: int, palette: str) -> None:
    rows, queries = draw_floats(seed, n, d, palette), draw_floats(seed + 1, 4, d, palette)
    for metric in PRUNED:
        index = _pruned(rows, metric)
        k = 1 + seed % n
        _assert_same(index.search(queries, k), nearest(float_table(rows, queries, metric), k))


def test_wide_rows() -> None:
    """The widest that have codes, and one more, which have none."""
    rows = draw_floats(13, 40, 32_768)
    queries = rows[:2] + 1e-3
    _assert_same(
        _pruned(rows, "sqeuclidean").search(queries, 3),
        nearest(float_table(rows, queries, "sqeuclidean"), 3),
    )
    wider = np.zeros((3, 32_769))
    with pytest.raises(ValueError, match="at most 32768 features"):
        Index(wider, algorithm="pruned")


# --- keys and distances ---


@pytest.mark.parametrize("name", list(FLOAT_METRICS))
@pytest.mark.parametrize("radius", [0.0, 5e-324, 1e-160, 0.1, 1.0, 1.5, 3.0, 1e200, np.inf])
def test_the_largest_key_within_a_radius(name: str, radius: float) -> None:
    """The next key's distance is beyond it."""
    metric = FLOAT_METRICS[name]
    key = metric.largest_float_key_within(radius, 7)
    assert metric.float_distances(np.array([key]), 7)[0] <= radius
    if radius < np.inf:
        assert metric.float_distances(np.array([key + 1]), 7)[0] > radius


def test_distances_of_keys() -> None:
    rows, query = draw_floats(14, 20, 7), draw_floats(15, 1, 7)[0]
    for name, factor in (("sqeuclidean", 1.0), ("cosine", 0.5), ("hamming", 1 / 7)):
        keys = float_keys(rows, query, name)
        expected = keys.view(np.float64) * factor
        np.testing.assert_allclose(FLOAT_METRICS[name].float_distances(keys, 7), expected)


# --- what an index of floats refuses ---


def test_float_indexes_check_their_arguments() -> None:
    rows = draw_floats(16, 9, 4)
    with pytest.raises(ValueError, match="Unknown metric"):
        Index(rows, "euclidean")
    with pytest.raises(ValueError, match="C-contiguous"):
        Index(rows[:, ::2])
    with pytest.raises(ValueError, match="there is 'brute'"):
        Index(rows, "chebyshev", algorithm="pruned")
    index = Index(rows)
    with pytest.raises(TypeError, match="float64"):
        index.search(rows.astype(np.float16), 1)
    of_bytes = Index(np.zeros((9, 4), np.uint8))
    for dtype in (np.float32, np.float64):
        with pytest.raises(TypeError, match="uint8"):
            of_bytes.search(rows.astype(dtype), 1)
