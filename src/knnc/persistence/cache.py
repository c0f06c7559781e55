"""A cache of fitted recipes: each file is valid for as long as a fit would give the same."""

from __future__ import annotations

import os
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

__all__ = ["CacheFile"]


class CacheFile:
    """The file of a recipe that was fitted to some training images.

    Parameters
    ----------
    recipe : str
    train : str
        The name of a data set, or a folder.
    data_home : Path or None
    transposed : bool

    Notes
    -----
    The name of the file is a hash of all that the fit depends on: versions, the code and the
    parameters of the recipe, and the training files by name, size and time. So a file is never out
    of date, and `store` removes the one before it.
    """

    def __init__(
        self, recipe: str, train: str, data_home: Path | None, *, transposed: bool
    ) -> None:
        from knnc.datasets import get_data_home
        from knnc.datasets._load import DATASETS
        from knnc.recipes import make_recipe

        home = Path(get_data_home(data_home))
        files = home / train if train in DATASETS else Path(train).resolve()
        place = _hash(str(files), transposed)
        self._form = repr(make_recipe(recipe))
        state = _hash(_versions(), _code(), self._form, _files_of(files))
        cache = os.environ.get("KNNC_CACHE_HOME")
        self._folder = Path(cache).expanduser() if cache else home / "cache"
        self._prefix = f"read-{recipe}-{place}-"
        self.path = self._folder / f"{self._prefix}{state}.knnc"

    def load(self) -> Any:
        """The fitted recipe, or None if there is no file or it is damaged."""
        from knnc.persistence.estimators import load

        if not self.path.exists():
            return None
        try:
            estimator = load(self.path, verify=True)
        except (OSError, ValueError):
            return None
        return estimator if repr(estimator) == self._form else None

    def store(self, estimator: Any) -> None:
        """Save a fitted recipe, and remove the files of earlier fits.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        from knnc.persistence.estimators import save

        self._folder.mkdir(parents=True, exist_ok=True)
        save(estimator, self.path)
        for other in self._folder.glob(f"{self._prefix}*.knnc"):
            if other != self.path:
                with suppress(OSError):  # on Windows, another process may have it open
                    other.unlink()


def _hash(*parts: object) -> str:
    return blake2b(repr(parts).encode(), digest_size=10).hexdigest()


def _versions() -> list[str]:
    from importlib.metadata import distributions

    import numpy
    import scipy
    import sklearn

    import knnc

    # Those that draw and scale images may be missing.
    others = [
        found.version for name in ("pillow", "matplotlib") for found in distributions(name=name)
    ]
    return [knnc.__version__, sklearn.__version__, numpy.__version__, scipy.__version__, *others]


def _code() -> list[bytes]:
    """Hashes of the sources of a recipe, which change between two versions too."""
    from knnc import datasets, image, ocr, recipes

    sources = [Path(recipes.__file__)]
    for package in (datasets, image, ocr):
        sources += sorted(Path(package.__path__[0]).glob("*.py"))
    return [blake2b(source.read_bytes()).digest() for source in sources]


def _files_of(folder: Path) -> list[tuple[str, int, int]]:
    """Name, size and time of each file in a folder, and in the folders there.

    For the name of a set in a folder, which is no folder, those of the folder with all sets.
    """
    from knnc.datasets._folder import is_set_in_folder

    if is_set_in_folder(str(folder)):
        folder = folder.parent
    files = [path for pattern in ("*", "*/*") for path in folder.glob(pattern) if path.is_file()]
    stats = [(str(path.relative_to(folder)), path.stat()) for path in files]
    return sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)
