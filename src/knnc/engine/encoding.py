"""Which bytes stand for these numbers: lossless narrowing of rows to uint8, and back.

An :class:`Encoding` says what a byte means, ``value = (byte - offset) / divisor``, and belongs to
the estimator that was fitted. :func:`encode_fit` chooses it, :func:`encode_rows` decides for each
query row whether it can be written in it, and :func:`decode` gives the numbers back. Every guess
is verified by decoding it and comparing, so what is narrowed is narrowed without loss.

The rules, in order:

- uint8 stays as it is, int8 gets the offset 128, bool is 0 and 1;
- whole numbers 0..255 of any other integer or float dtype are these bytes;
- float32 or float64 values that are all b/255, or all b * (1/255), each as that dtype rounds it,
  are the bytes b. (The two tables differ: dividing rounds once, multiplying twice.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from knnc.engine.fields import State, count_of
from knnc.engine.floats import FloatMode

__all__ = [
    "Encoding",
    "decode",
    "encode_fit",
    "encode_in",
    "encode_rows",
    "encodings_of",
    "widened",
]

Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]

# Elements narrowed at a time: a float64 chunk and what is computed from it stay in the L2 cache,
# and data that cannot be narrowed are known by the first chunk.
_CHUNK = 1 << 16
# Of training rows so many are looked at before: most data that cannot be narrowed end here.
_FEW = 1 << 10
_PIXELS = 255


@dataclass(frozen=True)
class Encoding:
    """What a byte of the narrowed rows stands for.

    Attributes
    ----------
    dtype : numpy.dtype
        The dtype of the rows that were fitted, in native byte order.
    offset : int
        0, or 128 after int8.
    divisor : int
        1, or 255 for pixels scaled to 0..1.
    multiplied : bool
        With divisor 255: the numbers are b * (1/255), not b / 255.
    """

    dtype: np.dtype[Any]
    offset: int = 0
    divisor: int = 1
    multiplied: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether a byte stands for itself."""
        return self.offset == 0 and self.divisor == 1

    def state(self) -> dict[str, Any]:
        """The numbers and strings that it can be restored from."""
        return {
            "dtype": self.dtype.str,
            "offset": self.offset,
            "divisor": self.divisor,
            "multiplied": self.multiplied,
        }

    @classmethod
    def restored(cls, state: State) -> Self:
        """The encoding of a state.

        Raises
        ------
        TypeError, ValueError
            If `encode_fit` chooses no such encoding.
        """
        text = state.get("dtype")
        if not isinstance(text, str) or len(text) > 4:
            raise ValueError("its encoding has no dtype")
        encoding = cls(
            np.dtype(text),
            count_of(state, "offset", 0, 128),
            count_of(state, "divisor", 1, _PIXELS),
            state.get("multiplied") is True,
        )
        dtype = encoding.dtype
        if encoding.divisor == _PIXELS:
            is_known = encoding.offset == 0 and dtype in (np.float32, np.float64)
        else:
            is_known = encoding.divisor == 1 and not encoding.multiplied and dtype.kind in "biuf"
            is_known = is_known and encoding.offset == (128 if dtype == np.int8 else 0)
        if not is_known:
            raise ValueError("its encoding is unknown")
        return encoding


def encode_fit(X: NDArray[Any]) -> tuple[Bytes, Encoding] | None:
    """Narrow training rows, and fix what their bytes stand for.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Numbers of any dtype, byte order and memory layout.

    Returns
    -------
    rows : ndarray of shape (n_samples, n_features), uint8, C-contiguous
        X itself if it already is that, else a new array.
    encoding : Encoding
        Or None instead of both, if the numbers are not the values of 256 bytes.
    """
    for encoding in encodings_of(X.dtype):
        rows = encode_in(X, encoding)
        if rows is not None:
            return rows, encoding
    return None


def encodings_of(dtype: np.dtype[Any]) -> list[Encoding]:
    """What bytes can stand for in arrays of a dtype; of several that hold all rows the first."""
    dtype = dtype.newbyteorder("=")
    if dtype.kind not in "biuf":
        return []
    encodings = [Encoding(dtype, offset=128 if dtype == np.int8 else 0)]
    if dtype in (np.float32, np.float64):
        encodings += [Encoding(dtype, divisor=_PIXELS, multiplied=m) for m in (False, True)]
    return encodings


def encode_rows(X: NDArray[Any], encoding: Encoding) -> tuple[Bytes, Mask]:
    """Narrow those rows that an encoding can hold, each row judged by itself.

    Parameters
    ----------
    X : ndarray of shape (n_queries, n_features)
        Numbers of any dtype, byte order and memory layout.
    encoding : Encoding
        What the fit fixed.

    Returns
    -------
    rows : ndarray of shape (n_representable, n_features), uint8, C-contiguous
        The bytes of the rows that are representable, in their order. X itself where each byte
        stands for itself.
    representable : ndarray of shape (n_queries,), bool
        A row is representable if all of its values are. Scaled by 1/255, a float32 or float64
        row must lie in one of the two tables of its own dtype, whichever was fitted.
    """
    if encoding.is_plain and X.dtype == np.uint8:
        return np.ascontiguousarray(X), np.ones(len(X), dtype=np.bool_)
    rows = np.empty(X.shape, dtype=np.uint8)
    representable = np.empty(len(X), dtype=np.bool_)
    filled = 0
    for piece, chunk in _chunks(X):
        with FloatMode():
            guess, ok = _encode_chunk(chunk, encoding)
        representable[piece] = ok
        guess = guess[ok]
        rows[filled : filled + len(guess)] = guess
        filled += len(guess)
    return rows[:filled], representable


def decode(rows: Bytes, encoding: Encoding) -> NDArray[Any]:
    """The numbers that the bytes stand for.

    Parameters
    ----------
    rows : ndarray of any shape, uint8
    encoding : Encoding

    Returns
    -------
    values : ndarray of the same shape, C-contiguous
        Exactly the numbers that were narrowed, in the dtype that was fitted; after a fit on uint8
        `rows` themselves if they are C-contiguous. (A negative zero comes back as zero.)
    """
    if encoding.dtype == np.uint8:
        return np.asarray(rows, order="C")
    whole = (rows ^ np.uint8(encoding.offset)).view(np.int8) if encoding.offset else rows
    # Seven times as fast as a table of 256.
    values: NDArray[Any] = whole.astype(encoding.dtype, order="C")
    if encoding.divisor != _PIXELS:
        return values
    with FloatMode():
        return _scaled(values, encoding.multiplied)


def widened(encoding: Encoding, dtype: np.dtype[Any]) -> Encoding:
    """The same bytes for the same numbers, decoded to a dtype that holds another dtype's too.

    Pixels scaled to 0..1 are fractions of their own float dtype, or of a wider one.
    """
    dtype = dtype.newbyteorder("=")
    if encoding.divisor == _PIXELS and dtype not in (np.float32, np.float64):
        return encoding
    return replace(encoding, dtype=np.result_type(encoding.dtype, dtype))


def _chunks(X: NDArray[Any], first: int = 0) -> Iterator[tuple[slice, NDArray[Any]]]:
    """Pieces of whole rows, C-contiguous and in native byte order; one of `first` values first."""
    d, native = max(1, X.shape[1]), X.dtype.newbyteorder("=")
    start, size = 0, first or _CHUNK
    while start < len(X):
        piece = slice(start, start + max(1, size // d))
        yield piece, np.ascontiguousarray(X[piece], dtype=native)
        start, size = piece.stop, _CHUNK


def encode_in(X: NDArray[Any], encoding: Encoding) -> Bytes | None:
    """All rows in an encoding of their dtype, C-contiguous; None if a value does not fit."""
    if X.dtype == np.uint8:
        return np.ascontiguousarray(X)
    rows = np.empty(X.shape, dtype=np.uint8)
    for piece, chunk in _chunks(X, _FEW):
        with FloatMode():
            if encoding.divisor == _PIXELS:
                guess, fits = _as_pixels(chunk, encoding.multiplied)
            else:
                guess, fits = _as_whole(chunk, encoding.offset)
        if not fits.all():
            return None
        rows[piece] = guess
    return rows


def _encode_chunk(chunk: NDArray[Any], encoding: Encoding) -> tuple[Bytes, Mask]:
    """Bytes of every row, and which rows they are right for."""
    if encoding.divisor == 1:
        guess, fits = _as_whole(chunk, encoding.offset)
        return guess, _whole_rows(fits)
    if chunk.dtype.kind in "biu":
        guess, fits = _as_whole(chunk, 0)
        return guess * np.uint8(_PIXELS), _whole_rows(fits & (guess <= 1))
    exact = np.ones(len(chunk), dtype=np.bool_)
    if chunk.dtype not in (np.float32, np.float64):
        with np.errstate(over="ignore"):
            wide, chunk = chunk, chunk.astype(np.float64)
        exact = _whole_rows(chunk == wide)
    guess, fits = _as_pixels(chunk, False)
    divided = _whole_rows(fits)
    if divided.all():
        return guess, divided & exact
    multiplied = _whole_rows(_as_pixels(chunk, True)[1])
    return guess, (divided | multiplied) & exact


def _whole_rows(fits: Mask) -> Mask:
    """Rows that are true from end to end."""
    return cast(Mask, fits.all(axis=1))


def _as_whole(chunk: NDArray[Any], offset: int) -> tuple[Bytes, Mask]:
    """Bytes that stand for whole numbers, and where they do."""
    # What casting an out-of-range float gives is undefined; that it differs from it is not.
    with np.errstate(invalid="ignore"):
        guess = chunk.astype(np.int8 if offset else np.uint8)
    fits: Mask = guess == chunk
    return guess.view(np.uint8) ^ np.uint8(offset), fits


def _as_pixels(chunk: NDArray[Any], multiplied: bool) -> tuple[Bytes, Mask]:
    """Bytes that stand for float32 or float64 pixels in 0..1, and where they do.

    Both tables differ from b/255 by at most two roundings, so either gives the same guess.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        guess = (chunk * chunk.dtype.type(_PIXELS) + chunk.dtype.type(0.5)).astype(np.uint8)
    return guess, _pixel_table(chunk.dtype, multiplied)[guess] == chunk


@cache
def _pixel_table(dtype: np.dtype[Any], multiplied: bool) -> NDArray[Any]:
    table = _scaled(np.arange(_PIXELS + 1).astype(dtype), multiplied)
    table.flags.writeable = False
    return table


def _scaled(values: NDArray[Any], multiplied: bool) -> NDArray[Any]:
    """Bytes as numbers divided by 255 in their own dtype, or multiplied by its 1/255."""
    pixels = values.dtype.type(_PIXELS)
    scaled: NDArray[Any] = (
        values * (values.dtype.type(1) / pixels) if multiplied else values / pixels
    )
    return scaled
