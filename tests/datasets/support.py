"""An IDX writer of a few lines, and a data set small enough to be served by a test."""

from __future__ import annotations

import gzip
import hashlib
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from knnc.datasets._registry import Collection, IdxFile

TYPE_CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx_header(code: int, *shape: int) -> bytes:
    return struct.pack(f">HBB{len(shape)}I", 0, code, len(shape), *shape)


def idx_bytes(array: npt.NDArray[Any]) -> bytes:
    code = TYPE_CODES[array.dtype.str[1:]]
    big_endian = array.astype(array.dtype.newbyteorder(">"))
    return idx_header(code, *array.shape) + big_endian.tobytes()


def write(path: Path, content: bytes | bytearray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def write_idx(path: Path, array: npt.NDArray[Any]) -> Path:
    """The array as an IDX file, with gzip if the name ends in ``.gz``."""
    content = idx_bytes(array)
    return write(path, gzip.compress(content) if path.suffix == ".gz" else content)


def some_images(n: int, *shape: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)


# The arrays of a collection with MNIST's names: 7 training images of 3 x 4 pixels, 5 test images.
TINY = {
    "train-images-idx3-ubyte": some_images(7, 3, 4, seed=1),
    "train-labels-idx1-ubyte": np.array([2, 0, 1, 2, 2, 0, 1], np.uint8),
    "t10k-images-idx3-ubyte": some_images(5, 3, 4, seed=2),
    "t10k-labels-idx1-ubyte": np.array([1, 1, 0, 2, 0], np.uint8),
}


def tiny_collection(*mirrors: str) -> Collection:
    def file(name: str) -> IdxFile:
        digest = hashlib.sha256(idx_bytes(TINY[name])).hexdigest()
        return IdxFile(name, digest, TINY[name].shape)

    return Collection(
        title="Tiny",
        folder="mnist",
        mirrors=mirrors,
        files={
            split: (file(f"{prefix}-images-idx3-ubyte"), file(f"{prefix}-labels-idx1-ubyte"))
            for split, prefix in (("train", "train"), ("test", "t10k"))
        },
        target_names=("zero", "one", "two"),
        descr="A tiny data set.",
    )


def store_tiny(home: Path, *names: str, ending: str = ".gz") -> None:
    """Write the files of the tiny collection (all by default) into ``home/mnist``."""
    for name in names or TINY:
        write_idx(home / "mnist" / f"{name}{ending}", TINY[name])
