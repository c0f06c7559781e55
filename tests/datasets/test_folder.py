"""``load_idx_folder``: any four IDX files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from knnc.datasets import load_dataset, load_idx_folder
from tests.datasets.support import some_images, write, write_idx

Arrays = dict[str, npt.NDArray[Any]]


def usual(*shape: int, labels: Any = (3, 0, 1), test_labels: Any = (1, 4)) -> Arrays:
    return {
        "train-images-idx3-ubyte": some_images(len(labels), *shape, seed=1),
        "train-labels-idx1-ubyte": np.array(labels, np.uint8),
        "t10k-images-idx3-ubyte": some_images(len(test_labels), *shape, seed=2),
        "t10k-labels-idx1-ubyte": np.array(test_labels, np.uint8),
    }


def store(folder: Path, arrays: Arrays, ending: str = "") -> None:
    for name, array in arrays.items():
        write_idx(folder / f"{name}{ending}", array)


@pytest.mark.parametrize("shape", [(5, 4), (2, 3, 3), (6,)])
def test_bunches(tmp_path: Path, shape: tuple[int, ...]) -> None:
    arrays = usual(*shape)
    store(tmp_path, arrays)
    for bunch, prefix in zip(load_idx_folder(tmp_path), ("train", "t10k"), strict=True):
        images = arrays[f"{prefix}-images-idx3-ubyte"]
        labels = arrays[f"{prefix}-labels-idx1-ubyte"]
        np.testing.assert_array_equal(bunch.images, images)
        np.testing.assert_array_equal(bunch.data, images.reshape(len(images), -1))
        assert np.shares_memory(bunch.images, bunch.data)
        assert bunch.data.dtype == np.uint8
        np.testing.assert_array_equal(bunch.target, labels)
        assert bunch.target.dtype == np.int64
        assert bunch.target_names.tolist() == ["0", "1", "2", "3", "4"]
        assert len(set(bunch.feature_names)) == len(bunch.feature_names) == bunch.data.shape[1]
        last = tuple(size - 1 for size in shape)
        assert bunch.feature_names[-1] == "pixel_" + "_".join(map(str, last))
        assert f"{len(images)}" in bunch.DESCR
        assert str(tmp_path / f"{prefix}-images-idx3-ubyte") in bunch.DESCR


def test_a_mapping_file_names_the_labels(tmp_path: Path) -> None:
    store(tmp_path, usual(5, 4))
    (tmp_path / "old-mapping.txt").mkdir()  # a folder is none
    mapping = tmp_path / "emnist-letters-mapping.txt"
    mapping.write_text("1 65 97\n3 233\n\n4 50\n")
    for bunch in load_idx_folder(tmp_path):
        assert bunch.target_names.tolist() == ["0", "A", "2", "\u00e9", "2"]
    for line in ("1", "a 65", "1 -5", "1 99999999", "1 0", "1 55296"):
        mapping.write_text(f"0 48\n{line}\n")
        with pytest.raises(ValueError, match=r"mapping\.txt, line 2: not a label"):
            load_idx_folder(tmp_path)
    (tmp_path / "my-mapping.txt").write_text("1 65\n")
    with pytest.raises(ValueError, match=r"one mapping file"):
        load_idx_folder(tmp_path)


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize(
    ("old", "new"),
    [("-idx", "-idx"), ("-idx", ".idx"), ("t10k", "test"), ("idx3", "idx4"), ("idx3", "idx2")],
)
def test_spellings(tmp_path: Path, old: str, new: str, ending: str) -> None:
    arrays = usual(5, 4)
    store(tmp_path, {name.replace(old, new): array for name, array in arrays.items()}, ending)
    train, test = load_idx_folder(str(tmp_path))
    np.testing.assert_array_equal(train.images, arrays["train-images-idx3-ubyte"])
    np.testing.assert_array_equal(test.images, arrays["t10k-images-idx3-ubyte"])


def test_the_usual_name_comes_first(tmp_path: Path) -> None:
    arrays = usual(5, 4)
    store(tmp_path, arrays, ".gz")
    store(tmp_path, {name: array[:1] for name, array in arrays.items()})
    assert len(load_idx_folder(tmp_path)[0].data) == 3


def as_emnist(name: str, arrays: Arrays) -> Arrays:
    """The arrays under the names that EMNIST's files have."""
    return {f"emnist-{name}-{key.replace('t10k', 'test')}": array for key, array in arrays.items()}


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_files_that_bear_the_name_of_their_set(tmp_path: Path, ending: str) -> None:
    arrays = usual(5, 4)
    store(tmp_path, as_emnist("digits", arrays), ending)
    train, test = load_idx_folder(tmp_path)
    np.testing.assert_array_equal(train.images, arrays["train-images-idx3-ubyte"])
    np.testing.assert_array_equal(test.target, arrays["t10k-labels-idx1-ubyte"])
    assert "emnist-digits-test-images" in test.DESCR


@pytest.mark.parametrize("inside", ["train-images-idx3-ubyte", "train-images.idx3-ubyte"])
@pytest.mark.parametrize("before", ["", "emnist-digits-"])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_files_each_in_a_folder_of_its_name(
    tmp_path: Path, inside: str, before: str, ending: str
) -> None:
    arrays = usual(5, 4)
    old, new = inside.removeprefix("train-images")[:4], "-idx"
    for name, array in arrays.items():
        whole = f"{before}{name}{ending}"
        write_idx(tmp_path / whole / f"{before}{name.replace(new, old)}", array)
    train, test = load_idx_folder(tmp_path)
    np.testing.assert_array_equal(train.images, arrays["train-images-idx3-ubyte"])
    np.testing.assert_array_equal(test.target, arrays["t10k-labels-idx1-ubyte"])
    store(tmp_path / "beside", arrays)
    for path in (tmp_path / "beside").iterdir():
        path.rename(tmp_path / f"{before}{path.name.replace('-idx', '.idx')}")
    write_idx(tmp_path / f"{before}train-labels.idx1-ubyte", np.array([9, 9, 9], np.uint8))
    assert load_idx_folder(tmp_path)[0].target.tolist() == [9, 9, 9], "a file beside comes first"


def test_several_sets_in_one_folder(tmp_path: Path) -> None:
    sets = {
        name: usual(5, 4, labels=labels)
        for name, labels in (("balanced", (1, 2, 3)), ("digits", (4, 5, 6)))
    }
    for name, arrays in sets.items():
        store(tmp_path, as_emnist(name, arrays))
        (tmp_path / f"emnist-{name}-mapping.txt").write_text(f"4 {65 if name == 'digits' else 66}")
    both = "emnist-balanced, emnist-digits"
    refused(tmp_path, ValueError, "holds 2 data sets", both, tmp_path / "emnist-digits")
    for load in (load_idx_folder, load_dataset):
        train, _ = load(str(tmp_path / "emnist-digits"))
        assert train.target.tolist() == [4, 5, 6]
        assert train.target_names[4] == "A"
        train, _ = load(tmp_path / "emnist-balanced")
        assert train.target.tolist() == [1, 2, 3]
        assert train.target_names[4] == "B"
    store(tmp_path, usual(5, 4))
    refused(tmp_path, ValueError, "holds 3 data sets: one without a name, emnist-balanced")
    (tmp_path / "emnist-digits-test-labels-idx1-ubyte").unlink()
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    train, _ = load_idx_folder(tmp_path)  # the only one that is whole
    assert train.target.tolist() == [1, 2, 3]
    refused(
        tmp_path / "emnist-digits", FileNotFoundError, "no test labels", "emnist-digits-test-labels"
    )
    refused(tmp_path / "emnist-letters", FileNotFoundError, "there is no folder")


def test_what_is_missing_of_the_set_that_is_nearly_whole(tmp_path: Path) -> None:
    arrays = as_emnist("digits", usual(5, 4))
    del arrays["emnist-digits-test-labels-idx1-ubyte"]
    store(tmp_path, arrays)
    write_idx(tmp_path / "train-images-idx3-ubyte", some_images(1, 5, 4))
    refused(tmp_path, FileNotFoundError, "no test labels", "emnist-digits-test-labels-idx1-ubyte")


def test_labels_of_qmnist_have_their_class_first(tmp_path: Path) -> None:
    labels = np.arange(24, dtype=np.int32).reshape(3, 8)
    arrays = {f"qmnist-{name}": array for name, array in usual(5, 4).items()}
    del arrays["qmnist-train-labels-idx1-ubyte"]
    store(tmp_path, arrays | {"qmnist-train-labels-idx2-int": labels})
    train, _ = load_idx_folder(tmp_path)
    assert train.target.tolist() == [0, 8, 16]


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32])
def test_labels_of_other_integer_types(tmp_path: Path, dtype: Any) -> None:
    arrays = usual(2, 2)
    arrays["train-labels-idx1-ubyte"] = np.array([7, 0, 100], dtype)
    store(tmp_path, arrays)
    train, test = load_idx_folder(tmp_path)
    assert train.target.tolist() == [7, 0, 100]
    assert train.target_names[train.target].tolist() == ["7", "0", "100"]
    assert test.target_names[test.target].tolist() == ["1", "4"]


def refused(folder: Path, error: type[Exception], *parts: object) -> None:
    with pytest.raises(error) as caught:
        load_idx_folder(folder)
    for part in parts:
        assert str(part) in str(caught.value)


@pytest.mark.parametrize("missing", usual(1))
def test_missing_file(tmp_path: Path, missing: str) -> None:
    arrays = usual(5, 4)
    del arrays[missing]
    store(tmp_path, arrays)
    refused(tmp_path, FileNotFoundError, tmp_path, missing, ".gz", ".idx")


def test_no_folder(tmp_path: Path) -> None:
    refused(tmp_path / "nothing", FileNotFoundError, f"there is no folder {tmp_path / 'nothing'}")
    file = write(tmp_path / "file", b"")
    refused(file, NotADirectoryError, f"{file} is a file")


def test_damaged_file(tmp_path: Path) -> None:
    store(tmp_path, usual(5, 4))
    path = write(tmp_path / "t10k-labels-idx1-ubyte", b"\0\0\x08\x01\0\0\0\x09")
    refused(tmp_path, ValueError, path, "fewer than the 9 bytes")


CHANGES = {
    "too few labels": (
        "train-labels-idx1-ubyte",
        np.zeros(2, "u1"),
        "3 images in",
        "but 2 labels in",
    ),
    "too few images": (
        "t10k-images-idx3-ubyte",
        some_images(1, 5, 4),
        "1 images in",
        "but 2 labels",
    ),
    "signed images": ("train-images-idx3-ubyte", np.zeros((3, 5, 4), "i1"), "uint8", "not int8"),
    "float images": ("t10k-images-idx3-ubyte", np.zeros((2, 5, 4), "f4"), "uint8", "not float32"),
    "flat images": ("train-images-idx3-ubyte", np.zeros(3, "u1"), "2 or more", "shape (3,)"),
    "float labels": ("train-labels-idx1-ubyte", np.zeros(3, "f8"), "integers", "not float64"),
    "labels of 2 dimensions": (
        "train-labels-idx1-ubyte",
        np.zeros((3, 1), "u1"),
        "one dimension",
        "shape (3, 1)",
    ),
    "negative labels": ("train-labels-idx1-ubyte", np.array([0, -2, 5], "i2"), "not from -2 to 5"),
    "large labels": ("t10k-labels-idx1-ubyte", np.array([65_536, 1], "i4"), "not from 1 to 65,536"),
    "no pixels": ("train-images-idx3-ubyte", np.zeros((3, 0, 4), "u1"), "no pixels"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_refused(tmp_path: Path, change: tuple[Any, ...]) -> None:
    name, array, *parts = change
    store(tmp_path, usual(5, 4) | {name: array})
    refused(tmp_path, ValueError, tmp_path / name, *parts)


def test_empty_part(tmp_path: Path) -> None:
    store(tmp_path, usual(5, 4, test_labels=()))
    refused(tmp_path, ValueError, tmp_path / "t10k-images-idx3-ubyte", "no pixels", "(0, 5, 4)")


def test_shapes_that_differ(tmp_path: Path) -> None:
    """Not only the number of pixels counts: 4 x 5 is not 5 x 4."""
    store(tmp_path, usual(5, 4) | {"t10k-images-idx3-ubyte": some_images(2, 4, 5)})
    refused(tmp_path, ValueError, "training images have shape (5, 4), test images (4, 5)")


def test_largest_label(tmp_path: Path) -> None:
    arrays = usual(5, 4) | {"t10k-labels-idx1-ubyte": np.array([65_535, 1], "i4")}
    store(tmp_path, arrays)
    _, test = load_idx_folder(tmp_path)
    assert test.target_names[test.target].tolist() == ["65535", "1"]


def test_message_of_a_missing_file_names_every_spelling(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=re.escape("train-images-idx4-ubyte")):
        load_idx_folder(tmp_path)
