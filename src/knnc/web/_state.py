"""What requests share: the readers, the tabs, the queues, and what a request may choose."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import Depends, Header, Query, Request
from numpy.typing import NDArray

from knnc.web._decode import Decoder
from knnc.web._guard import MAX_BYTES, Refused
from knnc.web._layer import Found, Layer
from knnc.web._queue import Queue
from knnc.web._readers import Data, Metric, Readers, Recipe
from knnc.web._tabs import Tab, Tabs

__all__ = ["Choices", "Chosen", "State", "TabName", "body_of", "encoded", "explained"]


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

    def fitted(self, chosen: Choices) -> Any:
        """The estimator that was chosen, or a refusal while it is not ready."""
        return self.readers.estimator(chosen.recipe or self.readers.recipe, chosen.metric)

    def reader(self, tab: Tab, chosen: Choices) -> Layer:
        """That, with what the tab taught. It may take seconds: for worker threads."""
        base = self.fitted(chosen)
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


def body_of(request: Request, most: int = MAX_BYTES) -> Callable[[], Awaitable[bytes]]:
    """What takes in the body of a request, or refuses it when it is larger than `most` bytes."""

    async def take() -> bytes:
        parts, n_bytes = [], 0
        async for part in request.stream():
            parts.append(part)
            n_bytes += len(part)
            if n_bytes > most:
                raise Refused(413, f"This is larger than {most:,} bytes.")
        return b"".join(parts)

    return take


def explained(data: Data, reader: Layer, found: Found) -> dict[str, Any]:
    """Each class's share of the votes for one image, and its neighbours."""
    shares = zip(reader.classes_, found.shares[0], strict=True)
    near = zip(found.neighbors[0], found.distances[0], strict=True)
    return {
        "classes": [
            {"label": str(label), "share": round(float(share), 4)} for label, share in shares
        ],
        "neighbors": [
            _neighbor(data, reader, int(index), float(distance)) for index, distance in near
        ],
    }


def _neighbor(data: Data, reader: Layer, index: int, distance: float) -> dict[str, Any]:
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
