"""What the image tests share: made-up images, and slow and obvious versions of what is computed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]


def draw_images(seed: int, n: int, shape: tuple[int, int], palette: str = "uniform") -> Bytes:
    """(n, height * width) uint8: noise, extremes, or smooth strokes on black."""
    rng = np.random.default_rng([seed, n, *shape])
    if palette == "uniform":
        images = rng.integers(0, 256, size=(n, *shape))
    elif palette == "extremes":
        images = rng.choice([0, 255], size=(n, *shape))
    else:
        y, x = np.mgrid[: shape[0], : shape[1]]
        images = np.zeros((n, *shape))
        for image in images:
            for _ in range(3):
                cy, cx = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
                a, b, c = rng.uniform(0.02, 0.5, size=3)
                bump = np.exp(-a * (y - cy) ** 2 - b * (x - cx) ** 2 + c * (y - cy) * (x - cx) / 9)
                np.maximum(image, np.clip(255 * bump, 0, 255), out=image)
    return images.reshape(n, -1).astype(np.uint8)
