"""The work: what is asked of which data, and of whom. ``data`` has the arrays."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Workload:
    """k neighbours of each query, by these systems."""

    name: str
    title: str
    data: str
    systems: tuple[str, ...]
    kind: str = "batch"  # or another of worker.py's JOBS
    metric: str = "euclidean"
    k: int = 5  # where the kind has a radius: how many rows it takes on average
    n_rows: int | None = None  # None is all of them
    n_queries: int | None = None
    is_main: bool = True  # whether a quick run and the README have it too


KNNC = ("knnc", "knnc-pruned", "knnc-brute")
SKLEARN = ("sklearn-uint8", "sklearn-float32", "sklearnex")
SEARCH = (*KNNC, *SKLEARN, "faiss", "faiss-panorama", "usearch")

BYTES = (
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

# scikit-learn's and scikit-learn-intelex's best algorithm is found by trying.
BEST = ("sklearn-best", "sklearnex-best")
WIDE = ("knnc", *BEST, "faiss", "faiss-panorama", "usearch-float32")
NARROW = ("knnc", *BEST, "faiss", "scipy-kdtree", "pykdtree")


def batch(data: str, title: str, systems: tuple[str, ...], is_main: bool = False) -> Workload:
    """A search of all queries, k = 5, Euclidean, named as its data."""
    return Workload(data, title, data, systems, is_main=is_main)


MAIN_FLOATS = (
    batch("mnist-standardised", "MNIST after StandardScaler", WIDE, is_main=True),
    Workload("text-cosine", "Text embeddings, cosine distance", "text", WIDE, metric="cosine"),
)
FLOATS = (
    batch("mnist-standardised-float64", "MNIST after StandardScaler in float64", WIDE),
    batch("mnist-minmax", "MNIST after MinMaxScaler", WIDE),
    batch("mnist-unit-norm", "MNIST, images of norm 1", WIDE),
    batch("mnist-pca50", "MNIST, 50 principal components", WIDE),
    batch("mnist-uint16", "MNIST as 16-bit pixels", WIDE),
    batch("gaussian-128", "Gaussian noise, 128 features", WIDE),
    batch("gaussian-16", "Gaussian noise, 16 features", NARROW),
    batch("gaussian-8", "Gaussian noise, 8 features", NARROW),
    batch("gaussian-3", "Gaussian noise, 3 features", NARROW),
    batch("gaussian-2", "Gaussian noise, 2 features", NARROW),
    batch("flights", "Flights, standardised", NARROW),
    batch("gaussian-1m-3", "Gaussian noise, a million rows of 3 features", NARROW),
    batch("gaussian-1m-2", "Gaussian noise, a million rows of 2 features", NARROW),
    batch("bytes-1m-3", "Random bytes, a million rows of 3 features", NARROW),
    batch("bytes-1m-2", "Random bytes, a million rows of 2 features", NARROW),
    Workload(
        "mnist-standardised-manhattan",
        "MNIST after StandardScaler, Manhattan distance",
        "mnist-standardised",
        ("knnc", *BEST, "faiss-l1"),
        metric="manhattan",
        is_main=False,
    ),
    Workload(
        "mnist-standardised-latency",
        "MNIST after StandardScaler, one query at a time",
        "mnist-standardised",
        WIDE,
        kind="latency",
        n_queries=300,
        is_main=False,
    ),
    Workload(
        "text-latency",
        "Text embeddings, one query at a time",
        "text",
        WIDE,
        kind="latency",
        metric="cosine",
        n_queries=300,
        is_main=False,
    ),
    Workload(
        "mnist-standardised-grid-search",
        "MNIST, GridSearchCV of StandardScaler and classifier, 5 k x 2 weights x 5 folds",
        "mnist-float32",
        ("knnc", "sklearn-float32", "sklearnex"),
        kind="scaled-grid-search",
        n_rows=10_000,
        is_main=False,
    ),
)

WITHIN = ("knnc", "sklearn-float32", "faiss", "faiss-panorama")
RADIUS = tuple(
    Workload(
        f"{data}-{kind}",
        f"{title}, {what}",
        data,
        systems,
        kind=kind,
        k=20,
        n_rows=n_rows,
        is_main=False,
    )
    for data, title in (("mnist", "MNIST"), ("mnist-standardised", "MNIST after StandardScaler"))
    for kind, what, systems, n_rows in (
        ("radius", "all rows within a radius", WITHIN, None),
        ("dbscan", "DBSCAN", ("knnc", "sklearn-float32", "sklearnex"), 20_000),
    )
)

# A quick run may end before the last of the main ones.
WORKLOADS = (BYTES[0], *MAIN_FLOATS, *BYTES[1:], *FLOATS, *RADIUS)
