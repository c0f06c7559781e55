"""scikit-learn's search in pieces gives what it gives in one; it can be watched and stopped."""

from __future__ import annotations

import signal
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import sklearn
import sklearn.neighbors
from scipy.sparse import csr_array

import knnc
from knnc import _compat
from knnc.neighbors import fallback
from tests.neighbors.support import any_bytes, assert_same, assert_same_error, few_values, twins


def _numbers(seed: int, n: int, d: int, *, ties: bool) -> np.ndarray:
    """Rows that no bytes stand for: of few values, so that ties abound, or of many."""
    if ties:
        return few_values(seed, n, d) + 0.5
    return np.random.default_rng(seed).normal(size=(n, d))


SEARCHES: dict[str, dict[str, Any]] = {
    "sparse euclidean": {"algorithm": "brute"},
    "auto": {"p": 3},
    "kd_tree": {"algorithm": "kd_tree"},
    "ball_tree": {"algorithm": "ball_tree", "metric": "chebyshev"},
    "two jobs": {"algorithm": "kd_tree", "n_jobs": 2},
    "canberra": {"algorithm": "brute", "metric": "canberra"},
    "p=3": {"algorithm": "brute", "p": 3},
    "correlation": {"metric": "correlation"},
    "braycurtis": {"metric": "braycurtis", "algorithm": "brute"},
    "seuclidean": {"metric": "seuclidean", "metric_params": {"V": np.arange(1.0, 5.0)}},
    "sparse float32": {"algorithm": "brute"},
    "integers": {"algorithm": "brute", "p": 3},
    "mixed dtypes": {"algorithm": "brute", "p": 3},
    "sparse": {"algorithm": "brute", "metric": "manhattan"},
    "sparse cosine": {"metric": "cosine"},
}


def _rows_for(name: str, n: int, q: int) -> tuple[Any, Any]:
    """Rows to fit and queries, of the kind that a case is named for; every other one has ties."""
    X, Q = _numbers(1, n, 4, ties=False), _numbers(2, q, 4, ties=False)
    X[::2], Q[::2] = _numbers(1, n, 4, ties=True)[::2], _numbers(2, q, 4, ties=True)[::2]
    if name == "integers":
        return (X * 600).astype(np.int64), (Q * 600).astype(np.int64)
    if name == "mixed dtypes":
        return X.astype(np.float32), Q
    if name == "sparse float32":
        return csr_array(X.astype(np.float32)), csr_array(Q.astype(np.float32))
    if name == "sparse euclidean":
        return csr_array(X), csr_array(Q)
    if name.startswith("sparse"):
        return csr_array(X.round()), csr_array(Q.round())
    return X, Q


@contextmanager
def _counted(total: int) -> Iterator[list[int]]:
    """What is reported to be done, which has to grow up to a total."""
    done: list[int] = []
    with knnc.progress(lambda so_far, n: done.append(so_far) or _equal(n, total)):
        yield done
    assert done == sorted(done)
    assert done[-1] == total


def _equal(got: int, expected: int) -> None:
    assert got == expected


@pytest.fixture
def pieces(monkeypatch: pytest.MonkeyPatch) -> list[slice]:
    """The pieces that were searched, which are as small as the search allows."""
    seen: list[slice] = []
    reported = fallback._reported

    def noted(some, total):
        for piece in reported(some, total):
            seen.append(piece)
            yield piece

    def small(n_queries, multiple_of, elements):
        return fallback._even_pieces(n_queries, multiple_of * -(-97 // multiple_of))

    monkeypatch.setattr(fallback, "_timed_pieces", small)
    monkeypatch.setattr(fallback, "_reported", noted)
    return seen


FUSED = ("sparse euclidean", "canberra", "sparse float32")
# Divided by rows, by queries, and few rows.
SHAPES = ((3000, 700), (2200, 2100), (150, 1300))
CASES = [(name, shape) for name in SEARCHES for shape in SHAPES if name in FUSED] + [
    (name, (900, 700)) for name in SEARCHES if name not in FUSED
]


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_pieces_are_bit_for_bit_the_whole(name, shape, pieces) -> None:
    """Ties included: the threads split the work as they would for all queries at once."""
    X, Q = _rows_for(name, *shape)
    ours, theirs = twins(n_neighbors=6, **SEARCHES[name])
    # So little memory that scikit-learn itself cuts what it does not fuse.
    with sklearn.config_context(working_memory=1):
        ours.fit(X)
        theirs.fit(X)
        assert ours.engine_ == "sklearn"
        for queries in (Q, Q[:1], None):
            expected = theirs.kneighbors(queries)
            with _counted(len(expected[1])) as done:
                got = ours.kneighbors(queries)
            np.testing.assert_array_equal(got[1], expected[1], strict=True)
            np.testing.assert_array_equal(got[0], expected[0], strict=True)
            np.testing.assert_array_equal(
                ours.kneighbors(queries, return_distance=False), expected[1]
            )
            assert len(done) > 1 or queries is not Q
            fused = _compat.argkmin_block(theirs, X if queries is None else queries)
            assert fused is None or all(piece.start % fused[1] == 0 for piece in pieces)
            pieces.clear()


@pytest.mark.parametrize(
    ("metric", "n_queries", "expected"),
    [
        ("canberra", 7, [3, 4]),  # few: on both threads
        ("canberra", 513, [513]),  # many: scikit-learn divides them itself
        ("euclidean", 7, [7]),  # a matrix product rounds by its shape
    ],
)
def test_few_queries_of_a_slow_metric_are_divided(
    metric: str, n_queries: int, expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    X, Q = _numbers(1, 300, 4, ties=False), _numbers(2, n_queries, 4, ties=False)
    view = sklearn.neighbors.NearestNeighbors(algorithm="brute", metric=metric).fit(X)
    sizes: list[int] = []
    argkmin = _compat.argkmin

    def noted(view: Any, queries: Any, k: int, strategy: str) -> Any:
        sizes.append(len(queries))
        return argkmin(view, queries, k, strategy)

    monkeypatch.setattr(_compat, "argkmin", noted)
    monkeypatch.setattr(_compat, "n_threads", lambda: 2)
    got = fallback._search_fused(view, Q, 3, "parallel_on_X")
    assert sorted(sizes) == expected
    assert_same(got, view.kneighbors(Q, 3))


def test_a_sparse_graph_of_distances_ends_with_all_done() -> None:
    """scikit-learn looks them up at once, and no piece of it says how far it is."""
    X, Q = _numbers(1, 40, 4, ties=False), _numbers(2, 30, 4, ties=False)
    rows = sklearn.neighbors.NearestNeighbors(n_neighbors=9).fit(X)
    ours, theirs = twins(n_neighbors=3, metric="precomputed")
    square = rows.kneighbors_graph(mode="distance")
    ours.fit(square)
    theirs.fit(square)
    graph = rows.kneighbors_graph(Q, mode="distance")
    with _counted(30) as done:
        got = ours.kneighbors(graph)
    assert done == [30]
    for ours_is, theirs_is in zip(got, theirs.kneighbors(graph), strict=True):
        np.testing.assert_array_equal(ours_is, theirs_is, strict=True)


def test_the_strategy_is_the_one_scikit_learn_takes_for_all() -> None:
    view = sklearn.neighbors.NearestNeighbors(algorithm="brute").fit(np.zeros((3000, 2)))
    n_threads = _compat.n_threads()
    with sklearn.config_context(pairwise_dist_chunk_size=64):
        many = 4 * 64 * n_threads
        few = _compat.argkmin_block(view, np.zeros((many, 2)))
        more = _compat.argkmin_block(view, np.zeros((many + 1, 2)))
    if many < 3000:
        assert few == ("parallel_on_Y", 64)
        assert more == ("parallel_on_X", 64 * n_threads)
    assert _compat.argkmin_block(view, np.zeros((3001, 2)))[0] == "parallel_on_X"
    assert _compat.argkmin_block(view, np.zeros((9, 2), dtype=np.float32)) is None
    assert _compat.argkmin_block(view.set_params(algorithm="kd_tree").fit([[0], [1]]), None) is None


@pytest.mark.parametrize("metric", ["braycurtis", "canberra"])
def test_pieces_of_a_slow_metric_begin_with_one_query(metric: str) -> None:
    """256 queries of 784 features on 20,000 rows took ten seconds before the first report."""
    X, Q = _numbers(1, 300, 450, ties=True), _numbers(2, 500, 450, ties=True)
    for rows, queries in ((X, Q), (Q, X)):  # divided by queries, and by rows
        ours, theirs = twins(n_neighbors=3, algorithm="brute", metric=metric)
        done: list[int] = []
        with knnc.progress(lambda count, total, done=done: done.append(count)):
            got = ours.fit(rows).kneighbors(queries)
        assert done[0] <= _compat.n_threads()
        assert done[-1] == len(queries)
        for ours_is, theirs_is in zip(got, theirs.fit(rows).kneighbors(queries), strict=True):
            np.testing.assert_array_equal(ours_is, theirs_is, strict=True)


RADII = {
    "sparse euclidean": 1.5,
    "kd_tree": 1.5,
    "two jobs": 1.5,
    "sparse float32": 1.5,
    "canberra": 2.5,
    "p=3": 1.5,
    "integers": 900.0,
    "mixed dtypes": 1.5,
    "correlation": 0.02,
    "sparse": 2.5,
}


def _assert_same_arrays(got: Any, expected: Any, *, distances: bool) -> None:
    parts = zip(got, expected, strict=True) if distances else [(got, expected)]
    for ours, theirs in parts:
        assert ours.dtype == theirs.dtype == object
        assert ours.shape == theirs.shape
        for own, their in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(own, their, strict=True)


@pytest.mark.parametrize("name", RADII)
def test_radius_in_pieces(name: str, pieces) -> None:
    """Bit for bit and in the order of scikit-learn's answer to all queries, leave-one-out too."""
    X, Q = _rows_for(name, 400, 900)
    ours, theirs = twins(radius=RADII[name], **SEARCHES[name])
    with sklearn.config_context(working_memory=1):
        ours.fit(X)
        theirs.fit(X)
        assert ours.engine_ == "sklearn"
        for queries in (Q, None):
            n_queries = 400 if queries is None else 900
            for options in ({}, {"sort_results": True}, {"return_distance": False}):
                with _counted(n_queries) as done:
                    got = ours.radius_neighbors(queries, **options)
                expected = theirs.radius_neighbors(queries, **options)
                _assert_same_arrays(got, expected, distances=options.get("return_distance", True))
                assert len(done) > 1
            graphs = [nn.radius_neighbors_graph(queries, mode="distance") for nn in (ours, theirs)]
            assert (graphs[0] != graphs[1]).nnz == 0


@pytest.mark.parametrize("leave_out", [False, True])
def test_a_radius_for_each_query(leave_out: bool, pieces) -> None:
    """Trees take it; brute force does not, nor do trees one of another length."""
    X, Q = _numbers(1, 400, 3, ties=True), _numbers(2, 900, 3, ties=True)
    queries, n = (None, 400) if leave_out else (Q, 900)
    radius = np.linspace(0, 3, n)
    ours, theirs = (nn.fit(X) for nn in twins(algorithm="kd_tree"))
    with _counted(n) as done:
        got = ours.radius_neighbors(queries, radius)
    _assert_same_arrays(got, theirs.radius_neighbors(queries, radius), distances=True)
    assert len(done) > 1
    brute = [nn.fit(X) for nn in twins(algorithm="brute", p=3)]
    for (us, them), bad in (((ours, theirs), np.ones(7)), (brute, radius)):
        assert_same_error(
            lambda nn=us, r=bad: nn.radius_neighbors(queries, r),
            lambda nn=them, r=bad: nn.radius_neighbors(queries, r),
        )


@pytest.mark.parametrize(
    ("cls", "weights"),
    [
        (knnc.RadiusNeighborsClassifier, "uniform"),
        (knnc.RadiusNeighborsClassifier, "distance"),
        (knnc.RadiusNeighborsRegressor, "distance"),
    ],
)
@pytest.mark.parametrize("name", RADII)
def test_votes_within_a_radius_in_pieces(cls: type, name: str, weights: str, pieces) -> None:
    """scikit-learn counts classes in its fused search where it can: the same shares."""
    X, Q = _rows_for(name, 400, 900)
    y = np.arange(400) % 3
    options = {"outlier_label": 0} if cls is knnc.RadiusNeighborsClassifier else {}
    ours, theirs = twins(cls, radius=RADII[name], weights=weights, **SEARCHES[name], **options)
    with sklearn.config_context(working_memory=1), warnings.catch_warnings(action="ignore"):
        ours.fit(X, y)
        theirs.fit(X, y * 1.0)
        assert ours.engine_ == "sklearn"
        for method in ("predict", "predict_proba"):
            for queries in (Q, None) if hasattr(ours, method) else ():
                with _counted(400 if queries is None else 900) as done:
                    got = getattr(ours, method)(queries)
                np.testing.assert_array_equal(got, getattr(theirs, method)(queries))
                assert len(done) > 1


def test_outliers_of_the_fused_count_of_classes() -> None:
    """scikit-learn takes the outlier label for a class's position there, and checks no query."""
    X, y = np.array([[0.5], [1.5], [9.5]]), np.array([1, 5, 5])
    far, near = np.array([[0.5], [50.0], [60.0]]), np.array([[0.6], [9.0]])
    made = {"radius": 1.0, "p": 3, "algorithm": "brute"}
    for label, shares, predicted in (
        (1, [1.0, 0.0], 1),
        (5, [0.0, 1.0], 5),
        ("most_frequent", [0.0, 1.0], 5),
        (7, [0.0, 0.0], 7),
    ):
        clf = knnc.RadiusNeighborsClassifier(**made, outlier_label=label).fit(X, y)
        assert _compat.can_count_classes(clf, far)
        np.testing.assert_array_equal(clf.predict_proba(near), [[0.5, 0.5], [0.0, 1.0]])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore" if label == 7 else "error")
            np.testing.assert_array_equal(clf.predict_proba(far), [[0.5, 0.5], shares, shares])
            np.testing.assert_array_equal(clf.predict(far), [1, predicted, predicted])
        if label == 7:
            with pytest.warns(UserWarning, match="Outlier label 7 is not in") as heard:
                clf.predict_proba(far)
            assert heard[0].filename == __file__
        for bad in (far[:0], far.T.copy(), far[0], far * np.nan):
            with pytest.raises(ValueError, match=r"0 sample|3 features|1D array|NaN"):
                clf.predict(bad)
    ours, theirs = twins(knnc.RadiusNeighborsClassifier, **made)
    got = assert_same_error(
        lambda: ours.fit(X, y).predict(far), lambda: theirs.fit(X, y).predict(far)
    )
    assert "[1, 2]" in got.text


@pytest.mark.parametrize("kind", ["p=3", "kd_tree", "cosine", "float", "integer", "mixed", "odd"])
def test_progress(kind: str) -> None:
    X, Q = any_bytes(1, 900, 20), any_bytes(2, 3000, 20).astype(np.float64)
    parameters: dict[str, Any] = {
        "kd_tree": {"algorithm": "kd_tree"},
        "cosine": {"metric": "cosine"},
        "p=3": {"p": 3, "algorithm": "brute"},
    }.get(kind, {"algorithm": "brute"})
    fit = X + 0.5 if kind in ("p=3", "float") else X
    if kind == "odd":
        Q += 0.5
    elif kind == "mixed":
        Q[::2] += 0.5
    nn = knnc.NearestNeighbors(**parameters).fit(fit)
    for queries in (Q, None):
        seen: list[tuple[int, int]] = []
        with knnc.progress(lambda done, total, seen=seen: seen.append((done, total))):
            answer = nn.kneighbors(queries)
        total = 900 if queries is None else 3000
        assert seen[-1] == (total, total)
        assert all(t == total for _, t in seen)
        done = [d for d, _ in seen]
        assert done == sorted(done)
        assert done[0] > 0
        assert_same(nn.kneighbors(queries), answer)
        if queries is Q and kind in ("p=3", "kd_tree", "mixed"):
            assert len(seen) > 1


@pytest.mark.parametrize("kind", ["brute", "kd_tree", "odd"])
def test_a_callback_can_end_it(kind: str) -> None:
    class Enough(Exception):
        pass

    def stop(done: int, total: int) -> None:
        raise Enough

    X, Q = any_bytes(1, 900, 20), any_bytes(2, 3000, 20) + 0.5
    nn = knnc.NearestNeighbors(algorithm="brute" if kind == "odd" else kind)
    nn.fit(X if kind == "odd" else X + 0.25)
    with knnc.progress(stop), pytest.raises(Enough):
        nn.kneighbors(Q)
    assert nn.kneighbors(Q[:3])[0].shape == (3, 5)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A shell starts what runs in its background with SIGINT ignored; here it is heard."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs POSIX signals")
@pytest.mark.parametrize("kind", ["brute", "ball_tree", "odd"])
def test_ctrl_c_stops_it(kind: str, interruptible: None) -> None:
    """Between pieces: long before the work is done."""
    X, Q = any_bytes(1, 20_000, 64), any_bytes(2, 60_000, 64) + 0.5
    nn = knnc.NearestNeighbors(algorithm="brute" if kind == "odd" else kind)
    nn.fit(X if kind == "odd" else X + 0.25)
    main = threading.main_thread().ident
    done: list[int] = []
    began = threading.Event()

    def interrupt() -> None:
        began.wait()
        time.sleep(0.1)
        signal.pthread_kill(main, signal.SIGINT)

    def note(so_far: int, total: int) -> None:
        done.append(so_far)
        began.set()

    thread = threading.Thread(target=interrupt)
    thread.start()
    with knnc.progress(note), pytest.raises(KeyboardInterrupt):
        nn.kneighbors(Q)
    thread.join()
    assert 0 < done[-1] < len(Q) // 2
    assert nn.kneighbors(Q[:2])[1].shape == (2, 5)


def test_pieces_take_about_a_tenth_of_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock that ticks 1 ms a query: pieces of 100 soon, in multiples of what is asked."""
    now = [0.0]
    monkeypatch.setattr(fallback, "perf_counter", lambda: now[0])
    for multiple_of, expected in ((1, 100), (64, 64), (512, 512)):
        sizes = []
        for piece in fallback._timed_pieces(10_000, multiple_of):
            sizes.append(piece.stop - piece.start)
            now[0] += 1e-3 * sizes[-1]
        assert sum(sizes) == 10_000
        assert all(size % multiple_of == 0 for size in sizes[:-1])
        assert sizes[0] == multiple_of, "how long one takes is not known yet"
        assert all(abs(size - expected) <= 1 for size in sizes[4:-1])


def test_little_work_is_one_piece() -> None:
    seen: list[Any] = []
    for algorithm in ("kd_tree", "brute"):
        nn = knnc.NearestNeighbors(algorithm=algorithm).fit(_numbers(1, 150, 4, ties=True))
        with knnc.progress(lambda *so_far: seen.append(so_far)):
            assert len(nn.kneighbors()[1]) == len(nn.radius_neighbors()[1])
    assert seen == [(150, 150)] * 4
