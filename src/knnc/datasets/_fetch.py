"""MNIST and data sets in its format: from the data home, downloaded into it if need be."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from inspect import cleandoc
from pathlib import Path
from typing import Any, Literal, Protocol, cast, overload

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from knnc.datasets._bunch import make_bunch
from knnc.datasets._download import DownloadError, download
from knnc.datasets._registry import COLLECTIONS, Collection, Served

Home = str | os.PathLike[str] | None
Subset = Literal["train", "test", "all"]
Arrays = tuple[NDArray[np.uint8], NDArray[np.int64]]

_logger = logging.getLogger(__name__)

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
        The folder. None takes the environment variable ``KNNC_DATA_HOME``, or ``~/knnc_data`` if
        the variable is not set or empty. ``~`` is expanded.

    Returns
    -------
    str
        The absolute path of the folder. Unlike scikit-learn's function of this name, this one does
        not make the folder; the first download does.
    """
    if data_home is None:
        data_home = os.environ.get("KNNC_DATA_HOME") or os.path.join("~", "knnc_data")
    return os.path.abspath(os.path.expanduser(os.fsdecode(data_home)))


class Fetch(Protocol):
    """A function that fetches a data set: a Bunch, or two arrays."""

    @overload
    def __call__(
        self,
        *,
        data_home: Home = ...,
        subset: Subset = ...,
        return_X_y: Literal[False] = ...,
        download_if_missing: bool = ...,
    ) -> Bunch: ...
    @overload
    def __call__(
        self,
        *,
        data_home: Home = ...,
        subset: Subset = ...,
        return_X_y: Literal[True],
        download_if_missing: bool = ...,
    ) -> Arrays: ...


_SAME = "Parameters, returns and errors are those of :func:`fetch_mnist`."


def fetcher(function: Callable[..., Any]) -> Fetch:
    """Type a function, and put sections of fetch_mnist's docstring where its own refers to them."""
    if function.__doc__ and _SAME in function.__doc__:
        whole = cleandoc(fetch_mnist.__doc__ or "")
        same = whole[whole.index("Parameters\n---") : whole.index("\n\nExamples\n---")]
        function.__doc__ = cleandoc(function.__doc__).replace(_SAME, same)
    return cast(Fetch, function)


@fetcher
def fetch_mnist(
    *,
    data_home: Home = None,
    subset: Subset = "train",
    return_X_y: bool = False,
    download_if_missing: bool = True,
) -> Any:
    """Load MNIST, the handwritten digits; download them if they are missing.

    ==============  ==================================
    Samples         60,000 for training, 10,000 to test
    Features        784 (28 x 28), integers 0..255
    Classes         10
    ==============  ==================================

    Files that are already in ``<data_home>/mnist/`` are used as they are. They have the usual four
    names (``train-images-idx3-ubyte.gz`` and so on), the same without ``.gz``, or with a dot
    (``train-images.idx3-ubyte``). The SHA-256 of their contents is checked at each load.

    Parameters
    ----------
    data_home : str or os.PathLike, default=None
        The folder for data sets. None takes the environment variable ``KNNC_DATA_HOME``, or else
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

        data : ndarray of shape (n, n_features), dtype uint8
            One image a row.
        images : ndarray of shape (n, height, width), dtype uint8
            The same memory, as images.
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
        If a file in the data home is damaged or is another file. The message names it. Nothing is
        overwritten.
    OSError
        If files are missing and may not or cannot be downloaded, or if the data home cannot be
        written to. The message says which files to put where.
    ImportError
        If files are missing and pooch is not installed.

    Examples
    --------
    >>> from knnc.datasets import fetch_mnist
    >>> test = fetch_mnist(subset="test")  # doctest: +SKIP
    >>> test.data.shape, test.target[:5].tolist()  # doctest: +SKIP
    ((10000, 784), [7, 2, 1, 0, 4])
    """
    return fetch("mnist", data_home, subset, download_if_missing, return_X_y)


@fetcher
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

    The files are kept in ``<data_home>/fashion-mnist/``. ``target_names`` has the articles' names,
    such as "Sneaker". Everything else is as for :func:`fetch_mnist`.

    Parameters, returns and errors are those of :func:`fetch_mnist`.

    Examples
    --------
    >>> from knnc.datasets import fetch_fashion_mnist
    >>> test = fetch_fashion_mnist(subset="test")  # doctest: +SKIP
    >>> test.target_names[test.target[0]].item()  # doctest: +SKIP
    'Ankle boot'
    """
    return fetch("fashion-mnist", data_home, subset, download_if_missing, return_X_y)


@fetcher
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

    Parameters, returns and errors are those of :func:`fetch_mnist`.

    Notes
    -----
    The checksums (SHA-256 of the compressed files) were taken from documentation only; nobody has
    compared them with a download. Files that are not compressed are checked by their shape alone.
    """
    return fetch("kmnist", data_home, subset, download_if_missing, return_X_y)


@fetcher
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

    Parameters, returns and errors are those of :func:`fetch_mnist`.

    Notes
    -----
    The checksums (MD5 of the compressed files) were taken from documentation only; nobody has
    compared them with a download. Files that are not compressed are checked by their shape alone.
    """
    return fetch("qmnist", data_home, subset, download_if_missing, return_X_y)


def fetch(
    key: str, data_home: Home, subset: str, download_if_missing: bool, return_X_y: bool = False
) -> Bunch | Arrays:
    """The part `subset` of the collection `key`; see :func:`fetch_mnist`."""
    check_subset(subset)
    collection, folder = complete(key, data_home, subset, download_if_missing)
    pairs = [collection.files[split] for split in SPLITS[subset]]
    images = [read(folder, images) for images, _ in pairs]
    labels = [read(folder, labels) for _, labels in pairs]
    labels = [each if each.ndim == 1 else each[:, 0] for each in labels]  # QMNIST has more columns
    return made(images, labels, collection.target_names, collection.descr, return_X_y)


def check_subset(subset: str) -> None:
    """Refuse what is no part of a data set."""
    if subset not in tuple(SPLITS):
        raise ValueError(f"subset must be one of 'train', 'test' and 'all', got {subset!r}")


def made(
    images: Sequence[NDArray[np.uint8]],
    labels: Sequence[NDArray[Any]],
    names: Sequence[str],
    descr: str,
    return_X_y: bool,
) -> Bunch | Arrays:
    """What a fetcher returns, of the parts that were asked for."""
    bunch = make_bunch(
        np.ascontiguousarray(images[0] if len(images) == 1 else np.concatenate(images)),
        np.concatenate(labels),
        names,
        descr,
    )
    return (bunch.data, bunch.target) if return_X_y else bunch


def complete(
    key: str, data_home: Home, subset: str, download_if_missing: bool
) -> tuple[Collection, Path]:
    """The collection `key` and its folder, which then has all files of the part `subset`."""
    collection = COLLECTIONS[key]
    folder = Path(get_data_home(data_home)) / collection.folder
    files = [file for split in SPLITS[subset] for file in collection.files[split]]
    bring(collection.title, folder, files, collection.mirrors, download_if_missing)
    return collection, folder


def bring(
    title: str,
    folder: Path,
    files: Sequence[Served],
    mirrors: tuple[str, ...],
    download_if_missing: bool,
) -> None:
    """Download the files that are missing, or raise an error that says what to do."""
    if not (missing := _missing(folder, files)):
        return
    if not download_if_missing:
        raise OSError(
            f"{title} is not complete in {folder}, and download_if_missing is False. "
            + _advice(folder, missing, mirrors)
        )
    _logger.info(
        "%s is downloaded to %s, this once: %d files, %.0f MB at most",
        *(title, folder, len(missing), sum(file.nbytes for file in missing) / 1e6),
    )
    for file in missing:
        try:
            download(file, mirrors, folder)
        except (DownloadError, ImportError) as exc:
            advice = _advice(folder, _missing(folder, files), mirrors)
            if isinstance(exc, ImportError):
                raise ImportError(f"{exc}. {advice}", name="pooch") from exc
            raise OSError(f"{title} could not be downloaded: {exc}. {advice}") from exc


def _missing(folder: Path, files: Sequence[Served]) -> list[Served]:
    return [file for file in files if file.find(folder) is None]


def _advice(folder: Path, missing: Sequence[Served], mirrors: tuple[str, ...]) -> str:
    names = [file.served for file in missing]
    either = " (with or without .gz)" if names[0].endswith(".gz") else ""
    return (
        f"To use it without a download, put these files into {folder}{either}: "
        f"{', '.join(names)}. They are published at {' and '.join(mirrors)}. Another folder can be "
        "named with data_home= or the environment variable KNNC_DATA_HOME: the one that contains "
        f"{folder.name}{os.sep}."
    )


def read(folder: Path, file: Served) -> Any:
    """What a registered file in `folder` holds, once it is checked."""
    path = file.find(folder)
    if path is None:
        raise FileNotFoundError(f"{folder / file.served} was removed while it was being loaded")
    try:
        return file.read(path)
    except ValueError as exc:
        raise ValueError(f"{exc}. Replace the file, or remove it to have it downloaded") from exc
