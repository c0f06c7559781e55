"""The work: data sets, and what is asked of them by whom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SEED = 20240229

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray | None]  # rows, queries, the rows' labels


class MissingDataError(RuntimeError):
    """A data set that is not on this machine and cannot be downloaded."""


@dataclass(frozen=True)
class Workload:
    """k neighbours of each query, by these systems."""

    name: str
    title: str
    data: str
    systems: tuple[str, ...]
    kind: str = "batch"  # or "latency", "self-join", "grid-search": see worker.py
    metric: str = "euclidean"
    k: int = 5
    n_rows: int | None = None  # None is all of them
    n_queries: int | None = None


def mnist() -> Arrays:
    from knnc.datasets import fetch_mnist

    train, test = fetch_mnist(), fetch_mnist(subset="test")
    return train.data, test.data, train.target


def fashion_mnist() -> Arrays:
    from knnc.datasets import fetch_fashion_mnist

    train, test = fetch_fashion_mnist(), fetch_fashion_mnist(subset="test")
    return train.data, test.data, train.target


def sift() -> Arrays:
    """SIFT descriptors of photos; 10,000 of them, drawn without replacement, are the queries."""
    from knnc.datasets import get_data_home

    path = Path(get_data_home()) / "sift_photos.npz"
    if not path.exists():
        raise MissingDataError("sift_photos.npz is not in the data home (KNNC_DATA_HOME)")
    with np.load(path) as file:
        rows = file["X"]
    order = np.random.default_rng(SEED).permutation(len(rows))
    return rows[np.sort(order[10_000:])], rows[order[:10_000]], None


def random_bytes() -> Arrays:
    return uniform(50_000, 2_000, 784)


def uniform(n: int, n_queries: int, d: int) -> Arrays:
    """Every byte as likely as every other: nothing can be pruned."""
    rng = np.random.default_rng(SEED)
    rows = rng.integers(0, 256, (n + n_queries, d), dtype=np.uint8)
    return rows[:n], rows[n:], None


def low_rank(n: int, n_queries: int, d: int) -> Arrays:
    """Sixteen hidden numbers a row, mixed linearly, with some noise: as images are, roughly."""
    rng = np.random.default_rng(SEED)
    mix = rng.standard_normal((16, d), dtype=np.float32) * (48 / 4)
    rows = np.empty((n + n_queries, d), dtype=np.uint8)
    for begin in range(0, len(rows), 10_000):
        part = rows[begin : begin + 10_000]
        hidden = rng.standard_normal((len(part), 16), dtype=np.float32)
        noise = rng.standard_normal(part.shape, dtype=np.float32) * 8
        part[:] = np.clip(np.rint(128 + hidden @ mix + noise), 0, 255)
    return rows[:n], rows[n:], None


DATA: dict[str, Callable[[], Arrays]] = {
    "mnist": mnist,
    "fashion-mnist": fashion_mnist,
    "sift": sift,
    "random": random_bytes,
}


def prepare(name: str, make: Callable[[], Arrays], folder: Path) -> Path:
    """The arrays of a data set as files that every process loads; their folder.

    The queries are shuffled, by a fixed seed, so that the first n of them are a fair sample.
    """
    folder = folder / name
    if not folder.exists():
        rows, queries, labels = make()
        folder.mkdir(parents=True)
        order = np.random.default_rng(SEED).permutation(len(queries))
        np.save(folder / "X.npy", rows)
        np.save(folder / "Q.npy", queries[order])
        if labels is not None:
            np.save(folder / "y.npy", labels)
    return folder


KNNC = ("knnc", "knnc-pruned", "knnc-brute")
SKLEARN = ("sklearn-uint8", "sklearn-float32", "sklearnex")
SEARCH = (*KNNC, *SKLEARN, "faiss", "faiss-panorama", "usearch")

WORKLOADS = (
    Workload("mnist", "MNIST", "mnist", (*SEARCH, "hnswlib")),
    Workload(
        "mnist-latency",
        "MNIST, one query at a time",
        "mnist",
        (*SEARCH, "sklearn-kdtree", "sklearn-balltree", "hnswlib"),
        kind="latency",
        n_queries=300,
    ),
    Workload(
        "mnist-manhattan",
        "MNIST, Manhattan distance",
        "mnist",
        (*KNNC, *SKLEARN, "faiss-l1"),
        metric="manhattan",
    ),
    Workload(
        "mnist-chebyshev",
        "MNIST, Chebyshev distance",
        "mnist",
        ("knnc", *SKLEARN, "faiss-linf"),
        metric="chebyshev",
    ),
    Workload(
        "mnist-hamming",
        "MNIST, the share of pixels that differ",
        "mnist",
        ("knnc", "sklearn-uint8", "sklearn-float32"),
        metric="hamming",
    ),
    Workload("fashion-mnist", "Fashion-MNIST", "fashion-mnist", SEARCH),
    Workload("sift", "SIFT of photos", "sift", SEARCH),
    Workload("random", "Uniform random bytes", "random", SEARCH),
    Workload(
        "mnist-self-join",
        "MNIST, the rows against themselves",
        "mnist",
        SEARCH,
        kind="self-join",
        k=10,
    ),
    Workload(
        "mnist-grid-search",
        "MNIST, GridSearchCV over 5 k x 2 weights x 5 folds",
        "mnist",
        ("knnc", "knnc-brute", *SKLEARN),
        kind="grid-search",
        n_rows=10_000,
    ),
)
