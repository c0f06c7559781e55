"""knnc's neighbours in the place of scikit-learn's; each test in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.support import child_environment

NAMES = """
import sys
import numpy as np
NAMES = ["KNeighborsClassifier", "KNeighborsRegressor", "KNeighborsTransformer",
         "LocalOutlierFactor", "NearestNeighbors", "RadiusNeighborsClassifier",
         "RadiusNeighborsRegressor", "RadiusNeighborsTransformer", "kneighbors_graph",
         "radius_neighbors_graph"]
rng = np.random.default_rng(0)
X = rng.integers(0, 256, (150, 6), dtype=np.uint8) * 1.0
y = np.arange(150) % 3
"""
COUNT = """
from knnc.engine.index import Index
calls = []
for method in ("search", "within"):
    def counting(self, *args, _real=getattr(Index, method), **kwargs):
        calls.append(1)
        return _real(self, *args, **kwargs)
    setattr(Index, method, counting)
"""
# What is left as it was must be so, whatever stood there.
UNPATCHED = """
import sklearn.neighbors
assert all(getattr(sklearn.neighbors, name) is before[name] for name in NAMES)
"""
SAVE = """
import sklearn.neighbors
before = {name: getattr(sklearn.neighbors, name) for name in NAMES}
"""


def _run(*code: str) -> None:
    _check([sys.executable, "-c", "\n".join((*code, "print('done')"))], "done\n")


def _check(command: list[str], said: str, code: int = 0) -> str:
    done = subprocess.run(
        command, env=child_environment(), capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode, done.stdout) == (code, said), done.stderr
    return done.stderr


@pytest.mark.parametrize("imported", ["before", "after"])
def test_what_scikit_learn_has_searches_with_knnc(imported: str) -> None:
    imports = """
from sklearn.cluster import DBSCAN, OPTICS, SpectralClustering
from sklearn.manifold import TSNE, Isomap, LocallyLinearEmbedding
from sklearn.semi_supervised import LabelSpreading
from sklearn.neighbors import NearestNeighbors
"""
    patch = "import knnc; knnc.patch_sklearn(); knnc.patch_sklearn()"
    _run(
        NAMES,
        SAVE,
        *((imports, patch) if imported == "before" else (patch, imports)),
        COUNT,
        """
assert NearestNeighbors is knnc.NearestNeighbors
for fit in (
    DBSCAN(eps=90.0).fit,
    OPTICS(min_samples=5, max_eps=300.0, algorithm="brute").fit,
    Isomap(n_neighbors=12).fit,
    LocallyLinearEmbedding(n_neighbors=12, eigen_solver="dense").fit,
    TSNE(max_iter=250, perplexity=9.0).fit,
    SpectralClustering(3, affinity="nearest_neighbors", n_neighbors=12).fit,
    lambda X: LabelSpreading(kernel="knn").fit(X, np.where(y == 2, -1, y)),
):
    calls.clear()
    fit(X)
    assert calls, fit
knnc.unpatch_sklearn()
""",
        UNPATCHED,
        """
calls.clear()
DBSCAN(eps=90.0).fit(X)
assert not calls
for key, module in sys.modules.items():
    if key.startswith("sklearn."):
        for name in NAMES:
            assert vars(module).get(name) is not getattr(knnc, name), (module, name)
""",
    )


def test_all_names_and_some() -> None:
    _run(
        NAMES,
        SAVE,
        """
import knnc
knnc.patch_sklearn("NearestNeighbors")
changed = [name for name in NAMES if getattr(sklearn.neighbors, name) is not before[name]]
assert changed == ["NearestNeighbors"]
knnc.patch_sklearn()
assert all(getattr(sklearn.neighbors, name) is getattr(knnc, name) for name in NAMES)
for name in NAMES[:8]:
    ours = getattr(knnc, name)
    assert before[name] in ours.__mro__ and ours.__mro__.count(ours) == 1
    assert sklearn.base.clone(ours()).get_params() == ours().get_params()
knnc.unpatch_sklearn(["kneighbors_graph"])
assert sklearn.neighbors.kneighbors_graph is before["kneighbors_graph"]
knnc.unpatch_sklearn()
for function in (knnc.patch_sklearn, knnc.unpatch_sklearn):
    try:
        function("KDTree")
    except ValueError as error:
        assert "knnc cannot replace 'KDTree'" in str(error)
    else:
        raise AssertionError("KDTree is no name of knnc's")
""",
        UNPATCHED,
    )


@pytest.mark.parametrize("first", ["sklearnex", "knnc"])
def test_beside_scikit_learn_intelex(first: str) -> None:
    pytest.importorskip("sklearnex")
    theirs, ours = "from sklearnex import patch_sklearn; patch_sklearn()", "knnc.patch_sklearn()"
    steps = ("import knnc", theirs, SAVE, ours) if first == "sklearnex" else (ours, theirs, SAVE)
    _run(
        NAMES,
        "import knnc",
        *steps,
        ours,
        """
for name in NAMES:
    ours = getattr(sklearn.neighbors, name)
    assert ours is getattr(knnc, name)
    assert not any("sklearnex" in c.__module__ for c in getattr(ours, "__mro__", ()))
assert sklearn.neighbors.KNeighborsClassifier().fit(X, y).engine_ == "integer"
""",
    )


def test_imbalanced_learn() -> None:
    pytest.importorskip("imblearn")
    _run(
        NAMES,
        "from imblearn.over_sampling import SMOTE",
        "import knnc; knnc.patch_sklearn()",
        COUNT,
        "SMOTE(random_state=0).fit_resample(X, y > 0)",
        "assert calls",
    )


def test_a_script(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("from sklearn.neighbors import NearestNeighbors\n")
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, pickle\n"
        "from beside import NearestNeighbors\n"
        "import knnc\n"
        "class Mine:\n    pass\n"
        "pickle.loads(pickle.dumps(Mine()))\n"
        "print(__name__, sys.argv[1:], NearestNeighbors is knnc.NearestNeighbors)\n"
        "sys.exit(3)\n"
    )
    command = [sys.executable, "-m", "knnc", str(script), "info", "--help"]
    _check(command, "__main__ ['info', '--help'] True\n", 3)
    missing = [sys.executable, "-m", "knnc", str(tmp_path / "missing.py")]
    assert "there is no script" in _check(missing, "", 2)
