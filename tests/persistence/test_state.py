"""The state of an estimator: unchanged by a fit that fails, and not taken from who sets it."""

from __future__ import annotations

import pytest
from sklearn.base import BaseEstimator

from knnc._pickling import MarkedStateMixin
from knnc._rollback import unchanged_after_error


class Anything(MarkedStateMixin, BaseEstimator):
    """Has parameters."""

    def __init__(self, a: int = 1, b: int = 2) -> None:
        self.a = a
        self.b = b


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_attributes_come_back(error: type[BaseException]) -> None:
    estimator = Anything()

    def fail() -> None:
        with unchanged_after_error(estimator):
            estimator.a = 7
            del estimator.b
            estimator.new_ = 3
            raise error

    with pytest.raises(error):
        fail()
    assert vars(estimator) == {"a": 1, "b": 2}


def test_without_an_error_they_stay() -> None:
    estimator = Anything()
    with unchanged_after_error(estimator):
        estimator.new_ = 3
    assert vars(estimator) == {"a": 1, "b": 2, "new_": 3}


def test_one_state_serves_several() -> None:
    state = Anything(a=5).__getstate__()
    copies = [Anything(), Anything()]
    for copy in copies:
        copy.__setstate__(state)
    assert [vars(copy) for copy in copies] == [{"a": 5, "b": 2}] * 2
