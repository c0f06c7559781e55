"""What ``read_idx`` costs: about the data, and never what a header merely claims."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from knnc.datasets import read_idx
from tests.datasets.support import idx_bytes, idx_header, some_images, write

MB = 1_000_000
TERABYTE = idx_header(0x08, 2**20, 2**20)


def peak(function: Callable[[], Any]) -> int:
    """Bytes allocated at most during the call, by NumPy and by zlib's output too."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def refuse(path: Path, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        read_idx(path)


def zeros_in_gzip(start: bytes, n_bytes: int) -> bytes:
    """One member: `start`, then zeros, at about a thousandth of their size."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    parts = [packer.compress(start)]
    parts += [packer.compress(bytes(MB)) for _ in range(n_bytes // MB)]
    return b"".join([*parts, packer.flush()])


def test_what_is_measured_sees_an_allocation() -> None:
    assert peak(lambda: np.empty(50 * MB, np.uint8)) >= 50 * MB
    assert peak(lambda: gzip.decompress(zeros_in_gzip(b"", 50 * MB))) >= 50 * MB


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_a_claimed_terabyte(tmp_path: Path, compress: Any) -> None:
    path = write(tmp_path / "file", compress(TERABYTE + bytes(1000)))
    assert peak(lambda: refuse(path, "1,099,511,627,776 bytes of")) < 3 * MB


def test_a_claimed_terabyte_with_some_data(tmp_path: Path) -> None:
    """The buffer follows what arrives: 20 MB here, in a buffer of at most twice that."""
    path = write(tmp_path / "file", zeros_in_gzip(TERABYTE, 20 * MB))
    assert peak(lambda: refuse(path, "the data end after 20,000,000 of")) < 3 * 20 * MB


def test_gzip_bomb(tmp_path: Path) -> None:
    """A small claim, and 200 MB behind it."""
    path = write(tmp_path / "file", zeros_in_gzip(idx_header(0x08, 1000), 200 * MB))
    assert path.stat().st_size < 2 * MB
    assert peak(lambda: refuse(path, "more data than the 1,000 bytes")) < 5 * MB


def test_bomb_in_the_name_field(tmp_path: Path) -> None:
    """A gzip header may carry a name of any length."""
    name = b"x" * (2 * MB)
    path = write(tmp_path / "file", b"\x1f\x8b\x08\x08" + bytes(6) + name)
    assert peak(lambda: refuse(path, "cut off")) < 3 * MB


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_endless_stream_is_left_after_the_claimed_length(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    written = 0

    def feed() -> None:
        nonlocal written
        packer = zlib.compressobj(1, zlib.DEFLATED, 31)
        with open(path, "wb", buffering=0) as pipe:
            content = packer.compress(idx_header(0x08, MB))
            try:
                while True:
                    written += pipe.write(content)
                    content = packer.compress(bytes(MB))
            except BrokenPipeError:
                pass

    feeder = threading.Thread(target=feed)
    feeder.start()
    refuse(path, "more data than the 1,000,000 bytes")
    feeder.join(timeout=30)
    assert not feeder.is_alive()
    assert written < MB  # gigabytes of zeros, if it had read on


def test_peak_is_the_array(tmp_path: Path) -> None:
    array = some_images(32, MB)
    content = idx_bytes(array)
    plain = write(tmp_path / "plain", content)
    packed = write(tmp_path / "packed", gzip.compress(content, 1))
    assert peak(lambda: read_idx(plain)) < 1.1 * array.nbytes
    # While a buffer is reallocated the old one is counted too, as some systems copy it.
    assert peak(lambda: read_idx(packed)) < 2.1 * array.nbytes


def test_peak_with_bytes_to_swap(tmp_path: Path) -> None:
    array = np.arange(2 * MB, dtype=np.float64)
    path = write(tmp_path / "file", idx_bytes(array))
    assert peak(lambda: read_idx(path)) < 1.1 * array.nbytes


LIMITED = """
import resource, sys
from knnc.datasets import read_idx
limit = 2 << 30
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for path in sys.argv[1:]:
    try:
        read_idx(path)
    except ValueError as exc:
        print("ValueError")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_AS as Linux has it")
def test_under_a_limit_of_memory(tmp_path: Path) -> None:
    """A claim of 1 TB is a ValueError also where 1 TB of address space cannot be had."""
    plain = write(tmp_path / "plain", TERABYTE + bytes(1000))
    packed = write(tmp_path / "packed", gzip.compress(TERABYTE + bytes(1000)))
    bomb = write(tmp_path / "bomb", zeros_in_gzip(idx_header(0x08, 1000), 100 * MB))
    result = subprocess.run(
        [sys.executable, "-c", LIMITED, plain, packed, bomb],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.stdout.split() == ["ValueError"] * 3, result.stderr
