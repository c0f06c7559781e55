"""
Floats in a pipeline
====================

Columns of different units are scaled first. The scaled rows are floats, and knnc searches them in
float64, with the same bits on every machine.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from knnc import KNeighborsClassifier

X, y = load_breast_cancer(return_X_y=True)
scores = {}
for name, steps in {"as they are": (), "scaled": (StandardScaler(),)}.items():
    pipeline = make_pipeline(*steps, KNeighborsClassifier())
    search = GridSearchCV(pipeline, {"kneighborsclassifier__n_neighbors": range(1, 21)})
    search.fit(X, y)
    scores[name] = search.cv_results_["mean_test_score"]
    engine = search.best_estimator_[-1].engine_
    print(f"{name}: {search.best_score_:.3f} with {search.best_params_}; engine: {engine}")

# %%

ax = plt.figure(figsize=(8, 4.5), layout="constrained").add_subplot()
for name, values in scores.items():
    ax.plot(range(1, 21), values, marker="o", label=name)
ax.set(xlabel="number of neighbours, k", ylabel="accuracy in five folds", xlim=(0.5, 20.5))
ax.legend()
plt.show()
