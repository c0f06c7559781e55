"""What the downloadable data sets consist of: files, their SHA-256, and where they are served.

The SHA-256 is that of the decompressed file. The gzip wrapper differs between mirrors (level, time
stamp), the content does not. Of some data sets only a checksum of the files as they are served is
known, from documentation: `published` has it, and a file that is not compressed goes unchecked.
"""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from knnc.datasets import _descr
from knnc.datasets._idx import open_idx

# A gzip file may be larger than its content, by 5 bytes a block and the header.
_SLACK = 1 << 20


class Served(Protocol):
    """What :func:`knnc.datasets._download.download` has to know of a file."""

    @property
    def name(self) -> str: ...

    @property
    def served(self) -> str: ...

    @property
    def most_bytes(self) -> int: ...

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

    def read(self, path: str | os.PathLike[str], *, name: str | None = None) -> None:
        """Check the file at `path`, which errors call `name`; a ValueError if it is another."""
        _check_published(path, self.published, name or os.fsdecode(path), self.served)


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

    def read(self, path: str | os.PathLike[str], *, name: str | None = None) -> NDArray[Any]:
        """The array in the file at `path`, which errors call `name`.

        A file of another shape is refused before its data are read, so what a mirror sends cannot
        cost more memory than the data set itself.

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


MNIST = Collection(
    title="MNIST",
    folder="mnist",
    mirrors=("https://ossci-datasets.s3.amazonaws.com/mnist/",),
    files={
        "train": (
            IdxFile(
                "train-images-idx3-ubyte",
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                (60_000, 28, 28),
            ),
            IdxFile(
                "train-labels-idx1-ubyte",
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                (60_000,),
            ),
        ),
        "test": (
            IdxFile(
                "t10k-images-idx3-ubyte",
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                (10_000, 28, 28),
            ),
            IdxFile(
                "t10k-labels-idx1-ubyte",
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
                (10_000,),
            ),
        ),
    },
    target_names=tuple("0123456789"),
    descr=_descr.MNIST,
)

FASHION_MNIST = Collection(
    title="Fashion-MNIST",
    folder="fashion-mnist",
    mirrors=("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
    files={
        "train": (
            IdxFile(
                "train-images-idx3-ubyte",
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                (60_000, 28, 28),
            ),
            IdxFile(
                "train-labels-idx1-ubyte",
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                (60_000,),
            ),
        ),
        "test": (
            IdxFile(
                "t10k-images-idx3-ubyte",
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                (10_000, 28, 28),
            ),
            IdxFile(
                "t10k-labels-idx1-ubyte",
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
                (10_000,),
            ),
        ),
    },
    target_names=(
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
    descr=_descr.FASHION_MNIST,
)

KMNIST = Collection(
    title="KMNIST",
    folder="kmnist",
    mirrors=("https://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
    files={
        "train": (
            IdxFile(
                "train-images-idx3-ubyte",
                "",
                (60_000, 28, 28),
                published="sha256:51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
            ),
            IdxFile(
                "train-labels-idx1-ubyte",
                "",
                (60_000,),
                published="sha256:e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
            ),
        ),
        "test": (
            IdxFile(
                "t10k-images-idx3-ubyte",
                "",
                (10_000, 28, 28),
                published="sha256:edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
            ),
            IdxFile(
                "t10k-labels-idx1-ubyte",
                "",
                (10_000,),
                published="sha256:20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
            ),
        ),
    },
    target_names=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    descr=_descr.KMNIST,
)

QMNIST = Collection(
    title="QMNIST",
    folder="qmnist",
    mirrors=("https://raw.githubusercontent.com/facebookresearch/qmnist/master/",),
    files={
        "train": (
            IdxFile(
                "qmnist-train-images-idx3-ubyte",
                "",
                (60_000, 28, 28),
                published="md5:ed72d4157d28c017586c42bc6afe6370",
            ),
            IdxFile(
                "qmnist-train-labels-idx2-int",
                "",
                (60_000, 8),
                "int32",
                published="md5:0058f8dd561b90ffdd0f734c6a30e5e4",
            ),
        ),
        "test": (
            IdxFile(
                "qmnist-test-images-idx3-ubyte",
                "",
                (60_000, 28, 28),
                published="md5:1394631089c404de565df7b7aeaf9412",
            ),
            IdxFile(
                "qmnist-test-labels-idx2-int",
                "",
                (60_000, 8),
                "int32",
                published="md5:5b5b05890a5e13444e108efe57b788aa",
            ),
        ),
    },
    target_names=tuple("0123456789"),
    descr=_descr.QMNIST,
)

# EMNIST comes as one archive of all its sets, 562 MB.
EMNIST = ServedFile("gzip.zip", 1 << 30, "md5:58c8d27c78d21e728a6bc7b3cc06412e")
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
