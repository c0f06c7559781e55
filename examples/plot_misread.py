"""
Read digits, and see why some are misread
=========================================

A vote of neighbours can be checked by eye: beside every misread image stand the training images
that misled the vote.
"""

import matplotlib.pyplot as plt

from knnc import KNeighborsClassifier
from knnc.datasets import load_dataset
from knnc.plot import MisreadDisplay

train, test = load_dataset("digits")
classifier = KNeighborsClassifier(n_neighbors=3).fit(train.data, train.target)
misread = (classifier.predict(test.data) != test.target).sum()
print(f"{misread} of {len(test.target)} are misread; engine: {classifier.engine_}")

# %%
# The digits are 8 x 8 pixels. Some of the misread ones are hard for people too. Others have one
# neighbour with the right label among the three, which the other two outvoted.

ax = plt.figure(figsize=(10, 4), layout="constrained").add_subplot()
MisreadDisplay.from_estimator(
    classifier,
    test.data,
    test.target,
    X_train=train.data,
    y_train=train.target,
    n_neighbors=3,
    n_images=12,
    n_columns=3,
    ax=ax,
)
plt.show()
