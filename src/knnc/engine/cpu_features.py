"""Applies KNNC_DISABLE_CPU_FEATURES before kernels are chosen. `knnc.engine` imports this first."""

from __future__ import annotations

import os
import warnings

from knnc.engine.dispatch import disable_cpu_features, known_cpu_features

__all__ = ["disabled_cpu_features"]

_VARIABLE = "KNNC_DISABLE_CPU_FEATURES"


def _listed() -> set[str]:
    """The names in the environment variable, which are separated by commas."""
    return {name.strip().lower() for name in os.environ.get(_VARIABLE, "").split(",")} - {""}


def disabled_cpu_features() -> list[str]:
    """The CPU features that the environment variable disables."""
    return sorted(_listed() & set(known_cpu_features()))


def _apply() -> None:
    """Disable the features.

    Warns
    -----
    RuntimeWarning
        If the variable lists an unknown name. The other names are applied all the same.
    """
    known = known_cpu_features()
    unknown = sorted(_listed() - set(known))
    if unknown:
        warnings.warn(
            f"{_VARIABLE} names unknown CPU features {unknown}; the known ones are {known}.",
            RuntimeWarning,
            stacklevel=2,
        )
    disable_cpu_features(_listed())


_apply()
