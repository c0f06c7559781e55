"""Modules that have moved, so that pickles of older versions still load.

A pickle names each class and function by its module. One that moves to another module needs an
entry here; one that stays needs none. Python asks this finder after all others, so it does not
slow other imports.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.abc import Loader
else:  # importlib.abc imports tempfile, zipfile and more, and nothing of it is needed
    Loader = object

__all__ = ["MOVED", "MovedModules"]

# The module that an older version had, and the one that now has its classes and functions.
MOVED = {
    "knnc.engine.memory": "knnc.engine.system.memory",
    "knnc.engine.narrow": "knnc.engine.encoding",
    "knnc.engine.progress": "knnc.engine.system.progress",
    "knnc.neighbors.tuning": "knnc.neighbors.cv_estimators",
    "knnc.saved": "knnc.persistence.estimators",
}


class MovedModules(Loader):
    """Finder and loader for `sys.meta_path`: both names become one module."""

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        """How to import a module of the table; None for any other."""
        return ModuleSpec(name, self) if name in MOVED else None

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to Python to make an empty module, which `exec_module` replaces."""

    def exec_module(self, module: ModuleType) -> None:
        """Import the module of today; an import returns what `sys.modules` has after this."""
        sys.modules[module.__name__] = import_module(MOVED[module.__name__])
