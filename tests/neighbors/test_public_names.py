"""knnc.neighbors in the place of sklearn.neighbors."""

from __future__ import annotations

import sklearn.neighbors

import knnc
import knnc.neighbors


def test_every_public_name_is_there() -> None:
    assert set(sklearn.neighbors.__all__) <= set(knnc.neighbors.__all__)
    for name in knnc.neighbors.__all__:
        ours = getattr(knnc.neighbors, name)
        if hasattr(knnc, name):
            assert ours is getattr(knnc, name)
        else:
            assert ours is getattr(sklearn.neighbors, name)
