"""EMNIST and USPS, which come in other files than MNIST: an archive of six sets, and text."""

from __future__ import annotations

import bz2
import shutil
import zipfile
from pathlib import Path
from typing import Any, Literal

import numpy as np

from knnc.datasets import _descr, _registry
from knnc.datasets._download import whole_file
from knnc.datasets._fetch import (
    SPLITS,
    Arrays,
    Home,
    Subset,
    bring,
    check_subset,
    fetcher,
    get_data_home,
    made,
    read,
)
from knnc.datasets._files import idx_sets
from knnc.datasets._folder import load_idx_folder

_EMNIST_SPLITS = ("balanced", "byclass", "bymerge", "digits", "letters", "mnist")
EmnistSplit = Literal["balanced", "byclass", "bymerge", "digits", "letters", "mnist"]

_USPS_FEATURES = 256


def fetch_emnist(
    split: EmnistSplit = "balanced",
    *,
    data_home: Home = None,
    subset: Subset = "train",
    return_X_y: bool = False,
    download_if_missing: bool = True,
) -> Any:
    """Load one of EMNIST's six sets of digits and letters; download all if it is not there.

    Images are upright here. The files store them transposed, and :func:`load_idx_folder` returns
    them as they are stored.

    Parameters
    ----------
    split : {"balanced", "byclass", "bymerge", "digits", "letters", "mnist"}, default="balanced"
        Which set: 62 classes ("byclass"), 47 where letters that look the same in both cases are
        one ("bymerge", and "balanced" with as many of each), 26 letters, or 10 digits.
    data_home, subset, return_X_y, download_if_missing
        As for :func:`fetch_mnist`.

    Returns
    -------
    bunch : sklearn.utils.Bunch
        With the keys of :func:`fetch_mnist`. ``target_names`` has the character of each label.
    (data, target) : tuple of ndarray
        If `return_X_y` is True.

    Raises
    ------
    ValueError
        If `split` or `subset` is unknown, or a file is damaged.
    OSError, ImportError
        As :func:`fetch_mnist`.

    Notes
    -----
    The download is one archive of 562 MB, ``<data_home>/emnist/gzip.zip``. It stays there for the
    other sets. The four files of this one are unpacked beside it, and are read as they are.

    The checksum (MD5 of the archive) was taken from documentation only; nobody has compared it with
    a download.
    """
    if split not in _EMNIST_SPLITS:
        raise ValueError(f"split must be one of {', '.join(_EMNIST_SPLITS)}, got {split!r}")
    check_subset(subset)
    folder = Path(get_data_home(data_home)) / "emnist"
    name = f"emnist-{split}"
    if not (folder.is_dir() and any(s.name == name and s.is_whole for s in idx_sets(folder))):
        files, mirrors = [_registry.EMNIST], _registry.EMNIST_MIRRORS
        bring("EMNIST", folder, files, mirrors, download_if_missing)
        _unpack(read(folder, _registry.EMNIST), name)
    both = load_idx_folder(folder / name)
    parts = dict(zip(("train", "test"), both, strict=True))
    images = [parts[part].images.transpose(0, 2, 1) for part in SPLITS[subset]]
    descr = _descr.EMNIST.format(
        split=split,
        n_train=len(both[0].data),
        n_test=len(both[1].data),
        n_classes=len(np.unique(both[0].target)),
    )
    labels = [parts[part].target for part in SPLITS[subset]]
    return made(images, labels, both[0].target_names, descr, return_X_y)


def _unpack(archive: Path, name: str) -> None:
    """Unpack the files of one set, each whole or not at all, beside the archive."""
    with zipfile.ZipFile(archive) as content:
        members = {Path(info.filename).name: info for info in content.infolist()}
        some = {file: info for file, info in members.items() if file.startswith(f"{name}-")}
        if not some:
            raise ValueError(f"{archive}: there is no file of {name} in it")
        for file, info in some.items():
            with whole_file(archive.with_name(file)) as output, content.open(info) as packed:
                shutil.copyfileobj(packed, output, 1 << 20)


@fetcher
def fetch_usps(
    *,
    data_home: Home = None,
    subset: Subset = "train",
    return_X_y: bool = False,
    download_if_missing: bool = True,
) -> Any:
    """Load USPS, digits of postal codes; download them if they are not there.

    ==============  ================================================
    Samples         7,291 for training, 2,007 to test
    Features        256 (16 x 16), rounded to integers 0..255
    Classes         10
    ==============  ================================================

    The files, ``usps.bz2`` and ``usps.t.bz2`` in the format of LIBSVM, are kept in
    ``<data_home>/usps/``. They hold numbers from -1 to 1, which are finer than bytes: here they are
    rounded to the nearest byte. Everything else is as for :func:`fetch_mnist`.

    Parameters, returns and errors are those of :func:`fetch_mnist`.

    Notes
    -----
    The checksums (MD5 of the files) were taken from documentation only; nobody has compared them
    with a download.
    """
    check_subset(subset)
    folder = Path(get_data_home(data_home)) / "usps"
    files = [_registry.USPS[part] for part in SPLITS[subset]]
    bring("USPS", folder, files, _registry.USPS_MIRRORS, download_if_missing)
    parts = [_read_usps(read(folder, file)) for file in files]
    images, labels = zip(*parts, strict=True)
    return made(images, labels, list("0123456789"), _descr.USPS, return_X_y)


def _read_usps(path: Path) -> Arrays:
    from sklearn.datasets import load_svmlight_file

    with bz2.open(path) as text:
        X, y = load_svmlight_file(text, n_features=_USPS_FEATURES)
    values = X.toarray()
    if abs(values).max() > 1 or not set(y) <= set(range(1, 11)):
        raise ValueError(f"{path}: not pixels from -1 to 1 with labels from 1 to 10")
    pixels = np.rint((values + 1) * 127.5).astype(np.uint8)
    return pixels.reshape(-1, 16, 16), y.astype(np.int64) - 1
