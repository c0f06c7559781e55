"""
Read a page of handwriting
==========================

This example puts a page together from images that the classifier has not seen, and then reads it.
"""

import matplotlib.pyplot as plt
import numpy as np

from knnc import KNeighborsClassifier
from knnc.datasets import load_dataset
from knnc.ocr import annotate, normalise, read_page

train, test = load_dataset("digits")
reader = KNeighborsClassifier(n_neighbors=3).fit(normalise(train.images), train.target)

# %%
# Four lines of ten digits on grey paper, dark on light. Each digit is six times as large as in the
# data set.

n_lines, n_digits, scale = 4, 10, 6
ink = np.kron(test.images[: n_lines * n_digits], np.ones((scale, scale))) / 16
lines = ink.reshape(n_lines, n_digits, 8 * scale, 8 * scale)
lines = np.pad(lines, ((0, 0), (0, 0), (12, 12), (4, 4)))
page = np.pad(np.concatenate([np.hstack(line) for line in lines]), 30)
noise = np.random.default_rng(0).normal(0, 4, page.shape)
scan = np.clip(235 - 190 * page + noise, 0, 255).astype(np.uint8)

# %%
# ``read_page`` finds the characters, brings each into the form of the training images and asks the
# estimator.

read = read_page(scan, reader)
truth = "".join(map(str, test.target[: n_lines * n_digits]))
right = sum(glyph.label == digit for glyph, digit in zip(read.glyphs, truth, strict=True))
print(read.text)
print(f"{right} of {len(truth)} are right")

# %%
# A thick orange box marks an unsure reading.

figure, ax = plt.subplots(figsize=(9, 5.5), layout="constrained")
ax.imshow(annotate(scan, read))
ax.set_axis_off()
plt.show()
