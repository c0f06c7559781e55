"""``fetch_mnist`` and ``fetch_fashion_mnist`` on files that are there; ``get_data_home``."""

from __future__ import annotations

import gzip
import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.utils import Bunch

from knnc.datasets import _download, _registry, fetch_fashion_mnist, fetch_mnist, get_data_home
from tests.datasets.support import TINY, idx_bytes, idx_header, store_tiny, write

TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = TINY


def assert_tiny(bunch: Bunch, *prefixes: str) -> None:
    images = np.concatenate([TINY[f"{prefix}-images-idx3-ubyte"] for prefix in prefixes])
    labels = np.concatenate([TINY[f"{prefix}-labels-idx1-ubyte"] for prefix in prefixes])
    np.testing.assert_array_equal(bunch.images, images)
    np.testing.assert_array_equal(bunch.data, images.reshape(-1, 12))
    np.testing.assert_array_equal(bunch.target, labels)


@pytest.mark.usefixtures("tiny")
def test_bunch(tmp_path: Path) -> None:
    store_tiny(tmp_path)
    bunch = fetch_mnist(data_home=tmp_path)
    assert isinstance(bunch, Bunch)
    assert_tiny(bunch, "train")
    assert (bunch.data.dtype, bunch.data.shape) == (np.uint8, (7, 12))
    assert (bunch.images.dtype, bunch.images.shape) == (np.uint8, (7, 3, 4))
    assert bunch.data.flags.c_contiguous
    assert bunch.data.flags.writeable
    bunch.images[6, 2, 3] ^= 255
    assert bunch.data[6, 11] == bunch.images[6, 2, 3], "images and data share their memory"
    assert bunch.target.dtype == np.int64
    assert bunch.target_names[bunch.target].tolist() == [
        "two",
        "zero",
        "one",
        "two",
        "two",
        "zero",
        "one",
    ]
    assert bunch.feature_names[:5] == [
        "pixel_0_0", "pixel_0_1", "pixel_0_2", "pixel_0_3", "pixel_1_0",
    ]  # fmt: skip
    assert len(bunch.feature_names) == 12
    assert bunch.DESCR == "A tiny data set."


@pytest.mark.usefixtures("tiny")
def test_subsets(tmp_path: Path) -> None:
    store_tiny(tmp_path)
    assert_tiny(fetch_mnist(data_home=tmp_path, subset="train"), "train")
    assert_tiny(fetch_mnist(data_home=tmp_path, subset="test"), "t10k")
    assert_tiny(fetch_mnist(data_home=tmp_path, subset="all"), "train", "t10k")


@pytest.mark.usefixtures("tiny")
def test_two_arrays(tmp_path: Path) -> None:
    store_tiny(tmp_path)
    X, y = fetch_mnist(data_home=tmp_path, subset="test", return_X_y=True)
    assert_tiny(Bunch(data=X, images=X.reshape(-1, 3, 4), target=y), "t10k")
    assert X.dtype == np.uint8
    assert y.dtype == np.int64


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("subset", ["Train", "", None, 1, ["train"]])
def test_unknown_subset(tmp_path: Path, subset: Any) -> None:
    with pytest.raises(ValueError, match="subset must be one of 'train', 'test' and 'all', got"):
        fetch_mnist(data_home=tmp_path, subset=subset)


@pytest.mark.usefixtures("tiny")
def test_all_arguments_are_by_keyword(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="positional"):
        fetch_mnist(tmp_path)  # type: ignore[call-overload]


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("-ubyte", "-ubyte.gz"),
        ("-ubyte", "-ubyte"),
        ("-idx", ".idx"),
        pytest.param("(.*)-idx(.*)", r"\1.idx\2.gz", id="dot and gz"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_spellings_of_file_names(tmp_path: Path, old: str, new: str, packed: bool) -> None:
    for name, array in TINY.items():
        content = idx_bytes(array)
        path = tmp_path / "mnist" / re.sub(old, new, name)
        write(path, gzip.compress(content) if packed else content)
    assert_tiny(fetch_mnist(data_home=tmp_path, download_if_missing=False), "train")


@pytest.mark.usefixtures("tiny")
def test_folders_with_the_files_names_are_passed_over(tmp_path: Path) -> None:
    """One archive that goes round unpacks to a folder of each usual name, next to the files."""
    store_tiny(tmp_path)
    for name in TINY:
        os.rename(
            tmp_path / "mnist" / f"{name}.gz", tmp_path / "mnist" / name.replace("-idx", ".idx")
        )
        (tmp_path / "mnist" / name).mkdir()
        (tmp_path / "mnist" / f"{name}.gz").mkdir()
    assert_tiny(fetch_mnist(data_home=tmp_path, download_if_missing=False), "train")


@pytest.mark.usefixtures("tiny")
def test_a_file_in_a_folder_of_its_name(tmp_path: Path) -> None:
    for name, array in TINY.items():
        write(tmp_path / "mnist" / name / name.replace("-idx", ".idx"), idx_bytes(array))
    assert_tiny(fetch_mnist(data_home=tmp_path, download_if_missing=False), "train")


@pytest.mark.usefixtures("tiny")
def test_the_usual_name_comes_first(tmp_path: Path) -> None:
    store_tiny(tmp_path)
    write(tmp_path / "mnist" / TRAIN_IMAGES, b"an unpacking that was interrupted")
    assert_tiny(fetch_mnist(data_home=tmp_path), "train")


@pytest.mark.usefixtures("tiny")
def test_only_the_files_of_the_subset_are_needed(tmp_path: Path) -> None:
    store_tiny(tmp_path, TEST_IMAGES, TEST_LABELS)
    assert_tiny(fetch_mnist(data_home=tmp_path, subset="test", download_if_missing=False), "t10k")
    with pytest.raises(OSError, match="Tiny is not complete") as caught:
        fetch_mnist(data_home=tmp_path, subset="all", download_if_missing=False)
    assert f"{TRAIN_IMAGES}.gz, {TRAIN_LABELS}.gz" in str(caught.value)
    assert TEST_IMAGES not in str(caught.value)
    assert str(tmp_path / "mnist") in str(caught.value)


@pytest.mark.usefixtures("tiny")
def test_missing_makes_no_folder(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="download_if_missing is False"):
        fetch_mnist(data_home=tmp_path / "home", download_if_missing=False)
    assert not (tmp_path / "home").exists()


@pytest.mark.usefixtures("tiny")
def test_another_content_is_refused(tmp_path: Path) -> None:
    store_tiny(tmp_path)
    wrong = TINY[TRAIN_LABELS].copy()
    wrong[0] = 1
    path = write(tmp_path / "mnist" / f"{TRAIN_LABELS}.gz", gzip.compress(idx_bytes(wrong)))
    with pytest.raises(ValueError, match="SHA-256") as caught:
        fetch_mnist(data_home=tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    digests = re.findall("[0-9a-f]{64}", message)
    assert len(set(digests)) == 2
    expected = _registry.COLLECTIONS["mnist"].files["train"][1].sha256
    assert digests[1] == expected
    assert message.endswith("Replace the file, or remove it to have it downloaded")
    assert gzip.decompress(path.read_bytes()) == idx_bytes(wrong), "nothing is overwritten"


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("content", "what"),
    [
        (idx_bytes(TINY[TRAIN_IMAGES][:6]), r"is a uint8 array of shape \(7, 3, 4\), not a uint8"),
        (idx_bytes(TINY[TRAIN_IMAGES].view("i1")), "not a int8 array"),
        (idx_bytes(TINY[TRAIN_IMAGES])[:-1], "claims"),
        (idx_bytes(TINY[TRAIN_IMAGES]) + b"x", "claims"),
        (idx_header(0x08, 2**20, 2**20), r"not a uint8 array of shape \(1048576, 1048576\)"),
        (gzip.compress(idx_bytes(TINY[TRAIN_IMAGES]))[:-1], "cut off"),
        (b"<html>", "not an IDX file"),
        (b"", "the file is empty"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes, what: str) -> None:
    store_tiny(tmp_path)
    path = write(tmp_path / "mnist" / f"{TRAIN_IMAGES}.gz", content)
    with pytest.raises(ValueError, match=what) as caught:
        fetch_mnist(data_home=tmp_path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "remove it to have it downloaded" in str(caught.value)


@pytest.mark.usefixtures("tiny")
def test_nothing_is_written_when_all_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A data home may be read-only, and neither pooch nor a network is touched."""
    store_tiny(tmp_path)

    def forbidden(*args: object, **kwargs: object) -> None:
        raise AssertionError("nothing to do here")

    monkeypatch.setattr(_download, "_import_pooch", forbidden)
    monkeypatch.setattr(os, "mkdir", forbidden)
    monkeypatch.setattr(os, "replace", forbidden)
    before = sorted(tmp_path.rglob("*"))
    for path in (tmp_path, tmp_path / "mnist", *(tmp_path / "mnist").iterdir()):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        assert_tiny(fetch_mnist(data_home=tmp_path, subset="all"), "train", "t10k")
        assert sorted(tmp_path.rglob("*")) == before
    finally:
        for path in (tmp_path, tmp_path / "mnist"):
            path.chmod(0o755)


@pytest.mark.usefixtures("tiny")
def test_without_pooch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=re.escape('pip install "knnc[datasets]"')) as caught:
        fetch_mnist(data_home=tmp_path)
    assert caught.value.name == "pooch"
    assert f"put these files into {tmp_path / 'mnist'}" in str(caught.value)
    store_tiny(tmp_path)
    assert_tiny(fetch_mnist(data_home=tmp_path), "train")


@pytest.mark.parametrize(
    ("fetch", "key"), [(fetch_mnist, "mnist"), (fetch_fashion_mnist, "fashion-mnist")]
)
def test_the_real_collections(tmp_path: Path, fetch: Any, key: str) -> None:
    """Each function has its own folder, mirror and files."""
    collection = _registry.COLLECTIONS[key]
    with pytest.raises(OSError, match=f"^{collection.title} is not complete") as caught:
        fetch(data_home=tmp_path, download_if_missing=False, subset="all")
    message = str(caught.value)
    assert f"into {tmp_path / key} " in message
    for part in (*collection.mirrors, *(f"{name}.gz" for name in TINY)):
        assert part in message
    files = [file for pair in collection.files.values() for file in pair]
    assert [file.name for file in files] == list(TINY)
    assert len({file.sha256 for file in files}) == 4
    assert [file.shape for file in files[::2]] == [(60_000, 28, 28), (10_000, 28, 28)]
    assert [file.shape for file in files[1::2]] == [(60_000,), (10_000,)]
    assert len(collection.target_names) == 10
    for word in ("60,000", "10,000", "28 x 28", "Licence", "Reference", "https://"):
        assert word in collection.descr


def test_size_of_a_registered_file() -> None:
    for name, array in TINY.items():
        file = _registry.IdxFile(name, "", array.shape)
        assert file.nbytes == len(idx_bytes(array))


class TestDataHome:
    def test_argument(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("KNNC_DATA_HOME", str(tmp_path / "not this one"))
        assert get_data_home(tmp_path) == str(tmp_path)
        assert get_data_home(str(tmp_path)) == str(tmp_path)

    def test_environment(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("KNNC_DATA_HOME", str(tmp_path / "home"))
        assert get_data_home() == str(tmp_path / "home")
        assert not (tmp_path / "home").exists()

    @pytest.mark.parametrize("value", [None, ""])
    def test_default(self, monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
        monkeypatch.delenv("KNNC_DATA_HOME", raising=False)
        if value is not None:
            monkeypatch.setenv("KNNC_DATA_HOME", value)
        assert get_data_home() == str(Path.home() / "knnc_data")

    def test_tilde(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert get_data_home("~/sets") == str(Path.home() / "sets")
        monkeypatch.setenv("KNNC_DATA_HOME", "~/others")
        assert get_data_home() == str(Path.home() / "others")

    def test_relative(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        assert get_data_home("../sets") == str(tmp_path.parent / "sets")

    def test_wrong_type(self) -> None:
        with pytest.raises(TypeError):
            get_data_home(3)  # type: ignore[arg-type]

    @pytest.mark.usefixtures("tiny")
    def test_fetch_uses_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        store_tiny(tmp_path)
        monkeypatch.setenv("KNNC_DATA_HOME", str(tmp_path))
        assert_tiny(fetch_mnist(), "train")
