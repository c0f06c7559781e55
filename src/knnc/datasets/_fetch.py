"""MNIST and data sets in its format: from the data home, downloaded into it if need be."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from knnc.datasets._bunch import make_bunch
from knnc.datasets._download import DownloadError, download
from knnc.datasets._files import find_file
from knnc.datasets._registry import COLLECTIONS, Collection, IdxFile

Home = str | os.PathLike[str] | None
Subset = Literal["train", "test", "all"]
Arrays = tuple[NDArray[np.uint8], NDArray[np.int64]]

SPLITS: dict[str, tuple[str, ...]] = {
    "train": ("train",),
    "test": ("test",),
    "all": ("train", "test"),
}


def get_data_home(data_home: str | os.PathLike[str] | None = None) -> str:
    """Return the folder in which data sets are looked for and stored.

    Parameters
    ----------
    data_home : str or os.PathLike, default=None
        The folder. If None, the environment variable ``KNNC_DATA_HOME``, and ``~/knnc_data`` if
        that is not set or empty. ``~`` is expanded.

    Returns
    -------
    str
        Its absolute path. Unlike scikit-learn's function of this name, this one does not make the
        folder; the first download does.
    """
    if data_home is None:
        data_home = os.environ.get("KNNC_DATA_HOME") or os.path.join("~", "knnc_data")
    return os.path.abspath(os.path.expanduser(os.fsdecode(data_home)))


@overload
def fetch_mnist(
    *,
    data_home: Home = ...,
    subset: Subset = ...,
    return_X_y: Literal[False] = ...,
    download_if_missing: bool = ...,
) -> Bunch: ...
@overload
def fetch_mnist(
    *,
    data_home: Home = ...,
    subset: Subset = ...,
    return_X_y: Literal[True],
    download_if_missing: bool = ...,
) -> Arrays: ...


def fetch_mnist(
    *,
    data_home: Home = None,
    subset: Subset = "train",
    return_X_y: bool = False,
    download_if_missing: bool = True,
) -> Any:
    """Load MNIST, the handwritten digits; download them if they are not there.

    ==============  ==================================
    Samples         60,000 for training, 10,000 to test
    Features        784 (28 x 28), integers 0..255
    Classes         10
    ==============  ==================================

    Files that are already in ``<data_home>/mnist/`` are used as they are: the usual four names
    (``train-images-idx3-ubyte.gz`` and so on), the same without ``.gz``, or with a dot
    (``train-images.idx3-ubyte``). The SHA-256 of what they hold is checked at each load.

    Parameters
    ----------
    data_home : str or os.PathLike, default=None
        Where data sets are kept. If None, the environment variable ``KNNC_DATA_HOME``, else
        ``~/knnc_data``.
    subset : {"train", "test", "all"}, default="train"
        Which part; "all" is the training part followed by the test part. Only the files of the
        part asked for are needed.
    return_X_y : bool, default=False
        If True, return ``(data, target)`` instead of a Bunch.
    download_if_missing : bool, default=True
        If False, raise an OSError when files are missing. Downloading needs pooch, the extra
        ``knnc[datasets]``.

    Returns
    -------
    bunch : sklearn.utils.Bunch
        With the keys

        data : ndarray of shape (n, 784), dtype uint8
            One image a row.
        images : ndarray of shape (n, 28, 28), dtype uint8
            The same memory as images.
        target : ndarray of shape (n,), dtype int64
            The labels, 0 to 9.
        target_names : ndarray of shape (10,), dtype str
            The text of each label.
        feature_names : list of str
            ``pixel_<row>_<column>``.
        DESCR : str
            Where the data come from, their licence, what to cite.
    (data, target) : tuple of ndarray
        If `return_X_y` is True.

    Raises
    ------
    ValueError
        If a file in the data home is damaged or is another file; it names the file. Nothing is
        overwritten.
    OSError
        If files are missing and may or can not be downloaded (the message says which files to put
        where), or if the data home cannot be written to.
    ImportError
        If files are missing and pooch is not installed.

    Examples
    --------
    >>> from knnc.datasets import fetch_mnist
    >>> test = fetch_mnist(subset="test")  # doctest: +SKIP
    >>> test.data.shape, test.target[:5].tolist()  # doctest: +SKIP
    ((10000, 784), [7, 2, 1, 0, 4])
    """
    bunch = fetch("mnist", data_home, subset, download_if_missing)
    return (bunch.data, bunch.target) if return_X_y else bunch


@overload
def fetch_fashion_mnist(
    *,
    data_home: Home = ...,
    subset: Subset = ...,
    return_X_y: Literal[False] = ...,
    download_if_missing: bool = ...,
) -> Bunch: ...
@overload
def fetch_fashion_mnist(
    *,
    data_home: Home = ...,
    subset: Subset = ...,
    return_X_y: Literal[True],
    download_if_missing: bool = ...,
) -> Arrays: ...


def fetch_fashion_mnist(
    *,
    data_home: Home = None,
    subset: Subset = "train",
    return_X_y: bool = False,
    download_if_missing: bool = True,
) -> Any:
    """Load Fashion-MNIST, photographs of clothing; download them if they are not there.

    ==============  ==================================
    Samples         60,000 for training, 10,000 to test
    Features        784 (28 x 28), integers 0..255
    Classes         10, equally frequent
    ==============  ==================================

    The files are kept in ``<data_home>/fashion-mnist/``; everything else is as for
    :func:`fetch_mnist`.

    Parameters
    ----------
    data_home : str or os.PathLike, default=None
        Where data sets are kept, as for :func:`fetch_mnist`.
    subset : {"train", "test", "all"}, default="train"
        Which part; "all" is the training part followed by the test part.
    return_X_y : bool, default=False
        If True, return ``(data, target)`` instead of a Bunch.
    download_if_missing : bool, default=True
        If False, raise an OSError when files are missing.

    Returns
    -------
    bunch : sklearn.utils.Bunch
        With the keys of :func:`fetch_mnist`; ``target_names`` has the articles' names, such as
        "Sneaker".
    (data, target) : tuple of ndarray
        If `return_X_y` is True.

    Raises
    ------
    ValueError, OSError, ImportError
        As :func:`fetch_mnist`.

    Examples
    --------
    >>> from knnc.datasets import fetch_fashion_mnist
    >>> test = fetch_fashion_mnist(subset="test")  # doctest: +SKIP
    >>> test.target_names[test.target[0]].item()  # doctest: +SKIP
    'Ankle boot'
    """
    bunch = fetch("fashion-mnist", data_home, subset, download_if_missing)
    return (bunch.data, bunch.target) if return_X_y else bunch


def fetch_kmnist(
    *,
    data_home: Home = None,
    subset: Subset = "train",
    return_X_y: bool = False,
    download_if_missing: bool = True,
) -> Any:
    """Load Kuzushiji-MNIST, cursive Japanese characters; download them if they are not there.

    ==============  ==================================
    Samples         60,000 for training, 10,000 to test
    Features        784 (28 x 28), integers 0..255
    Classes         10, equally frequent
    ==============  ==================================

    The files are kept in ``<data_home>/kmnist/``; everything else is as for :func:`fetch_mnist`.

    Parameters
    ----------
    data_home, subset, return_X_y, download_if_missing
        As for :func:`fetch_mnist`.

    Returns
    -------
    bunch : sklearn.utils.Bunch
        With the keys of :func:`fetch_mnist`.
    (data, target) : tuple of ndarray
        If `return_X_y` is True.

    Raises
    ------
    ValueError, OSError, ImportError
        As :func:`fetch_mnist`.

    Notes
    -----
    The checksums (SHA-256 of the compressed files) were taken from documentation only; nobody has
    compared them with a download. Files that are not compressed are checked by their shape alone.
    """
    bunch = fetch("kmnist", data_home, subset, download_if_missing)
    return (bunch.data, bunch.target) if return_X_y else bunch


def fetch_qmnist(
    *,
    data_home: Home = None,
    subset: Subset = "train",
    return_X_y: bool = False,
    download_if_missing: bool = True,
) -> Any:
    """Load QMNIST, MNIST with 60,000 test digits; download them if they are not there.

    ==============  =======================================================================
    Samples         60,000 for training, 60,000 to test, of which MNIST has the first 10,000
    Features        784 (28 x 28), integers 0..255
    Classes         10
    ==============  =======================================================================

    The files are kept in ``<data_home>/qmnist/``; everything else is as for :func:`fetch_mnist`.

    Parameters
    ----------
    data_home, subset, return_X_y, download_if_missing
        As for :func:`fetch_mnist`.

    Returns
    -------
    bunch : sklearn.utils.Bunch
        With the keys of :func:`fetch_mnist`.
    (data, target) : tuple of ndarray
        If `return_X_y` is True.

    Raises
    ------
    ValueError, OSError, ImportError
        As :func:`fetch_mnist`.

    Notes
    -----
    The checksums (MD5 of the compressed files) were taken from documentation only; nobody has
    compared them with a download. Files that are not compressed are checked by their shape alone.
    """
    bunch = fetch("qmnist", data_home, subset, download_if_missing)
    return (bunch.data, bunch.target) if return_X_y else bunch


def fetch(key: str, data_home: Home, subset: str, download_if_missing: bool) -> Bunch:
    """The part `subset` of the collection `key`; see :func:`fetch_mnist`."""
    if subset not in tuple(SPLITS):
        raise ValueError(f"subset must be one of 'train', 'test' and 'all', got {subset!r}")
    collection = COLLECTIONS[key]
    folder = Path(get_data_home(data_home)) / collection.folder
    pairs = [collection.files[split] for split in SPLITS[subset]]
    files = [file for pair in pairs for file in pair]
    if _missing(folder, files):
        _complete(folder, collection, files, download_if_missing)
    images = [_read(folder, images) for images, _ in pairs]
    labels = [_read(folder, labels) for _, labels in pairs]
    labels = [each if each.ndim == 1 else each[:, 0] for each in labels]  # QMNIST has more columns
    return make_bunch(
        images[0] if len(images) == 1 else np.concatenate(images),
        np.concatenate(labels),
        collection.target_names,
        collection.descr,
    )


def _missing(folder: Path, files: Sequence[IdxFile]) -> list[IdxFile]:
    return [file for file in files if find_file(folder, [file.name]) is None]


def _complete(
    folder: Path, collection: Collection, files: Sequence[IdxFile], download_if_missing: bool
) -> None:
    """Download what is missing, or raise an error that says what to do."""
    if not download_if_missing:
        raise OSError(
            f"{collection.title} is not complete in {folder}, and download_if_missing is False. "
            + _advice(folder, collection, files)
        )
    for file in _missing(folder, files):
        try:
            download(file, collection.mirrors, folder)
        except DownloadError as exc:
            raise OSError(
                f"{collection.title} could not be downloaded: {exc}. "
                + _advice(folder, collection, files)
            ) from exc
        except ImportError as exc:
            raise ImportError(f"{exc}. {_advice(folder, collection, files)}", name="pooch") from exc


def _advice(folder: Path, collection: Collection, files: Sequence[IdxFile]) -> str:
    names = ", ".join(f"{file.name}.gz" for file in _missing(folder, files))
    return (
        f"To use it without a download, put these files into {folder} (with or without .gz): "
        f"{names}. They are published at {' and '.join(collection.mirrors)}. Another folder can be "
        "named with data_home= or the environment variable KNNC_DATA_HOME: the one that contains "
        f"{collection.folder}{os.sep}."
    )


def _read(folder: Path, file: IdxFile) -> NDArray[Any]:
    path = find_file(folder, [file.name])
    if path is None:
        raise FileNotFoundError(f"{folder / file.name}.gz was removed while it was being loaded")
    try:
        return file.read(path)
    except ValueError as exc:
        raise ValueError(f"{exc}. Replace the file, or remove it to have it downloaded") from exc
