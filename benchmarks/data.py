"""The arrays: bytes as they come, and the floats that pipelines make of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

SEED = 20240229

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray | None]  # rows, queries, the rows' labels


class MissingDataError(RuntimeError):
    """A data set that is not on this machine and cannot be downloaded."""


def mnist() -> Arrays:
    from knnc.datasets import fetch_mnist

    train, test = fetch_mnist(), fetch_mnist(subset="test")
    return train.data, test.data, train.target


def fashion_mnist() -> Arrays:
    from knnc.datasets import fetch_fashion_mnist

    train, test = fetch_fashion_mnist(), fetch_fashion_mnist(subset="test")
    return train.data, test.data, train.target


def sift() -> Arrays:
    """SIFT descriptors of photos."""
    return (*split(load("sift_photos.npz")), None)


def load(name: str) -> np.ndarray:
    """The rows of a file in the data home."""
    from knnc.datasets import get_data_home

    path = Path(get_data_home()) / name
    if not path.exists():
        raise MissingDataError(f"{name} is not in the data home (KNNC_DATA_HOME)")
    with np.load(path) as file:
        return file["X"]


def split(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and 10,000 queries, which are drawn from them without replacement."""
    order = np.random.default_rng(SEED).permutation(len(rows))
    return rows[np.sort(order[10_000:])], rows[order[:10_000]]


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


def few_bytes(n: int, d: int) -> Arrays:
    """Random bytes of few features: many rows are equal."""
    return uniform(n, 10_000, d)


def gaussian(n: int, d: int) -> Arrays:
    """Noise without structure, float32, and 10,000 queries like it."""
    rows = np.random.default_rng(SEED).standard_normal((n + 10_000, d), dtype=np.float32)
    return rows[:n], rows[n:], None


def mnist_scaled(scaler: Any, dtype: type = np.float32) -> Arrays:
    """MNIST's pixels after a transformer that the training images fitted."""
    rows, queries, labels = mnist()
    rows = scaler.fit_transform(rows.astype(dtype))
    queries = scaler.transform(queries.astype(dtype))
    return np.ascontiguousarray(rows), np.ascontiguousarray(queries), labels


def standardised(dtype: type = np.float32) -> Arrays:
    """MNIST as StandardScaler leaves it."""
    from sklearn.preprocessing import StandardScaler

    return mnist_scaled(StandardScaler(), dtype)


def minmax() -> Arrays:
    """MNIST after MinMaxScaler, which divides every pixel by its own largest value."""
    from sklearn.preprocessing import MinMaxScaler

    return mnist_scaled(MinMaxScaler())


def unit_norm() -> Arrays:
    """MNIST's images divided by their norms."""
    from sklearn.preprocessing import Normalizer

    return mnist_scaled(Normalizer())


def pca50() -> Arrays:
    """MNIST's first 50 principal components."""
    from sklearn.decomposition import PCA

    return mnist_scaled(PCA(50, svd_solver="covariance_eigh"))


def mnist_as(dtype: type, factor: int = 1) -> Arrays:
    """MNIST's pixels times a factor, in another dtype."""
    rows, queries, labels = mnist()
    return rows.astype(dtype) * dtype(factor), queries.astype(dtype) * dtype(factor), labels


def flights() -> Arrays:
    """Flights and their weather, standardised."""
    from sklearn.preprocessing import StandardScaler

    rows, queries = split(load("flights.npz"))
    scaler = StandardScaler().fit(rows)
    return scaler.transform(rows), scaler.transform(queries), None


def text() -> Arrays:
    """Text embeddings as they come, not of norm 1, in float32."""
    return (*split(load("text_embeddings.npz").astype(np.float32)), None)


DATA: dict[str, Callable[[], Arrays]] = {
    "mnist": mnist,
    "fashion-mnist": fashion_mnist,
    "sift": sift,
    "random": random_bytes,
    "mnist-standardised": standardised,
    "mnist-standardised-float64": partial(standardised, np.float64),
    "mnist-minmax": minmax,
    "mnist-unit-norm": unit_norm,
    "mnist-pca50": pca50,
    "mnist-float32": partial(mnist_as, np.float32),
    "mnist-uint16": partial(mnist_as, np.uint16, 257),  # as image libraries widen 8 bits to 16
    "text": text,
    "flights": flights,
    **{f"gaussian-{d}": partial(gaussian, 100_000, d) for d in (2, 3, 8, 16, 128)},
    **{f"gaussian-1m-{d}": partial(gaussian, 1_000_000, d) for d in (2, 3)},
    **{f"bytes-1m-{d}": partial(few_bytes, 1_000_000, d) for d in (2, 3)},
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
