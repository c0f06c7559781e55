"""
Ties, and why an answer should not depend on them
=================================================

Distances of bytes come from whole numbers, so many are equal. If the k-th neighbour and the next
are equally far, a search has to choose. knnc always chooses the smaller index.
"""

import matplotlib.pyplot as plt
import numpy as np

from knnc import NearestNeighbors
from knnc.datasets import load_dataset

train, test = load_dataset("digits")
METRICS = ("euclidean", "manhattan", "chebyshev", "hamming")
largest = 20

shares = {}
for metric in METRICS:
    search = NearestNeighbors(n_neighbors=largest + 1, metric=metric).fit(train.data)
    distances, indices = search.kneighbors(test.data)
    tied = distances[:, :-1] == distances[:, 1:]
    # Of rows that are equally far, the one that comes first in the training set comes first here.
    assert (indices[:, :-1] < indices[:, 1:])[tied].all()
    shares[metric] = tied.mean(axis=0)
    print(f"{metric}: {shares[metric][4]:.1%} of the queries have a tie at k = 5")

# %%
# The share of queries whose k-th neighbour and next one are at the same distance:

figure, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
for metric in METRICS:
    ax.plot(np.arange(1, largest + 1), shares[metric], marker=".", label=metric)
ax.set(xlabel="k", ylabel="queries with a tie at k", ylim=0, title="scikit-learn's digits")
ax.set_xticks([1, 5, 10, 15, 20])
ax.legend()
plt.show()
