"""
A data set on one sheet
=======================

Look at the data first. The sheet shows the first images of each class.
"""

import matplotlib.pyplot as plt

from knnc.datasets import load_dataset
from knnc.plot import SpriteDisplay

train, _ = load_dataset("digits")
print(f"{len(train.data):,} digits of {train.images.shape[1]} x {train.images.shape[2]} pixels")

ax = plt.figure(figsize=(9, 7), layout="constrained").add_subplot()
SpriteDisplay.from_rows(train.images, train.target, rows_a_class=2, n_columns=24, ax=ax)
plt.show()
