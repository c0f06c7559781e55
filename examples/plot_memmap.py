"""
More rows than memory
=====================

Rows in a file stay there: ``fit`` copies nothing, and a search reads them a chunk at a time. Here
the file is small, and ``max_memory`` is smaller.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import knnc

rng = np.random.default_rng(0)
folder = tempfile.TemporaryDirectory()
path = Path(folder.name) / "rows.u8"
rng.integers(0, 256, size=(100_000, 64), dtype=np.uint8).tofile(path)
rows = np.memmap(path, dtype=np.uint8, mode="r").reshape(-1, 64)
queries = rows[::1000].copy()
queries[:, 0] ^= 255

with knnc.config_context(max_memory=1 << 20):  # bytes: a sixth of the file
    streamed = knnc.NearestNeighbors(n_neighbors=10).fit(rows).kneighbors(queries)
in_memory = knnc.NearestNeighbors(n_neighbors=10).fit(np.array(rows)).kneighbors(queries)
same = all(np.array_equal(a, b) for a, b in zip(streamed, in_memory, strict=True))
print(f"{path.stat().st_size / 1e6:.1f} MB of rows; the answers are the same: {same}")

# %%
# The distances from all queries to each of their neighbours.

ax = plt.figure(figsize=(8, 4), layout="constrained").add_subplot()
ax.boxplot(streamed[0])
ax.set(xlabel="neighbour", ylabel="distance")
plt.show()
