"""
Labels that their neighbours dispute
====================================

A search of the training rows among themselves finds labels that are doubtful, without a second
model. Here 20 of 1,797 labels are made wrong on purpose.
"""

import matplotlib.pyplot as plt
import numpy as np

from knnc import KNeighborsClassifier
from knnc.datasets import load_digits
from knnc.inspection import DisputedLabelsDisplay, disputed_labels

digits = load_digits()
rng = np.random.default_rng(0)
spoilt = rng.choice(len(digits.target), 20, replace=False)
y = digits.target.copy()
y[spoilt] = (y[spoilt] + rng.integers(1, 10, 20)) % 10

classifier = KNeighborsClassifier(n_neighbors=5).fit(digits.data, y)
disputed = disputed_labels(classifier)
found = np.isin(spoilt, disputed.index).sum()
print(f"{len(disputed.index)} labels are disputed, {found} of the 20 wrong ones among them")

# %%
# The most doubtful first, each with its neighbours. One at a time is looked at quickly; all 1,797
# are not.

ax = plt.figure(figsize=(10, 4.4), layout="constrained").add_subplot()
DisputedLabelsDisplay.from_report(disputed, digits.images, y, n_images=8).plot(ax=ax, n_columns=2)
plt.show()
