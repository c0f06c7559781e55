"""The data set and its fitted recipes: learnt in the background, shared by all tabs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from time import monotonic
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from knnc import progress
from knnc.datasets import load_dataset
from knnc.datasets._load import name_of
from knnc.ocr import training_rows
from knnc.persistence.cache import CacheFile
from knnc.recipes import make_recipe
from knnc.web._guard import Refused
from knnc.web._map import Map
from knnc.web._ruled import RuledOut

__all__ = ["Data", "Metric", "Readers", "Recipe"]

Metric = Literal["euclidean", "manhattan", "chebyshev", "hamming", "cosine"]
Recipe = Literal["plain", "fast", "accurate", "clothes"]

_logger = logging.getLogger("knnc")
# Whose rows differ from those that "knnc read" learns from, which has the same cache.
_NOT_CACHED = ("digits", "printed", "fashion-mnist")
# What failed is tried again when it is asked for after so many seconds: a disk may have been full,
# or the data set not there yet.
RETRY_SECONDS = 5.0


@dataclass(frozen=True)
class Data:
    """A data set in the form in which characters are read.

    Attributes
    ----------
    rows, test_rows : ndarray of shape (n, 784), uint8
    labels, test_labels : ndarray of shape (n,), str
    """

    name: str
    rows: NDArray[np.uint8]
    labels: NDArray[Any]
    test_rows: NDArray[np.uint8]
    test_labels: NDArray[Any]


class Readers:
    """Fitted recipes of one data set, each learnt when it is first asked for.

    Parameters
    ----------
    train : str
        A name or a folder, as :func:`knnc.datasets.load_dataset` takes it.
    recipe : str
        The one to learn at once.
    data_home : Path or None
    n_shown : int
        Rows on the map.
    """

    def __init__(self, train: str, recipe: str, data_home: Path | None, n_shown: int) -> None:
        self.recipe = recipe
        self.name = name_of(train)
        self._train, self._data_home, self._n_shown = train, data_home, n_shown
        # One thread: a fit takes all cores by itself. A daemon: Ctrl-C waits for no fit.
        self._asked: SimpleQueue[tuple[Any, Future[Any]] | None] = SimpleQueue()
        threading.Thread(target=self._learn, name="knnc-learn", daemon=True).start()
        self._lock = threading.Lock()
        self._made: dict[Any, Future[Any]] = {}
        self._failed: dict[Any, float] = {}
        self._doing: tuple[str, float] | None = None
        self._progress = ""
        self.get_later("data")
        self.get_later(("recipe", recipe, "euclidean"))

    def get_later(self, key: Any) -> Future[Any]:
        """What will be made, begun if it has not been, or if it failed a while ago."""
        with self._lock:
            future, is_new = self._future(key)
            if is_new:
                self._asked.put((key, future))
            return future

    def _future(self, key: Any) -> tuple[Future[Any], bool]:
        """That of a thing to be made, and whether it is new. The lock is held."""
        future = self._made.get(key)
        if future is None or (
            future.done()
            and future.exception() is not None
            and monotonic() - self._failed[key] > RETRY_SECONDS
        ):
            future = self._made[key] = Future()
            return future, True
        return future, False

    def _learn(self) -> None:
        """Make what is asked for, one thing after the other."""
        while (item := self._asked.get()) is not None:
            self._fulfil(*item)

    def _fulfil(self, key: Any, future: Future[Any]) -> None:
        if future.done():  # something else needed it before its turn
            return
        try:
            future.set_result(self._make(key))
        except Exception as error:
            self._failed[key] = monotonic()
            future.set_exception(error)

    def _needed(self, key: Any) -> Any:
        """In the learner's thread: what was made, or is made now, once for all who ask."""
        with self._lock:
            future, _ = self._future(key)
        self._fulfil(key, future)
        return future.result()

    def status(self) -> dict[str, Any]:
        """What is being done, for how long, and whether the first recipe is ready."""
        with self._lock:
            first = [self._made["data"], self._made["recipe", self.recipe, "euclidean"]]
            doing = self._doing
        said = {
            "train": self.name,
            "recipe": self.recipe,
            "ready": all(future.done() and future.exception() is None for future in first),
        }
        if any(future.done() and future.exception() is not None for future in first):
            said["error"] = self._failure
        if doing is not None:
            said |= {
                "doing": doing[0] + self._progress,
                "seconds": round(monotonic() - doing[1], 1),
            }
        return said

    def get(self, key: Any) -> Any:
        """What was made. While it is not ready, a status that says to come again.

        That status is no error: a browser would put one on its console.
        """
        future = self.get_later(key)
        if not future.done():
            doing = self._doing
            what = doing[0] if doing else "The reader is being made ready"
            raise Refused(202, f"{what}{self._progress}: this takes a moment.", retry_after=1)
        if future.exception() is not None:
            raise Refused(500, self._failure)
        return future.result()

    @property
    def _failure(self) -> str:
        """What the page says. The reason may name folders, so it is for the terminal alone."""
        return f"{self.name} cannot be learnt: the terminal that runs knnc serve says why."

    @property
    def data(self) -> Data:
        """The data set."""
        data: Data = self.get("data")
        return data

    def estimator(self, recipe: str, metric: str) -> Any:
        """A fitted recipe; the metric is for "plain" alone."""
        return self.get(("recipe", recipe, metric if recipe == "plain" else "euclidean"))

    def run(self, what: str, work: Callable[..., Any], *arguments: Any) -> Any:
        """Do `work`, in the learner's thread, while the status says what."""
        self._doing = what, monotonic()

        def tell(done: int, total: int) -> None:
            self._progress = f", {100 * done // max(total, 1)} %"

        try:
            with progress(tell):
                return work(*arguments)
        except (OSError, ValueError, ImportError, MemoryError) as error:
            _logger.error("%s failed: %s", what, error)
            raise
        except Exception:
            _logger.exception("%s failed", what)
            raise
        finally:
            self._doing, self._progress = None, ""

    def _make(self, key: Any) -> Any:
        if key == "data":
            return self.run(f"Reading {self.name}", self._load)
        data: Data = self._needed("data")
        if key == "ruled":
            return self.run("Counting rows", RuledOut, data.rows)
        if key == "map":
            euclidean = self._needed(("recipe", "plain", "euclidean"))
            return self.run("Laying out the map", Map, data, euclidean, self._n_shown)
        _, recipe, metric = key
        doing = f"Learning {recipe}, {len(data.rows):,} images"
        return self.run(doing, self._fit, data, recipe, metric)

    def _load(self) -> Data:
        train, test = load_dataset(self._train, data_home=self._data_home)
        as_it_is = self._train in ("mnist", "fashion-mnist")
        rows, labels = training_rows(train, normalised=as_it_is)
        test_rows, test_labels = training_rows(test, normalised=as_it_is)
        return Data(self.name, rows, labels, test_rows, test_labels)

    def _fit(self, data: Data, recipe: str, metric: str) -> Any:
        if recipe == "plain":
            plain = make_recipe(recipe, metric=metric).fit(data.rows, data.labels)
            # Of one drawing each; several are searched side by side.
            return plain.set_params(n_jobs=1)
        if self._train in _NOT_CACHED:
            return make_recipe(recipe).fit(data.rows, data.labels)
        cached = CacheFile(recipe, self._train, self._data_home, transposed=False)
        estimator = cached.load()
        if estimator is None:
            estimator = make_recipe(recipe).fit(data.rows, data.labels)
            try:
                cached.store(estimator)
            except OSError as error:
                _logger.info("the fitted recipe cannot be kept: %s", error)
        return estimator

    def close(self) -> None:
        """Learn nothing more than what is being learnt."""
        self._asked.put(None)
