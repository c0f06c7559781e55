"""`learning`: what codes are made of, which decides how much is pruned and never what is answered.

The bounds lean on four promises: axes are whole numbers within +-LARGEST, their bytes add up to
them again, no direction grows by more than `squared_norm_bound`, and groups of features are a
partition whose coarse groups are unions of fine ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from knnc.engine.codes import learning
from tests.engine.support import PALETTES, Bytes, draw

Axes = npt.NDArray[np.int32]
SHAPES = [(1, 1), (1, 9), (2, 3), (5, 40), (300, 7), (300, 64), (60, 193), (30, 500), (200, 784)]


@pytest.fixture(scope="module", autouse=True)
def one_blas_thread() -> Iterator[None]:
    """As an index does: threads of BLAS wait for each other on a machine that is busy."""
    with threadpool_limits(limits=1, user_api="blas"):
        yield


def _sizes(d: int) -> tuple[int, int]:
    """Those that an index asks for."""
    coarse = min(64, d)
    return coarse, min(127, d - coarse)


def _low_rank(n: int, d: int, rank: int) -> Bytes:
    rng = np.random.default_rng([n, d, rank])
    scale = np.linspace(3, 1, rank)
    values = (rng.standard_normal((n, rank)) * scale) @ rng.standard_normal((rank, d))
    return np.clip(np.rint(127 + 60 * values / values.std()), 0, 255).astype(np.uint8)


# --- samples ---


@pytest.mark.parametrize("n", [1, 2, 4_095, 4_096])
def test_few_rows_are_their_own_sample(n: int) -> None:
    rows = draw(1, n, 2)
    assert learning.sample_rows(rows) is rows


@pytest.mark.parametrize(("n", "size"), [(4_097, 4_096), (5_000, 4_096), (10**6, 4_096), (9, 4)])
def test_a_sample_is_spread_over_the_rows(n: int, size: int) -> None:
    numbers: npt.NDArray[np.int64] = learning.sample_rows(np.arange(n), size)  # type: ignore[arg-type,assignment]
    assert len(numbers) == size
    assert np.all(np.diff(numbers) >= 0)
    even = np.arange(size) * n / size
    assert np.all((numbers >= np.floor(even)) & (numbers <= even + n / size)), "one in each part"
    np.testing.assert_array_equal(numbers, learning.sample_rows(np.arange(n), size))  # type: ignore[arg-type]


# --- principal axes ---


@pytest.mark.parametrize("palette", PALETTES)
@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_axes_are_whole_numbers_in_range(n: int, d: int, palette: str) -> None:
    """Whatever the rows: fewer of them than axes, all of them equal, one."""
    sizes = _sizes(d)
    axes = learning.principal_axes(draw(2, n, d, palette), sizes)
    assert axes.dtype == np.int32
    assert axes.shape == (sum(sizes), d)
    assert np.abs(axes).max() == learning.LARGEST
    np.testing.assert_array_equal(axes, learning.principal_axes(draw(2, n, d, palette), sizes))


@pytest.mark.parametrize(("n", "d"), [(300, 7), (300, 64), (60, 193), (30, 500), (200, 784)])
def test_axes_are_nearly_orthogonal_and_of_one_length(n: int, d: int) -> None:
    axes = learning.principal_axes(draw(3, n, d), _sizes(d)).astype(np.float64)
    singular = np.linalg.svd(axes, compute_uv=False)
    assert singular[-1] > 0.99 * singular[0]


@pytest.mark.parametrize(
    ("n", "d", "sizes"), [(500, 30, (4, 6)), (700, 600, (8, 24)), (1_500, 300, (20, 60))]
)
def test_each_set_spans_its_principal_axes(n: int, d: int, sizes: tuple[int, int]) -> None:
    """By a full decomposition, by products with the rows, and with their covariance."""
    rows = _low_rank(n, d, 40)
    axes = learning.principal_axes(rows, sizes).astype(np.float64)
    centred = rows - rows.mean(axis=0)
    variance = np.linalg.svd(centred, compute_uv=False) ** 2
    first = 0
    for size in sizes:
        span = np.linalg.qr(axes[first : first + size].T)[0]
        kept = np.linalg.norm(centred @ span) ** 2
        assert kept > 0.98 * variance[first : first + size].sum()
        first += size


@pytest.mark.parametrize("sizes", [(7, 0), (0, 7)])
def test_a_set_without_axes(monkeypatch: pytest.MonkeyPatch, sizes: tuple[int, int]) -> None:
    """There is no fine set up to 64 features; SciPy 1.13 takes no matrix without entries."""
    factorize = learning.scipy.linalg.qr

    def refuse(matrix: npt.NDArray[np.float64], **options: object) -> object:
        assert matrix.size, "an empty matrix"
        return factorize(matrix, **options)

    monkeypatch.setattr(learning.scipy.linalg, "qr", refuse)
    assert learning.principal_axes(draw(3, 300, 7), sizes).shape == (sum(sizes), 7)


@pytest.mark.parametrize("palette", ["uniform", "extremes", "zeros", "few"])
@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_bytes_of_axes_add_up_to_them(n: int, d: int, palette: str) -> None:
    axes = learning.principal_axes(draw(4, n, d, palette), _sizes(d))
    planes = learning.as_planes(axes)
    assert planes.dtype == np.uint8
    assert planes.flags.c_contiguous
    high, low = planes.astype(np.int64).reshape(2, *axes.shape) - 128
    np.testing.assert_array_equal(learning.HIGH * high + low, axes)


def test_bytes_of_every_number_an_axis_can_hold() -> None:
    axes = np.arange(-learning.LARGEST, learning.LARGEST + 1, dtype=np.int32)[np.newaxis]
    high, low = learning.as_planes(axes).astype(np.int64) - 128
    np.testing.assert_array_equal(learning.HIGH * high + low, axes[0])


# --- the factor by which a distance may grow ---


def _grows_at_most(axes: Axes, bound: float) -> bool:
    """Whether bound - A A' is positive semidefinite, in fractions: elimination, pivot by pivot."""
    exact = axes.astype(object)
    rest = [[-Fraction(int(v)) for v in row] for row in exact @ exact.T]
    for i in range(len(rest)):
        rest[i][i] += Fraction(bound)
    for i in range(len(rest)):
        if rest[i][i] < 0 or (rest[i][i] == 0 and any(rest[i][i + 1 :])):
            return False
        for j in range(i + 1, len(rest)):
            factor = rest[j][i] / rest[i][i] if rest[i][i] else Fraction(0)
            for column in range(i + 1, len(rest)):
                rest[j][column] -= factor * rest[i][column]
    return True


@pytest.mark.parametrize(
    "axes",
    [
        pytest.param(np.array([[8128]]), id="one number"),
        pytest.param(np.full((1, 6), -8128), id="one axis"),
        pytest.param(np.diag([8128, 8128, 8128, 1]), id="equal values"),
        pytest.param(np.full((5, 5), 8128), id="parallel"),
        pytest.param(np.eye(6, 4) * 4000 + 4000, id="more axes than features"),
    ],
)
def test_no_direction_grows_by_more_on_axes_made_up(axes: Axes) -> None:
    axes = axes.astype(np.int32)
    bound = learning.squared_norm_bound(axes)
    assert _grows_at_most(axes, bound)
    assert not _grows_at_most(axes, bound * (1 - 1e-8)), "a looser bound prunes less"


@pytest.mark.parametrize(("n", "d"), [(1, 1), (5, 3), (40, 12), (2, 14)])
@pytest.mark.parametrize("palette", ["uniform", "few", "full"])
def test_no_direction_grows_by_more(n: int, d: int, palette: str) -> None:
    axes = learning.principal_axes(draw(5, n, d, palette), _sizes(d))
    bound = learning.squared_norm_bound(axes)
    assert _grows_at_most(axes, bound)
    assert not _grows_at_most(axes, bound * (1 - 1e-8))


@pytest.mark.parametrize("d", [66, 193, 784])
def test_the_direction_that_grows_most_is_within_the_bound(d: int) -> None:
    axes = learning.principal_axes(draw(6, 300, d), _sizes(d))
    bound = Fraction(learning.squared_norm_bound(axes))
    top = np.linalg.svd(axes.astype(np.float64), full_matrices=False)[2][0]
    direction = np.array([int(v) for v in np.rint(top * 2**40)], dtype=object)
    image = axes.astype(object) @ direction
    grown, before = int(image @ image), int(direction @ direction)
    assert bound * (1 - Fraction(1, 10**8)) * before < grown <= bound * before


@pytest.mark.parametrize("d", [66, 193, 784])
def test_products_that_come_out_as_no_numbers_are_made_in_doubles(
    d: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As float32 a.T @ a does with some OpenBLAS on processors with SME."""
    sample = draw(6, 300, d)
    axes = learning.principal_axes(sample, _sizes(d))
    groups, signs = learning.feature_groups(sample, (2, 3))
    product = learning.product

    def broken(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        right = product(a, b)
        return right * np.float32("nan") if np.may_share_memory(a, b) else right

    monkeypatch.setattr(learning, "product", broken)
    again = learning.principal_axes(sample, _sizes(d)).astype(float)
    assert np.isfinite(again).all()
    # What axes span matters, not how they are turned.
    spans = [np.linalg.qr(found.T)[0] for found in (axes.astype(float), again)]
    kept = np.linalg.svd(spans[0].T @ spans[1], compute_uv=False)
    assert kept.min() > 0.99
    groups_again, signs_again = learning.feature_groups(sample, (2, 3))
    for got, want in zip(groups_again, groups, strict=True):
        np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(signs_again, signs)


# --- groups of features ---


def _check_groups(
    groups: list[npt.NDArray[np.int32]], signs: npt.NDArray[np.int8], d: int, levels: list[int]
) -> None:
    assert signs.shape == (d,)
    assert signs.dtype == np.int8
    assert set(signs.tolist()) <= {-1, 1}
    assert len(groups) == len(levels)
    for group, level in zip(groups, levels, strict=True):
        assert group.shape == (d,)
        assert group.dtype == np.int32
        sizes = np.bincount(group)
        assert len(sizes) == -(-d // 2**level), "each round joins all but at most one"
        assert sizes.min() >= 1, "groups are numbered without a gap"
        assert sizes.max() <= 2**level
    for fine, coarse in pairwise(groups):
        pairs = {(int(f), int(c)) for f, c in zip(fine, coarse, strict=True)}
        assert len(pairs) == fine.max() + 1, "a fine group is in one coarse group"


@pytest.mark.parametrize("palette", PALETTES)
@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_groups_are_a_partition(n: int, d: int, palette: str) -> None:
    rows = draw(7, n, d, palette)
    groups, signs = learning.feature_groups(rows, (2, 3))
    _check_groups(groups, signs, d, [2, 3])
    again, same_signs = learning.feature_groups(rows, (2, 3))
    np.testing.assert_array_equal(signs, same_signs)
    np.testing.assert_array_equal(groups, again)


@given(
    n=st.integers(1, 30),
    d=st.integers(1, 40),
    seed=st.integers(0, 2**32 - 1),
    palette=st.sampled_from(list(PALETTES)),
    levels=st.sets(st.integers(0, 7), min_size=1),
)
def test_groups_of_any_rows_at_any_levels(
    n: int, d: int, seed: int, palette: str, levels: set[int]
) -> None:
    ordered = sorted(levels)
    groups, signs = learning.feature_groups(draw(seed, n, d, palette), tuple(ordered))
    _check_groups(groups, signs, d, ordered)


@pytest.mark.parametrize("d", [1_023, 1_024, 1_025, 2_055, 3_072])
@pytest.mark.parametrize("levels", [(2, 3), (0, 11)])
def test_groups_of_many_features(d: int, levels: tuple[int, ...]) -> None:
    """Joined run by run, without a rest but at the end."""
    groups, signs = learning.feature_groups(draw(11, 20, d), levels)
    _check_groups(groups, signs, d, list(levels))


def test_a_level_may_be_wanted_twice() -> None:
    groups, signs = learning.feature_groups(draw(7, 30, 21), (2, 2, 3))
    _check_groups(groups, signs, 21, [2, 2, 3])
    np.testing.assert_array_equal(groups[0], groups[1])


@given(n=st.integers(1, 40), seed=st.integers(0, 2**32 - 1))
def test_pairs_are_those_that_are_strongest_while_they_are_free(n: int, seed: int) -> None:
    """As one finds them who takes pairs in the order of their strength."""
    order = np.random.default_rng(seed).permutation(n * n).reshape(n, n).astype(np.float32)
    strength = np.triu(order, 1) + np.triu(order, 1).T
    free, expected = set(range(n)), set()
    for pair in np.argsort(-np.triu(strength, 1), axis=None)[: n * (n - 1) // 2].tolist():
        if {pair // n, pair % n} <= free and pair // n != pair % n:
            free -= {pair // n, pair % n}
            expected.add((pair // n, pair % n))
    expected |= {(one, one) for one in free}
    left, right = learning._matching(strength)
    assert set(zip(left.tolist(), right.tolist(), strict=True)) == expected


@pytest.mark.parametrize("n", [1, 2, 3, 100, 101])
def test_pairs_of_features_that_are_equally_strong(n: int) -> None:
    left, right = learning._matching(np.ones((n, n), np.float32))
    assert len(left) == len(right) == -(-n // 2)
    assert np.array_equal(np.union1d(left, right), np.arange(n))
    assert np.count_nonzero(left == right) == n % 2


def test_features_that_vary_together_are_joined_with_their_sign() -> None:
    rng = np.random.default_rng(8)
    base = rng.integers(0, 256, size=(500, 10), dtype=np.uint8)
    rows = np.concatenate([base, 255 - base], axis=1)  # feature f + 10 mirrors feature f
    (group,), signs = learning.feature_groups(np.ascontiguousarray(rows), (1,))
    np.testing.assert_array_equal(group[:10], group[10:])
    np.testing.assert_array_equal(signs[:10], -signs[10:])


# --- whether codes are worth a trial ---


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param(_low_rank(1_500, 200, 6), True, id="few directions"),
        pytest.param(draw(9, 1_500, 200), False, id="random bytes"),
        pytest.param(draw(9, 12_000, 784), False, id="many random bytes"),
        pytest.param(draw(9, 1_500, 200, "extremes"), False, id="random extremes"),
        pytest.param(_low_rank(64, 200, 6), False, id="too few rows to tell"),
        pytest.param(draw(9, 1, 200), False, id="one row"),
    ],
)
def test_is_concentrated(rows: Bytes, expected: bool) -> None:
    assert learning.is_concentrated(rows) is expected


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_pictures_are_concentrated(request: pytest.FixtureRequest, name: str) -> None:
    images: SimpleNamespace = request.getfixturevalue(name)
    assert learning.is_concentrated(images.train)
    by_class = images.train[np.argsort(images.train_labels, kind="stable")]
    assert learning.is_concentrated(by_class)


def test_small_pictures_are_concentrated(digits: SimpleNamespace) -> None:
    assert learning.is_concentrated(digits.X)


@pytest.mark.parametrize("palette", ["zeros", "full", "constant rows", "duplicates"])
def test_is_concentrated_has_an_answer_for_rows_without_variance(palette: str) -> None:
    assert isinstance(learning.is_concentrated(draw(10, 2_000, 70, palette)), bool)
