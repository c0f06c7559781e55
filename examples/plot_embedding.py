"""
A data set in the plane
=======================

t-SNE places the digits in a plane so that neighbours stay beside one another. knnc finds the
neighbours.
"""

import matplotlib.pyplot as plt

from knnc.datasets import load_dataset
from knnc.plot import EmbeddingDisplay

train, _ = load_dataset("digits")
X, y = train.data[:600], train.target[:600]
ax = plt.figure(figsize=(8, 8), layout="constrained").add_subplot()
display = EmbeddingDisplay.from_rows(X, y, max_iter=400, ax=ax)
print(f"{len(display.embedding)} digits; divergence {display.kl_divergence:.2f}")

# %%
# ``thumbnails`` draws images in their places, as many as there is room for. ``save_animation``
# writes a GIF of the embedding as it forms, if ``from_rows`` was given ``n_frames``.

ax = plt.figure(figsize=(8, 8), layout="constrained").add_subplot()
EmbeddingDisplay(embedding=display.embedding, y=y).plot(
    ax, thumbnails=train.images[:600], characters=False
)
plt.show()
