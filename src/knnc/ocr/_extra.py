"""The extra that this package needs."""

from __future__ import annotations

from typing import Any

from knnc import _extras

__all__ = ["require"]

_CALLED = {"PIL": "Pillow", "skimage": "scikit-image", "pypdfium2": "pypdfium2"}


def require(module: str, extra: str = "ocr") -> Any:
    """Import a module of an extra; an ImportError names the extra and the command."""
    return _extras.require(module, by="Reading a page", install=f"knnc[{extra}]", others=_CALLED)
