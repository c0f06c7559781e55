"""The data set in the plane, what is remarkable in it, and the neighbours of what is shown."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from knnc import KNeighborsClassifier, NearestNeighbors
from knnc._extras import require
from knnc.inspection import disputed_labels, leave_one_out_proba, near_duplicates
from knnc.plot._tsne import embed
from knnc.web._files import csv_table
from knnc.web._guard import Refused

if TYPE_CHECKING:
    from knnc.web._readers import Data

__all__ = ["Map"]

# Two images are duplicates if they are nearer than this part of the usual distance of an image
# from the one nearest it.
_NEAR = 0.25


class Map:
    """Some rows of a data set, laid out by t-SNE on knnc's graph of neighbours.

    Parameters
    ----------
    data : Data
    classifier : KNeighborsClassifier
        Fitted to all of its rows.
    n_shown : int
        How many rows at most.
    """

    def __init__(self, data: Data, classifier: KNeighborsClassifier, n_shown: int) -> None:
        n = min(n_shown, len(data.rows))
        # The rows that EmbeddingDisplay.from_rows draws.
        self.rows = np.sort(np.random.default_rng(0).choice(len(data.rows), n, replace=False))
        self.labels = data.labels[self.rows]
        self.images: NDArray[np.uint8] = data.rows[self.rows]
        perplexity = min(30.0, n / 4)
        with threadpool_limits(1, user_api="openmp"):  # the other cores answer strokes meanwhile
            self.points, _ = embed(
                self.images, metric="euclidean", perplexity=perplexity, max_iter=750, random_state=0
            )
        self._nearest = NearestNeighbors(n_jobs=1).fit(self.images)
        self.flags = self._flags(data, classifier)

    def _flags(self, data: Data, classifier: KNeighborsClassifier) -> dict[str, NDArray[np.bool_]]:
        """What the neighbours among all rows say of each row that is shown."""
        best = leave_one_out_proba(classifier).argmax(axis=1)
        usual = float(np.median(classifier.kneighbors(n_neighbors=1)[0]))
        pairs = near_duplicates(data.rows, _NEAR * usual).pairs
        everywhere = {
            "misread": classifier.classes_[best] != data.labels,
            "disputed": np.isin(np.arange(len(data.rows)), disputed_labels(classifier).index),
            "duplicate": np.isin(np.arange(len(data.rows)), pairs),
        }
        return {name: flags[self.rows] for name, flags in everywhere.items()}

    def described(self) -> dict[str, Any]:
        """All but the images, as the browser takes it."""
        low, high = self.points.min(axis=0), self.points.max(axis=0)
        points = (self.points - low) / max(float((high - low).max()), 1e-9)
        return {
            "rows": self.rows.tolist(),
            "labels": self.labels.tolist(),
            "points": np.round(points.astype(np.float64), 5).ravel().tolist(),
            "flags": {name: np.flatnonzero(on).tolist() for name, on in self.flags.items()},
        }

    def near(self, point: int, k: int) -> dict[str, Any]:
        """The nearest points of one that is shown, by their distance in the original space."""
        n = len(self.rows)
        if not 0 <= point < n:
            raise Refused(404, f"Points have numbers from 0 to {n - 1}.")
        others = np.arange(n) != point
        k = min(k, n - 1)
        dist, ind = self._nearest.kneighbors(self.images[[point]], k, row_mask=others)
        return {
            "image": base64.b64encode(self.images[point].tobytes()).decode(),
            "neighbors": [
                {
                    "point": int(index),
                    "row": int(self.rows[index]),
                    "label": str(self.labels[index]),
                    "distance": round(float(distance), 4),
                    "image": base64.b64encode(self.images[index].tobytes()).decode(),
                }
                for index, distance in zip(ind[0], dist[0], strict=True)
            ],
        }

    def checked(self, points: Sequence[int]) -> list[int]:
        """Points of a selection, in their order; all if none are named."""
        if any(not 0 <= point < len(self.rows) for point in points):
            raise Refused(422, f"points: numbers from 0 to {len(self.rows) - 1} only.")
        return sorted(set(points)) or list(range(len(self.rows)))

    def as_csv(self, points: Sequence[int]) -> str:
        """A line for each point."""
        names = ("row", "label", "x", "y", *self.flags)
        lines = [
            (
                int(self.rows[i]),
                str(self.labels[i]),
                *(float(v) for v in self.points[i]),
                *(bool(on[i]) for on in self.flags.values()),
            )
            for i in self.checked(points)
        ]
        return csv_table(names, lines)

    def as_parquet(self, points: Sequence[int], k: int) -> bytes:
        """The points with their neighbours among them, as embedding-atlas reads it.

        A row's neighbours are ``{"ids": [...], "distances": [...]}``; ids are rows of the data set.
        """
        arrow = require("pyarrow", by="Parquet", install="knnc[web]")
        parquet = require("pyarrow.parquet", by="Parquet", install="knnc[web]")
        chosen = self.checked(points)
        if len(chosen) < 2:
            raise Refused(422, "points: a table of neighbours needs two points at least.")
        nearest = NearestNeighbors(n_jobs=1).fit(self.images[chosen])
        dist, ind = nearest.kneighbors(n_neighbors=min(k, len(chosen) - 1))
        rows = self.rows[chosen]
        columns = {
            "id": rows,
            "label": arrow.array(self.labels[chosen].tolist()),
            "x": self.points[chosen, 0],
            "y": self.points[chosen, 1],
            **{name: on[chosen] for name, on in self.flags.items()},
            "neighbors": arrow.array(
                [
                    {"ids": rows[near].tolist(), "distances": apart.tolist()}
                    for near, apart in zip(ind, dist, strict=True)
                ]
            ),
        }
        out = arrow.BufferOutputStream()
        parquet.write_table(arrow.table(columns), out)
        content: bytes = out.getvalue().to_pybytes()
        return content
