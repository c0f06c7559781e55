"""A data set by name, or a folder, in a training and a test part."""

from __future__ import annotations

import os

from sklearn.utils import Bunch

from knnc.datasets._digits import split_digits
from knnc.datasets._fetch import Home, complete, fetch
from knnc.datasets._folder import is_set_in_folder, load_idx_folder
from knnc.datasets._printed import split_printed_digits
from knnc.datasets._registry import COLLECTIONS

DATASETS = ("digits", "printed", *COLLECTIONS)


def name_of(dataset: str | os.PathLike[str]) -> str:
    """What pictures and tables call a data set: its name, or that of its folder."""
    return os.path.basename(os.path.abspath(os.fsdecode(dataset))) or "data"


def load_dataset(
    dataset: str | os.PathLike[str],
    *,
    data_home: Home = None,
    download_if_missing: bool = True,
) -> tuple[Bunch, Bunch]:
    """Load the training part and the test part of a data set.

    Parameters
    ----------
    dataset : str or os.PathLike
        "digits", "printed", "mnist", "fashion-mnist", "kmnist", "qmnist", or a folder as for
        :func:`load_idx_folder`. A string that equals one of the names means that data set. For a
        folder of the same name, write ``./mnist`` or pass a :class:`pathlib.Path`.
    data_home : str or os.PathLike, default=None
        The folder for downloads, as for :func:`fetch_mnist`.
    download_if_missing : bool, default=True
        If False, raise an OSError when files of the data set are missing.

    Returns
    -------
    train, test : tuple of sklearn.utils.Bunch
        With the keys ``data``, ``images``, ``target``, ``target_names``, ``feature_names`` and
        ``DESCR``. The rows of each part are always the same. Data sets with MNIST's files are
        published in these parts. The digits are split between two writers' runs, into the first
        1,029 rows and the last 768; ``DESCR`` says why. The printed digits are drawn with the fonts
        that come with matplotlib and Pillow, and split between fonts.

    Raises
    ------
    ValueError
        If `dataset` is neither a name nor a folder, or if its files are damaged.
    OSError, ImportError
        As :func:`fetch_mnist` and :func:`load_idx_folder`.

    Examples
    --------
    >>> from knnc.datasets import load_dataset
    >>> train, test = load_dataset("digits")
    >>> train.data.shape, test.data.shape
    ((1029, 64), (768, 64))
    """
    if isinstance(dataset, str):
        if dataset == "digits":
            return split_digits()
        if dataset == "printed":
            return split_printed_digits()
        if dataset in COLLECTIONS:
            # Both parts at once, so that an error names every file that is missing.
            complete(dataset, data_home, "all", download_if_missing)
            train, test = (
                fetch(dataset, data_home, subset, download_if_missing)
                for subset in ("train", "test")
            )
            return train, test
        if not os.path.exists(dataset) and not is_set_in_folder(dataset):
            raise ValueError(
                f"unknown data set {dataset!r}: neither one of {', '.join(DATASETS)} "
                "nor a folder with IDX files"
            )
    return load_idx_folder(dataset)
