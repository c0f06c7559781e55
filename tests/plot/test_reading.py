"""``knnc.plot``: what the displays show, where they draw, what they refuse."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pytest

import knnc

pytest.importorskip("matplotlib", reason="knnc.plot needs the extra 'plot'")

from matplotlib.figure import Figure
from sklearn.ensemble import VotingClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline

from knnc.image import Blur
from knnc.plot import MisreadDisplay, ReadDisplay
from knnc.plot._base import RIGHT, WRONG, as_images, require_matplotlib


@pytest.fixture(scope="module")
def read() -> SimpleNamespace:
    """Digits: an estimator that has learnt 300, and 200 others that it reads."""
    from knnc.datasets import load_digits

    digits = load_digits()
    X, y = digits.data, digits.target
    estimator = knnc.KNeighborsClassifier().fit(X[:300], y[:300])
    return SimpleNamespace(
        estimator=estimator,
        train=(X[:300], y[:300]),
        X=X[300:500],
        y=y[300:500],
        y_pred=estimator.predict(X[300:500]),
    )


def texts(display: ReadDisplay | MisreadDisplay) -> list[str]:
    return [text.get_text() for text in display.ax_.texts]


def frames(display: ReadDisplay | MisreadDisplay) -> list[str]:
    from matplotlib.colors import to_hex

    return [to_hex(patch.get_edgecolor()).upper() for patch in display.ax_.patches]


def test_read_display_shows_each_image_with_what_was_read(read: SimpleNamespace) -> None:
    display = ReadDisplay.from_estimator(read.estimator, read.X, read.y, n_images=200)
    assert isinstance(display.figure_, Figure)
    assert display.ax_ in display.figure_.axes
    assert len(display.ax_.images) == 200
    wrong = read.y_pred != read.y
    assert 0 < wrong.sum() < 100
    assert texts(display) == [
        f"{p}, is {t}" if p != t else f"{p}" for p, t in zip(read.y_pred, read.y, strict=True)
    ]
    assert frames(display) == [WRONG if w else RIGHT for w in wrong]
    for i in (0, 117):
        assert (display.ax_.images[i].get_array() == read.X[i].reshape(8, 8)).all()
    legend = display.ax_.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["read right", "misread"]


def test_read_display_draws_no_more_than_it_is_asked(read: SimpleNamespace) -> None:
    display = ReadDisplay.from_predictions(
        read.y, read.y_pred, X=read.X.reshape(-1, 8, 8), n_images=7, n_columns=3, title="Seven"
    )
    assert len(display.ax_.images) == 7
    corners = np.array([image.get_extent() for image in display.ax_.images])[:, [0, 3]]
    steps = np.unique(corners[:, 0]), np.unique(corners[:, 1])
    places = [(np.searchsorted(steps[0], x), np.searchsorted(steps[1], y)) for x, y in corners]
    assert places == [(i % 3, i // 3) for i in range(7)]
    assert display.ax_.get_title(loc="left") == "Seven"


def test_misread_display_shows_the_neighbours(read: SimpleNamespace) -> None:
    X_train, y_train = read.train
    display = MisreadDisplay.from_estimator(
        read.estimator, read.X, read.y, X_train=X_train, y_train=y_train, n_neighbors=4, n_images=3
    )
    misread = np.flatnonzero(read.y_pred != read.y)[:3]
    dist, ind = read.estimator.kneighbors(read.X[misread], n_neighbors=4)
    assert len(display.ax_.images) == 3 * 5
    shown = iter(texts(display))
    colours = iter(frames(display))
    drawn = iter(display.ax_.images)
    for i, row in enumerate(misread):
        assert next(shown) == f"{read.y_pred[row]}, is {read.y[row]}"
        assert next(colours) == WRONG
        assert (next(drawn).get_array() == read.X[row].reshape(8, 8)).all()
        for j in range(4):
            label = y_train[ind[i, j]]
            assert next(shown) == f"{label}"
            assert float(next(shown)) == pytest.approx(dist[i, j], abs=0.0051)
            assert next(colours) == (RIGHT if label == read.y[row] else WRONG)
            assert (next(drawn).get_array() == X_train[ind[i, j]].reshape(8, 8)).all()


def test_displays_draw_into_the_axes_they_are_given(read: SimpleNamespace) -> None:
    figure = Figure()
    left, right = figure.subplots(1, 2)
    first = ReadDisplay.from_estimator(read.estimator, read.X, read.y, ax=left)
    second = MisreadDisplay.from_estimator(
        read.estimator,
        read.X,
        read.y,
        X_train=read.train[0],
        y_train=read.train[1],
        y_pred=read.y_pred,
        ax=right,
    )
    assert first.ax_ is left
    assert second.ax_ is right
    assert first.figure_ is second.figure_ is figure


def test_given_predictions_are_not_made_again(
    read: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read.estimator, "predict", None)
    display = MisreadDisplay.from_estimator(
        read.estimator,
        read.X,
        read.y,
        X_train=read.train[0],
        y_train=read.train[1],
        y_pred=read.y_pred,
        n_images=2,
    )
    assert len(display.images) == 2


def test_nothing_misread(read: SimpleNamespace) -> None:
    X_train, y_train = read.train
    right = read.y_pred == read.y
    display = MisreadDisplay.from_estimator(
        read.estimator, read.X[right], read.y[right], X_train=X_train, y_train=y_train
    )
    assert len(display.ax_.images) == 0
    assert texts(display) == ["None was misread."]
    assert display.figure_.get_figheight() < 2, "a line of text is no empty picture"
    picture = BytesIO()
    display.figure_.savefig(picture, format="png")
    assert picture.getvalue().startswith(b"\x89PNG")


def test_string_labels_and_images_that_are_no_squares() -> None:
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, size=(12, 6), dtype=np.uint8)
    y = np.repeat(["cat", "dog"], 6)
    estimator = knnc.KNeighborsClassifier(3).fit(X, y)
    with pytest.raises(ValueError, match="6 features are no square"):
        ReadDisplay.from_estimator(estimator, X, y)
    with pytest.raises(ValueError, match="has 8 pixels, but X has 6 features a row"):
        ReadDisplay.from_estimator(estimator, X, y, image_shape=(2, 4))
    display = ReadDisplay.from_estimator(estimator, X, y, image_shape=(2, 3))
    assert display.images.shape == (12, 2, 3)
    assert {text.split(",")[0] for text in texts(display)} <= {"cat", "dog"}


def test_one_image_has_to_have_its_shape() -> None:
    with pytest.raises(ValueError, match="has 8 pixels, but X has 6 features a row"):
        as_images(np.zeros((1, 6)), (2, 4))
    assert as_images(np.zeros((0, 6)), (2, 4)).shape == (0, 2, 4)


def test_what_matplotlib_itself_misses_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    class Missing:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "matplotlib.figure":
                raise ModuleNotFoundError("No module named 'kiwisolver'", name="kiwisolver")

    monkeypatch.delitem(sys.modules, "matplotlib.figure")
    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    with pytest.raises(ModuleNotFoundError, match="kiwisolver"):
        require_matplotlib()


def test_lengths_must_agree(read: SimpleNamespace) -> None:
    images = np.zeros((2, 3, 3))
    with pytest.raises(ValueError, match=r"images has 2 rows; .* and have 2, 1, 2, 2, 2"):
        MisreadDisplay(
            images=images,
            y_true=[1, 2],
            y_pred=[1],
            neighbor_images=images[:, np.newaxis],
            neighbor_labels=[[1], [2]],
            distances=[[0.5], [1.5]],
        )
    X_train, y_train = read.train
    for rows, labels in ((X_train[:1], y_train), (X_train, y_train[:1])):
        with pytest.raises(ValueError, match=r"X_train or y_train has only 1 rows: pass all rows"):
            MisreadDisplay.from_estimator(
                read.estimator, read.X, read.y, X_train=rows, y_train=labels
            )
    with pytest.raises(ValueError, match="2 images, 2 true labels and 1 read"):
        ReadDisplay(images=np.zeros((2, 3, 3)), y_true=[1, 2], y_pred=[1])


def run_alone(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    return done.stdout.strip()


def test_import_is_light_and_drawing_needs_no_pyplot() -> None:
    code = (
        "import io, sys, numpy as np, knnc.plot\n"
        "print('matplotlib' in sys.modules)\n"
        "X = np.zeros((2, 4), dtype=np.uint8)\n"
        "d = knnc.plot.ReadDisplay.from_predictions([0, 1], [0, 0], X=X)\n"
        "d.figure_.savefig(io.BytesIO(), format='png')\n"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    assert run_alone(code).split() == ["False", "False"]


def test_missing_matplotlib_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r'pip install "knnc\[plot\]"'):
        ReadDisplay(images=[[[0]]], y_true=[0], y_pred=[0]).plot()


def test_neighbours_of_pipelines_and_of_several_that_vote(read: SimpleNamespace) -> None:
    X_train, y_train = read.train
    pipe = make_pipeline(Blur(), knnc.KNeighborsClassifier()).fit(X_train, y_train)
    several = VotingClassifier([("pipe", pipe), ("plain", knnc.KNeighborsClassifier())])
    several.fit(X_train, y_train)
    y_pred = np.where(np.arange(len(read.y)) < 3, -1, read.y)
    dist, ind = pipe[-1].kneighbors(pipe[:-1].transform(read.X[:3]), n_neighbors=4)
    for estimator in (pipe, several):
        display = MisreadDisplay.from_estimator(
            estimator,
            read.X,
            read.y,
            X_train=X_train,
            y_train=y_train,
            y_pred=y_pred,
            n_neighbors=4,
        )
        np.testing.assert_array_equal(display.distances, dist)
        np.testing.assert_array_equal(display.neighbor_labels, y_train[ind])
    with pytest.raises(TypeError, match="GaussianNB has no kneighbors"):
        MisreadDisplay.from_estimator(
            GaussianNB().fit(X_train, y_train), read.X, read.y, X_train=X_train, y_train=y_train
        )


def test_all_images_have_one_scale_and_all_distances_one_precision() -> None:
    images = np.array([[[3, 9]], [[4, 5]]])
    display = MisreadDisplay(
        images=images,
        y_true=[1, 2],
        y_pred=[2, 1],
        neighbor_images=images[:, np.newaxis] - [[[[3, 1]]]],
        neighbor_labels=[[1], [2]],
        distances=[[0.25], [12345.678]],
    ).plot()
    assert {image.get_clim() for image in display.ax_.images} == {(0, 9)}
    assert {"0", "12346"} < set(texts(display))


def test_long_labels_take_two_lines() -> None:
    images = np.zeros((2, 4, 4), np.uint8)
    names = np.array(["Ankle boot", "T-shirt/top"])
    display = MisreadDisplay(
        images=images,
        y_true=names,
        y_pred=names[::-1],
        neighbor_images=images[:, np.newaxis],
        neighbor_labels=names[:, np.newaxis],
        distances=[[1.5], [20.25]],
    ).plot()
    boxes = [text.get_window_extent() for text in display.ax_.texts]
    for i, one in enumerate(boxes):
        assert not any(one.overlaps(other) for other in boxes[:i])
    assert texts(display)[0] == "T-shirt/top,\nis Ankle boot"
    shown = ReadDisplay(images=images, y_true=names, y_pred=names[[0, 0]]).plot()
    assert texts(shown) == ["Ankle boot", "Ankle boot,\nis T-shirt/top"]
