"""Files of fitted estimators: the same answers, nothing to make ready, and no trust in a file."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import threading
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError

import knnc
from knnc.engine import dispatch
from knnc.engine.auto import Policy
from knnc.engine.codes.coding import Coding
from knnc.engine.floats import FloatRows
from knnc.engine.index import Index
from knnc.engine.prepared import PreparedRows
from knnc.engine.system.pages import mapping_of
from knnc.persistence import archive, neighbors
from tests.engine.support import child_environment
from tests.neighbors.support import any_bytes

RNG = np.random.default_rng(0)
CENTRES = RNG.integers(0, 256, (20, 60))
X = (CENTRES[RNG.integers(0, 20, 3000)] + RNG.integers(-9, 9, (3000, 60))).clip(0, 255)
X = X.astype(np.uint8)
X[:, 20:29] = 7
Q = np.vstack([X[:20], any_bytes(2, 20, 60)])
Y = np.arange(3000) % 7
# Rows that no bytes stand for, with ties.
FLOATS = X / 7

ESTIMATORS: dict[str, Any] = {
    "classifier": lambda: knnc.KNeighborsClassifier(3, weights="distance").fit(X, Y),
    "letters": lambda: knnc.KNeighborsClassifier(3).fit(X, np.array(list("abcdefg"))[Y]),
    "objects": lambda: knnc.KNeighborsClassifier(3).fit(
        X, np.array(list("abcdefg"), dtype=object)[Y]
    ),
    "two outputs": lambda: knnc.KNeighborsClassifier(3).fit(X, np.c_[Y, Y % 2]),
    "regressor": lambda: knnc.KNeighborsRegressor(3, algorithm="pruned").fit(X, Y / 3),
    "pruned": lambda: knnc.NearestNeighbors(algorithm="pruned", n_jobs=2).fit(X),
    "pruned by manhattan": lambda: knnc.NearestNeighbors(algorithm="pruned", p=1).fit(X),
    "chebyshev": lambda: knnc.NearestNeighbors(metric="chebyshev").fit(X),
    "pixels": lambda: knnc.KNeighborsClassifier().fit(np.float32(X / np.float32(255)), Y > 3),
    "int8": lambda: knnc.KNeighborsRegressor().fit(X.view(np.int8), np.c_[Y, Y]),
    "wide": lambda: knnc.NearestNeighbors(n_neighbors=2).fit(any_bytes(1, 30, 33_000)),
    "radius classifier": lambda: knnc.RadiusNeighborsClassifier(90.0, outlier_label=3).fit(X, Y),
    "radius regressor": lambda: knnc.RadiusNeighborsRegressor(1e9).fit(X, Y),
    "transformer": lambda: knnc.KNeighborsTransformer(mode="connectivity").fit(X),
    "radius transformer": lambda: knnc.RadiusNeighborsTransformer(radius=90).fit(X),
    "floats": lambda: knnc.KNeighborsClassifier(3, weights="distance").fit(FLOATS, Y),
    "float32": lambda: knnc.KNeighborsRegressor(3).fit(FLOATS.astype(np.float32), Y / 3),
    "float16": lambda: knnc.KNeighborsRegressor(3).fit(FLOATS.astype(np.float16), Y),
    "brute force of floats": lambda: knnc.NearestNeighbors(algorithm="brute").fit(FLOATS),
    "pruned floats": lambda: knnc.NearestNeighbors(algorithm="pruned").fit(FLOATS),
    "cosine": lambda: knnc.KNeighborsClassifier(metric="cosine").fit(X, Y),
    "pruned by cosine": lambda: knnc.NearestNeighbors(metric="cosine", algorithm="pruned").fit(
        FLOATS.astype(np.float32)
    ),
    "Manhattan of floats": lambda: knnc.KNeighborsTransformer(metric="manhattan").fit(FLOATS),
    "radius of floats": lambda: knnc.RadiusNeighborsRegressor(1e9).fit(FLOATS, Y),
    "wide floats": lambda: knnc.NearestNeighbors(n_neighbors=2).fit(any_bytes(1, 30, 33_000) / 7),
}


def _answers(estimator: Any) -> list[Any]:
    queries = Q if estimator.n_features_in_ == 60 else any_bytes(3, 4, 33_000)
    if estimator.engine_ == "float":
        queries = queries / 7
    answers = []
    for method in ("kneighbors", "predict", "predict_proba", "transform"):
        call = getattr(estimator, method, None)
        if call is not None:
            answer = call(queries)
            answer = answer.toarray() if method == "transform" else answer
            answers += answer if isinstance(answer, (list, tuple)) else [answer]
    if hasattr(estimator, "get_feature_names_out"):
        answers.append(estimator.get_feature_names_out())
    return answers


def _same(estimator: Any, other: Any) -> None:
    for got, want in zip(_answers(estimator), _answers(other), strict=True):
        np.testing.assert_array_equal(got, want, strict=True)


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("mapped", [True, False])
def test_the_same_comes_back(
    name: str, mapped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    estimator = ESTIMATORS[name]()
    knnc.save(estimator, tmp_path / "file")
    for build in ("build", "packed"):
        monkeypatch.setattr(
            PreparedRows, build, lambda *_: pytest.fail("there is something to make")
        )
    monkeypatch.setattr(Coding, "encode_floats", lambda *_: pytest.fail("codes are made"))
    back = knnc.load(os.fspath(tmp_path / "file"), mmap=mapped)
    monkeypatch.undo()
    assert type(back) is type(estimator)
    assert repr(back.get_params()) == repr(estimator.get_params())
    assert set(vars(back)) == set(vars(estimator))
    assert back._lazy_index._index.nbytes_packed == estimator._lazy_index._index.nbytes_packed
    assert (mapping_of(back._rows) is not None) == mapped
    _same(back, estimator)
    assert os.listdir(tmp_path) == ["file"]
    if os.name == "nt" and mapped:
        with pytest.raises(PermissionError):  # Windows keeps a mapped file in its place
            knnc.save(back, tmp_path / "file")
    else:  # saved from a file, over that file
        knnc.save(back, tmp_path / "file")
    assert os.listdir(tmp_path) == ["file"]
    _same(knnc.load(tmp_path / "file"), back)


def test_an_index(tmp_path: Path) -> None:
    for i, index in enumerate(
        (
            Index(X, "hamming"),
            Index(X, algorithm="pruned"),
            Index(FLOATS, "manhattan"),
            Index(FLOATS, "cosine", algorithm="pruned"),
            Index(FLOATS[:, :3].copy()),
        )
    ):
        path = tmp_path / str(i)  # Windows lets no file be replaced that is mapped
        knnc.save(index, path)
        back = knnc.load(path)
        assert type(back) is Index
        queries = np.ascontiguousarray((Q if i < 2 else Q / 7)[:, : index.n_features])
        assert back.nbytes_packed == index.nbytes_packed
        for got, want in zip(back.search(queries, 4), index.search(queries, 4), strict=True):
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("n_axes", [None, 9, 30])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_codes_of_floats_that_searches_have_made(
    n_axes: int | None, dtype: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all axes, of few axes and turned rows, and of turned rows alone."""
    rows = np.ascontiguousarray(FLOATS[:, :30], dtype)
    stages = (4, 5) if n_axes == 9 else Coding().float_stages
    coding = Coding(float_stages=stages)
    index = Index(rows, algorithm="pruned", policy=Policy(coding=coding))
    if n_axes is None:
        whole = coding.encode_floats(FloatRows(rows, "sqeuclidean"), 1, is_whole=True)
        index._prepared._codes = whole
    knnc.save(index, tmp_path / "file")
    monkeypatch.setattr(Coding, "encode_floats", lambda *_: pytest.fail("codes are made"))
    back = knnc.load(tmp_path / "file")
    assert back.is_pruned
    assert back.nbytes_packed == index.nbytes_packed
    queries = np.ascontiguousarray(rows[::9], np.float64) + 0.25
    brute = Index(rows, algorithm="brute").search(queries, 5)
    for got, own, want in zip(
        back.search(queries, 5), index.search(queries, 5), brute, strict=True
    ):
        np.testing.assert_array_equal(got, want)
        np.testing.assert_array_equal(own, want)
    limit = int(brute[0][0, -1])
    for got, want in zip(back.within(queries, limit), index.within(queries, limit), strict=True):
        np.testing.assert_array_equal(got, want)


def test_feature_names_and_what_is_done_afterwards(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=[f"pixel {i}" for i in range(60)])
    clf = knnc.KNeighborsClassifier(3).fit(frame, Y)
    knnc.save(clf, tmp_path / "file")
    back = knnc.load(tmp_path / "file")
    np.testing.assert_array_equal(back.predict(frame[:9]), clf.predict(frame[:9]))
    with pytest.raises(ValueError, match="feature names"):
        back.predict(frame[frame.columns[::-1]])
    more = frame[:5] // 2
    for estimator in (back, clf):
        estimator.partial_fit(more, Y[:5])
    np.testing.assert_array_equal(back.predict_proba(frame[:99]), clf.predict_proba(frame[:99]))
    back.fit(X[:50], Y[:50])
    assert back.n_samples_fit_ == 50


def test_what_is_streamed_is_saved_without_a_copy(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", X)
    with knnc.config_context(max_memory=1000):
        nn = knnc.NearestNeighbors().fit(np.load(tmp_path / "rows.npy", mmap_mode="r"))
        knnc.save(nn, tmp_path / "file")
        back = knnc.load(tmp_path / "file")
        assert back._lazy_index.get(1).is_streamed
    _same(back, nn)
    assert (tmp_path / "file").stat().st_size < 1.1 * X.nbytes


def test_other_kernels_than_those_of_the_file(tmp_path: Path) -> None:
    index = Index(X, algorithm="pruned", kernel="sqeuclidean_u8_serial")
    knnc.save(index, tmp_path / "file")
    back = knnc.load(tmp_path / "file")
    assert back.kernel == dispatch.kernel_for("sqeuclidean", None)
    assert back.is_pruned
    for got, want in zip(back.search(Q, 4), index.search(Q, 4), strict=True):
        np.testing.assert_array_equal(got, want)


def test_processes_share_a_file(tmp_path: Path) -> None:
    clf = ESTIMATORS["classifier"]()
    knnc.save(clf, tmp_path / "file")
    code = (
        "import sys, numpy as np, knnc; clf = knnc.load(sys.argv[1]);"
        "print(*clf.predict(np.asarray(clf._fit_X[:30])))"
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "file")],
            env=child_environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for child in children:
        said, _ = child.communicate(timeout=60)
        assert said.split() == [*map(str, clf.predict(X[:30]))]


# --- what cannot be saved ---


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: knnc.KNeighborsClassifier(weights=lambda d: d).fit(X, Y), "weights is a function"),
        (lambda: knnc.NearestNeighbors(algorithm="kd_tree").fit(X / 7), "is 'sklearn'"),
        (lambda: knnc.LocalOutlierFactor().fit(X[:50]), "not LocalOutlierFactor"),
        (lambda: {"a": 1}, "not dict"),
        (lambda: knnc.NearestNeighbors, "not ABCMeta"),
    ],
)
def test_what_a_file_cannot_hold(make: Any, why: str, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=why):
        knnc.save(make(), tmp_path / "file")
    assert not os.listdir(tmp_path)


def test_other_attributes_and_classes(tmp_path: Path) -> None:
    class Mine(knnc.NearestNeighbors):
        pass

    Mine.__name__ = "NearestNeighbors"
    with pytest.raises(TypeError, match="not NearestNeighbors"):
        knnc.save(Mine().fit(X), tmp_path / "file")
    nn = knnc.NearestNeighbors().fit(X)
    nn.note_ = "mine"
    with pytest.raises(TypeError, match="note_"):
        knnc.save(nn, tmp_path / "file")
    with pytest.raises(NotFittedError):
        knnc.save(knnc.NearestNeighbors(), tmp_path / "file")


# --- saving that is interrupted ---


class _Crash(BaseException):
    pass


@pytest.mark.parametrize("where", ["write", "fsync", "replace"])
def test_a_crash_leaves_the_old_file(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    knnc.save(ESTIMATORS["classifier"](), tmp_path / "file")
    before = (tmp_path / "file").read_bytes()

    def crash(*_: object) -> None:
        raise _Crash

    with monkeypatch.context() as patch:
        if where == "write":
            patch.setattr(archive.json, "dumps", crash)
        else:
            patch.setattr(archive.os, where, crash)
        with pytest.raises(_Crash):
            knnc.save(ESTIMATORS["letters"](), tmp_path / "file")
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == before


@pytest.mark.skipif(sys.platform == "win32", reason="kills with SIGKILL")
def test_a_killed_save_leaves_the_old_file(tmp_path: Path) -> None:
    old = ESTIMATORS["classifier"]()
    knnc.save(old, tmp_path / "file")
    code = """
import os, sys, numpy as np, knnc
from knnc.persistence import archive
replace = os.fsync
archive.os.fsync = lambda fd: os.kill(os.getpid(), 9)
knnc.save(knnc.NearestNeighbors().fit(np.zeros((99, 99), np.uint8)), sys.argv[1])
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "file")],
        env=child_environment(),
        timeout=60,
        check=False,
    )
    assert done.returncode == -9
    _same(knnc.load(tmp_path / "file", verify=True), old)


def test_readers_of_the_old_file_keep_it(tmp_path: Path) -> None:
    if os.name == "nt":
        pytest.skip("Windows keeps a mapped file in its place")
    first, second = ESTIMATORS["classifier"](), ESTIMATORS["letters"]()
    knnc.save(first, tmp_path / "file")
    back, stop = knnc.load(tmp_path / "file"), threading.Event()

    def save() -> None:
        while not stop.is_set():
            knnc.save(second, tmp_path / "file")

    thread = threading.Thread(target=save)
    thread.start()
    try:
        for _ in range(20):
            assert knnc.load(tmp_path / "file").n_neighbors == 3
    finally:
        stop.set()
        thread.join()
    _same(back, first)
    _same(knnc.load(tmp_path / "file"), second)


def test_a_link_stays_a_link_and_a_missing_folder_is_said(tmp_path: Path) -> None:
    nn = knnc.NearestNeighbors().fit(X[:20])
    with pytest.raises(FileNotFoundError):
        knnc.save(nn, tmp_path / "none" / "file")
    with pytest.raises((IsADirectoryError, PermissionError)):
        knnc.save(nn, tmp_path)
    if sys.platform != "win32":
        (tmp_path / "link").symlink_to(tmp_path / "real")
        knnc.save(nn, tmp_path / "link")
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "real").exists()
        umask = os.umask(0)
        os.umask(umask)
        assert (tmp_path / "real").stat().st_mode & 0o777 == 0o666 & ~umask


# --- files that are refused ---


def _refused(path: Path, why: str, **options: Any) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        knnc.load(path, **options)
    assert str(path) in str(caught.value)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    knnc.save(ESTIMATORS["classifier"](), tmp_path / "file")
    return tmp_path / "file"


def test_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        knnc.load(tmp_path / "file")
    foreign = (b"", b"x", b"\x80\x05K\x01." * 99, b"\x93NUMPY" * 99, archive.MAGIC, bytes(4096))
    for i, data in enumerate(foreign):
        (tmp_path / str(i)).write_bytes(data)
        _refused(tmp_path / str(i), "it (has|does not begin)")


def test_truncated_longer_and_later_files(good: Path) -> None:
    data = good.read_bytes()
    start = bytearray(data[:36])
    struct.pack_into("<I", start, 8, 2)
    later = bytes(start) + struct.pack("<I", zlib.crc32(start)) + data[40:]
    for name, content, why in (
        ("truncated", data[:-1], rf"should have {len(data)} bytes and has {len(data) - 1}"),
        ("longer", data + b"\0", "should have"),
        ("later", later, "its format is 2, and known is 1"),
    ):
        good.with_name(name).write_bytes(content)
        _refused(good.with_name(name), why)


def test_a_changed_row_is_found_when_all_is_verified(good: Path) -> None:
    data = bytearray(good.read_bytes())
    at = data.index(X.tobytes()) + 12_345
    data[at] ^= 1
    good.write_bytes(bytes(data))
    _refused(good, "damaged", mmap=False)
    _refused(good, "damaged", verify=True)


def test_a_file_of_another_scikit_learn(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbors._compat, "SKLEARN_VERSION", "99.0")
    with pytest.warns(InconsistentVersionWarning):
        knnc.load(good)


def test_the_contents_are_as_documented(good: Path) -> None:
    """A reader of a few lines, from the words of the module alone."""
    import json

    data = good.read_bytes()
    assert data[:8] == bytes.fromhex("894B4E4E430D0A1A")
    version, length = struct.unpack_from("<II", data, 8)
    size, offset = struct.unpack_from("<QQ", data, 16)
    crc, crc_of_it = struct.unpack_from("<II", data, 32)
    assert (version, size, offset + length) == (1, len(data), len(data))
    assert crc == zlib.crc32(data[offset:])
    assert crc_of_it == zlib.crc32(data[:36])
    contents = json.loads(data[offset:])
    assert contents["kind"] == "KNeighborsClassifier"
    entry = contents["arrays"][contents["tree"]["dict"]["index"]["dict"]["rows"]["array"]]
    assert entry["offset"] % 64 == 0
    rows: NDArray[Any] = np.frombuffer(data, entry["dtype"], X.size, entry["offset"])
    np.testing.assert_array_equal(rows.reshape(entry["shape"]), X)
    assert entry["crc32"] == zlib.crc32(rows.tobytes())
    assert Index(X).state().keys() == contents["tree"]["dict"]["index"]["dict"].keys()
