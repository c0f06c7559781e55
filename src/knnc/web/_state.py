"""What requests share: the readers, the tabs, the queues, and what a request may choose."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import Depends, Header, Query
from numpy.typing import NDArray

from knnc.web._decode import Decoder
from knnc.web._layer import Layer
from knnc.web._queue import Queue
from knnc.web._readers import Data, Metric, Readers, Recipe
from knnc.web._tabs import Tab, Tabs

__all__ = ["Choices", "Chosen", "State", "TabName", "encoded", "neighbor"]


@dataclass
class Choices:
    """How to read: the recipe, and what of it is changed. None is as the recipe has it."""

    recipe: Recipe | None
    metric: Metric
    k: int | None
    weights: Literal["uniform", "distance"] | None


def choices(
    recipe: Annotated[Recipe | None, Query()] = None,
    metric: Annotated[Metric, Query()] = "euclidean",
    k: Annotated[int | None, Query(ge=1, le=50)] = None,
    weights: Annotated[Literal["uniform", "distance"] | None, Query()] = None,
) -> Choices:
    """What the address of a request says."""
    return Choices(recipe, metric, k, weights)


Chosen = Annotated[Choices, Depends(choices)]
TabName = Annotated[str, Header(alias="x-tab", pattern="^[0-9a-f]{32}$")]


class State:
    """What requests share."""

    def __init__(self, readers: Readers) -> None:
        self.readers = readers
        self.tabs = Tabs()
        # Strokes are answered within milliseconds, pages within seconds: neither waits for the
        # other.
        self.strokes = Queue(2, 200)
        self.pages = Queue(1, 8)
        self.decoder = Decoder()

    def reader(self, tab: Tab, chosen: Choices) -> Layer:
        """The reader that was chosen, with what the tab taught."""
        recipe = chosen.recipe or self.readers.recipe
        base = self.readers.estimator(recipe, chosen.metric)
        return self.tabs.layer(tab, base, self.readers.data.labels, chosen.k, chosen.weights)

    def close(self) -> None:
        """Begin nothing more."""
        self.readers.close()
        self.strokes.close()
        self.pages.close()
        self.decoder.close()


def encoded(row: NDArray[np.uint8]) -> str:
    """An image of 784 bytes for JSON."""
    return base64.b64encode(row.tobytes()).decode()


def neighbor(data: Data, reader: Layer, index: int, distance: float) -> dict[str, Any]:
    """A training row, or one that was taught, as the page shows it."""
    at = index - len(data.rows)
    if at < 0:
        row, label = data.rows[index], data.labels[index]
    else:
        row, label = reader.taught_rows[at], reader.taught_labels[at]
    return {
        "row": at if at >= 0 else index,
        "taught": at >= 0,
        "label": str(label),
        "distance": round(distance, 4),
        "image": encoded(row),
    }
