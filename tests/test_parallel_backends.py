"""Queries in parallel on others' machinery: joblib's ray and spark, where they are installed.

Dask's is in test_dask_cluster.py. Neither is among what the tests are locked to: both are large.

    pip install ray joblibspark pyspark setuptools    # and a Java for Spark
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.model_selection import cross_val_score

import knnc

RNG = np.random.default_rng(0)
X = RNG.integers(0, 4, (900, 12), dtype=np.uint8)  # full of ties
Y = RNG.integers(0, 5, 900)
Q = RNG.integers(0, 4, (77, 12), dtype=np.uint8)


def _predict(clf: Any, block: np.ndarray) -> tuple[int, np.ndarray]:
    return os.getpid(), clf.predict(block)


def _check(backend: str) -> None:
    """Blocks of queries and folds, in processes that are not this one."""
    clf = knnc.KNeighborsClassifier(5).fit(X, Y)
    scores = cross_val_score(clf, X, Y, cv=3)
    with joblib.parallel_config(backend, n_jobs=2):
        parts = joblib.Parallel()(
            joblib.delayed(_predict)(clf, block) for block in np.array_split(Q, 4)
        )
        np.testing.assert_array_equal(cross_val_score(clf, X, Y, cv=3), scores)
    assert os.getpid() not in {pid for pid, _ in parts}
    np.testing.assert_array_equal(np.concatenate([labels for _, labels in parts]), clf.predict(Q))


@pytest.fixture
def ray() -> Iterator[None]:
    ray = pytest.importorskip("ray", reason="ray is not installed")
    from ray.util.joblib import register_ray

    ray.init(num_cpus=2, include_dashboard=False, configure_logging=False)
    register_ray()
    yield
    ray.shutdown()


@pytest.mark.usefixtures("ray")
def test_ray() -> None:
    _check("ray")


@pytest.fixture
def spark(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    sql = pytest.importorskip("pyspark.sql", reason="pyspark is not installed")
    joblibspark = pytest.importorskip("joblibspark", reason="joblibspark is not installed")
    if shutil.which("java") is None and not os.environ.get("JAVA_HOME"):
        pytest.skip("Spark needs a Java")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    session = sql.SparkSession.builder.master("local[2]").getOrCreate()
    joblibspark.register_spark()
    yield
    session.stop()


@pytest.mark.filterwarnings("ignore")  # joblibspark's and pyspark's, of each other and of joblib
@pytest.mark.usefixtures("spark")
def test_spark() -> None:
    _check("spark")
