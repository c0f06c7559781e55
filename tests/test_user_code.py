"""What mypy finds right in user_code.py does what it says."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from tests import user_code


def test_it_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert user_code.read_digits(3) > 0.9
    assert set(user_code.tune()) == {"n_neighbors", "weights", "metric", "disputed", "pairs"}
    images = load_digits().images[:50].astype(np.uint8)
    np.testing.assert_array_equal(user_code.search_images(images).ravel(), 2)
    assert capsys.readouterr().out.splitlines()[-1] == "50 of 50"
