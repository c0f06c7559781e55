"""What IDX files are called.

The usual name is ``train-images-idx3-ubyte``, with ``.gz`` as it is published and without once it
is unpacked; some archives unpack to ``train-images.idx3-ubyte``.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def spellings(name: str) -> tuple[str, ...]:
    """The file names that stand for the usual `name`, in order of preference.

    >>> spellings("t10k-labels-idx1-ubyte")  # doctest: +NORMALIZE_WHITESPACE
    ('t10k-labels-idx1-ubyte.gz', 't10k-labels-idx1-ubyte',
     't10k-labels.idx1-ubyte.gz', 't10k-labels.idx1-ubyte')
    """
    dotted = name.replace("-idx", ".idx")
    return f"{name}.gz", name, f"{dotted}.gz", dotted


def find_file(folder: Path, names: Iterable[str]) -> Path | None:
    """The first of `names`, in any spelling, that is a file in `folder`.

    Some archives unpack each file into a folder of its name; a folder is no match.
    """
    for name in names:
        for spelling in spellings(name):
            path = folder / spelling
            if path.is_file():
                return path
    return None
