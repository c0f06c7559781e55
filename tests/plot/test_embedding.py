"""The embedding by knnc's graph: scikit-learn's, watched; its picture and its animation."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from sklearn.manifold import TSNE
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

import knnc
from knnc.image import Blur, DistortionKNeighborsClassifier
from knnc.plot import EmbeddingDisplay
from knnc.plot._embedding import _moments
from knnc.plot._labels import densest, moved_apart
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


def test_without_labels(display: EmbeddingDisplay) -> None:
    plain = EmbeddingDisplay(embedding=display.embedding).plot()
    assert len(plain.points_) == 1
    assert len(plain.ax_.texts) == 0
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


def test_moments_are_closer_where_a_phase_begins() -> None:
    assert _moments(0, 750) == []
    moments = _moments(40, 750)
    assert moments[0] == 1
    assert moments[-1] == 750
    assert 30 < len(moments) <= 40
    assert np.searchsorted(moments, 25) > 5
    assert np.searchsorted(moments, 270) - np.searchsorted(moments, 230) > 5
    assert _moments(10, 250)[-1] == 250


def test_by_an_estimator(digits: Any) -> None:
    X, y = digits.X[:100], digits.y[:100]
    pipe = make_pipeline(Blur(), knnc.KNeighborsClassifier(metric="sqeuclidean")).fit(X, y)
    options: dict[str, Any] = {"perplexity": 5, "max_iter": 250}
    with threadpool_limits(1):
        display = EmbeddingDisplay.from_estimator(pipe, X, y, **options)
        same = EmbeddingDisplay.from_rows(Blur().fit_transform(X), y, **options)
    np.testing.assert_array_equal(display.embedding, same.embedding)
    strokes = DistortionKNeighborsClassifier(n_candidates=5).fit(X, y)
    with pytest.raises(TypeError, match="compares rows by no distance that has a name"):
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
