"""The extra that this package needs, and what is said when it is missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["require"]

_TOP_LEVEL = {"PIL": "Pillow", "skimage": "scikit-image", "pypdfium2": "pypdfium2"}


def require(module: str, extra: str = "ocr") -> Any:
    """Import a module of an extra.

    Raises
    ------
    ImportError
        If it is not installed; the message names the extra and the command.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name not in _TOP_LEVEL:
            raise
        raise ImportError(
            f"Reading a page needs {_TOP_LEVEL[name]}, which is not installed: "
            f'pip install "knnc[{extra}]"'
        ) from error
