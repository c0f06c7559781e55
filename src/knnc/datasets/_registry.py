"""The files of the data sets that can be downloaded: names, SHA-256, shapes and addresses.

The hash is that of the decompressed file. The gzip wrapper differs between mirrors (level, time
stamp), the content does not.
"""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knnc.datasets import _descr
from knnc.datasets._idx import open_idx


@dataclass(frozen=True)
class IdxFile:
    """One uint8 IDX file: its usual name, the SHA-256 of its content, its shape."""

    name: str
    sha256: str
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Size of the decompressed file, header included."""
        return 4 + 4 * len(self.shape) + math.prod(self.shape)

    def read(self, path: str | os.PathLike[str], *, name: str | None = None) -> NDArray[np.uint8]:
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
            if idx.dtype != np.uint8 or idx.shape != self.shape:
                raise ValueError(
                    f"{idx.name}: {self.name} is a uint8 array of shape {self.shape}, "
                    f"not a {idx.dtype} array of shape {idx.shape}"
                )
            array: NDArray[np.uint8] = idx.read(hasher)
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

# By the name that `load_dataset` and the command line take.
COLLECTIONS: dict[str, Collection] = {"mnist": MNIST, "fashion-mnist": FASHION_MNIST}
