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
# Pages take megabytes each: those of the tabs that were used last stay.
_MOST_PAGES = 16
_MOST_TAUGHT = 1_000
_MOST_LAYERS = 8
_LONGEST_LABEL = 16


@dataclass
class Tab:
    """One browser tab."""

    taught: list[tuple[NDArray[np.uint8], str]] = field(default_factory=list)
    page: ReadPage | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    _layers: dict[Any, Layer] = field(default_factory=dict)

    def teach(self, row: NDArray[np.uint8], label: str) -> None:
        """Keep a row under a label."""
        label = checked_label(label)
        with self.lock:
            if len(self.taught) >= _MOST_TAUGHT:
                raise Refused(409, f"A tab is taught {_MOST_TAUGHT:,} images at most: undo some.")
            self.taught.append((row, label))
            self._layers.clear()

    def unteach(self) -> None:
        """Forget the row that was taught last."""
        with self.lock:
            if not self.taught:
                raise Refused(409, "Nothing was taught that could be undone.")
            self.taught.pop()
            self._layers.clear()

    def rows_and_labels(self) -> tuple[NDArray[np.uint8], NDArray[Any]]:
        """What was taught."""
        rows = [row for row, _ in self.taught]
        labels = np.array([label for _, label in self.taught], dtype=str)
        return np.array(rows, np.uint8).reshape(len(rows), 784), labels

    def layer(
        self, base: Any, labels: NDArray[Any], n_neighbors: int | None, weights: str | None
    ) -> Layer:
        """A reader with what this tab taught."""
        key = id(base), n_neighbors, weights
        with self.lock:
            if key not in self._layers:
                if len(self._layers) >= _MOST_LAYERS:
                    self._layers.clear()
                layer = Layer(base, labels, n_neighbors, weights)
                self._layers[key] = layer.fit(*self.rows_and_labels())
            return self._layers[key]


class Tabs:
    """All tabs, by the names that they gave themselves."""

    def __init__(self) -> None:
        self._tabs: OrderedDict[str, Tab] = OrderedDict()
        self._untaught = Tab()
        self._lock = threading.Lock()

    def layer(self, tab: Tab, *given: Any) -> Layer:
        """As :meth:`Tab.layer`. Tabs that were taught nothing share theirs."""
        return (tab if tab.taught else self._untaught).layer(*given)

    def get(self, name: str) -> Tab:
        """The tab of that name, new or not."""
        with self._lock:
            tab = self._tabs.setdefault(name, Tab())
            self._tabs.move_to_end(name)
            if len(self._tabs) > _MOST_TABS:
                self._tabs.popitem(last=False)
            return tab

    def keep_page(self, tab: Tab, page: ReadPage) -> None:
        """Let a tab look at a page, and drop the oldest of other tabs if there are too many."""
        with self._lock:
            tab.page = page
            with_page = [each for each in self._tabs.values() if each.page is not None]
            for each in with_page[:-_MOST_PAGES]:
                each.page = None


def checked_label(label: str) -> str:
    """A label that can be shown in one line, or a refusal."""
    label = label.strip()
    if not label or len(label) > _LONGEST_LABEL or not label.isprintable():
        raise Refused(422, f"A label has 1 to {_LONGEST_LABEL} characters that can be printed.")
    return label
