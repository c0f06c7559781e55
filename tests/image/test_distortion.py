"""The kernels of the image distortion model, and the order in which candidates come out."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knnc.engine.system.progress import ProgressCallback
from knnc.image import _distortion
from knnc.image._distortion import Gallery, rerank
from tests.engine.support import child_environment
from tests.image.oracle import idm_cost, shift_cost, tangent_distance
from tests.image.support import Bytes, draw_images

KERNELS = _distortion.all_idm_kernels()
# Of strips of 7 rows, and registers of 14 and 30 columns; one less and one more.
SHAPES = [(28, 28), (8, 8), (20, 20), (1, 1), (3, 50), (7, 30), (8, 31), (6, 61), (5, 14), (14, 15)]


@pytest.fixture(params=KERNELS)
def kernel(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if name not in _distortion.available_idm_kernels():
        pytest.skip(f"the kernel {name} cannot run on this CPU")
    return name


def distances(
    X: Bytes,
    Q: Bytes,
    shape: tuple[int, int],
    weights: dict[str, float],
    *,
    k: int | None = None,
    kernel: str | None = None,
    warp: int = 2,
    max_shift: int = 1,
    n_threads: int = 1,
    progress: ProgressCallback | None = None,
    root: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Every row of X a candidate of every query, with the features term 7 times its index."""
    gallery = Gallery(X, *shape, warp, weights, max_shift, n_threads, kernel, root)
    candidates = np.tile(np.arange(len(X)), (len(Q), 1))
    return rerank(gallery, Q, candidates, 7 * candidates, k or len(X), n_threads, progress)


def in_order(costs: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    ind = np.argsort(costs, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(costs, ind, axis=1), ind


def costs_of(
    Q: Bytes, X: Bytes, shape: tuple[int, int], warp: int = 2, *, root: bool = False
) -> np.ndarray:
    costs = [[idm_cost(q.reshape(shape), x.reshape(shape), warp, root=root) for x in X] for q in Q]
    return np.array(costs, dtype=float)


def images(seed: int, shape: tuple[int, int]) -> Bytes:
    """Noise, the largest gradients there are, blank images and twins."""
    X = np.concatenate(
        [
            draw_images(seed, 2, shape),
            draw_images(seed, 3, shape, "extremes"),
            draw_images(seed, 2, shape, "strokes"),
            np.zeros((1, shape[0] * shape[1]), np.uint8),
        ]
    )
    return np.concatenate([X, X[3:5]])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("warp", "root"), [(0, False), (1, False), (2, False), (3, False), (1, True)]
)
def test_every_shape_and_warp(kernel: str, shape: tuple[int, int], warp: int, root: bool) -> None:
    X, Q = images(1, shape), images(2, shape)[2:5]
    dist, ind = distances(X, Q, shape, {"idm": 1.0}, kernel=kernel, warp=warp, root=root)
    want_dist, want_ind = in_order(costs_of(Q, X, shape, warp, root=root), len(X))
    np.testing.assert_array_equal(dist, want_dist)
    np.testing.assert_array_equal(ind, want_ind)


def test_the_widest_warp(kernel: str) -> None:
    shape, warp = (9, 16), _distortion.MAX_WARP
    X, Q = images(1, shape), images(2, shape)[2:4]
    dist, _ = distances(X, Q, shape, {"idm": 1.0}, kernel=kernel, warp=warp)
    np.testing.assert_array_equal(dist, in_order(costs_of(Q, X, shape, warp), len(X))[0])


def test_the_dearest_match_there_is(kernel: str) -> None:
    """Rows and columns of opposite edges: no sum of 16 bits may wrap."""
    y, x = np.mgrid[:28, :28]
    pattern = np.where((x // 2 + y // 2) % 2 == 0, 255, 0).astype(np.uint8)
    X = np.stack([pattern, 255 - pattern, np.where(x // 2 % 2 == 0, 255, 0)])
    X = X.astype(np.uint8).reshape(3, -1)
    for warp, root in ((0, False), (2, False), (0, True)):
        dist, _ = distances(X, X, (28, 28), {"idm": 1.0}, kernel=kernel, warp=warp, root=root)
        want = costs_of(X, X, (28, 28), warp, root=root)
        np.testing.assert_array_equal(dist, in_order(want, 3)[0])


def test_early_abandon_changes_nothing(kernel: str) -> None:
    shape = (20, 20)
    X = np.concatenate([images(seed, shape) for seed in range(5)])
    Q = images(9, shape)
    want = costs_of(Q, X, shape) + 0.25 * costs_of(X, Q, shape).T
    for k in (1, 2, 3, 10, len(X)):
        dist, ind = distances(X, Q, shape, {"idm": 1.0, "idm_back": 0.25}, k=k, kernel=kernel)
        want_dist, want_ind = in_order(want, k)
        np.testing.assert_array_equal(ind, want_ind)
        np.testing.assert_array_equal(dist, want_dist)


@given(st.data())
def test_sums_of_terms(data: st.DataObject) -> None:
    """Each weight, none, one or several; all exact where the weights are."""
    shape = data.draw(st.sampled_from([(4, 4), (3, 6), (9, 5)]))
    values = st.sampled_from([0.0, 0.5, 1.0, 3.0])
    terms_of_integers = [name for name in _distortion.TERMS if not name.startswith("tangent")]
    weights = {name: data.draw(values, label=name) for name in terms_of_integers}
    warp, reach = data.draw(st.integers(0, 2)), data.draw(st.integers(0, 3))
    k = data.draw(st.integers(1, 10))
    X, Q = images(1, shape), images(2, shape)[:4]
    squares = (Q[:, np.newaxis].astype(float) - X) ** 2
    shifts = [[shift_cost(q.reshape(shape), x.reshape(shape), reach) for x in X] for q in Q]
    terms = {
        "features": np.tile(7.0 * np.arange(len(X)), (len(Q), 1)),
        "pixels": squares.sum(axis=2),
        "manhattan": np.sqrt(squares).sum(axis=2),
        "shift": np.array(shifts, dtype=float),
        "idm": costs_of(Q, X, shape, warp),
        "idm_back": costs_of(X, Q, shape, warp).T,
    }
    want = np.asarray(sum(weights[name] * terms[name] for name in terms))
    dist, ind = distances(X, Q, shape, weights, k=k, warp=warp, max_shift=reach)
    want_dist, want_ind = in_order(want, k)
    np.testing.assert_array_equal(dist, want_dist)
    np.testing.assert_array_equal(ind, want_ind)


@pytest.mark.parametrize("shape", [(28, 28), (8, 8), (5, 13), (6, 4)])
@pytest.mark.parametrize("both", [False, True])
def test_tangent_distance(shape: tuple[int, int], both: bool) -> None:
    X, Q = images(1, shape), images(2, shape)[:7]
    name = "tangent_both" if both else "tangent"
    dist, ind = distances(X, Q, shape, {name: 1.0})
    got = np.empty_like(dist)
    np.put_along_axis(got, ind, dist, axis=1)
    want = np.array(
        [[tangent_distance(q.reshape(shape), x.reshape(shape), both=both) for x in X] for q in Q]
    )
    scale = ((Q[:, np.newaxis].astype(float) - X) ** 2).sum(axis=2)
    np.testing.assert_allclose(got / (scale + 1), want / (scale + 1), atol=1e-6)
    assert (got <= scale).all()
    for k in (1, 4):
        few = distances(X, Q, shape, {name: 1.0, "idm": 0.1}, k=k, n_threads=3)
        whole = distances(X, Q, shape, {name: 1.0, "idm": 0.1})
        for some, every in zip(few, whole, strict=True):
            np.testing.assert_array_equal(some, every[:, :k])


def test_an_image_is_near_to_itself_moved_and_turned() -> None:
    from scipy import ndimage

    y, x = np.mgrid[-13.5:14, -13.5:14]
    image = (255 * np.exp(-((x / 3) ** 2) - (y / 7) ** 2)).astype(np.uint8)
    turned = ndimage.rotate(ndimage.shift(image, (0.3, 0.4), order=1), 3, reshape=False, order=1)
    X = turned.reshape(1, -1)
    for name in ("tangent", "tangent_both"):
        dist = distances(X, image.reshape(1, -1), (28, 28), {name: 1.0})[0][0, 0]
        assert dist < 0.2 * ((X.astype(float) - image.ravel()) ** 2).sum()


def test_threads_and_order_of_candidates_do_not_count() -> None:
    shape = (16, 16)
    X = np.concatenate([images(seed, shape) for seed in range(9)])
    Q = np.concatenate([images(seed, shape) for seed in (20, 21)])
    weights = {"idm": 0.3, "idm_back": 0.1, "features": 0.7}
    expected = distances(X, Q, shape, weights, k=4)
    for n_threads in (2, 3, 7):
        for got, want in zip(
            distances(X, Q, shape, weights, k=4, n_threads=n_threads), expected, strict=True
        ):
            np.testing.assert_array_equal(got, want)
    gallery = Gallery(X, *shape, 2, weights, 1, 1)
    candidates = np.tile(np.random.default_rng(1).permutation(len(X)), (len(Q), 1))
    shuffled = rerank(gallery, Q, candidates, 7 * candidates, 4, 2, None)
    for got, want in zip(shuffled, expected, strict=True):
        np.testing.assert_array_equal(got, want)


def test_progress_and_an_exception_from_it() -> None:
    X, Q = images(1, (28, 28)), np.repeat(images(2, (28, 28)), 200, axis=0)
    calls: list[tuple[int, int]] = []
    distances(X, Q, (28, 28), {"idm": 1.0}, progress=lambda *now: calls.append(now))
    assert calls[-1] == (len(Q), len(Q))
    assert calls == sorted(set(calls))

    def stop(done: int, total: int) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        distances(X, Q, (28, 28), {"idm": 1.0}, progress=stop)


def test_what_does_not_fit_is_refused() -> None:
    X = draw_images(1, 4, (4, 4))
    with pytest.raises(ValueError, match="height and width"):
        Gallery(X, 4, 5, 2, {"idm": 1.0}, 1, 1)
    with pytest.raises(ValueError, match="warp"):
        Gallery(X, 4, 4, 9, {"idm": 1.0}, 1, 1)
    with pytest.raises(ValueError, match="kernel 'x' cannot run"):
        Gallery(X, 4, 4, 2, {"idm": 1.0}, 1, 1, "x")
    gallery = Gallery(X, 4, 4, 2, {"idm": 1.0}, 1, 1)
    c = np.zeros((4, 2), np.int64)
    with pytest.raises(ValueError, match="queries"):
        rerank(gallery, X[:, :9].copy(), c, c, 1, 1, None)
    with pytest.raises(ValueError, match="fewer candidates"):
        rerank(gallery, X, c, c, 3, 1, None)


def test_the_best_kernel_runs_and_the_environment_can_leave_it_out() -> None:
    X = draw_images(1, 4, (4, 4))
    best = _distortion.available_idm_kernels()[0]
    assert Gallery(X, 4, 4, 2, {"idm": 1.0}, 1, 1).kernel == best
    program = "from knnc.image import _distortion as d; print(*d.available_idm_kernels())"
    said = subprocess.run(
        [sys.executable, "-c", program],
        env=child_environment(KNNC_DISABLE_CPU_FEATURES="avx2,neon"),
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert said.stdout.split() == ["idm_i8_serial"]
