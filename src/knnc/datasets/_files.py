"""What IDX files are called.

The usual name is ``train-images-idx3-ubyte``, with ``.gz`` as it is published and without once it
is unpacked; some archives unpack to ``train-images.idx3-ubyte``, or each file into a folder of its
own name. EMNIST and QMNIST have a name before: ``emnist-digits-train-images-idx3-ubyte``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# The number in an image file's name is its number of dimensions: 3 for grey images, 4 with
# colours, 2 for plain rows. QMNIST's labels have 2, of which the first column counts.
KINDS = {
    "images": ("images-idx3-ubyte", "images-idx4-ubyte", "images-idx2-ubyte"),
    "labels": ("labels-idx1-ubyte", "labels-idx2-int"),
}
# How the names of files begin, behind the name of the set.
PREFIXES = {"train": ("train",), "test": ("t10k", "test")}

_ENDINGS = "|".join(
    re.escape(f"{prefix}-{kind}")
    for prefixes in PREFIXES.values()
    for prefix in prefixes
    for kinds in KINDS.values()
    for kind in kinds
)
_NAME = re.compile(rf"(?:(?P<set>.+)-)?(?P<usual>{_ENDINGS})")


def spellings(name: str) -> tuple[str, ...]:
    """The file names that stand for the usual `name`, in order of preference.

    >>> spellings("t10k-labels-idx1-ubyte")  # doctest: +NORMALIZE_WHITESPACE
    ('t10k-labels-idx1-ubyte.gz', 't10k-labels-idx1-ubyte',
     't10k-labels.idx1-ubyte.gz', 't10k-labels.idx1-ubyte')
    """
    dotted = name.replace("-idx", ".idx")
    return f"{name}.gz", name, f"{dotted}.gz", dotted


def find_file(folder: Path, names: Iterable[str]) -> Path | None:
    """The first of `names`, in any spelling, that is a file in `folder` or in a folder of its name.

    Some archives unpack each file into a folder of its name; a file beside it comes first.
    """
    names = tuple(names)
    for name in names:
        for spelling in spellings(name):
            path = folder / spelling
            if path.is_file():
                return path
    for name in names:
        for own in spellings(name):
            for spelling in spellings(name) if (folder / own).is_dir() else ():
                path = folder / own / spelling
                if path.is_file():
                    return path
    return None


@dataclass(frozen=True)
class IdxSet:
    """The files of one data set in a folder.

    Attributes
    ----------
    name : str
        What stands before the usual names, such as "emnist-digits"; "" as a rule.
    paths : dict
        ``paths[split, what]`` is a file, or None; split is "train" or "test", what is "images" or
        "labels".
    """

    name: str
    paths: dict[tuple[str, str], Path | None]

    @property
    def is_whole(self) -> bool:
        """Whether all four files are there."""
        return None not in self.paths.values()


def names_for(set_name: str, split: str, what: str) -> list[str]:
    """The usual names that a file may have, in order of preference."""
    before = f"{set_name}-" if set_name else ""
    return [f"{before}{prefix}-{kind}" for prefix in PREFIXES[split] for kind in KINDS[what]]


def idx_sets(folder: Path) -> list[IdxSet]:
    """The data sets that have a file in `folder`, those without a name first."""
    found = set()
    for entry in folder.iterdir():
        usual = entry.name.removesuffix(".gz").replace(".idx", "-idx")
        if match := _NAME.fullmatch(usual):
            found.add(match["set"] or "")
    return [
        IdxSet(
            name,
            {
                (split, what): find_file(folder, names_for(name, split, what))
                for split in PREFIXES
                for what in KINDS
            },
        )
        for name in sorted(found)
    ]
