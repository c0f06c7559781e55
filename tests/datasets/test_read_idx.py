"""``read_idx``: what it reads, and everything that it refuses."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import os
import re
import tempfile
import threading
from pathlib import Path
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knnc.datasets import read_idx
from knnc.datasets._idx import open_idx
from tests.datasets.support import TYPE_CODES, idx_bytes, idx_header, some_images, write, write_idx

arrays = st.sampled_from(sorted(TYPE_CODES)).flatmap(
    lambda dtype: hnp.arrays(np.dtype(f"={dtype}"), hnp.array_shapes(max_dims=5, min_side=0))
)


def read_back(content: bytes) -> npt.NDArray[Any]:
    with tempfile.TemporaryDirectory() as folder:
        return read_idx(write(Path(folder) / "file", content))


def assert_same(actual: npt.NDArray[Any], expected: npt.NDArray[Any]) -> None:
    """Equal to the last bit, signs of zeros and payloads of NaNs included."""
    assert actual.dtype == expected.dtype
    assert actual.dtype.isnative
    assert actual.shape == expected.shape
    assert actual.tobytes() == expected.tobytes()
    assert actual.flags.c_contiguous
    assert actual.flags.writeable
    assert actual.flags.aligned


def assert_refused(path: Path, what: str) -> None:
    with pytest.raises(ValueError, match=what) as caught:
        read_idx(path)
    assert str(caught.value).startswith(f"{path}: ")


@given(arrays)
def test_plain(array: npt.NDArray[Any]) -> None:
    assert_same(read_back(idx_bytes(array)), array)


@given(arrays, st.data())
def test_gzip_in_several_members(array: npt.NDArray[Any], data: st.DataObject) -> None:
    content = idx_bytes(array)
    cuts = data.draw(st.lists(st.integers(0, len(content)), max_size=4).map(sorted))
    bounds = [0, *cuts, len(content)]
    members = [gzip.compress(content[start:stop]) for start, stop in itertools.pairwise(bounds)]
    assert_same(read_back(b"".join(members)), array)


def test_values_are_big_endian(tmp_path: Path) -> None:
    content = idx_header(0x0C, 2) + bytes([0, 0, 1, 2, 255, 255, 255, 254])
    assert read_idx(write(tmp_path / "file", content)).tolist() == [258, -2]


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_larger_than_every_buffer(tmp_path: Path, compress: Any) -> None:
    """Several times the chunk and the first size of a growing buffer, and no multiple of them."""
    array = some_images(3, 1_234_567).view("i1")
    assert_same(read_idx(write(tmp_path / "file", compress(idx_bytes(array)))), array)


@pytest.mark.parametrize("member", [10_000_000, 100_001])
def test_hasher_gets_the_content_once(tmp_path: Path, member: int) -> None:
    """In whatever pieces it comes."""
    content = idx_bytes(some_images(3, 1_234_567))
    starts = range(0, len(content), member)
    packed = b"".join(gzip.compress(content[start : start + member], 1) for start in starts)
    for file_content in (content, packed):
        hasher = hashlib.sha256()
        with open_idx(write(tmp_path / "file", file_content)) as idx:
            idx.read(hasher)
        assert hasher.digest() == hashlib.sha256(content).digest()


def test_content_decides_not_the_name(tmp_path: Path) -> None:
    array = some_images(4, 5)
    assert_same(read_idx(write(tmp_path / "plain.gz", idx_bytes(array))), array)
    assert_same(read_idx(write(tmp_path / "packed", gzip.compress(idx_bytes(array)))), array)


@pytest.mark.parametrize("kind", [str, os.fsencode, Path])
def test_kinds_of_path(tmp_path: Path, kind: Any) -> None:
    array = some_images(2, 3)
    assert_same(read_idx(kind(write_idx(tmp_path / "été-idx2", array))), array)


def test_no_path() -> None:
    with pytest.raises(TypeError):
        read_idx(3)  # type: ignore[arg-type]  # not the file with that descriptor


def test_empty_dimension(tmp_path: Path) -> None:
    path = write(tmp_path / "file", idx_header(0x0E, 3, 0, 28))
    assert_same(read_idx(path), np.empty((3, 0, 28)))


def test_as_many_dimensions_as_numpy_has(tmp_path: Path) -> None:
    path = write(tmp_path / "file", idx_header(0x08, *[1] * 64) + b"\x05")
    assert_same(read_idx(path), np.full([1] * 64, 5, np.uint8))


def test_errors_of_the_file_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="missing"):
        read_idx(tmp_path / "missing")
    if os.name == "posix":  # Windows has PermissionError for it
        with pytest.raises(IsADirectoryError, match=re.escape(str(tmp_path))):
            read_idx(tmp_path)


HEADERS = {
    "empty": (b"", "the file is empty"),
    "one byte": (b"\0", "ends inside the IDX header, after 1 bytes"),
    "three bytes": (b"\0\0\x08", "ends inside the IDX header, after 3 bytes"),
    "text": (b"hello world", "not an IDX file; it starts with the bytes 68 65 6c 6c"),
    "one byte of text": (b"h", "not an IDX file; it starts with the bytes 68"),
    "second byte": (b"\0\x01\x08\x01", "not an IDX file; it starts with the bytes 00 01"),
    "little-endian magic": (b"\x01\x08\0\0", "not an IDX file"),
    "type zero": (idx_header(0x00, 1) + b"x", "unknown IDX type code 0x00"),
    "type unknown": (idx_header(0x0A, 1) + b"x", "unknown IDX type code 0x0a; known are 0x08,"),
    "no dimensions": (idx_header(0x08) + b"x", "claims 0 dimensions"),
    "65 dimensions": (idx_header(0x08, *[1] * 65) + b"x", "claims 65 dimensions; 1 to 64"),
    "255 dimensions": (idx_header(0x08, *[1] * 255), "claims 255 dimensions"),
    "cut in the dimensions": (
        idx_header(0x08, 7, 28, 28)[:-1],
        "ends inside the IDX header, after 15 of 16 bytes",
    ),
    "overflow of 64 bits": (
        idx_header(0x08, *[2**32 - 1] * 3) + bytes(100),
        "no array of the claimed shape .4294967295, 4294967295, 4294967295. fits",
    ),
    # 2^64 bytes: a product that wraps around would take it for an empty array.
    "product of zero in 64 bits": (idx_header(0x08, 2**31, 2**31, 4), "no array of the claimed"),
    "bytes overflow, elements do not": (idx_header(0x0E, 2**31, 2**30), "no array of the claimed"),
    "empty, but with strides that overflow": (
        idx_header(0x08, 0, *[2**32 - 1] * 3),
        "no array of the claimed",
    ),
    "negative if signed": (idx_header(0x08, 2**32 - 1) + bytes(9), "the 4,294,967,295 bytes of"),
    "a terabyte": (idx_header(0x08, 2**20, 2**20) + bytes(9), "the 1,099,511,627,776 bytes of"),
    "one byte short": (
        idx_header(0x0B, 2, 3) + bytes(11),
        r"(1 of|fewer than) the 12 bytes of the int16 array of shape \(2, 3\) that its header",
    ),
    "one byte over": (idx_header(0x0B, 2, 3) + bytes(13), "more .*than the 12 bytes of the int16"),
    "one byte in an empty array": (idx_header(0x08, 0, 28) + b"\0", "more .*than the 0 bytes"),
}


@pytest.mark.parametrize(("content", "what"), HEADERS.values(), ids=HEADERS.keys())
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_refused(tmp_path: Path, compress: Any, content: bytes, what: str) -> None:
    assert_refused(write(tmp_path / "file", compress(content)), what)


@given(arrays, st.data())
def test_every_prefix_is_refused(array: npt.NDArray[Any], data: st.DataObject) -> None:
    content = idx_bytes(array)
    packed = gzip.compress(content)
    for whole in (content, packed):
        length = data.draw(st.integers(0, len(whole) - 1))
        with pytest.raises(ValueError, match="file"):
            read_back(whole[:length])


@given(arrays, st.binary(min_size=1))
def test_every_extension_is_refused(array: npt.NDArray[Any], more: bytes) -> None:
    content = idx_bytes(array)
    with pytest.raises(ValueError, match="more than"):
        read_back(content + more)
    with pytest.raises(ValueError, match="more data than"):
        read_back(gzip.compress(content + more))
    with pytest.raises(ValueError, match="more data than"):
        read_back(gzip.compress(content) + gzip.compress(more))
    if more.strip(b"\0"):
        with pytest.raises(ValueError, match=r"followed by something else|cut off"):
            read_back(gzip.compress(content) + more)


def test_zeros_after_gzip_are_padding(tmp_path: Path) -> None:
    """As for the gzip program: tapes and some file systems fill up their blocks."""
    array = some_images(4, 5)
    assert_same(
        read_idx(write(tmp_path / "file", gzip.compress(idx_bytes(array)) + bytes(512))), array
    )


@given(arrays, st.data())
def test_a_flipped_bit_of_gzip_is_no_other_array(
    array: npt.NDArray[Any], data: st.DataObject
) -> None:
    """Damage is found, or was in a part of the wrapper that does not matter (the time stamp)."""
    packed = bytearray(gzip.compress(idx_bytes(array)))
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        actual = read_back(bytes(packed))
    except ValueError:
        return
    assert_same(actual, array)


def test_gzip_checksums(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(idx_bytes(some_images(4, 5))))
    packed[-8] ^= 1
    assert_refused(write(tmp_path / "crc", packed), "damaged .*CRC check failed")
    packed[-8] ^= 1
    packed[-4] ^= 1
    assert_refused(write(tmp_path / "length", packed), "damaged .*Incorrect length")


def test_gzip_damage(tmp_path: Path) -> None:
    content = idx_bytes(some_images(400, 5))
    packed = gzip.compress(content)
    assert_refused(write(tmp_path / "a", packed[:40] + b"\xff" * 40 + packed[80:]), "damaged")
    assert_refused(write(tmp_path / "b", packed[:-3]), "gzip data are cut off")
    assert_refused(write(tmp_path / "c", packed[:500]), "gzip data are cut off")
    assert_refused(write(tmp_path / "d", packed + b"more"), "followed by something else")
    assert_refused(write(tmp_path / "e", packed + packed[:7]), "gzip data are cut off")
    assert_refused(write(tmp_path / "f", b"\x1f"), "damaged|cut off")
    assert_refused(write(tmp_path / "g", gzip.compress(packed)), "not an IDX file.* 1f 8b")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_pipe(tmp_path: Path, compress: Any) -> None:
    array = some_images(300, 28, 28)
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=write, args=(path, compress(idx_bytes(array))))
    writer.start()
    assert_same(read_idx(path), array)
    writer.join()
