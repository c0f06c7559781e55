"""The systems that are compared: knnc and the peers, each in its best exact configuration.

Here are knnc and scikit-learn's estimators; ``libraries`` has the others.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from libraries import (
    CKDTree,
    FaissFlat,
    FaissL1,
    FaissLinf,
    FaissPanorama,
    Hnswlib,
    PyKDTree,
    USearch,
    USearchFloat32,
)
from system import Config, System


class Knnc(System):
    distribution = "knnc"
    is_peer = False
    arithmetic = "same"
    finds_itself = False
    algorithm: str

    def __init__(self, metric: str, k: int) -> None:
        super().__init__(metric, k)
        # Now, not when fit is timed: knnc imports what it names when it is first asked for.
        from knnc import KNeighborsClassifier, NearestNeighbors
        from knnc.neighbors.repeated import repeats

        self._neighbors, self._classifier = NearestNeighbors, KNeighborsClassifier
        self._repeats = repeats

    def describe(self, config: Config) -> str:
        return f'{self._given}algorithm="{self.algorithm}"'

    def prepare(self, rows: np.ndarray, config: Config) -> np.ndarray:
        self._given = f"{rows.dtype}, "
        return rows

    def forget(self) -> None:
        self._repeats.forget()

    def fit(self, rows: np.ndarray, config: Config) -> None:
        self.forget()
        self._model = self._neighbors(
            n_neighbors=self.k, algorithm=self.algorithm, metric=self.metric
        ).fit(rows)
        engine = self._model.engine_
        if rows.dtype == np.uint8 and self.metric != "cosine" and engine != "integer":
            raise RuntimeError(f"knnc chose the engine {engine!r} for uint8 rows")
        self._given = f'{rows.dtype}, engine "{engine}", '
        if engine == "sklearn":
            self.arithmetic = "float32"

    def search(self, queries: np.ndarray | None, k: int) -> tuple[np.ndarray, np.ndarray]:
        return self._model.kneighbors(queries, k)

    def within(self, queries: np.ndarray, radius: float) -> Any:
        return self._model.radius_neighbors(queries, radius)

    def classifier(self) -> Any:
        return self._classifier(algorithm=self.algorithm)

    def clusterer(self, eps: float, min_samples: int) -> Any:
        from sklearn.cluster import DBSCAN

        import knnc

        knnc.patch_sklearn()
        return DBSCAN(eps=eps, min_samples=min_samples, algorithm=self.algorithm)


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
    algorithm = "brute"

    def __init__(self, metric: str, k: int) -> None:
        super().__init__(metric, k)
        from sklearn import cluster, neighbors

        self._module, self._cluster = neighbors, cluster

    def describe(self, config: Config) -> str:
        return f'{self.dtype}, algorithm="{self.algorithm}"'

    def fit(self, rows: np.ndarray, config: Config) -> None:
        self._model = self._module.NearestNeighbors(
            n_neighbors=self.k, algorithm=self.algorithm, metric=self.metric
        ).fit(rows)

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        return self._model.kneighbors(queries, k)

    def within(self, queries: np.ndarray, radius: float) -> Any:
        return self._model.radius_neighbors(queries, radius)

    def classifier(self) -> Any:
        return self._module.KNeighborsClassifier(algorithm=self.algorithm)

    def clusterer(self, eps: float, min_samples: int) -> Any:
        return self._cluster.DBSCAN(
            eps=eps, min_samples=min_samples, algorithm=self.algorithm, n_jobs=-1
        )


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


class ScikitLearnBest(ScikitLearn):
    """Its brute force on float32 and, of few features, its trees on all CPUs."""

    label = "scikit-learn"
    dtype = "float32"
    arithmetic = "float32"
    trees: tuple[str, ...] = ("kd_tree", "ball_tree")
    few_features = 20  # of more, trees take longer than brute force by far

    def variants(self, kind: str, d: int) -> list[Config]:
        names = ("brute", *self.trees) if d <= self.few_features else ("brute",)
        return [{"algorithm": name} for name in names]

    def describe(self, config: Config) -> str:
        dtype = "float32" if config["algorithm"] == "brute" else "float64"
        return f'{dtype}, algorithm="{config["algorithm"]}"'

    def prepare(self, rows: np.ndarray, config: Config) -> np.ndarray:
        # A tree would convert anything else to float64 in each call.
        dtype = np.float32 if config["algorithm"] == "brute" else np.float64
        return rows.astype(dtype, copy=False)

    def fit(self, rows: np.ndarray, config: Config) -> None:
        self._model = self._module.NearestNeighbors(
            n_neighbors=self.k, algorithm=config["algorithm"], metric=self.metric, n_jobs=-1
        ).fit(rows)


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


class ScikitLearnIntelexBest(ScikitLearnIntelex, ScikitLearnBest):
    trees = ("kd_tree",)


SYSTEMS: dict[str, type[System]] = {
    "knnc": KnncAuto,
    "knnc-brute": KnncBrute,
    "knnc-pruned": KnncPruned,
    "sklearn-uint8": ScikitLearn,
    "sklearn-float32": ScikitLearnFloat32,
    "sklearn-kdtree": ScikitLearnKDTree,
    "sklearn-balltree": ScikitLearnBallTree,
    "sklearn-best": ScikitLearnBest,
    "sklearnex": ScikitLearnIntelex,
    "sklearnex-best": ScikitLearnIntelexBest,
    "faiss": FaissFlat,
    "faiss-panorama": FaissPanorama,
    "faiss-l1": FaissL1,
    "faiss-linf": FaissLinf,
    "usearch": USearch,
    "usearch-float32": USearchFloat32,
    "hnswlib": Hnswlib,
    "scipy-kdtree": CKDTree,
    "pykdtree": PyKDTree,
}
