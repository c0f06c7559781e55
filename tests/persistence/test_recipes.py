"""Recipes, and what they are made of, in files: the same answers, and no code."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline, make_union

import knnc
from knnc import image
from knnc.persistence.archive import read_archive, write_archive
from knnc.recipes import RECIPES, make_recipe

DIGITS = knnc.datasets.load_digits()
X = DIGITS.data[:400] * np.uint8(15)
Y = DIGITS.target[:400]
Q = DIGITS.data[400:450] * np.uint8(15)


def _back(estimator: Any, tmp_path: Path) -> Any:
    path = tmp_path / str(len(os.listdir(tmp_path)))  # Windows replaces no file that is mapped
    knnc.save(estimator, path)
    back = knnc.load(path)
    assert type(back) is type(estimator)
    assert repr(back) == repr(estimator)
    return back


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("labels", [Y, np.array(list("abcdefghij"))[Y]], ids=["numbers", "texts"])
def test_recipes(name: str, labels: np.ndarray, tmp_path: Path) -> None:
    recipe = make_recipe(name).fit(X, labels)
    back = _back(recipe, tmp_path)
    np.testing.assert_array_equal(back.predict(Q), recipe.predict(Q), strict=True)
    np.testing.assert_array_equal(back.predict_proba(Q), recipe.predict_proba(Q), strict=True)
    np.testing.assert_array_equal(back.classes_, recipe.classes_)
    again = _back(back, tmp_path)
    np.testing.assert_array_equal(again.predict_proba(Q), recipe.predict_proba(Q))


@pytest.mark.parametrize(
    "transformer",
    [
        image.Stretch(),
        image.Deskew(center=False),
        image.HOG((2, 4), n_bins=5, signed=False),
        image.Blur(0.7),
        image.Shift(1, 0),
        image.LocalDiscriminant(9),
        make_union(image.HOG(2), image.Blur()),
        make_pipeline(image.Stretch(image_shape=(4, 16)), image.HOG(0.5, image_shape=(4, 16))),
    ],
    ids=lambda transformer: type(transformer).__name__,
)
def test_transformers(transformer: Any, tmp_path: Path) -> None:
    for data, queries in ((X, Q), (X / 255, Q / 255)):
        transformer.fit(data, Y)
        back = _back(transformer, tmp_path)
        np.testing.assert_array_equal(back.transform(queries), transformer.transform(queries))
        np.testing.assert_array_equal(
            back.get_feature_names_out(), transformer.get_feature_names_out()
        )


def test_the_second_map(tmp_path: Path) -> None:
    recipe = make_recipe("fast").fit(X, Y)
    back = _back(recipe, tmp_path)
    np.testing.assert_array_equal(back[3]._seen, recipe[3]._seen)
    kind, tree = read_archive(tmp_path / "0", map_it=False, verify=True)
    learnt = tree["parts"][3][1]["tree"]["learnt"]
    del learnt["_look"], learnt["_seen"]  # as in files of earlier versions
    write_archive(tmp_path / "old", kind, tree)
    old = knnc.load(tmp_path / "old")
    assert old[3]._seen is None
    np.testing.assert_array_equal(_back(old, tmp_path).predict_proba(Q), recipe.predict_proba(Q))


def test_names_of_columns(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=[f"pixel {i}" for i in range(64)])
    back = _back(make_recipe("fast").fit(frame, Y), tmp_path)
    back.predict(frame[:3])
    with pytest.raises(ValueError, match="feature names"):
        back.predict(frame[frame.columns[::-1]])


def test_soft_weights_have_a_name(tmp_path: Path) -> None:
    clf = knnc.KNeighborsClassifier(5, weights=image.SoftWeights(0.3)).fit(X, Y)
    back = _back(clf, tmp_path)
    np.testing.assert_array_equal(back.predict_proba(Q), clf.predict_proba(Q))
    kind, tree = read_archive(tmp_path / "0", map_it=False, verify=True)
    assert tree["attributes"]["weights"] == {"SoftWeights": 0.3}
    for i, odd in enumerate(({"SoftWeights": -1.0}, {"SoftWeights": 1}, {"os.system": 1.0}, {})):
        tree["attributes"]["weights"] = odd
        write_archive(tmp_path / f"odd{i}", kind, tree)
        with pytest.raises(ValueError, match="weights"):
            knnc.load(tmp_path / f"odd{i}")


class _MyWeights(image.SoftWeights):
    pass


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: make_recipe("fast", weights=_MyWeights(1.0)).fit(X, Y), "weights is a _MyWeights"),
        (lambda: make_recipe("clothes", weights=np.exp).fit(X, Y), "weights is a"),
        (lambda: make_pipeline(image.Blur(), verbose=True).fit(X), "default verbose"),
        (lambda: make_pipeline("passthrough", image.Blur()).fit(X), "not str"),
        (lambda: make_recipe("accurate").set_params(weights=[1, 2, 1]).fit(X, Y), "default weigh"),
        (
            lambda: image.DistortionKNeighborsClassifier().fit(X, Y).set_params(warp=1),
            "changed after its fit",
        ),
    ],
)
def test_what_a_file_cannot_hold(make: Any, why: str, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=why):
        knnc.save(make(), tmp_path / "file")
    assert not list(tmp_path.iterdir())


def _changes() -> list[tuple[str, Any, str]]:
    """Where in the tree of an "accurate" recipe, what instead, and how it is refused."""
    upright = ("parts", 0, 1, "tree", "parts")
    strokes = (*upright, 2, 1, "tree")
    mapped = (*strokes, "features", "tree", "parts", 1, 1, "tree")
    return [
        (("parts",), [], "lists no"),
        (("parts", 0), ["upright"], "does not name"),
        (("parts", 1, 0), "upright", "does not name"),
        (("parts", 1, 1), {"kind": 3, "tree": {}}, "is not an estimator"),
        (("parts", 1, 1, "kind"), "os.system", "holds a 'os.system'"),
        (("voting",), "loud", "voted on"),
        (("classes",), np.arange(9), "other classes"),
        ((*upright, 0, 1, "kind"), "KNeighborsClassifier", ""),
        ((*upright, 0, 1, "tree", "image_shape"), [3, 3], "pixels"),
        ((*upright, 0, 1, "tree", "learnt", "brightest_"), 256, "brightest_"),
        ((*upright, 1, 1, "tree", "params", "deskew_"), True, "not those of its class"),
        ((*upright, 1, 1, "tree", "encoding", "offset"), 7, "encoding"),
        ((*strokes, "params", "warp"), 99, "warp"),
        ((*strokes, "params", "distance"), {"idm": 2.0}, "not that of its parameters"),
        ((*strokes, "params", "mirrored"), True, "not that of its parameters"),
        ((*strokes, "learnt", "_codes"), np.full(400, 10), "no class"),
        ((*strokes, "learnt", "_codes"), np.zeros(3, int), "one for each image"),
        ((*strokes, "learnt", "_rows"), np.zeros((400, 63), np.uint8), "of its features"),
        ((*strokes, "learnt", "_rows"), np.zeros((400, 64)), "not uint8"),
        ((*mapped, "learnt", "components_"), np.full((3, 3), np.nan), "not finite"),
        ((*mapped, "learnt", "components_"), np.zeros((3, 3)), "of its features"),
        ((*mapped, "learnt", "offset_"), np.zeros(1), "differ in width"),
        ((*mapped, "learnt", "_unit"), 0.0, "unit"),
        ((*mapped, "learnt", "_look"), None, "incomplete"),
        ((*mapped, "learnt", "_look"), (np.zeros((3, 3)), np.zeros(3), 1.0), "of its features"),
        ((*mapped, "learnt", "_seen"), None, "not uint8"),
        ((*mapped, "learnt", "_seen"), np.zeros((400, 3), np.uint8), "second map"),
        ((*mapped, "n_features"), 0, "n_features"),
    ]  # type: ignore[return-value]


def test_files_that_were_made_up(tmp_path: Path) -> None:
    knnc.save(make_recipe("accurate").fit(X, Y), tmp_path / "file")
    for i, (place, value, why) in enumerate(_changes()):
        kind, tree = read_archive(tmp_path / "file", map_it=False, verify=True)
        inner: Any = tree
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = value
        odd = tmp_path / f"odd{i}"  # Windows replaces no file that is mapped
        write_archive(odd, kind, tree)
        with pytest.raises(ValueError, match=f"not a file that this version.*{why}"):
            knnc.load(odd)


def test_nothing_in_a_file_is_a_name_of_code(tmp_path: Path) -> None:
    """All names are kinds of a fixed list, parameters, or what was given."""
    knnc.save(make_recipe("fast").fit(X, Y), tmp_path / "file")
    data = (tmp_path / "file").read_bytes()
    contents = json.loads(data[data.rindex(b'{"kind": "Pipeline"') :])
    assert "sklearn" not in json.dumps(contents)
    assert "knnc" not in json.dumps(contents)
