"""Beside other libraries with threads of their own, imported before or after."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from tests.engine.support import child_environment

# Both search on two threads, in turn, and the others are asked for work on theirs in between.
WORK = """
import numpy as np
X = np.random.default_rng(0).integers(0, 256, (3000, 64), dtype=np.uint8)
exact = ((X[:50, None].astype(np.int64) - X[None]) ** 2).sum(axis=2)
nearest = np.argsort(exact, axis=1, kind="stable")[:, :4]
for turn in range(3):
    found = knnc.NearestNeighbors(n_neighbors=4, n_jobs=2).fit(X).kneighbors(X[:50])[1]
    assert (found == nearest).all()
    peer = sklearn.neighbors.NearestNeighbors(n_neighbors=4).fit(X.astype(float))
    assert (peer.kneighbors(X[:50].astype(float))[1] == nearest).all()
    product = X[:500].astype(np.float64) @ X[:500].T.astype(np.float64)
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        torch.set_num_threads(2)
        rows = torch.from_numpy(X[:500]).to(torch.float64)
        assert (rows @ rows.T).numpy().tolist() == product.tolist()
print("done")
"""


@pytest.mark.parametrize("knnc_first", [True, False], ids=["knnc first", "knnc last"])
@pytest.mark.parametrize("other", ["numpy", "sklearn.neighbors", "torch"])
def test_either_order_of_imports(other: str, knnc_first: bool) -> None:
    if importlib.util.find_spec(other.partition(".")[0]) is None:
        pytest.skip(f"{other} is not installed")
    # The estimators, and with them the extension modules, are imported when first asked for.
    ours = "import knnc; knnc.NearestNeighbors"
    order = [ours, f"import {other}"] if knnc_first else [f"import {other}", ours]
    program = "\n".join(["import sys", *order, "import sklearn.neighbors", WORK])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env=child_environment(OMP_WAIT_POLICY="passive"),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.stdout.strip() == "done", f"{done.returncode}\n{done.stderr}"
