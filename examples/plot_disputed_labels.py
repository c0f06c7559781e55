"""
Labels that their neighbours dispute
====================================

To find doubtful labels, knnc searches for the neighbours of each training row among the other
training rows. No second model is needed. Here 20 of 1,797 labels are made wrong on purpose.
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
# The most doubtful labels come first, each with its neighbours. These few are quick to check; all
# 1,797 would not be.

ax = plt.figure(figsize=(10, 4.4), layout="constrained").add_subplot()
DisputedLabelsDisplay.from_report(disputed, digits.images, y, n_images=8).plot(ax=ax, n_columns=2)
plt.show()
