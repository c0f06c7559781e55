"""The files of the data sets that can be downloaded: names, SHA-256, shapes and addresses.

The SHA-256 is that of the decompressed file. The gzip wrapper differs between mirrors (level, time
stamp), the content does not. Of some data sets only a checksum of the files as they are served is
known, from documentation: `published` has it, and a file that is not compressed goes unchecked.
"""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from knnc.datasets import _descr
from knnc.datasets._files import find_file
from knnc.datasets._idx import open_idx

# A gzip file may be larger than its content, by 5 bytes a block and the header.
_SLACK = 1 << 20


class Served(Protocol):
    """A file that can be downloaded: what it is called, its size, and how it is found and read."""

    @property
    def name(self) -> str: ...

    @property
    def served(self) -> str: ...

    @property
    def nbytes(self) -> int: ...

    @property
    def most_bytes(self) -> int: ...

    def find(self, folder: Path) -> Path | None: ...

    def read(self, path: str | os.PathLike[str], *, name: str | None = None) -> Any: ...


@dataclass(frozen=True)
class ServedFile:
    """One file as it is served: its name, its size at most, its checksum as `published`."""

    served: str
    most_bytes: int
    published: str

    @property
    def name(self) -> str:
        """What the file is called."""
        return self.served

    @property
    def nbytes(self) -> int:
        """Its size at most."""
        return self.most_bytes

    def find(self, folder: Path) -> Path | None:
        """The file in `folder`, if it is there."""
        path = folder / self.served
        return path if path.is_file() else None

    def read(self, path: str | os.PathLike[str], *, name: str | None = None) -> Path:
        """The path, once the file is checked; a ValueError, which calls it `name`, for another."""
        _check_published(path, self.published, name or os.fsdecode(path), self.served)
        return Path(path)


def _check_published(
    path: str | os.PathLike[str], published: str, name: str, served: str, start: bytes = b""
) -> None:
    """Compare a file that begins with `start` with a checksum such as "md5:ec16c5..."."""
    algorithm, _, expected = published.partition(":")
    with open(path, "rb") as file:
        if file.read(len(start)) != start:
            return
        file.seek(0)
        digest = hashlib.file_digest(
            file, lambda: hashlib.new(algorithm, usedforsecurity=False)
        ).hexdigest()
    if digest != expected:
        raise ValueError(
            f"{name}: the {algorithm.upper()} of the file is {digest}, expected {expected} for "
            f"{served} as it is published"
        )


@dataclass(frozen=True)
class IdxFile:
    """One IDX file: its usual name, the SHA-256 of its content, its shape and dtype.

    Where that SHA-256 is not known it is empty, and `published` is the checksum of the compressed
    file, such as "md5:ec16c5...".
    """

    name: str
    sha256: str
    shape: tuple[int, ...]
    dtype: str = "uint8"
    published: str = ""

    @property
    def served(self) -> str:
        """The name of the file on a mirror."""
        return f"{self.name}.gz"

    @property
    def nbytes(self) -> int:
        """Size of the decompressed file, header included."""
        return 4 + 4 * len(self.shape) + math.prod(self.shape) * np.dtype(self.dtype).itemsize

    @property
    def most_bytes(self) -> int:
        """The most that the compressed file may have."""
        return self.nbytes + _SLACK

    def find(self, folder: Path) -> Path | None:
        """The file in `folder`, in any spelling of its name, if it is there."""
        return find_file(folder, [self.name])

    def read(self, path: str | os.PathLike[str], *, name: str | None = None) -> NDArray[Any]:
        """The array in the file at `path`, which errors call `name`.

        A file of another shape is refused before its data are read. So no mirror can make this use
        more memory than the data set takes.

        Raises
        ------
        ValueError
            If it is not this file.
        """
        hasher = hashlib.sha256()
        with open_idx(path, name=name) as idx:
            if idx.dtype != self.dtype or idx.shape != self.shape:
                raise ValueError(
                    f"{idx.name}: {self.name} is a {self.dtype} array of shape {self.shape}, "
                    f"not a {idx.dtype} array of shape {idx.shape}"
                )
            array = idx.read(hasher)
        if not self.sha256:
            _check_published(path, self.published, idx.name, self.served, start=b"\x1f\x8b")
            return array
        if hasher.hexdigest() != self.sha256:
            raise ValueError(
                f"{idx.name}: the SHA-256 of the decompressed content is {hasher.hexdigest()}, "
                f"expected {self.sha256} for {self.name}"
            )
        return array


@dataclass(frozen=True)
class Collection:
    """A data set: `files` maps ``"train"`` and ``"test"`` to (images, labels).

    `folder` is its place below the data home, `mirrors` are base URLs that end in a slash.
    """

    title: str
    folder: str
    mirrors: tuple[str, ...]
    files: dict[str, tuple[IdxFile, IdxFile]]
    target_names: tuple[str, ...]
    descr: str


# A part: the beginning of its files' names, and how many images it has.
_Part = tuple[str, int]
_MNIST_PARTS: tuple[_Part, _Part] = ("train", 60_000), ("t10k", 10_000)


def _files(
    parts: tuple[_Part, _Part],
    checksums: tuple[str, str, str, str],
    labels: str = "labels-idx1-ubyte",
    columns: tuple[int, ...] = (),
    dtype: str = "uint8",
) -> dict[str, tuple[IdxFile, IdxFile]]:
    """The files for training and to test, images before labels as are the checksums."""

    def file(name: str, checksum: str, shape: tuple[int, ...], dtype: str = "uint8") -> IdxFile:
        if ":" in checksum:
            return IdxFile(name, "", shape, dtype, published=checksum)
        return IdxFile(name, checksum, shape, dtype)

    return {
        split: (
            file(f"{start}-images-idx3-ubyte", checksums[i], (n, 28, 28)),
            file(f"{start}-{labels}", checksums[i + 1], (n, *columns), dtype),
        )
        for i, split, (start, n) in zip((0, 2), ("train", "test"), parts, strict=True)
    }


MNIST = Collection(
    "MNIST",
    "mnist",
    ("https://ossci-datasets.s3.amazonaws.com/mnist/",),
    _files(
        _MNIST_PARTS,
        (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    tuple("0123456789"),
    _descr.MNIST,
)

FASHION_MNIST = Collection(
    "Fashion-MNIST",
    "fashion-mnist",
    ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
    _files(
        _MNIST_PARTS,
        (
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    ),
    (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    _descr.FASHION_MNIST,
)

KMNIST = Collection(
    "KMNIST",
    "kmnist",
    ("https://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
    _files(
        _MNIST_PARTS,
        (
            "sha256:51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
            "sha256:e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
            "sha256:edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
            "sha256:20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
        ),
    ),
    ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    _descr.KMNIST,
)

QMNIST = Collection(
    "QMNIST",
    "qmnist",
    ("https://raw.githubusercontent.com/facebookresearch/qmnist/master/",),
    _files(
        (("qmnist-train", 60_000), ("qmnist-test", 60_000)),
        (
            "md5:ed72d4157d28c017586c42bc6afe6370",
            "md5:0058f8dd561b90ffdd0f734c6a30e5e4",
            "md5:1394631089c404de565df7b7aeaf9412",
            "md5:5b5b05890a5e13444e108efe57b788aa",
        ),
        "labels-idx2-int",
        (8,),
        "int32",
    ),
    tuple("0123456789"),
    _descr.QMNIST,
)

# EMNIST comes as one archive of all its sets, 562 MB.
EMNIST = ServedFile("gzip.zip", 600_000_000, "md5:58c8d27c78d21e728a6bc7b3cc06412e")
EMNIST_MIRRORS = (
    "https://biometrics.nist.gov/cs_links/EMNIST/",
    "https://www.itl.nist.gov/iaui/vip/cs_links/EMNIST/",
)

USPS = {
    "train": ServedFile("usps.bz2", 1 << 26, "md5:ec16c51db3855ca6c91edd34d0e9b197"),
    "test": ServedFile("usps.t.bz2", 1 << 26, "md5:8ea070ee2aca1ac39742fdd1ef5ed118"),
}
USPS_MIRRORS = ("https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/",)

# By the name that `load_dataset` and the command line take.
COLLECTIONS: dict[str, Collection] = {
    "mnist": MNIST,
    "fashion-mnist": FASHION_MNIST,
    "kmnist": KMNIST,
    "qmnist": QMNIST,
}
