"""What the server keeps of each browser tab: what it taught, and the page that it looks at."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from knnc.web._guard import Refused
from knnc.web._layer import Layer

if TYPE_CHECKING:
    from knnc.web._pages import ReadPage

__all__ = ["Tab", "Tabs"]

# The tab that was not used for longest goes when there is one more.
_MOST_TABS = 256
# Pages take megabytes each, readers with what was taught half a megabyte or more: those of the
# tabs that were used last stay.
_MOST_PAGES = 16
_MOST_READING = 16
_MOST_LAYERS = 4
# Images that a tab, and that all tabs together are taught; the oldest go.
_MOST_TAUGHT = 1_000
_MOST_TAUGHT_TO_ALL = 20_000
_LONGEST_LABEL = 16


@dataclass
class Tab:
    """One browser tab.

    Attributes
    ----------
    taught : dict of bytes to str
        The label of each image that was taught, the oldest first. An image has one label, the
        last that it was given.
    """

    taught: dict[bytes, str] = field(default_factory=dict)
    page: ReadPage | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    _layers: dict[Any, Layer] = field(default_factory=dict)

    def teach(self, row: NDArray[np.uint8], label: str) -> int:
        """Keep a row under a label. How many there are then."""
        label, image = checked_label(label), row.tobytes()
        with self.lock:
            self.taught.pop(image, None)
            self.taught[image] = label
            if len(self.taught) > _MOST_TAUGHT:
                del self.taught[next(iter(self.taught))]
            self._layers = {}
            return len(self.taught)

    def unteach(self) -> int:
        """Forget the row that was taught last. How many there are then."""
        with self.lock:
            if not self.taught:
                raise Refused(409, "Nothing was taught that could be undone.")
            self.taught.popitem()
            self._layers = {}
            return len(self.taught)

    def rows_and_labels(self) -> tuple[NDArray[np.uint8], NDArray[Any]]:
        """What was taught."""
        with self.lock:
            return _rows_and_labels(self.taught)

    def layer(
        self, base: Any, labels: NDArray[Any], n_neighbors: int | None, weights: str | None
    ) -> Layer:
        """A reader with what this tab taught."""
        key = id(base), n_neighbors, weights
        with self.lock:
            layers = self._layers  # another dictionary from when something else is taught
            rows = _rows_and_labels(self.taught)
        layer = layers.get(key)
        if layer is None:  # nobody waits for the lock meanwhile
            if len(layers) >= _MOST_LAYERS:
                layers.clear()
            layer = layers[key] = Layer(base, labels, n_neighbors, weights).fit(*rows)
        return layer

    def forget_layers(self) -> None:
        """Have readers made anew when they are asked for."""
        self._layers = {}


class Tabs:
    """All tabs, by the names that they gave themselves."""

    def __init__(self) -> None:
        self._tabs: OrderedDict[str, Tab] = OrderedDict()
        self._untaught = Tab()
        self._reading: list[Tab] = []
        self._lock = threading.Lock()

    def layer(self, tab: Tab, *given: Any) -> Layer:
        """As :meth:`Tab.layer`. Tabs that were taught nothing share theirs."""
        if not tab.taught:
            return self._untaught.layer(*given)
        with self._lock:
            self._reading = [each for each in self._reading if each is not tab] + [tab]
            for each in self._reading[:-_MOST_READING]:
                each.forget_layers()
            del self._reading[:-_MOST_READING]
        return tab.layer(*given)

    def get(self, name: str) -> Tab:
        """The tab of that name, new or not."""
        with self._lock:
            tab = self._tabs.setdefault(name, Tab())
            self._tabs.move_to_end(name)
            self._drop_oldest()
            return tab

    def _drop_oldest(self) -> None:
        n_taught = sum(len(each.taught) for each in self._tabs.values())
        while len(self._tabs) > _MOST_TABS or n_taught > _MOST_TAUGHT_TO_ALL:
            _, oldest = self._tabs.popitem(last=False)
            n_taught -= len(oldest.taught)

    def keep_page(self, tab: Tab, page: ReadPage) -> None:
        """Let a tab look at a page, and drop the oldest of other tabs if there are too many."""
        with self._lock:
            tab.page = page
            with_page = [each for each in self._tabs.values() if each.page is not None]
            for each in with_page[:-_MOST_PAGES]:
                each.page = None


def _rows_and_labels(taught: dict[bytes, str]) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    rows = np.frombuffer(b"".join(taught), np.uint8).reshape(len(taught), 784)
    return rows, np.array([*taught.values()], dtype=str)


def checked_label(label: str) -> str:
    """A label that can be shown in one line, or a refusal."""
    label = label.strip()
    if not label or len(label) > _LONGEST_LABEL or not label.isprintable():
        raise Refused(422, f"A label has 1 to {_LONGEST_LABEL} characters that can be printed.")
    return label
