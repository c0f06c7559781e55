"""The IDX format: a typed, big-endian array behind a header of a few bytes.

::

    offset  bytes  content
    0       2      zero
    2       1      type code, see ``_DTYPES``
    3       1      number of dimensions
    4       4 each dimensions, unsigned, big-endian
    then           the elements in C order, big-endian

The header claims a length, which may be wrong. No memory of that length is allocated before the
bytes are known to exist. For a plain file, the claim is compared with its size. For a stream, the
buffer grows with the bytes that arrive, to at most twice their number.
"""

from __future__ import annotations

import gzip
import math
import os
import stat
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol, cast

import numpy as np
from numpy.typing import NDArray

_DTYPES: dict[int, type[np.generic]] = {
    0x08: np.uint8,
    0x09: np.int8,
    0x0B: np.int16,
    0x0C: np.int32,
    0x0D: np.float32,
    0x0E: np.float64,
}

# NumPy's own limit since 2.0 (NPY_MAXDIMS).
_MAX_NDIM = 64

# Bytes read from the stream at a time. They are still in the L2 cache when the hash reads them, and
# a decompressor never returns more than this at once.
_CHUNK = 1 << 18

# The first size of a growing buffer.
_FIRST = 1 << 20


class Hasher(Protocol):
    """The methods used of a :mod:`hashlib` object."""

    def update(self, data: Any, /) -> None: ...

    def hexdigest(self) -> str: ...


def read_idx(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Read an IDX file, the format of MNIST.

    The file may be plain or compressed with gzip, in one or several members. Its content decides,
    not its name. The header is checked before memory is allocated, so a damaged or hostile file
    takes at most about twice as many bytes of memory as it holds.

    Parameters
    ----------
    path : str or os.PathLike
        The file.

    Returns
    -------
    ndarray
        The array, C-contiguous and writable, with the shape the header states and, by its type
        code, dtype uint8 (0x08), int8 (0x09), int16 (0x0B), int32 (0x0C), float32 (0x0D) or
        float64 (0x0E), in the machine's byte order. A dimension of size 0 gives an empty array.

    Raises
    ------
    FileNotFoundError, IsADirectoryError, PermissionError
        As :func:`open` raises them.
    ValueError
        If the file is not an IDX file, holds less or more data than its header claims, or has
        damaged gzip data. The message names the file and says what is wrong.

    Examples
    --------
    >>> import os, tempfile
    >>> from knnc.datasets import read_idx
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "labels-idx1-ubyte")
    ...     with open(path, "wb") as file:
    ...         _ = file.write(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
    ...     read_idx(path)
    array([7, 2, 1], dtype=uint8)
    """
    with open_idx(path) as idx:
        return idx.read()


@dataclass
class IdxStream:
    """An open IDX file whose header has been read and checked.

    Attributes
    ----------
    name : str
        What error messages call the file.
    header : bytes
        The header as stored.
    dtype : dtype
        The elements' type, in the machine's byte order.
    shape : tuple of int
        The dimensions that the header claims.
    """

    name: str
    header: bytes
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    _stream: BinaryIO
    _known: int | None

    def read(self, hasher: Hasher | None = None) -> NDArray[Any]:
        """Read the elements; `hasher` is fed the whole content, header included, uncompressed."""
        if hasher is not None:
            hasher.update(self.header)
        size = math.prod(self.shape) * self.dtype.itemsize
        buffer = self._read_bytes(size, hasher)
        if self._stream.read(1):
            raise ValueError(f"{self.name}: there are more data than the {size:,} bytes {self._of}")
        array = buffer.view(self.dtype)
        if self.dtype.itemsize > 1 and sys.byteorder == "little":
            array.byteswap(inplace=True)
        return array.reshape(self.shape)

    @property
    def _of(self) -> str:
        return f"of the {self.dtype} array of shape {self.shape} that its header claims"

    def _read_bytes(self, size: int, hasher: Hasher | None) -> NDArray[np.uint8]:
        """Exactly `size` bytes, or a ValueError."""
        if self._known is not None and self._known != size:
            raise ValueError(
                f"{self.name}: the file holds {self._known:,} bytes of data, "
                f"{'fewer' if self._known < size else 'more'} than the {size:,} bytes {self._of}"
            )
        # ndarray.resize reallocates: where the C library remaps the pages of a large block, as
        # glibc does, growing copies nothing.
        buffer = np.empty(size if self._known is not None else min(size, _FIRST), np.uint8)
        done = 0
        while True:
            done += self._fill(buffer[done:], done, size, hasher)
            if done == size:
                return buffer
            buffer.resize(min(size, 2 * done), refcheck=False)

    def _fill(self, target: NDArray[np.uint8], done: int, size: int, hasher: Hasher | None) -> int:
        """Read into the whole of `target`; no view of it outlives the call."""
        start = 0
        while start < target.size:
            part = target[start : start + _CHUNK]
            n_read = cast(Any, self._stream).readinto(part)
            if not n_read:
                raise ValueError(
                    f"{self.name}: the data end after {done + start:,} of the {size:,} bytes "
                    f"{self._of}"
                )
            if hasher is not None:
                hasher.update(part[:n_read])
            start += n_read
        return start


@contextmanager
def open_idx(path: str | os.PathLike[str], *, name: str | None = None) -> Iterator[IdxStream]:
    """Open an IDX file and read its header.

    Parameters
    ----------
    path : str or os.PathLike
        The file, plain or gzip.
    name : str, default=None
        What error messages call it; `path` by default.

    Yields
    ------
    IdxStream
        Its `read` gives the array, within the ``with`` block.

    Raises
    ------
    ValueError
        As :func:`read_idx`, also for what happens inside the block.
    """
    path = os.fsdecode(path)
    name = path if name is None else name
    with ExitStack() as stack:
        file = stack.enter_context(open(path, "rb"))
        # An IDX file starts with a zero byte, gzip with 1f 8b.
        compressed = file.peek(1)[:1] == b"\x1f"
        stream: BinaryIO = file
        if compressed:
            stream = cast(BinaryIO, stack.enter_context(gzip.GzipFile(fileobj=file, mode="rb")))
        try:
            header, dtype, shape = _read_header(stream, name)
            known = None if compressed else _data_size(file, len(header))
            yield IdxStream(name, header, dtype, shape, stream, known)
        except EOFError as exc:
            raise ValueError(f"{name}: the gzip data are cut off before their end") from exc
        except (gzip.BadGzipFile, zlib.error) as exc:
            raise ValueError(
                f"{name}: the gzip data are damaged or followed by something else ({exc})"
            ) from exc


def _data_size(file: BinaryIO, header_size: int) -> int | None:
    """Bytes after the header; None where only reading can tell (a pipe, a device)."""
    status = os.fstat(file.fileno())
    return status.st_size - header_size if stat.S_ISREG(status.st_mode) else None


def _read_header(stream: BinaryIO, name: str) -> tuple[bytes, np.dtype[Any], tuple[int, ...]]:
    magic = _read_up_to(stream, 4)
    if not magic:
        raise ValueError(f"{name}: the file is empty, not an IDX file")
    if magic[:2] != b"\0\0"[: len(magic)]:
        raise ValueError(
            f"{name}: not an IDX file; it starts with the bytes {magic.hex(' ')}, not with 00 00"
        )
    if len(magic) < 4:
        raise ValueError(f"{name}: the file ends inside the IDX header, after {len(magic)} bytes")
    code, ndim = magic[2:]
    if code not in _DTYPES:
        known = ", ".join(f"0x{known:02x}" for known in _DTYPES)
        raise ValueError(f"{name}: unknown IDX type code 0x{code:02x}; known are {known}")
    if not 1 <= ndim <= _MAX_NDIM:
        raise ValueError(
            f"{name}: the IDX header claims {ndim} dimensions; 1 to {_MAX_NDIM} are possible"
        )
    sizes = _read_up_to(stream, 4 * ndim)
    if len(sizes) < 4 * ndim:
        raise ValueError(
            f"{name}: the file ends inside the IDX header, after {4 + len(sizes)} of "
            f"{4 + 4 * ndim} bytes"
        )
    dtype = np.dtype(_DTYPES[code])
    shape = tuple(int(size) for size in np.frombuffer(sizes, ">u4"))
    # NumPy ignores zeros when it checks that strides fit into its index type.
    if math.prod(size or 1 for size in shape) * dtype.itemsize > sys.maxsize:
        raise ValueError(f"{name}: no array of the claimed shape {shape} fits into memory")
    return magic + sizes, dtype, shape


def _read_up_to(stream: BinaryIO, size: int) -> bytes:
    """`size` bytes, fewer only at the end of the stream."""
    content = b""
    while len(content) < size and (part := stream.read(size - len(content))):
        content += part
    return content
