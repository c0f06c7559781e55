"""Printed digits: what is drawn, and that a font is read by means of others."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import numpy as np
import pytest
from sklearn.utils import Bunch

from knnc import KNeighborsClassifier
from knnc.datasets import load_dataset
from knnc.datasets._printed import printed_digits

needs_fonts = pytest.mark.skipif(
    find_spec("matplotlib") is None,
    reason="printed digits need the extra 'plot'",
)


@pytest.fixture(scope="module")
def whole() -> Bunch:
    return printed_digits()


@needs_fonts
def test_what_is_drawn(whole: Bunch) -> None:
    assert whole.images.shape == (3_680, 28, 28)
    np.testing.assert_array_equal(np.bincount(whole.target), np.full(10, 368))
    boxes = whole.images > 100
    for axis in (1, 2):
        extent = boxes.any(axis=axis).sum(axis=1)
        assert extent.min() >= 2
        assert extent.max() <= 20
    assert (whole.images.max(axis=(1, 2)) > 150).all()
    # No two are alike, so that each font, digit and shape counts.
    assert len(np.unique(whole.data, axis=0)) == len(whole.data)


@needs_fonts
def test_other_fonts_are_read(whole: Bunch) -> None:
    train, test = load_dataset("printed")
    assert (len(train.data), len(test.data)) == (2_880, 800)
    # The same at every call.
    np.testing.assert_array_equal(whole.data[: len(train.data)], train.data)
    np.testing.assert_array_equal(whole.target[: len(train.data)], train.target)
    reader = KNeighborsClassifier(3).fit(train.data, train.target)
    assert reader.score(test.data, test.target) > 0.95


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"needs matplotlib.*pip install \"knnc\[plot\]\""):
        load_dataset("printed")
