"""Narrowing is lossless, fixed by fit, and decided row by row."""

from __future__ import annotations

import math
import pickle
import tracemalloc
import warnings
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knnc.engine.encoding import Encoding, decode, encode_fit, encode_rows

BYTES = np.arange(256, dtype=np.uint8).reshape(16, 16)
F32, F64 = np.float32, np.float64


def pixels(dtype: type, multiplied: bool, values: npt.NDArray[np.uint8] = BYTES):
    """Bytes / 255, by one operation or the other of that dtype, spelled out."""
    b = values.astype(dtype)
    return b * (dtype(1) / dtype(255)) if multiplied else b / dtype(255)


FITS = {
    "uint8": BYTES,
    "int8": (BYTES.astype(np.int16) - 128).astype(np.int8),
    "bool": BYTES % 2 == 1,
    **{f"whole {t}": BYTES.astype(t) for t in ("int16", "uint16", "int32", "int64", "uint64")},
    **{f"whole {t}": BYTES.astype(t) for t in ("float16", "float32", "float64", "longdouble")},
    **{f"whole {t}": BYTES.astype(t) for t in (">i4", ">f8")},
    "float32 / 255": pixels(F32, False),
    "float32 * 1/255": pixels(F32, True),
    "float64 / 255": pixels(F64, False),
    "float64 * 1/255": pixels(F64, True),
    ">f4 / 255": pixels(F32, False).astype(">f4"),
}


@pytest.mark.parametrize("name", FITS)
@pytest.mark.parametrize("order", ["C", "F", "strided"])
def test_fit_is_lossless(name: str, order: str) -> None:
    X = FITS[name]
    if order == "strided":
        X = np.repeat(np.repeat(X, 2, axis=0), 2, axis=1)[::2, ::2]
    elif order == "F":
        X = np.asfortranarray(X)
    narrowed = encode_fit(X)
    assert narrowed is not None
    rows, encoding = narrowed
    assert rows.dtype == np.uint8
    assert rows.flags.c_contiguous
    np.testing.assert_array_equal(rows, X if name == "bool" else BYTES)
    back = decode(rows, encoding)
    assert back.dtype == X.dtype.newbyteorder("=")
    np.testing.assert_array_equal(back, X)
    # And the rows that were fitted are representable as queries, by the same bytes.
    again, representable = encode_rows(X, encoding)
    assert representable.all()
    np.testing.assert_array_equal(again, rows)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("uint8", Encoding(np.dtype(np.uint8))),
        ("int8", Encoding(np.dtype(np.int8), offset=128)),
        ("bool", Encoding(np.dtype(bool))),
        (">f8", Encoding(np.dtype(np.float64))),
        ("float32 / 255", Encoding(np.dtype(F32), divisor=255)),
        ("float64 * 1/255", Encoding(np.dtype(F64), divisor=255, multiplied=True)),
    ],
)
def test_fit_fixes_offset_and_scale(name: str, expected: Encoding) -> None:
    narrowed = encode_fit(FITS[name] if name in FITS else FITS[f"whole {name}"])
    assert narrowed is not None
    assert narrowed[1] == expected
    assert narrowed[1].is_plain == (expected.offset == 0 and expected.divisor == 1)


def test_the_two_tables_differ() -> None:
    """Otherwise the tests of which table is meant would prove nothing."""
    for dtype in (F32, F64):
        assert 0 < np.count_nonzero(pixels(dtype, False) != pixels(dtype, True)) < 256


@pytest.mark.parametrize("dtype", [F32, F64])
def test_zeros_and_ones_are_bytes_0_and_1(dtype: type) -> None:
    narrowed = encode_fit(np.array([[0, 1], [1, 0]], dtype=dtype))
    assert narrowed is not None
    np.testing.assert_array_equal(narrowed[0], [[0, 1], [1, 0]])
    assert narrowed[1].divisor == 1


@pytest.mark.parametrize(
    "X",
    [
        [[0, 256]],
        [[-1, 0]],
        np.array([[2**63, 0]], dtype=np.uint64),
        np.array([[2**64 - 1, 0]], dtype=np.uint64),
        np.array([[256, 0]], dtype=np.int64) * 2**40,
        [[0.5, 1.0]],
        [[np.nan, 0.0]],
        [[np.inf, 0.0]],
        [[-np.inf, 0.0]],
        [[1e300, 0.0]],
        [[255.00000000000003, 0.0]],
        np.nextafter(pixels(F64, False), 1),
        np.nextafter(pixels(F32, False), F32(1)),
        pixels(F32, False).astype(F64),  # float32's roundings in float64
        pixels(F64, False).astype(np.float16),
        pixels(F64, False).astype(np.longdouble) + np.finfo(np.longdouble).eps,
        np.where(BYTES < 128, pixels(F64, False), pixels(F64, True)),  # some of either table
        np.array([[1 + 1j]]),
        np.array([["1"]]),
    ],
    ids=str,
)
def test_what_is_not_256_bytes_is_not_narrowed(X: npt.ArrayLike) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert encode_fit(np.asarray(X)) is None


@pytest.mark.parametrize("scaled", [False, True])
def test_one_odd_value_anywhere_is_seen(scaled: bool) -> None:
    X = np.resize(pixels(F32, False) if scaled else BYTES.astype(F32), (3000, 100))
    assert encode_fit(X) is not None
    for place in ((0, 0), (1500, 50), (2999, 99)):
        odd = X.copy()
        odd[place] += F32(0.125)
        assert encode_fit(odd) is None


def test_uint8_is_referred_to_and_anything_else_copied(tmp_path) -> None:
    X = np.memmap(tmp_path / "rows", dtype=np.uint8, mode="w+", shape=(16, 16))
    X[:] = BYTES
    for same in (X, BYTES, np.load(_saved(tmp_path), mmap_mode="r")):
        narrowed = encode_fit(same)
        assert narrowed is not None
        assert np.shares_memory(narrowed[0], same)
        queries, _ = encode_rows(same, narrowed[1])
        assert np.shares_memory(queries, same)
    for other in (np.asfortranarray(BYTES), BYTES.view(np.int8), BYTES.astype(bool)):
        narrowed = encode_fit(other)
        assert narrowed is not None
        assert not np.shares_memory(narrowed[0], other)


def _saved(folder):
    np.save(folder / "rows.npy", BYTES)
    return folder / "rows.npy"


@pytest.mark.parametrize("name", ["whole int64", "float64 / 255", "float32 * 1/255", "int8"])
def test_narrowing_needs_little_memory(name: str) -> None:
    X = np.resize(FITS[name], (40_000, 100))
    tracemalloc.start()
    try:
        narrowed = encode_fit(X)
        assert narrowed is not None
        encode_rows(X, narrowed[1])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - 2 * narrowed[0].nbytes < 4_000_000


def test_an_encoding_is_small_and_pickles() -> None:
    encoding = Encoding(np.dtype(F32), divisor=255, multiplied=True)
    state = pickle.dumps(encoding)
    assert len(state) < 400
    assert pickle.loads(state) == encoding
    with pytest.raises(AttributeError):
        encoding.divisor = 1  # type: ignore[misc]


# ---- query rows: an independent judge, value by value, with exact rationals


def _exact(value: object) -> Fraction:
    if isinstance(value, np.longdouble):
        return Fraction(*value.as_integer_ratio())
    return Fraction(value.item() if isinstance(value, np.generic) else value)


_TABLES = {
    (dtype, multiplied): {
        _exact(v): b for b, v in enumerate(pixels(dtype, multiplied).ravel().tolist())
    }
    for dtype in (F32, F64)
    for multiplied in (False, True)
}


def judge(row: npt.NDArray[np.generic], encoding: Encoding) -> list[int] | None:
    """The bytes of a query row, or None, by the words of the rule."""
    if not all(math.isfinite(v) for v in row):
        return None
    values = [_exact(v) for v in row]
    if encoding.divisor == 1:
        whole = [v + encoding.offset for v in values]
        return (
            [int(b) for b in whole]
            if all(b.denominator == 1 and 0 <= b <= 255 for b in whole)
            else None
        )
    if row.dtype.kind in "biu":
        return [255 * int(v) for v in values] if all(v in (0, 1) for v in values) else None
    dtype = F32 if row.dtype.newbyteorder("=") == F32 else F64
    for multiplied in (False, True):
        table = _TABLES[dtype, multiplied]
        if all(v in table for v in values):
            return [table[v] for v in values]
    return None


def test_the_judge_knows_the_rules() -> None:
    scaled, signed = Encoding(np.dtype(F64), divisor=255), Encoding(np.dtype(np.int8), offset=128)
    assert judge(np.array([0.0, 1.0]), scaled) == [0, 255]
    assert judge(np.array([0.0, 1.0]), Encoding(np.dtype(F64))) == [0, 1]
    assert judge(np.array([127, 128], dtype=np.uint8), signed) is None
    assert judge(np.array([-128, 127]), signed) == [0, 255]
    assert judge(np.array([2, 0]), scaled) is None


ROW_KINDS = {
    "bytes": lambda rng, d: rng.integers(0, 256, d),
    "low bytes": lambda rng, d: rng.integers(0, 128, d),
    "signed": lambda rng, d: rng.integers(-128, 128, d),
    "zeros and ones": lambda rng, d: rng.integers(0, 2, d),
    "wide": lambda rng, d: rng.integers(-300, 600, d),
    "float32 / 255": lambda rng, d: pixels(F32, False, rng.integers(0, 256, d).astype(np.uint8)),
    "float32 * 1/255": lambda rng, d: pixels(F32, True, rng.integers(0, 256, d).astype(np.uint8)),
    "float64 / 255": lambda rng, d: pixels(F64, False, rng.integers(0, 256, d).astype(np.uint8)),
    "float64 * 1/255": lambda rng, d: pixels(F64, True, rng.integers(0, 256, d).astype(np.uint8)),
    "halves": lambda rng, d: rng.integers(0, 512, d) / 2,
}
QUERY_DTYPES = [
    *("uint8", "int8", "bool", "int16", "int64", "uint64", ">i2"),
    *("float16", "float32", "float64", "longdouble", ">f4", ">f8"),
]


def draw_rows(rng, kinds: list[str], dtype: str, d: int, *, off_by_an_ulp: bool = False):
    """One row of each kind in that dtype, in places a unit in the last place off."""
    rows = np.array([ROW_KINDS[kind](rng, d) for kind in kinds], dtype=np.float64)
    kind = np.dtype(dtype).kind
    if kind == "u":
        rows = np.abs(rows)
    if kind in "iu":
        info = np.iinfo(dtype)
        rows = np.clip(rows, max(info.min, -(2**52)), min(info.max, 2**52))
    rows = rows.astype(dtype)
    if off_by_an_ulp and kind == "f":
        place = rng.integers(len(kinds)), rng.integers(d)
        native = rows.dtype.newbyteorder("=").type
        rows[place] = np.nextafter(native(rows[place]), native(rng.choice([-1000, 1000])))
    return rows


@pytest.mark.parametrize("fit", FITS)
@given(
    kinds=st.lists(st.sampled_from(list(ROW_KINDS)), min_size=1, max_size=6),
    dtype=st.sampled_from(QUERY_DTYPES),
    seed=st.integers(0, 2**32 - 1),
    d=st.integers(1, 5),
    off=st.booleans(),
)
def test_rows_are_judged_one_by_one(fit, kinds, dtype, seed, d, off) -> None:
    narrowed = encode_fit(FITS[fit])
    assert narrowed is not None
    encoding = narrowed[1]
    rows = draw_rows(np.random.default_rng(seed), kinds, dtype, d, off_by_an_ulp=off)
    expected = [judge(row, encoding) for row in rows]
    got, representable = encode_rows(rows, encoding)
    assert representable.tolist() == [e is not None for e in expected]
    assert got.tolist() == [e for e in expected if e is not None]
    assert got.dtype == np.uint8
    assert got.flags.c_contiguous


@pytest.mark.parametrize("value", [2**64 - 1, 2**63, 2**32, 256])
def test_huge_integers_do_not_wrap(value: int) -> None:
    for name in ("uint8", "int8", "float32 / 255"):
        narrowed = encode_fit(FITS[name])
        assert narrowed is not None
        _, representable = encode_rows(np.array([[value], [1]], dtype=np.uint64), narrowed[1])
        assert representable.tolist() == [False, True]


def test_hostile_floats_are_just_not_representable() -> None:
    X = np.array([[np.nan], [np.inf], [-np.inf], [1e308], [-1e-308], [-0.0]])
    for name in ("uint8", "int8", "float64 / 255", "float32 * 1/255"):
        narrowed = encode_fit(FITS[name])
        assert narrowed is not None
        for dtype in (np.float64, np.longdouble):
            _, representable = encode_rows(X.astype(dtype), narrowed[1])
            assert representable.tolist() == [False] * 5 + [True]
