"""MNIST and Fashion-MNIST themselves, where ``KNNC_DATA_HOME`` has them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from knnc.datasets import (
    _registry,
    fetch_fashion_mnist,
    fetch_mnist,
    load_dataset,
    load_idx_folder,
    read_idx,
)
from tests.datasets.support import idx_bytes

SETS = [("mnist", fetch_mnist), ("fashion-mnist", fetch_fashion_mnist)]


@pytest.fixture(params=SETS, ids=[name for name, _ in SETS])
def real(request: pytest.FixtureRequest, data_home: Path) -> SimpleNamespace:
    """The set's name, its function, and its arrays as another reader has read them."""
    key, fetch = request.param
    arrays = request.getfixturevalue(key.replace("-", "_"))
    return SimpleNamespace(key=key, fetch=fetch, home=data_home, arrays=arrays)


@pytest.mark.parametrize("subset", ["train", "test", "all"])
def test_fetch(real: SimpleNamespace, subset: str) -> None:
    bunch = real.fetch(data_home=real.home, subset=subset, download_if_missing=False)
    parts = ["train", "test"] if subset == "all" else [subset]
    data = np.concatenate([getattr(real.arrays, part) for part in parts])
    labels = np.concatenate([getattr(real.arrays, f"{part}_labels") for part in parts])
    np.testing.assert_array_equal(bunch.data, data)
    np.testing.assert_array_equal(bunch.target, labels)
    assert bunch.images.shape == (len(data), 28, 28)
    assert len(bunch.feature_names) == 784
    assert len(bunch.target_names) == len(np.unique(bunch.target)) == 10


def test_all_readers_agree(real: SimpleNamespace) -> None:
    train, test = load_dataset(real.key, data_home=real.home, download_if_missing=False)
    folder_train, folder_test = load_idx_folder(real.home / real.key)
    for ours, theirs in ((train, folder_train), (test, folder_test)):
        np.testing.assert_array_equal(ours.data, theirs.data)
        np.testing.assert_array_equal(ours.target, theirs.target)


def test_statements_of_descr(real: SimpleNamespace) -> None:
    counts: Any = [
        np.bincount(labels).tolist()
        for labels in (real.arrays.train_labels, real.arrays.test_labels)
    ]
    balanced = [counts[0] == [6000] * 10, counts[1] == [1000] * 10]
    text = _registry.COLLECTIONS[real.key].descr
    assert balanced == [real.key == "fashion-mnist"] * 2
    assert ("equally frequent in both" in text) == balanced[0]
    assert ("not quite equally frequent" in text) == (not balanced[0])


def test_sha256_is_that_of_the_content(real: SimpleNamespace) -> None:
    """Computed here from the array alone, header and all."""
    for images, labels in _registry.COLLECTIONS[real.key].files.values():
        for file in (images, labels):
            array = read_idx(real.home / real.key / f"{file.name}.gz")
            assert hashlib.sha256(idx_bytes(array)).hexdigest() == file.sha256
