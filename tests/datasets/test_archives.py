"""Data sets whose checksums are those of files as they are served: KMNIST, QMNIST, EMNIST, USPS."""

from __future__ import annotations

import bz2
import errno
import gzip
import hashlib
import inspect
import io
import os
import re
import zipfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from knnc.datasets import (
    _registry,
    fetch_emnist,
    fetch_fashion_mnist,
    fetch_kmnist,
    fetch_qmnist,
    fetch_usps,
    load_dataset,
)
from tests.datasets.server import Mirror, send
from tests.datasets.support import idx_bytes, some_images, write

IMAGES = some_images(7, 5, 4)
LABELS = np.arange(7, dtype=np.uint8) % 3


def published(content: bytes, algorithm: str = "md5") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, content, usedforsecurity=False).hexdigest()}"


# --- KMNIST and QMNIST: four files ---

FETCH = {"kmnist": fetch_kmnist, "qmnist": fetch_qmnist}


def _register(
    key: str, monkeypatch: pytest.MonkeyPatch, *mirrors: str
) -> dict[str, tuple[np.ndarray, bytes]]:
    """Small arrays in the place of those of a collection, and the files that hold them."""
    real = _registry.COLLECTIONS[key]
    served, files = {}, {}
    for part, pair in real.files.items():
        some = []
        for file in pair:
            shape = (7, *((5, 4) if len(file.shape) == 3 else file.shape[1:]))
            array = some_images(*shape, seed=len(served)).astype(file.dtype) % 10
            packed = gzip.compress(idx_bytes(array), mtime=0)
            served[file.served] = array, packed
            algorithm = file.published.partition(":")[0]
            some.append(replace(file, shape=shape, published=published(packed, algorithm)))
        files[part] = some[0], some[1]
    monkeypatch.setitem(
        _registry.COLLECTIONS, key, replace(real, files=files, mirrors=mirrors or real.mirrors)
    )
    return served


@pytest.mark.parametrize("key", FETCH)
def test_four_files_are_downloaded_and_checked(
    key: str, tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = _register(key, monkeypatch, mirror.url)
    mirror.answers |= {name: send(packed) for name, (_, packed) in served.items()}
    both = FETCH[key](data_home=tmp_path, subset="all")
    assert sorted(path.name for path in (tmp_path / key).iterdir()) == sorted(served)
    arrays = [array for array, _ in served.values()]
    np.testing.assert_array_equal(both.images, np.concatenate(arrays[::2]))
    labels = [array if array.ndim == 1 else array[:, 0] for array in arrays[1::2]]
    np.testing.assert_array_equal(both.target, np.concatenate(labels))
    assert len(both.target_names) == 10
    mirror.requests.clear()
    train, test = load_dataset(key, data_home=tmp_path)
    X, y = FETCH[key](data_home=tmp_path, subset="test", return_X_y=True)
    np.testing.assert_array_equal(X, test.data)
    np.testing.assert_array_equal(y, test.target)
    np.testing.assert_array_equal(train.target, both.target[:7])
    assert mirror.requests == []


@pytest.mark.parametrize("key", FETCH)
def test_another_file_of_the_same_shape_is_refused(
    key: str, tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = _register(key, monkeypatch, mirror.url)
    name, (array, _) = next(iter(served.items()))
    mirror.answers |= {name: send(gzip.compress(idx_bytes(array + 1), mtime=0))}
    with pytest.raises(OSError, match=r"could not be downloaded.* of the file is "):
        FETCH[key](data_home=tmp_path)
    assert list((tmp_path / key).iterdir()) == []
    for other, (_, good) in served.items():
        write(tmp_path / key / other, good)
    path = write(tmp_path / key / name, gzip.compress(idx_bytes(array + 1)))
    with pytest.raises(ValueError, match=rf"^{re.escape(str(path))}: the (MD5|SHA256) of the file"):
        FETCH[key](data_home=tmp_path)
    path.unlink()
    # What is not compressed cannot be checked but by its shape.
    write(path.with_suffix(""), idx_bytes(array))
    np.testing.assert_array_equal(FETCH[key](data_home=tmp_path).images, array)
    write(path.with_suffix(""), idx_bytes(array[:-1]))
    with pytest.raises(ValueError, match=r"of shape \(7, 5, 4\), not a uint8 array of shape \(6,"):
        FETCH[key](data_home=tmp_path)


# --- EMNIST: an archive ---


def _emnist(*, without: str = "") -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as content:
        for split in ("digits", "letters"):
            if split == without:
                continue
            for part in ("train", "test"):
                start = f"gzip/emnist-{split}-{part}"
                images = IMAGES.transpose(0, 2, 1)  # as they are stored
                labels = LABELS + (split == "letters")
                content.writestr(f"{start}-images-idx3-ubyte.gz", gzip.compress(idx_bytes(images)))
                content.writestr(f"{start}-labels-idx1-ubyte.gz", gzip.compress(idx_bytes(labels)))
            content.writestr(f"gzip/emnist-{split}-mapping.txt", "1 65 97\n2 66 98\n")
        content.writestr("gzip/../../elsewhere.txt", "not asked for")
    return archive.getvalue()


def _serve_emnist(content: bytes, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror.answers["gzip.zip"] = send(content)
    monkeypatch.setattr(
        _registry, "EMNIST", replace(_registry.EMNIST, published=published(content))
    )
    monkeypatch.setattr(_registry, "EMNIST_MIRRORS", (mirror.url,))


def test_emnist(tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    _serve_emnist(_emnist(), mirror, monkeypatch)
    letters = fetch_emnist("letters", data_home=tmp_path, subset="all")
    np.testing.assert_array_equal(letters.images, np.concatenate([IMAGES, IMAGES]))
    np.testing.assert_array_equal(letters.data, letters.images.reshape(14, -1))
    assert letters.data.flags.c_contiguous
    assert letters.target_names[letters.target[:3]].tolist() == ["A", "B", "3"]
    assert "EMNIST letters" in letters.DESCR
    assert "7 for training, 7 for testing" in letters.DESCR
    X, y = fetch_emnist("digits", data_home=tmp_path, subset="test", return_X_y=True)
    np.testing.assert_array_equal(X, IMAGES.reshape(7, -1))
    np.testing.assert_array_equal(y, LABELS)
    assert mirror.requests == ["gzip.zip"], "one archive has all sets"
    names = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert len(names) == 1 + 2 * 5
    assert not any(name.endswith((".part", "elsewhere.txt")) for name in names)
    (tmp_path / "emnist" / "gzip.zip").unlink()
    assert len(fetch_emnist("digits", data_home=tmp_path).data) == 7
    train, _ = load_dataset(tmp_path / "emnist" / "emnist-digits")
    np.testing.assert_array_equal(train.images, IMAGES.transpose(0, 2, 1))


def test_emnist_that_is_damaged(
    tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = _emnist(without="digits")
    _serve_emnist(content, mirror, monkeypatch)
    with pytest.raises(ValueError, match="no file of emnist-digits"):
        fetch_emnist("digits", data_home=tmp_path)
    write(tmp_path / "emnist" / "gzip.zip", content + b"x")
    with pytest.raises(ValueError, match=r"gzip\.zip: the MD5 of the file is.*\. Replace the file"):
        fetch_emnist("letters", data_home=tmp_path)
    mirror.answers["gzip.zip"] = send(content + b"x")
    (tmp_path / "emnist" / "gzip.zip").unlink()
    with pytest.raises(OSError, match=r"EMNIST could not be downloaded.*put these files into"):
        fetch_emnist("letters", data_home=tmp_path)
    assert list((tmp_path / "emnist").iterdir()) == []


def test_emnist_that_cannot_be_unpacked(
    tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = _emnist()
    _serve_emnist(content, mirror, monkeypatch)
    write(tmp_path / "emnist" / "gzip.zip", content)

    def refuse(source: Path, target: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(source))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(PermissionError, match=r"cannot store a data set in .*; choose another"):
        fetch_emnist("letters", data_home=tmp_path)
    assert [path.name for path in (tmp_path / "emnist").iterdir()] == ["gzip.zip"]


# --- USPS: text ---


def _usps(seed: int, n: int) -> tuple[np.ndarray, np.ndarray, bytes]:
    rng = np.random.default_rng(seed)
    pixels, labels = rng.integers(0, 256, (n, 16, 16)), rng.integers(0, 10, n)
    lines = []
    for image, label in zip(pixels.reshape(n, -1), labels, strict=True):
        values = " ".join(f"{i + 1}:{v / 127.5 - 1:.4g}" for i, v in enumerate(image) if v)
        lines.append(f"{label + 1} {values}")
    # LIBSVM leaves zeros out; here some of the darkest pixels, which are then 0, a middle grey.
    pixels = np.where(pixels == 0, 128, pixels).astype(np.uint8)
    return pixels, labels, bz2.compress("\n".join(lines).encode())


def test_usps(tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {"train": _usps(0, 9), "test": _usps(1, 4)}
    for part, (_, _, packed) in made.items():
        file = _registry.USPS[part]
        monkeypatch.setitem(_registry.USPS, part, replace(file, published=published(packed)))
        mirror.answers[file.served] = send(packed)
    monkeypatch.setattr(_registry, "USPS_MIRRORS", (mirror.url,))
    test = fetch_usps(data_home=tmp_path, subset="test")
    np.testing.assert_array_equal(test.images, made["test"][0])
    np.testing.assert_array_equal(test.target, made["test"][1])
    assert mirror.requests == ["usps.t.bz2"]
    X, y = fetch_usps(data_home=tmp_path, subset="all", return_X_y=True)
    assert (X.dtype, X.shape, y.dtype) == (np.uint8, (13, 256), np.int64)
    np.testing.assert_array_equal(y, np.concatenate([made["train"][1], made["test"][1]]))
    write(tmp_path / "usps" / "usps.bz2", bz2.compress(b"1 1:2"))
    with pytest.raises(ValueError, match=r"usps\.bz2: the MD5 of the file is.*\. Replace the file"):
        fetch_usps(data_home=tmp_path)


# --- all ---


@pytest.mark.parametrize(
    ("fetch", "title", "folder", "names"),
    [
        (fetch_kmnist, "KMNIST", "kmnist", ["train-labels-idx1-ubyte.gz", "codh.rois.ac.jp"]),
        (fetch_qmnist, "QMNIST", "qmnist", ["qmnist-train-labels-idx2-int.gz", "/qmnist/"]),
        (fetch_emnist, "EMNIST", "emnist", ["gzip.zip", "nist.gov"]),
        (fetch_usps, "USPS", "usps", ["usps.bz2", "libsvmtools"]),
    ],
)
def test_what_is_missing(
    fetch: Any, title: str, folder: str, names: list[str], tmp_path: Path
) -> None:
    with pytest.raises(OSError, match=f"^{title} is not complete") as caught:
        fetch(data_home=tmp_path, download_if_missing=False)
    for part in (f"into {tmp_path / folder}", "KNNC_DATA_HOME", *names):
        assert part in str(caught.value)
    assert "taken from documentation only" in " ".join(fetch.__doc__.split())
    with pytest.raises(ValueError, match="subset must be one of"):
        fetch(data_home=tmp_path, subset="every")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fetch", [fetch_fashion_mnist, fetch_kmnist, fetch_qmnist, fetch_usps])
def test_help_says_all(fetch: Any) -> None:
    """Each docstring has all sections, though three of them are written once."""
    lines = (inspect.getdoc(fetch) or "").splitlines()
    titles = [title for title, line in pairwise(lines) if line and set(line) == {"-"}]
    assert titles[:3] == ["Parameters", "Returns", "Raises"]
    assert len(titles) == 4, "and notes, or examples"
    for name, parameter in inspect.signature(fetch).parameters.items():
        assert any(
            line.startswith(f"{name} : ") and line.endswith(f"default={parameter.default}")
            for line in (each.replace('"train"', "train") for each in lines)
        ), name


def test_an_unknown_set_of_emnist(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"one of balanced, byclass, .*, got 'capitals'"):
        fetch_emnist("capitals", data_home=tmp_path)  # type: ignore[arg-type]


def test_checksums_are_of_different_files() -> None:
    files: list[Any] = [_registry.EMNIST, *_registry.USPS.values()]
    for key in FETCH:
        pairs = _registry.COLLECTIONS[key].files.values()
        files += [file for pair in pairs for file in pair]
    sums = [file.published for file in files]
    assert len(set(sums)) == len(sums) == 11
    for each in sums:
        assert re.fullmatch("md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}", each)
