"""The embedding by knnc's graph: scikit-learn's, watched; its picture and its animation."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from sklearn.manifold import TSNE
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

import knnc
from knnc.image import Blur, DistortionKNeighborsClassifier
from knnc.plot import EmbeddingDisplay
from knnc.plot._animation import smoothed
from knnc.plot._embedding import _moments
from knnc.plot._labels import densest, extent, look_at, moved_apart
from knnc.plot._tsne import embed, first_guess

N = 150


@pytest.fixture(scope="module")
def display() -> EmbeddingDisplay:
    from knnc.datasets import load_digits

    digits = load_digits()
    return EmbeddingDisplay.from_rows(
        digits.data,
        digits.target,
        n_samples=N,
        max_iter=300,
        perplexity=10,
        n_frames=20,
        title="digits",
    )


@pytest.mark.parametrize("max_iter", [250, 320])
def test_watching_changes_nothing(digits: Any, max_iter: int) -> None:
    X = digits.X[:N]
    graph = knnc.KNeighborsTransformer(n_neighbors=31).fit_transform(X)
    tsne = TSNE(metric="precomputed", init=first_guess(X, 0), perplexity=10, max_iter=max_iter)
    seen: list[Any] = []
    told: list[tuple[int, int]] = []
    with threadpool_limits(1):
        expected = tsne.fit_transform(graph)
        with knnc.progress(lambda *args: told.append(args)):
            embedding, divergence = embed(
                X,
                metric="euclidean",
                perplexity=10,
                max_iter=max_iter,
                random_state=0,
                watch=lambda at, positions: seen.append((at, positions.copy())),
            )
    np.testing.assert_array_equal(embedding, expected)
    assert divergence == tsne.kl_divergence_
    # Every step of both phases, the last of which is the result.
    assert [at for at, _ in seen] == list(range(1, max_iter + 1))
    np.testing.assert_array_equal(seen[-1][1], embedding)
    assert told[-max_iter:] == [(at, max_iter) for at in range(1, max_iter + 1)]
    # It starts where it was told to.
    moved = np.abs(seen[0][1] - first_guess(X, 0)).max()
    assert 0 < moved < np.abs(embedding).max() / 10


def test_an_error_of_a_callback_ends_it(digits: Any) -> None:
    class StopError(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if total == 250 and done == 7:
            raise StopError

    with knnc.progress(stop), pytest.raises(StopError):
        EmbeddingDisplay.from_rows(digits.X[:60], perplexity=5, max_iter=250)


def test_neighbours_are_beside_one_another(digits: Any, display: EmbeddingDisplay) -> None:
    assert display.embedding.shape == (N, 2)
    clf = knnc.NearestNeighbors(n_neighbors=1, algorithm="brute").fit(display.embedding)
    nearest = clf.kneighbors(return_distance=False)[:, 0]
    assert (display.y[nearest] == display.y).mean() > 0.85
    rows = np.sort(np.random.default_rng(0).choice(len(digits.y), N, replace=False))
    np.testing.assert_array_equal(display.y, digits.y[rows])


def test_picture(display: EmbeddingDisplay) -> None:
    assert display.ax_.get_title(loc="left") == "digits"
    assert sorted(text.get_text() for text in display.ax_.texts) == list("0123456789")
    assert len(display.points_) == 10
    for label, points in enumerate(display.points_):
        np.testing.assert_array_equal(points.get_offsets(), display.embedding[display.y == label])
    assert display.ax_.get_legend() is None


def test_names_do_not_overlap(display: EmbeddingDisplay, apart: Callable[..., None]) -> None:
    names = [f"class number {label}" for label in range(10)]
    crowded = EmbeddingDisplay(
        embedding=display.embedding % 3, y=display.y, target_names=names
    ).plot()
    apart(crowded.figure_, [*crowded.ax_.texts, crowded.ax_.get_legend()])
    ax = Figure().add_subplot()
    assert crowded.plot(ax=ax).ax_ is ax


def test_signs_are_no_formulas(display: EmbeddingDisplay) -> None:
    signs = EmbeddingDisplay(
        embedding=display.embedding, y=display.y, target_names=list("$^_{}\\%#&~")
    )
    FigureCanvasAgg(signs.plot().figure_).draw()


def test_a_sample_of_all_but_one(digits: Any) -> None:
    options: dict[str, Any] = {"perplexity": 5, "max_iter": 250}
    X, y = digits.X[:61], np.arange(61)
    assert len(EmbeddingDisplay.from_rows(X, y, n_samples=61, **options).y) == 61
    assert len(EmbeddingDisplay.from_rows(X, y, n_samples=60, **options).y) == 60


def test_a_descent_that_ends_early(digits: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from knnc.plot import _tsne

    patient = _tsne.TSNE
    monkeypatch.setattr(_tsne, "TSNE", lambda **options: patient(**options, min_grad_norm=1.0))
    display = EmbeddingDisplay.from_rows(digits.X[:60], perplexity=5, max_iter=500, n_frames=6)
    assert display.iterations is not None
    assert display.iterations[-1] < 500
    np.testing.assert_array_equal(display.frames[-1], display.embedding)


def test_without_labels(display: EmbeddingDisplay) -> None:
    plain = EmbeddingDisplay(embedding=display.embedding).plot()
    assert len(plain.points_) == 1
    assert len(plain.ax_.texts) == 0
    with pytest.raises(ValueError, match="needs at least one"):
        EmbeddingDisplay(embedding=np.empty((0, 2)))
    with pytest.raises(ValueError, match="150 points and 2 labels"):
        EmbeddingDisplay(embedding=display.embedding, y=[0, 1])


def test_animation(display: EmbeddingDisplay, tmp_path: Path) -> None:
    axes = display.ax_
    path = tmp_path / "forming.gif"
    display.save_animation(path, size=200, seconds=1.0)
    assert display.ax_ is axes
    with Image.open(path) as gif:
        assert gif.format == "GIF"
        assert gif.size == (200, 200)
        durations, frames = [], []
        for at in range(gif.n_frames):
            gif.seek(at)
            durations.append(gif.info["duration"])
            frames.append(np.array(gif.convert("RGB"), dtype=int))
        assert gif.info["loop"] == 0
    # Frames that look the same are one to Pillow.
    assert 10 < len(frames) <= len(display.frames)
    assert durations[-1] >= 2000
    assert 900 <= sum(durations[:-1]) + 50 <= 1200
    assert all((frame[100, 0] == 255).all() for frame in frames)  # paper
    assert np.abs(frames[0] - frames[-1]).mean() > 2
    assert display.iterations is not None
    assert display.iterations[-1] == 300
    with pytest.raises(ValueError, match="no frames were kept"):
        EmbeddingDisplay(embedding=display.embedding).save_animation(path)


def test_frames_show_where_points_were(tmp_path: Path) -> None:
    """Two classes that change sides, and one point far off; the names come with the last."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 300)
    end = rng.normal(size=(600, 2)) + np.where(y, 20, -20)[:, np.newaxis] * [1, 0]
    end[0] = 0, 90
    frames = [end * [-1, 1] for _ in range(6)] + [end]
    path = tmp_path / "sides.gif"
    EmbeddingDisplay(
        embedding=end,
        y=y,
        target_names=["left", "right"],
        frames=frames,
        iterations=[1, 2, 3, 4, 5, 6, 70],
    ).save_animation(path, size=300)
    pictures = []
    with Image.open(path) as gif:
        for at in range(gif.n_frames):
            gif.seek(at)
            pictures.append(np.array(gif.convert("RGB"), dtype=int)[:270])
    first, last = pictures[0], pictures[-1]
    blue = [picture[..., 2] - picture[..., 0] > 60 for picture in (first, last)]
    columns = [np.nonzero(mask)[1] for mask in blue]
    assert np.median(columns[0]) > 160
    assert np.median(columns[1]) < 140
    black = [(picture[30:].max(axis=2) < 50).sum() for picture in pictures]  # below the count
    assert max(black[:-1]) == 0
    assert black[-1] > 20
    assert np.nonzero(blue[1])[0].min() < 20, "the point far off is in view at the end"
    assert gif.n_frames == 7, "the count differs in all"


def test_extents_on_the_way_have_no_jumps() -> None:
    np.testing.assert_allclose(smoothed([3.0] * 7), 3.0)
    rising = smoothed([1.0, 1.0, 1.0, 32.0, 1.0, 1.0, 1.0])
    np.testing.assert_allclose(rising, [1, 2, 2, 2, 2, 2, 1])


def test_frames_are_of_their_moments(display: EmbeddingDisplay) -> None:
    spread = np.ptp(display.frames, axis=(1, 2))
    assert spread[0] < 0.01
    assert spread[-1] > 10
    assert len(np.unique(spread)) == len(spread)


def test_the_square_looked_at_is_as_small_as_it_can_be() -> None:
    points = np.array([[0.0, 0.0]] * 9 + [[10.0, 4.0]])
    assert extent(points) == pytest.approx(5 * 1.04)
    ax = Figure().add_subplot()
    look_at(ax, points, 6.0)
    assert (ax.get_xlim(), ax.get_ylim()) == ((-1, 11), (-4, 8))


def test_moments_are_closer_where_a_phase_begins() -> None:
    assert _moments(0, 750) == []
    moments = _moments(40, 750)
    assert moments[0] == 1
    assert moments[-1] == 750
    assert 30 < len(moments) <= 40
    assert np.searchsorted(moments, 25) > 5
    assert np.searchsorted(moments, 270) - np.searchsorted(moments, 230) > 5
    assert _moments(10, 250)[-1] == 250
    assert _moments(1, 750) == [750]
    assert _moments(2, 750) == [250, 750]


def test_by_an_estimator(digits: Any) -> None:
    X, y = digits.X[:100], digits.y[:100]
    pipe = make_pipeline(Blur(), knnc.KNeighborsClassifier(metric="sqeuclidean")).fit(X, y)
    options: dict[str, Any] = {"perplexity": 5, "max_iter": 250}
    with threadpool_limits(1):
        display = EmbeddingDisplay.from_estimator(pipe, X, y, **options)
        same = EmbeddingDisplay.from_rows(Blur().fit_transform(X), y, **options)
    np.testing.assert_array_equal(display.embedding, same.embedding)
    cubed = knnc.KNeighborsClassifier(p=3).fit(X, y)
    weighted = knnc.NearestNeighbors(metric="seuclidean", metric_params={"V": np.ones(64)}).fit(X)
    with threadpool_limits(1):
        by_cubes = EmbeddingDisplay.from_estimator(cubed, X, y, **options)
        by_ones = EmbeddingDisplay.from_estimator(weighted, X, y, **options)
        plain = EmbeddingDisplay.from_rows(X, y, **options)
    assert np.abs(by_cubes.embedding - plain.embedding).max() > 1
    np.testing.assert_allclose(by_ones.kl_divergence, plain.kl_divergence, atol=0.2)
    far = EmbeddingDisplay.from_rows(X, y, metric="chebyshev", **options)
    assert np.abs(far.embedding - plain.embedding).max() > 1
    strokes = DistortionKNeighborsClassifier(n_candidates=5).fit(X, y)
    with pytest.raises(TypeError, match="has no metric with a name"):
        EmbeddingDisplay.from_estimator(strokes, X, y)


@pytest.mark.parametrize("perplexity", [0, 60])
def test_perplexity_is_checked(digits: Any, perplexity: float) -> None:
    with pytest.raises(ValueError, match="less than the number of rows, 60"):
        EmbeddingDisplay.from_rows(digits.X[:60], perplexity=perplexity)


def test_first_guess_of_what_has_no_two_directions() -> None:
    for X in (np.zeros((9, 1), np.uint8), np.full((9, 4), 7, np.uint8)):
        start = first_guess(X, 0)
        assert (start.shape, start.dtype) == ((9, 2), np.float32)
        assert 0 < np.abs(start).max() < 1e-3
    spread = first_guess(np.arange(20, dtype=np.uint8).reshape(10, 2), 0)
    assert spread[:, 0].std() == pytest.approx(1e-4, rel=1e-3)


def test_boxes_move_apart_and_no_further() -> None:
    centres = np.array([[0.0, 0.0], [0.1, 0.0], [0.0, 0.1], [9.0, 9.0]])
    sizes = np.ones((4, 2))
    moved = moved_apart(centres, sizes, np.full((4, 2), -5.0), np.full((4, 2), 9.0))
    for i in range(4):
        for j in range(i):
            assert (np.abs(moved[i] - moved[j]) >= 1 - 1e-9).any()
    np.testing.assert_array_equal(moved[3], [9, 9])
    assert np.abs(moved - centres).max() < 2
    two, expected = np.array([[0.5, 0.5], [0.0, 1.4]]), np.array([[0.5, 0.449], [0.0, 1.451]])
    for order in ([0, 1], [1, 0]):
        moved = moved_apart(two[order], sizes[:2], np.full((2, 2), -5.0), np.full((2, 2), 9.0))
        np.testing.assert_allclose(moved, expected[order])
    cluster = np.concatenate([np.random.default_rng(0).normal(5, 0.1, (50, 2)), np.zeros((9, 2))])
    assert np.abs(densest(cluster, 0.2) - 5).max() < 0.2


def test_missing_matplotlib_is_said(
    display: EmbeddingDisplay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r'pip install "knnc\[plot\]"'):
        display.plot()
    with pytest.raises(ImportError, match=r'pip install "knnc\[plot\]"'):
        display.save_animation(tmp_path / "a.gif")


def test_thumbnails_stand_in_the_places_of_their_rows(display: EmbeddingDisplay) -> None:
    n = len(display.embedding)
    images = np.arange(n * 4, dtype=np.uint8).reshape(n, 2, 2)
    drawn = EmbeddingDisplay(embedding=display.embedding, y=display.y).plot(thumbnails=images)
    places = np.array([image.get_extent() for image in drawn.ax_.images])
    assert 1 < len(places) <= n
    middles = np.column_stack([places[:, :2].mean(axis=1), places[:, 2:].mean(axis=1)])
    away = np.abs(middles[:, np.newaxis] - display.embedding).max(axis=2)
    assert away.min(axis=1).max() < 1e-4
    for image, row in zip(drawn.ax_.images, away.argmin(axis=1), strict=True):
        np.testing.assert_array_equal(image.get_array(), images[row])
    side = places[0, 1] - places[0, 0]
    apart = np.abs(middles[:, np.newaxis] - middles).max(axis=2) + np.eye(len(middles)) * side
    assert apart.min() >= side * 0.99
    with pytest.raises(ValueError, match="thumbnails: these numbers"):
        drawn.plot(thumbnails=images[1:])
