"""Arrays into a :class:`sklearn.utils.Bunch`; every data set of the package has the same keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch


def make_bunch(
    images: NDArray[np.uint8],
    labels: NDArray[Any],
    target_names: Sequence[str],
    descr: str,
) -> Bunch:
    """Wrap images (n, ...) and integer labels (n,); ``data`` is a view of `images`."""
    shape = images.shape[1:]
    return Bunch(
        data=images.reshape(len(images), -1),
        images=images,
        target=labels.astype(np.int64),
        target_names=np.array(target_names),
        feature_names=["pixel_" + "_".join(map(str, index)) for index in np.ndindex(*shape)],
        DESCR=descr,
    )
