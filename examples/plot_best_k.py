"""
The best k, weights and metric
==============================

One search for each metric and fold is enough to score every k and both kinds of vote.
"""

import matplotlib.pyplot as plt
import numpy as np

from knnc import KNeighborsClassifierCV
from knnc.datasets import load_dataset

train, test = load_dataset("digits")
tuned = KNeighborsClassifierCV(
    range(1, 31), weights=["uniform", "distance"], metric=["euclidean", "manhattan"], cv=5
).fit(train.data, train.target)
print(tuned.best_params_)
print(f"in the folds {tuned.best_score_:.4f}, on the test part", end=" ")
print(f"{tuned.score(test.data, test.target):.4f}")

# %%
# ``cv_results_`` has the same form as that of ``GridSearchCV``.

results = tuned.cv_results_
figure, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
for metric in ("euclidean", "manhattan"):
    for weights, line in (("uniform", "-"), ("distance", "--")):
        here = (results["param_metric"] == metric) & (results["param_weights"] == weights)
        k = np.asarray(results["param_n_neighbors"][here], dtype=int)
        ax.plot(k, results["mean_test_score"][here], line, label=f"{metric}, {weights}")
ax.axvline(tuned.best_params_["n_neighbors"], color="grey", linewidth=0.8)
ax.set(xlabel="k", ylabel="accuracy in five folds", title="scikit-learn's digits")
ax.legend()
plt.show()
