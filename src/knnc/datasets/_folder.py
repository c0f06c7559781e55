"""A folder with four IDX files: training and test images of any kind, and their labels."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from knnc.datasets import _descr
from knnc.datasets._bunch import make_bunch
from knnc.datasets._files import PREFIXES, IdxSet, idx_sets, names_for
from knnc.datasets._idx import read_idx
from knnc.datasets._mapping import read_mapping

# `target_names` is a table with an entry for each possible label.
_MAX_LABEL = 65_535


def load_idx_folder(path: str | os.PathLike[str]) -> tuple[Bunch, Bunch]:
    """Load training and test images and labels from a folder of IDX files.

    The four files have the names of MNIST's: ``train-images-idx3-ubyte``,
    ``train-labels-idx1-ubyte``, ``t10k-images-idx3-ubyte`` and ``t10k-labels-idx1-ubyte``, each
    with or without ``.gz``. ``test`` may stand for ``t10k``, ``.idx`` for ``-idx``, and ``idx4`` or
    ``idx2`` for ``idx3`` in the image files. If there are several, the usual name with ``.gz``
    comes first, then the usual name. Each file may be in a folder of its own name. All names may
    begin with the name of the set: ``emnist-digits-train-images-idx3-ubyte``. EMNIST stores images
    transposed, and this function returns them as they are stored.

    A mapping file, whose name ends in ``mapping.txt`` as EMNIST's do, says which characters the
    labels are. Each line has a label and the code of its character. If there are several mapping
    files, the one with the name of the set is used.

    Parameters
    ----------
    path : str or os.PathLike
        The folder. If it holds several sets, add the name of one, as if it were a folder inside:
        ``emnist/emnist-digits``.

    Returns
    -------
    train, test : tuple of sklearn.utils.Bunch
        Each with the keys

        data : ndarray of shape (n, n_features), dtype uint8
            One image a row.
        images : ndarray of shape (n, ...), dtype uint8
            The same memory with the shape that the file states, (n, height, width) as a rule.
        target : ndarray of shape (n,), dtype int64
            The labels as stored.
        target_names : ndarray of str
            ``target_names[label]`` is the label's character if a mapping file has it, else the
            label in digits, for every label from 0 to the largest in either part.
        feature_names : list of str
            ``pixel_<row>_<column>``.
        DESCR : str
            The files and their shape.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If the folder or one of the four files is missing.
    ValueError
        If a file is damaged (see :func:`read_idx`). If images are not uint8, have no pixels, or
        differ in shape between the training and the test part. If labels are not whole numbers from
        0 to 65,535 in one dimension. If the numbers of labels and images differ, or a part is
        empty. If the mapping file is malformed, or there are two. If the folder holds several sets.
    """
    folder, found = _set_in(Path(os.fsdecode(path)))
    paths = {split: _pair(folder, found, split) for split in PREFIXES}
    parts = {split: _read_pair(*pair) for split, pair in paths.items()}
    shapes = [images.shape[1:] for images, _ in parts.values()]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"{folder}: training images have shape {shapes[0]}, test images {shapes[1]}"
        )
    n_names = 1 + max(int(labels.max()) for _, labels in parts.values())
    mapping = read_mapping(folder, found.name)
    target_names = [mapping.get(label, str(label)) for label in range(n_names)]
    train, test = (
        make_bunch(
            images,
            labels,
            target_names,
            _descr.IDX_FOLDER.format(
                n_images=len(images),
                shape=shapes[0],
                images=paths[split][0],
                labels=paths[split][1],
            ),
        )
        for split, (images, labels) in parts.items()
    )
    return train, test


def is_set_in_folder(path: str) -> bool:
    """Whether this is no folder, but a folder and the name of a set in it."""
    folder, name = os.path.split(path)
    folder = folder or os.curdir
    return os.path.isdir(folder) and name in [found.name for found in idx_sets(Path(folder))]


def _set_in(path: Path) -> tuple[Path, IdxSet]:
    """The folder, and the set in it that is meant."""
    if path.is_dir():
        return path, _only_set(path, idx_sets(path))
    if path.exists():
        raise NotADirectoryError(f"{path} is a file, not a folder with IDX files")
    if path.parent.is_dir():
        for found in idx_sets(path.parent):
            if found.name == path.name:
                return path.parent, found
    raise FileNotFoundError(f"there is no folder {path}")


def _only_set(folder: Path, found: list[IdxSet]) -> IdxSet:
    whole = [each for each in found if each.is_whole]
    if len(whole) > 1:
        names = ", ".join(each.name or "one without a name" for each in whole)
        raise ValueError(
            f"{folder} holds {len(whole)} data sets: {names}; name one, as "
            f"{folder / whole[-1].name}, or move its four files into a folder of their own"
        )
    # With none whole, the one that lacks the fewest files is what the error is about.
    some = whole or sorted(found, key=lambda each: list(each.paths.values()).count(None))
    return some[0] if some else IdxSet("", {})


def _pair(folder: Path, found: IdxSet, split: str) -> tuple[Path, Path]:
    images, labels = (_path(folder, found, split, what) for what in ("images", "labels"))
    return images, labels


def _path(folder: Path, found: IdxSet, split: str, what: str) -> Path:
    path = found.paths.get((split, what))
    if path is None:
        names = ", ".join(names_for(found.name, split, what))
        raise FileNotFoundError(
            f"no {split} {what} in {folder}; looked for {names}, each also with .gz, with .idx for "
            "-idx, and in a folder of its own name"
        )
    return path


def _read_pair(image_path: Path, label_path: Path) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    images, labels = read_idx(image_path), read_idx(label_path)
    if images.dtype != np.uint8 or images.ndim < 2:
        raise ValueError(
            f"{image_path}: images must be uint8 and have 2 or more dimensions, "
            f"not {images.dtype} and shape {images.shape}"
        )
    if labels.dtype == np.int32 and labels.ndim == 2 and labels.shape[1] > 1:
        labels = labels[:, 0]  # QMNIST: the class, and where the image comes from
    if labels.dtype.kind not in "iu" or labels.ndim != 1:
        raise ValueError(
            f"{label_path}: labels must be integers in one dimension, "
            f"not {labels.dtype} and shape {labels.shape}"
        )
    if len(images) != len(labels):
        raise ValueError(
            f"{len(images):,} images in {image_path}, but {len(labels):,} labels in {label_path}"
        )
    if images.size == 0:
        raise ValueError(f"{image_path}: no pixels in an array of shape {images.shape}")
    if labels.min() < 0 or labels.max() > _MAX_LABEL:
        raise ValueError(
            f"{label_path}: labels must be from 0 to {_MAX_LABEL:,}, "
            f"not from {labels.min():,} to {labels.max():,}"
        )
    return images, labels
