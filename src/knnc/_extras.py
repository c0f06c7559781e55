"""Modules that come with an extra of this package, and what is said where one is missing."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

__all__ = ["require"]


def require(module: str, *, by: str, install: str, others: Mapping[str, str] | None = None) -> Any:
    """Import a module that may not be installed.

    Parameters
    ----------
    module : str
        Its name.
    by : str
        What needs it, as a sentence begins with it.
    install : str
        What pip installs it by.
    others : mapping of str to str, default=None
        Packages that this installs besides the module's own, and what the message calls them.

    Raises
    ------
    ImportError
        If one of these is not installed; the message says which and what to do.
    """
    package = module.partition(".")[0]
    called = {package: package} | dict(others or {})
    try:
        import_module(package)
        return import_module(module)
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name not in called:
            raise
        quoted = f'"{install}"' if "[" in install else install
        raise ImportError(
            f"{by} needs {called[name]}, which is not installed: pip install {quoted}"
        ) from error
