"""The systems that are compared: knnc and the peers, each in its best exact configuration.

A system is made in a process of its own (``worker.py``), which is where its library is imported.
Every class has the same four verbs: ``variants`` (the configurations worth trying, the best guess
first), ``prepare`` (the arrays in the dtype it likes best, made before the clock starts), ``fit``
and ``search``. ``search`` returns ``(dist, ind)`` as the library does.
"""

from __future__ import annotations

import os
from importlib.metadata import version
from typing import Any

import numpy as np

Config = dict[str, Any]


def n_cpus() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class System:
    """What is common; a subclass says what differs."""

    label: str
    distribution: str  # as pip knows it
    is_peer = True
    metrics: tuple[str, ...] = ("euclidean",)
    dtype = "uint8"
    # "integer": the rows returned are the very rows of the reference; "exact": their distances
    # are, ties may be resolved otherwise; "float32": their distances are to float32 rounding.
    arithmetic = "exact"
    squared = False  # whether the distances returned are squared ones
    finds_itself = True  # a row among the answers to itself, which the self-join has to remove
    trying = False  # while variants are tried: what they share may be kept between two fits

    def __init__(self, metric: str, k: int) -> None:
        self.metric = metric
        self.k = k

    @property
    def version(self) -> str:
        return version(self.distribution)

    def variants(self, kind: str, d: int) -> list[Config]:
        """The configurations worth trying on this kind of work."""
        return [{}]

    def describe(self, config: Config) -> str:
        return ", ".join([self.dtype, *(f"{name} {value}" for name, value in config.items())])

    def prepare(self, rows: np.ndarray, config: Config) -> np.ndarray:
        return rows if self.dtype == "uint8" else rows.astype(self.dtype)

    def fit(self, rows: np.ndarray, config: Config) -> None:
        raise NotImplementedError

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        raise NotImplementedError

    def classifier(self) -> Any:
        """An unfitted estimator for the grid search."""
        raise NotImplementedError


class Knnc(System):
    distribution = "knnc"
    is_peer = False
    metrics = ("euclidean", "manhattan", "chebyshev", "hamming")
    arithmetic = "integer"
    finds_itself = False
    algorithm: str

    def __init__(self, metric: str, k: int) -> None:
        super().__init__(metric, k)
        # Now, not when fit is timed: knnc imports what it names when it is first asked for.
        from knnc import KNeighborsClassifier, NearestNeighbors

        self._neighbors, self._classifier = NearestNeighbors, KNeighborsClassifier

    def describe(self, config: Config) -> str:
        return f'uint8, algorithm="{self.algorithm}"'

    def fit(self, rows: np.ndarray, config: Config) -> None:
        self._model = self._neighbors(
            n_neighbors=self.k, algorithm=self.algorithm, metric=self.metric
        ).fit(rows)
        if self._model.engine_ != "integer":
            raise RuntimeError(f"knnc chose the engine {self._model.engine_!r} for uint8 rows")

    def search(self, queries: np.ndarray | None, k: int) -> tuple[np.ndarray, np.ndarray]:
        return self._model.kneighbors(queries, k)

    def classifier(self) -> Any:
        return self._classifier(algorithm=self.algorithm)


class KnncAuto(Knnc):
    label = "knnc"
    algorithm = "auto"


class KnncBrute(Knnc):
    label = "knnc, brute force"
    algorithm = "brute"


class KnncPruned(Knnc):
    label = "knnc, pruned"
    algorithm = "pruned"


class ScikitLearn(System):
    label = "scikit-learn, uint8"
    distribution = "scikit-learn"
    metrics = ("euclidean", "manhattan", "chebyshev", "hamming")
    algorithm = "brute"

    def __init__(self, metric: str, k: int) -> None:
        super().__init__(metric, k)
        from sklearn import neighbors

        self._module = neighbors

    def describe(self, config: Config) -> str:
        return f'{self.dtype}, algorithm="{self.algorithm}"'

    def fit(self, rows: np.ndarray, config: Config) -> None:
        self._model = self._module.NearestNeighbors(
            n_neighbors=self.k, algorithm=self.algorithm, metric=self.metric
        ).fit(rows)

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        return self._model.kneighbors(queries, k)

    def classifier(self) -> Any:
        return self._module.KNeighborsClassifier(algorithm=self.algorithm)


class ScikitLearnFloat32(ScikitLearn):
    label = "scikit-learn, float32"
    dtype = "float32"


class ScikitLearnKDTree(ScikitLearn):
    label = "scikit-learn, k-d tree"
    dtype = "float64"  # what the tree would convert to
    algorithm = "kd_tree"


class ScikitLearnBallTree(ScikitLearnKDTree):
    label = "scikit-learn, ball tree"
    algorithm = "ball_tree"


class ScikitLearnIntelex(ScikitLearn):
    label = "scikit-learn-intelex"
    distribution = "scikit-learn-intelex"
    dtype = "float32"
    arithmetic = "float32"

    def __init__(self, metric: str, k: int) -> None:
        from sklearnex import patch_sklearn

        patch_sklearn(verbose=False)
        super().__init__(metric, k)
        if not self._module.NearestNeighbors.__module__.startswith("sklearnex"):
            raise ImportError("scikit-learn-intelex did not patch scikit-learn's NearestNeighbors")


class FaissFlat(System):
    """IndexFlat. For one query at a time its thread pool and its choice of BLAS are tried too."""

    label = "FAISS IndexFlatL2"
    distribution = "faiss-cpu"
    dtype = "float32"
    arithmetic = "float32"
    squared = True

    def __init__(self, metric: str, k: int) -> None:
        super().__init__(metric, k)
        import faiss

        self._faiss = faiss

    def variants(self, kind: str, d: int) -> list[Config]:
        if kind == "latency":
            return [
                {"threads": threads, "BLAS from queries": blas}
                for threads in sorted({1, n_cpus()})
                for blas in (0, 20)
            ]
        return [{"rows a block": rows} for rows in (1024, 4096)]

    def _configure(self, config: Config) -> None:
        faiss = self._faiss
        if "threads" in config:
            faiss.omp_set_num_threads(config["threads"])
        faiss.cvar.distance_compute_blas_threshold = config.get("BLAS from queries", 20)
        faiss.cvar.distance_compute_blas_database_bs = config.get("rows a block", 1024)

    def fit(self, rows: np.ndarray, config: Config) -> None:
        self._configure(config)
        self._index = self._faiss.IndexFlatL2(rows.shape[1])
        self._index.add(rows)

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        return self._index.search(queries, k)


class FaissL1(FaissFlat):
    label = "FAISS METRIC_L1"
    metrics = ("manhattan",)
    squared = False

    def variants(self, kind: str, d: int) -> list[Config]:
        return [{}]

    def fit(self, rows: np.ndarray, config: Config) -> None:
        self._index = self._faiss.IndexFlat(rows.shape[1], self._faiss.METRIC_L1)
        self._index.add(rows)


class FaissLinf(FaissL1):
    label = "FAISS METRIC_Linf"
    metrics = ("chebyshev",)

    def fit(self, rows: np.ndarray, config: Config) -> None:
        self._index = self._faiss.IndexFlat(rows.shape[1], self._faiss.METRIC_Linf)
        self._index.add(rows)


class FaissPanorama(FaissFlat):
    """IndexFlatL2Panorama after a PCA that keeps all dimensions, its levels and batch tried."""

    label = "FAISS IndexFlatL2Panorama"

    def __init__(self, metric: str, k: int) -> None:
        super().__init__(metric, k)
        if not hasattr(self._faiss, "IndexFlatL2Panorama"):
            raise ImportError(f"faiss-cpu {self.version} has no IndexFlatL2Panorama")
        self._trained: tuple[Any, np.ndarray] | None = None

    def variants(self, kind: str, d: int) -> list[Config]:
        levels = list(dict.fromkeys(max(1, round(d / width)) for width in (28, 56, 14, 112)))
        threads = sorted({1, n_cpus()}) if kind == "latency" else [n_cpus()]
        return [
            {"levels": n, "batch": batch, "threads": t}
            for t in threads
            for n in levels
            for batch in (256, 128, 512)
        ]

    def describe(self, config: Config) -> str:
        return "float32 after PCA" + super().describe(config).removeprefix("float32")

    def fit(self, rows: np.ndarray, config: Config) -> None:
        self._faiss.omp_set_num_threads(n_cpus())
        pca, rotated = self._trained or self._train(rows)
        if self.trying:
            self._trained = pca, rotated
        self._flat = self._faiss.IndexFlatL2Panorama(
            rows.shape[1], config["levels"], config["batch"]
        )
        self._flat.add(rotated)
        self._index = self._faiss.IndexPreTransform(pca, self._flat)
        self._configure(config)

    def _train(self, rows: np.ndarray) -> tuple[Any, np.ndarray]:
        pca = self._faiss.PCAMatrix(rows.shape[1], rows.shape[1])
        pca.train(rows)
        return pca, pca.apply(rows)


class USearch(System):
    label = "USearch, exact"
    distribution = "usearch"
    dtype = "int8"
    arithmetic = "float32"  # integers inside, rounded to float32 at the end
    squared = True

    def __init__(self, metric: str, k: int) -> None:
        super().__init__(metric, k)
        from usearch import index

        self._module = index

    def variants(self, kind: str, d: int) -> list[Config]:
        # A plain uint8 array is read as bits; the name of the type says bytes.
        return [{"type": "i8"}, {"type": "u8"}]

    def describe(self, config: Config) -> str:
        return {"i8": "int8 (less 128)", "u8": "uint8"}[config["type"]]

    def prepare(self, rows: np.ndarray, config: Config) -> np.ndarray:
        return rows if config["type"] == "u8" else (rows ^ 0x80).view(np.int8)

    def fit(self, rows: np.ndarray, config: Config) -> None:
        self._rows = rows
        self._type = config["type"]

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        found = self._module.search(
            self._rows, queries, k, self._module.MetricKind.L2sq, exact=True, dtype=self._type
        )
        return np.atleast_2d(found.distances), np.atleast_2d(found.keys)


class Hnswlib(System):
    label = "hnswlib BFIndex"
    distribution = "hnswlib"
    dtype = "float32"
    arithmetic = "float32"
    squared = True

    def __init__(self, metric: str, k: int) -> None:
        super().__init__(metric, k)
        import hnswlib

        self._hnswlib = hnswlib

    def fit(self, rows: np.ndarray, config: Config) -> None:
        self._index = self._hnswlib.BFIndex("l2", rows.shape[1])
        self._index.init_index(len(rows))
        self._index.set_num_threads(n_cpus())
        self._index.add_items(rows)

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        ind, dist = self._index.knn_query(queries, k=k)
        return dist, ind


SYSTEMS: dict[str, type[System]] = {
    "knnc": KnncAuto,
    "knnc-brute": KnncBrute,
    "knnc-pruned": KnncPruned,
    "sklearn-uint8": ScikitLearn,
    "sklearn-float32": ScikitLearnFloat32,
    "sklearn-kdtree": ScikitLearnKDTree,
    "sklearn-balltree": ScikitLearnBallTree,
    "sklearnex": ScikitLearnIntelex,
    "faiss": FaissFlat,
    "faiss-panorama": FaissPanorama,
    "faiss-l1": FaissL1,
    "faiss-linf": FaissLinf,
    "usearch": USearch,
    "hnswlib": Hnswlib,
}
