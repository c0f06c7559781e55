"""
Rows in a dask array
====================

The chunks of a dask array stay on the workers, which send only the k nearest rows of each chunk.
The answers are those of one machine.
"""

import dask.array as da
import matplotlib.pyplot as plt
import numpy as np

import knnc
from knnc.dask import NearestNeighbors
from knnc.datasets import load_dataset

train, test = load_dataset("digits")
rows = da.from_array(train.data, chunks=(300, 64))  # more often from files
_, indices = NearestNeighbors(n_neighbors=6).fit(rows).kneighbors(test.data[:4])
found = indices.compute()
_, expected = knnc.NearestNeighbors(n_neighbors=6).fit(train.data).kneighbors(test.data[:4])
print(f"{rows.numblocks[0]} chunks; the same as on one machine: {np.array_equal(found, expected)}")

# %%
# Four digits, each at the left of its neighbours.

figure, axes = plt.subplots(4, 7, figsize=(7, 4.2), layout="constrained")
for line, image, neighbours in zip(axes, test.images, found, strict=False):
    for ax, picture in zip(line, [image, *train.images[neighbours]], strict=True):
        ax.imshow(picture, cmap="gray_r")
        ax.set_axis_off()
plt.show()
