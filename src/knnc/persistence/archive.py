"""Files of numbers, strings and arrays: opened in milliseconds, shared between processes.

A file is, in little-endian numbers,

    offset  bytes
         0      8  89 4B 4E 4E 43 0D 0A 1A: the name of the format
         8      4  its version, 1
        12      4  the length of the contents
        16      8  the length of the file
        24      8  where the contents are
        32      4  the CRC-32 of the contents
        36      4  the CRC-32 of the 36 bytes before
        40     24  zeros
        64         arrays, each from a multiple of 64 on, C-contiguous
                   the contents, a JSON object in UTF-8, at the end of the file

The contents are {"kind": what is saved, "tree": values, "arrays": [...]}. An entry of "arrays" is
{"dtype": as NumPy writes it, such as "|u1" or "<i8", "shape": [...], "offset": in bytes, "crc32"}.
A value of the tree is null, a boolean, a string or an integer; or an object with one key that says
what else it is: {"float": text}, {"array": index of its entry}, {"list": [...]}, {"tuple": [...]},
{"strings": [...]} (an array of Python strings) or {"dict": {...}}. Nothing in it is code, and what
is read from a file is never executed.

The contents have at most 64 MiB. Outside of strings they have at most 524,288 of the characters
``[]{}:`` and of commas that follow no string, and brackets are nested at most 72 deep. The recipe
"accurate" has 1,563 such characters, nested 36 deep; each output of a classifier adds about 16. A
reader checks this before it parses the JSON, because lists and dicts take up to 26 times the memory
of their text.

A file is written under another name, flushed to the disk and renamed: whatever happens, there is
the old file or the new one, which has the old one's mode. Whoever has the old file open keeps it.
On Windows a file that is mapped cannot be replaced. A file must not be changed in place while it
is open: :func:`knnc.load` says why.
"""

from __future__ import annotations

import json
import math
import os
import re
import secrets
import stat
import struct
import sys
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from knnc.engine.packed import aligned_bytes

__all__ = ["FORMAT_VERSION", "read_archive", "sync_folder", "write_archive"]

MAGIC = b"\x89KNNC\r\n\x1a"
FORMAT_VERSION = 1
_PRELUDE = struct.Struct("<8sIIQQI")
_CHECK = struct.Struct("<I")
_ARRAYS_START = 64
_ALIGNMENT = 64
# Bytes that a checksum is computed from, and that are written, at a time.
_PIECE = 1 << 22
# Bytes of an array whose checksum is compared each time a file is opened.
_SMALL = 1 << 20
# Limits of the contents; see above.
_MOST_CONTENTS = 1 << 26
_MOST_STRUCTURE = 1 << 19
_MOST_NESTED = 72
_NOT_STRUCTURE = bytes(set(range(256)) - set(b'"[]{}:,'))
_DTYPE = re.compile(r"\|[ub]1|\|i1|<[iu][248]|<f[48]|<U[1-9][0-9]{0,5}")


def write_archive(path: str | os.PathLike[str], kind: str, tree: Mapping[str, Any]) -> None:
    """Save a tree of values under a name, in place of what was there before.

    Parameters
    ----------
    path : str or path-like
    kind : str
        What the tree describes.
    tree : dict
        Strings to None, bool, int, float, str, arrays of numbers or strings, and lists, tuples
        and dicts of these.

    Raises
    ------
    TypeError
        If a value is none of these. Nothing is written then.
    ValueError
        If there are more values besides arrays than a file may have. What was there is still there.
    OSError
        If the file cannot be written. What was there before is still there.
    """
    arrays: list[NDArray[Any]] = []
    encoded = _encode(tree, arrays, kind)
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
    mode = _mode_of(target)
    try:
        # The new file has the permissions of the old one from the start, so that nobody reads it in
        # between who may not. tempfile would make it private to its owner.
        with open(
            temporary,
            "xb",
            opener=lambda name, flags: os.open(name, flags, 0o666 if mode is None else mode),
        ) as file:
            if mode is not None and stat.S_IMODE(os.fstat(file.fileno()).st_mode) != mode:
                os.chmod(temporary, mode)  # the umask removed some bits
            _write(file, kind, encoded, arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:  # such as a full disk
            error.filename = os.fspath(path)
        raise
    sync_folder(target.parent)


def _mode_of(path: Path) -> int | None:
    """The permission bits of a file; None if there is no file, or the system has no such bits."""
    if os.name != "posix":
        return None
    try:
        return os.stat(path).st_mode & 0o777
    except FileNotFoundError:
        return None


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk, where the system offers that."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _write(file: BinaryIO, kind: str, tree: Any, arrays: list[NDArray[Any]]) -> None:
    file.write(bytes(_ARRAYS_START))
    entries = []
    at = _ARRAYS_START
    for array in arrays:
        file.write(bytes(-at % _ALIGNMENT))
        at += -at % _ALIGNMENT
        entry: dict[str, Any] = {"dtype": array.dtype.str, "shape": list(array.shape), "offset": at}
        data = array.reshape(-1).view(np.uint8)
        crc = 0
        for start in range(0, len(data), _PIECE):
            piece = data[start : start + _PIECE]
            crc = zlib.crc32(piece.data, crc)
            file.write(piece.data)
        entries.append({**entry, "crc32": crc})
        at += len(data)
    contents = json.dumps({"kind": kind, "tree": tree, "arrays": entries}).encode()
    try:
        _check_size(contents)
    except _Malformed as error:
        raise ValueError(
            f"A file cannot hold this {kind}: {error}. Strings, lists and dicts count, arrays of "
            "numbers do not; pickle and joblib save any estimator."
        ) from None
    file.write(contents)
    prelude = _PRELUDE.pack(
        MAGIC, FORMAT_VERSION, len(contents), at + len(contents), at, zlib.crc32(contents)
    )
    file.seek(0)
    file.write(prelude + _CHECK.pack(zlib.crc32(prelude)))


def read_archive(
    path: str | os.PathLike[str], *, map_it: bool, verify: bool
) -> tuple[str, dict[str, Any]]:
    """The kind and the tree of a file.

    Parameters
    ----------
    path : str or path-like
    map_it : bool
        Map the file into memory, read-only, rather than read it.
    verify : bool
        Compare the checksums of all arrays, not only of those up to 1 MiB.

    Raises
    ------
    ValueError
        If the file is of another format or a later version, truncated or changed.
    OSError
        If it cannot be read.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < _ARRAYS_START:
            raise ValueError(_not_one(path, f"it has {size} bytes"))
        if map_it:
            whole: NDArray[np.uint8] = np.memmap(file, dtype=np.uint8, mode="r")
        else:
            whole = aligned_bytes(size)
            if file.readinto(whole.data) != size:
                raise ValueError(_not_one(path, "it shrank while it was read"))
    try:
        contents = _contents(whole)
        arrays = _Arrays(whole, contents["arrays"], verify)
        tree = _decode(contents["tree"], arrays)
    except _Malformed as error:
        raise ValueError(_not_one(path, str(error))) from None
    if not isinstance(tree, dict) or not isinstance(contents["kind"], str):
        raise ValueError(_not_one(path, "its contents are not an object"))
    return contents["kind"], tree


def _not_one(path: str | os.PathLike[str], why: str) -> str:
    return f"{os.fspath(path)} is not a file that this version of knnc can load: {why}."


class _Malformed(Exception):
    """Why a file is refused."""


def _contents(whole: NDArray[np.uint8]) -> dict[str, Any]:
    start = whole[:_ARRAYS_START].tobytes()
    magic, version, length, size, offset, crc = _PRELUDE.unpack_from(start)
    if magic != MAGIC:
        raise _Malformed("it does not begin with the 8 bytes of this format")
    check = _CHECK.pack(zlib.crc32(start[: _PRELUDE.size]))
    if start[_PRELUDE.size :] != check.ljust(_ARRAYS_START - _PRELUDE.size, b"\0"):
        raise _Malformed("its first 64 bytes are damaged")
    if version != FORMAT_VERSION:
        raise _Malformed(f"its format is {version}, and known is {FORMAT_VERSION}")
    if size != len(whole):
        raise _Malformed(f"it should have {size} bytes and has {len(whole)}")
    if not _ARRAYS_START <= offset <= size or offset + length != size:
        raise _Malformed("its contents are not at the end of the file")
    data = whole[offset:].tobytes()
    if zlib.crc32(data) != crc:
        raise _Malformed("its contents are damaged")
    if sys.byteorder != "little":
        raise _Malformed("its numbers are little-endian, and this machine is big-endian")
    _check_size(data)
    try:
        contents = json.loads(data)
    except ValueError:
        raise _Malformed("its contents are not JSON") from None
    if not isinstance(contents, dict) or set(contents) != {"kind", "tree", "arrays"}:
        raise _Malformed("its contents are not an object of kind, tree and arrays")
    return contents


def _check_size(contents: bytes) -> None:
    """Refuse contents that no estimator needs, in time and memory of a few times their length.

    Where they are no JSON, the counts hold up to the place where the parser stops.
    """
    if len(contents) > _MOST_CONTENTS:
        raise _Malformed(f"its contents have {len(contents)} bytes, of at most {_MOST_CONTENTS}")
    without_escapes = contents.replace(b"\\\\", b"").replace(b'\\"', b"")
    text = np.frombuffer(without_escapes.translate(None, _NOT_STRUCTURE), np.uint8)
    quotes = text == ord('"')
    counted = ~(np.logical_xor.accumulate(quotes) | quotes)  # what is outside of strings
    counted[1:] &= (text[1:] != ord(",")) | ~quotes[:-1]
    text = text[counted]
    if len(text) > _MOST_STRUCTURE:
        raise _Malformed(f"its contents have more than {_MOST_STRUCTURE} brackets, colons, commas")
    opened, closed = np.isin(text, list(b"[{")), np.isin(text, list(b"]}"))
    if (np.cumsum(opened) - np.cumsum(closed)).max(initial=0) > _MOST_NESTED:
        raise _Malformed(f"its values are nested more than {_MOST_NESTED} deep")


@dataclass
class _Arrays:
    """The arrays of a file. Each is checked when it is taken, and can be taken once."""

    whole: NDArray[np.uint8]
    entries: Any
    verify: bool
    used: set[int] = field(default_factory=set)

    def get(self, index: Any) -> NDArray[Any]:
        if not isinstance(self.entries, list) or type(index) is not int:
            raise _Malformed("its arrays are not a list")
        if not 0 <= index < len(self.entries) or index in self.used:
            raise _Malformed(f"there is no array {index}, or it is used twice")
        self.used.add(index)
        try:
            return self._checked(**self.entries[index])
        except TypeError:
            raise _Malformed(
                f"the entry of array {index} lacks a key, or has one too many"
            ) from None

    def _checked(self, dtype: Any, shape: Any, offset: Any, crc32: Any) -> NDArray[Any]:
        if not isinstance(dtype, str) or not _DTYPE.fullmatch(dtype):
            raise _Malformed("an array is of an unknown dtype")
        if not isinstance(shape, list) or not 1 <= len(shape) <= 4:
            raise _Malformed("an array has an impossible shape")
        if any(type(number) is not int or number < 0 for number in (*shape, offset, crc32)):
            raise _Malformed("an array has an impossible shape or place")
        kind = np.dtype(dtype)
        n_bytes = math.prod(shape) * kind.itemsize
        if math.prod(max(1, number) for number in shape) * kind.itemsize >= 1 << 62:
            raise _Malformed("an array is larger than memory can be")
        if offset < _ARRAYS_START or offset % _ALIGNMENT or offset + n_bytes > len(self.whole):
            raise _Malformed("an array is outside the file")
        data = np.asarray(self.whole[offset : offset + n_bytes])
        if (self.verify or n_bytes <= _SMALL) and _crc(data) != crc32:
            raise _Malformed("an array is damaged")
        if n_bytes == 0:
            return np.empty(shape, kind)
        array: NDArray[Any] = data.view(kind).reshape(shape)
        if kind.kind == "b" and data.max() > 1:
            raise _Malformed("a truth value is neither 0 nor 1")
        if kind.kind == "U" and data.view(np.uint32).max() > sys.maxunicode:
            raise _Malformed("a string holds a number that is no character")
        return array


def _crc(data: NDArray[np.uint8]) -> int:
    crc = 0
    for start in range(0, len(data), _PIECE):
        crc = zlib.crc32(data[start : start + _PIECE].data, crc)
    return crc


# ---- values


def _encode(value: Any, arrays: list[NDArray[Any]], where: str) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float:
        return {"float": value.hex()}
    if type(value) in (list, tuple):
        items = [_encode(item, arrays, f"{where}[{i}]") for i, item in enumerate(value)]
        return {type(value).__name__: items}
    if isinstance(value, Mapping):
        if not all(type(name) is str for name in value):
            raise TypeError(f"{where} has keys that are not strings.")
        return {
            "dict": {
                name: _encode(item, arrays, f"{where}.{name}" if where else name)
                for name, item in value.items()
            }
        }
    if isinstance(value, np.ndarray):
        return _encode_array(value, arrays, where)
    raise TypeError(
        f"{where} is a {type(value).__name__}, and a file of this format holds only numbers, "
        "strings and arrays; pickle and joblib save any estimator."
    )


def _encode_array(array: NDArray[Any], arrays: list[NDArray[Any]], where: str) -> Any:
    if array.dtype == object and array.ndim == 1 and all(type(item) is str for item in array):
        return {"strings": array.tolist()}
    dtype = array.dtype.newbyteorder("<")
    if not _DTYPE.fullmatch(dtype.str) or not 1 <= array.ndim <= 4:
        raise TypeError(
            f"{where} is an array of {array.dtype} with {array.ndim} axes, and a file of this "
            "format holds only those of numbers and strings, with 1 to 4 axes."
        )
    arrays.append(np.ascontiguousarray(array, dtype=dtype))
    return {"array": len(arrays) - 1}


def _decode(value: Any, arrays: _Arrays) -> Any:
    if value is None or type(value) in (bool, int, str):
        return value
    if not isinstance(value, dict) or len(value) != 1:
        raise _Malformed("a value is of no known kind")
    ((kind, inner),) = value.items()
    if kind == "array":
        return arrays.get(inner)
    if kind == "float" and isinstance(inner, str):
        try:
            return float.fromhex(inner)
        except (ValueError, OverflowError):
            raise _Malformed("a float cannot be parsed") from None
    if kind in ("list", "tuple") and isinstance(inner, list):
        items = [_decode(item, arrays) for item in inner]
        return items if kind == "list" else tuple(items)
    if kind == "strings" and isinstance(inner, list) and all(type(s) is str for s in inner):
        strings = np.empty(len(inner), dtype=object)
        strings[:] = inner
        return strings
    if kind == "dict" and isinstance(inner, dict):
        return {name: _decode(item, arrays) for name, item in inner.items()}
    raise _Malformed("a value is of no known kind")
