"""``load_digits``, ``load_dataset`` and what importing the package brings with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.datasets
from sklearn.metrics import classification_report

import knnc.datasets
from knnc.datasets import load_dataset, load_digits
from tests.datasets.support import TINY, store_tiny


def test_digits_are_scikit_learns() -> None:
    bunch, theirs = load_digits(), sklearn.datasets.load_digits()
    np.testing.assert_array_equal(bunch.data, theirs.data)
    np.testing.assert_array_equal(bunch.images, theirs.images)
    np.testing.assert_array_equal(bunch.target, theirs.target)
    assert bunch.feature_names == theirs.feature_names
    assert bunch.target_names.tolist() == [str(name) for name in theirs.target_names]
    assert (bunch.data.shape, bunch.images.shape) == ((1797, 64), (1797, 8, 8))
    assert bunch.data.dtype == bunch.images.dtype == np.uint8
    assert bunch.target.dtype == np.int64
    assert (bunch.data.min(), bunch.data.max()) == (0, 16)
    assert np.shares_memory(bunch.data, bunch.images)
    assert bunch.data.flags.c_contiguous
    for word in ("0 (background) to 16", "1,797", "8 x 8", "Licence", "Reference"):
        assert word in bunch.DESCR


def test_digits_as_two_arrays() -> None:
    bunch = load_digits()
    X, y = load_digits(return_X_y=True)
    np.testing.assert_array_equal(X, bunch.data)
    np.testing.assert_array_equal(y, bunch.target)
    with pytest.raises(TypeError, match="positional"):
        load_digits(True)  # type: ignore[call-overload]


def test_target_names_are_what_reports_take() -> None:
    """scikit-learn's report wants texts; its own digits have integers."""
    bunch = load_digits()
    report = classification_report(bunch.target, bunch.target, target_names=bunch.target_names)
    assert "accuracy" in report


def test_split_of_the_digits() -> None:
    whole = load_digits()
    train, test = load_dataset("digits")
    for key in ("data", "images", "target"):
        np.testing.assert_array_equal(np.concatenate([train[key], test[key]]), whole[key])
    for part in (train, test):
        assert set(part) == set(whole)
        assert part.data.flags.c_contiguous
        assert np.unique(part.target).tolist() == list(range(10))
        assert f"the first {len(train.data):,} rows are for training" in part.DESCR
        assert f"the last {len(test.data):,} for testing" in part.DESCR


def test_digits_are_split_between_two_writings_of_the_text() -> None:
    """The text that everyone wrote begins 0 to 9, three times over."""
    whole = load_digits()
    begins = np.tile(np.arange(10), 3)
    windows = np.lib.stride_tricks.sliding_window_view(whole.target, len(begins))
    starts = np.flatnonzero((windows == begins).all(axis=1))
    train, _ = load_dataset("digits")
    assert len(train.data) in starts
    # Two of the fourteen writings lack a digit of the beginning.
    assert 10 <= len(starts) <= 14


def equal(bunch: Any, prefix: str) -> bool:
    return np.array_equal(bunch.images, TINY[f"{prefix}-images-idx3-ubyte"]) and np.array_equal(
        bunch.target, TINY[f"{prefix}-labels-idx1-ubyte"]
    )


@pytest.mark.usefixtures("tiny")
def test_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store_tiny(tmp_path)
    monkeypatch.delenv("KNNC_DATA_HOME", raising=False)
    train, test = load_dataset("mnist", data_home=tmp_path, download_if_missing=False)
    assert equal(train, "train")
    assert equal(test, "t10k")
    assert test.target_names.tolist() == ["zero", "one", "two"]
    monkeypatch.setenv("KNNC_DATA_HOME", str(tmp_path))
    assert equal(load_dataset("mnist")[1], "t10k")


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_by_name_and_missing(tmp_path: Path, name: str) -> None:
    with pytest.raises(OSError, match=f"put these files into .*{name}"):
        load_dataset(name, data_home=tmp_path, download_if_missing=False)


def test_by_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name is the name; a path to a folder called so is the folder."""
    store_tiny(tmp_path)
    monkeypatch.chdir(tmp_path)
    for folder in (tmp_path / "mnist", str(tmp_path / "mnist"), "./mnist", Path("mnist")):
        train, test = load_dataset(folder)
        assert equal(train, "train")
        assert equal(test, "t10k")
        assert test.target_names.tolist() == ["0", "1", "2"]
    with pytest.raises(OSError, match="MNIST is not complete"):
        load_dataset("mnist", data_home=tmp_path / "nowhere", download_if_missing=False)


def test_neither_name_nor_folder(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError,
        match="'MNIST': neither one of digits, printed, mnist, fashion-mnist, kmnist, qmnist nor",
    ):
        load_dataset("MNIST")
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        load_dataset(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match="no train images in"):
        load_dataset(tmp_path)


def test_public_names() -> None:
    assert knnc.datasets.__doc__ is not None
    for name in knnc.datasets.__all__:
        assert f"``{name}``" in knnc.datasets.__doc__
        assert getattr(knnc.datasets, name).__doc__


LAYERS = """
import sys, types
from importlib.util import find_spec
root = types.ModuleType("knnc")
root.__path__ = list(find_spec("knnc").submodule_search_locations)
sys.modules["knnc"] = root
import knnc.datasets
print(*[name for name in sys.modules if name.startswith("knnc.") or name in sys.argv])
"""


def test_imports_point_down() -> None:
    """Neither the engine nor the estimators, nor what only a download or the digits need."""
    heavy = ["pooch", "requests", "sklearn.datasets"]
    result = subprocess.run(
        [sys.executable, "-c", LAYERS, *heavy],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    names = result.stdout.split()
    assert "knnc.datasets" in names
    assert [name for name in names if not name.startswith("knnc.datasets")] == []
