"""
Classifiers side by side
========================

``compare_classifiers`` fits each classifier to each data set. The command ``knnc compare`` does the
same for many classifiers.
"""

import matplotlib.pyplot as plt
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from knnc import recipes
from knnc.datasets import load_dataset
from knnc.plot import ComparisonDisplay, compare_classifiers

train, test = load_dataset("digits")
ours = {"knnc plain": recipes.plain(), "knnc fast": recipes.fast()}
others = {
    "logistic regression": make_pipeline(StandardScaler(), LogisticRegression()),
    "naive Bayes": GaussianNB(),
}
rows = train.data, train.target, test.data, test.target
outcomes = compare_classifiers(ours | others, {"digits": rows})
for outcome in outcomes:
    print(f"{outcome.classifier}: {outcome.accuracy:.1%}")

# %%

ax = plt.figure(figsize=(8, 3.5), layout="constrained").add_subplot()
ComparisonDisplay(outcomes=outcomes, ours=ours).plot(ax)
plt.show()
