"""Peers that are no estimators: FAISS, USearch, hnswlib, and the trees of SciPy and pykdtree."""

from __future__ import annotations

from typing import Any

import numpy as np
from system import Config, System, n_cpus


class FaissFlat(System):
    """IndexFlat. For one query at a time its thread pool and its choice of BLAS are tried too."""

    label = "FAISS IndexFlat"
    distribution = "faiss-cpu"
    imports = "faiss"
    dtype = "float32"
    arithmetic = "float32"

    def __init__(self, metric: str, k: int) -> None:
        super().__init__(metric, k)
        self.squared = metric == "euclidean"

    def prepare(self, rows: np.ndarray, config: Config) -> np.ndarray:
        """For cosine distance the rows have norm 1 before the clock starts."""
        if self.metric != "cosine":
            return super().prepare(rows, config)
        wide = rows.astype(np.float64)
        return (wide / np.linalg.norm(wide, axis=1, keepdims=True)).astype(np.float32)

    def variants(self, kind: str, d: int) -> list[Config]:
        if kind == "latency":
            return [
                {"threads": threads, "BLAS from queries": blas}
                for threads in sorted({1, n_cpus()})
                for blas in (0, 20)
            ]
        return [{"rows a block": rows} for rows in (1024, 4096)]

    def _configure(self, config: Config) -> None:
        faiss = self._module
        if "threads" in config:
            faiss.omp_set_num_threads(config["threads"])
        faiss.cvar.distance_compute_blas_threshold = config.get("BLAS from queries", 20)
        faiss.cvar.distance_compute_blas_database_bs = config.get("rows a block", 1024)

    def fit(self, rows: np.ndarray, config: Config) -> None:
        self._configure(config)
        inner = self._module.METRIC_INNER_PRODUCT
        metric = inner if self.metric == "cosine" else self._module.METRIC_L2
        self._index = self._module.IndexFlat(rows.shape[1], metric)
        self._index.add(rows)

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        dist, ind = self._index.search(queries, k)
        return (1 - dist, ind) if self.metric == "cosine" and not self.squared else (dist, ind)

    def within(self, queries: np.ndarray, radius: float) -> Any:
        return self._index.range_search(queries, radius**2)

    def flat(self, found: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return found[0].astype(np.int64), found[1], found[2]


class FaissL1(FaissFlat):
    label = "FAISS METRIC_L1"

    def variants(self, kind: str, d: int) -> list[Config]:
        return [{}]

    def fit(self, rows: np.ndarray, config: Config) -> None:
        self._index = self._module.IndexFlat(rows.shape[1], self._module.METRIC_L1)
        self._index.add(rows)


class FaissLinf(FaissL1):
    label = "FAISS METRIC_Linf"

    def fit(self, rows: np.ndarray, config: Config) -> None:
        self._index = self._module.IndexFlat(rows.shape[1], self._module.METRIC_Linf)
        self._index.add(rows)


class FaissPanorama(FaissFlat):
    """IndexFlatL2Panorama after a PCA that keeps all dimensions, its levels and batch tried.

    Between rows of norm 1 squared Euclidean distance has the order of cosine distance.
    """

    label = "FAISS IndexFlatL2Panorama"

    def __init__(self, metric: str, k: int) -> None:
        super().__init__(metric, k)
        if not hasattr(self._module, "IndexFlatL2Panorama"):
            raise ImportError(f"faiss-cpu {self.version} has no IndexFlatL2Panorama")
        self.squared = True
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
        self._module.omp_set_num_threads(n_cpus())
        pca, rotated = self._trained or self._train(rows)
        if self.trying:
            self._trained = pca, rotated
        self._flat = self._module.IndexFlatL2Panorama(
            rows.shape[1], config["levels"], config["batch"]
        )
        self._flat.add(rotated)
        self._index = self._module.IndexPreTransform(pca, self._flat)
        self._configure(config)

    def _train(self, rows: np.ndarray) -> tuple[Any, np.ndarray]:
        pca = self._module.PCAMatrix(rows.shape[1], rows.shape[1])
        pca.train(rows)
        return pca, pca.apply(rows)


class USearch(System):
    label = "USearch, exact"
    distribution = "usearch"
    imports = "usearch.index"
    dtype = "int8"
    arithmetic = "float32"  # integers inside, rounded to float32 at the end
    squared = True

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


class USearchFloat32(USearch):
    dtype = "float32"

    def __init__(self, metric: str, k: int) -> None:
        super().__init__(metric, k)
        kinds = self._module.MetricKind
        self._kind = kinds.Cos if metric == "cosine" else kinds.L2sq
        self.squared = metric == "euclidean"

    def variants(self, kind: str, d: int) -> list[Config]:
        return [{}]

    def describe(self, config: Config) -> str:
        return "float32"

    def prepare(self, rows: np.ndarray, config: Config) -> np.ndarray:
        return rows.astype(np.float32, copy=False)

    def fit(self, rows: np.ndarray, config: Config) -> None:
        self._rows = rows

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        found = self._module.search(self._rows, queries, k, self._kind, exact=True)
        return np.atleast_2d(found.distances), np.atleast_2d(found.keys)


class Hnswlib(System):
    label = "hnswlib BFIndex"
    distribution = "hnswlib"
    imports = "hnswlib"
    dtype = "float32"
    arithmetic = "float32"
    squared = True

    def fit(self, rows: np.ndarray, config: Config) -> None:
        self._index = self._module.BFIndex("l2", rows.shape[1])
        self._index.init_index(len(rows))
        self._index.set_num_threads(n_cpus())
        self._index.add_items(rows)

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        ind, dist = self._index.knn_query(queries, k=k)
        return dist, ind


class CKDTree(System):
    label = "SciPy cKDTree"
    distribution = "scipy"
    imports = "scipy.spatial"
    dtype = "float64"  # what the tree would convert to
    arithmetic = "float32"

    def variants(self, kind: str, d: int) -> list[Config]:
        return [{"leafsize": size} for size in (16, 8, 32)]

    def fit(self, rows: np.ndarray, config: Config) -> None:
        self._tree = self._module.cKDTree(rows, leafsize=config["leafsize"])

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        return self._tree.query(queries, k, workers=-1)


class PyKDTree(System):
    label = "pykdtree"
    distribution = "pykdtree"
    imports = "pykdtree.kdtree"
    arithmetic = "float32"

    def variants(self, kind: str, d: int) -> list[Config]:
        return [
            {"dtype": dtype, "leafsize": n} for dtype in ("float32", "float64") for n in (16, 8)
        ]

    def describe(self, config: Config) -> str:
        return f"{config['dtype']}, leafsize {config['leafsize']}"

    def prepare(self, rows: np.ndarray, config: Config) -> np.ndarray:
        return rows.astype(config["dtype"], copy=False)

    def fit(self, rows: np.ndarray, config: Config) -> None:
        self._tree = self._module.KDTree(rows, leafsize=config["leafsize"])

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        return self._tree.query(queries, k)
