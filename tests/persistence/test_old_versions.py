"""Pickles and files of older versions load, wherever their classes are today."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import knnc
from knnc import _compat, _moved, image
from knnc.engine.encoding import Encoding
from knnc.recipes import make_recipe
from tests.engine.support import child_environment
from tests.neighbors.support import any_bytes
from tests.persistence.hostile_files import sealed

# What pickles of version 0.1.0.dev0 name, while its state had the format 1. A class that moves to
# another module stays in this list under its old name.
NAMES_OF_STATE_1 = [
    "knnc.dask._chunks.Chunk",
    "knnc.dask._estimators.KNeighborsClassifier",
    "knnc.dask._estimators.KNeighborsRegressor",
    "knnc.dask._estimators.NearestNeighbors",
    "knnc.engine.memory.config_context",
    "knnc.engine.narrow.Encoding",
    "knnc.engine.progress.progress",
    "knnc.image.blur.Blur",
    "knnc.image.deskew.Deskew",
    "knnc.image.discriminant.LocalDiscriminant",
    "knnc.image.distortion.DistortionKNeighborsClassifier",
    "knnc.image.hog.HOG",
    "knnc.image.shift.Shift",
    "knnc.image.stretch.Stretch",
    "knnc.image.weights.SoftWeights",
    "knnc.neighbors.classification.KNeighborsClassifier",
    "knnc.neighbors.graph.KNeighborsTransformer",
    "knnc.neighbors.graph.RadiusNeighborsTransformer",
    "knnc.neighbors.graph.kneighbors_graph",
    "knnc.neighbors.lof.LocalOutlierFactor",
    "knnc.neighbors.radius.RadiusNeighborsClassifier",
    "knnc.neighbors.radius.RadiusNeighborsRegressor",
    "knnc.neighbors.regression.KNeighborsRegressor",
    "knnc.neighbors.tuning.KNeighborsClassifierCV",
    "knnc.neighbors.tuning.KNeighborsRegressorCV",
    "knnc.neighbors.unsupervised.NearestNeighbors",
    "knnc.ocr._load.Grey",
    "knnc.saved.load",
    "knnc.saved.save",
]

X, Q, Y = any_bytes(1, 60, 64), any_bytes(2, 9, 64), np.arange(60) % 3


@pytest.mark.parametrize("old", NAMES_OF_STATE_1)
def test_a_pickle_finds_what_has_moved(old: str) -> None:
    module, name = old.rsplit(".", 1)
    if module.startswith("knnc.dask"):
        pytest.importorskip("dask")
    found = pickle.loads(f"c{module}\n{name}\n.".encode())  # the opcode GLOBAL
    assert found.__name__ == name
    assert found.__module__.startswith("knnc.")


@pytest.mark.parametrize("old", _moved.MOVED)
def test_both_names_are_one_module(old: str) -> None:
    module = import_module(old)
    assert module is import_module(_moved.MOVED[old])
    assert module.__name__ == _moved.MOVED[old]
    assert module.__spec__ is not None
    assert module.__spec__.name == _moved.MOVED[old]


def test_no_other_module_is_found() -> None:
    for name in ("knnc.engine.nothing", "knnc.nothing", "narrow"):
        with pytest.raises(ModuleNotFoundError, match=name):
            import_module(name)


def test_importing_knnc_imports_no_moved_module() -> None:
    code = "import sys, knnc; print(*(name for name in sys.modules if 'knnc' in name))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=child_environment(),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    )
    assert set(done.stdout.split()) == {"knnc", "knnc._moved", "knnc._version"}


class _State1:
    """Pickles an estimator as version 0.1.0.dev0 did."""

    def __init__(self, estimator: Any) -> None:
        self._estimator = estimator

    def __reduce__(self) -> tuple[Any, ...]:
        state = self._estimator.__getstate__()
        if "_encoding" in state:
            state["_encoding"] = Encoding.restored(state["_encoding"])
        state["_knnc_state"] = (1, *state["_knnc_state"][1:])
        return type(self._estimator), (), state


ESTIMATORS: list[tuple[Any, str]] = [
    (knnc.KNeighborsClassifier(3), "predict_proba"),
    (knnc.KNeighborsRegressor(3), "predict"),
    (knnc.NearestNeighbors(n_neighbors=3), "kneighbors"),
    (knnc.KNeighborsTransformer(), "kneighbors"),
    (knnc.RadiusNeighborsRegressor(1e9), "predict"),
    (knnc.LocalOutlierFactor(novelty=True), "score_samples"),
    (image.Stretch(), "transform"),
    (image.HOG(2), "transform"),
    (image.LocalDiscriminant(4), "transform"),
    (image.DistortionKNeighborsClassifier(1), "predict"),
]


@pytest.mark.parametrize("scale", [1, 255, 7])
@pytest.mark.parametrize(("estimator", "method"), ESTIMATORS, ids=lambda e: type(e).__name__)
def test_a_state_of_format_1(estimator: Any, method: str, scale: int) -> None:
    if scale == 7 and type(estimator).__module__.startswith("knnc.image"):
        scale = 1  # images are bytes
    train, queries = (X / scale, Q / scale) if scale > 1 else (X, Q)
    fitted = estimator.fit(train, Y)
    old = pickle.dumps(_State1(fitted), protocol=2)
    if "_encoding" in vars(fitted):
        assert b"cknnc.engine.encoding\nEncoding" in old
        old = old.replace(b"cknnc.engine.encoding\n", b"cknnc.engine.narrow\n")
    back = pickle.loads(old)
    assert type(back) is type(fitted)
    got, want = getattr(back, method)(queries), getattr(fitted, method)(queries)
    np.testing.assert_array_equal(got, want)
    assert pickle.dumps(back) == pickle.dumps(pickle.loads(pickle.dumps(fitted)))


def _names_of_knnc(estimator: Any) -> set[str]:
    names = set()

    class Unpickler(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            names.add(f"{module}.{name}")
            return super().find_class(module, name)

    Unpickler(io.BytesIO(pickle.dumps(estimator))).load()
    return {name for name in names if name.startswith("knnc.")}


def test_a_pickle_names_no_class_of_knnc_but_those_of_estimators() -> None:
    """Tools that ask which classes may be loaded, such as skops, need not know others."""
    for estimator, _ in ESTIMATORS:
        cls = type(estimator)
        assert _names_of_knnc(estimator.fit(X, Y)) == {f"{cls.__module__}.{cls.__name__}"}
    assert _names_of_knnc(make_recipe("fast").fit(X, Y)) == {
        "knnc.image.deskew.Deskew",
        "knnc.image.discriminant.LocalDiscriminant",
        "knnc.image.hog.HOG",
        "knnc.image.stretch.Stretch",
        "knnc.image.weights.SoftWeights",
        "knnc.neighbors.classification.KNeighborsClassifier",
    }


# --- files without code ---

CLASSIFIER = (
    '{"kind": "KNeighborsClassifier", "tree": {"dict": {"versions": {"list": ["0.1.0.dev0", '
    '"SKLEARN"]}, "attributes": {"dict": {"n_neighbors": 1, "radius": null, "algorithm": "auto", '
    '"leaf_size": 30, "metric": "minkowski", "metric_params": null, "p": 2, "n_jobs": null, '
    '"weights": "uniform", "outputs_2d_": false, "classes_": {"array": 0}, "_y": {"array": 1}, '
    '"effective_metric_params_": {"dict": {}}, "effective_metric_": "euclidean"}}, "encoding": '
    '{"dict": {"dtype": "|u1", "offset": 0, "divisor": 1, "multiplied": false}}, "index": '
    '{"dict": {"metric": "sqeuclidean", "algorithm": "auto", "kernel": "sqeuclidean_u8_avx2", '
    '"rows": {"array": 2}, "packed": null, "pruned": null}}}}, "arrays": [{"dtype": "<U1", '
    '"shape": [2], "offset": 64, "crc32": 3897311428}, {"dtype": "<i8", "shape": [3], "offset": '
    '128, "crc32": 229202865}, {"dtype": "|u1", "shape": [3, 2], "offset": 192, "crc32": '
    "207660412}]}"
)
SHIFT = (
    '{"kind": "Shift", "tree": {"dict": {"params": {"dict": {"down": 1, "fill": 0, '
    '"image_shape": null, "mirror": false, "right": 0}}, "learnt": {"dict": {}}, "encoding": '
    '{"dict": {"dtype": "|u1", "offset": 0, "divisor": 1, "multiplied": false}}, "n_features": '
    '4, "image_shape": {"list": [2, 2]}, "names": null}}, "arrays": []}'
)


def test_files_of_format_1(tmp_path: Path) -> None:
    """The very bytes that version 0.1.0.dev0 wrote."""
    classes, codes = np.array(["a", "b"], "<U1"), np.array([0, 1, 0], "<i8")
    rows = np.array([[0, 0], [3, 4], [9, 9]], np.uint8)
    arrays = bytes(64) + b"".join(
        array.tobytes().ljust(size, b"\0")
        for array, size in ((classes, 64), (codes, 64), (rows, rows.nbytes))
    )
    text = CLASSIFIER.replace("SKLEARN", _compat.SKLEARN_VERSION)
    (tmp_path / "classifier").write_bytes(sealed(arrays, text.encode()))
    classifier = knnc.load(tmp_path / "classifier", verify=True)
    assert classifier.predict(rows[::-1] + np.uint8(1)).tolist() == ["a", "b", "a"]
    assert classifier.kneighbors([[0, 0]])[0].tolist() == [[0.0]]
    (tmp_path / "shift").write_bytes(sealed(bytes(64), SHIFT.encode()))
    shift = knnc.load(tmp_path / "shift", verify=True)
    assert shift.transform(np.array([[1, 2, 3, 4]], np.uint8)).tolist() == [[0, 0, 1, 2]]
