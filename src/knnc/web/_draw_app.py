"""The addresses of Draw: a drawing, a test image or a file read, and what a tab teaches."""

from __future__ import annotations

from time import perf_counter
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import FastAPI, Query, Request
from fastapi.responses import Response
from numpy.typing import NDArray

from knnc.ocr import normalise
from knnc.ocr._glyphs import SIDE, normal_form
from knnc.web import _files
from knnc.web._guard import Refused
from knnc.web._state import Choices, Chosen, State, TabName, encoded, neighbor

__all__ = ["add"]

# What may be drawn on: a square of so many pixels a side.
_SMALLEST, _LARGEST = 28, 280


def add(app: FastAPI, state: State) -> None:
    """Add them."""
    _add_draw(app, state)
    _add_taught(app, state)


def _add_draw(app: FastAPI, state: State) -> None:
    @app.get("/api/status")
    async def status() -> dict[str, Any]:
        """What the server is doing."""
        said = state.readers.status()
        if said["ready"]:
            data = state.readers.data
            said |= {"rows": len(data.rows), "test_images": len(data.test_rows)}
        return said

    @app.post("/api/draw")
    async def draw(request: Request, chosen: Chosen, x_tab: TabName) -> Any:
        """Read a drawing: a square of bytes, 0 for paper and 255 for ink."""
        ink = _square(await request.body())
        return await state.strokes.run(_read_ink, state, x_tab, ink, chosen)

    @app.post("/api/image")
    async def image(request: Request, chosen: Chosen, x_tab: TabName) -> Any:
        """Read a file with one character or thing on it."""
        content = await request.body()
        decoded = await state.pages.run(state.decoder.decode, content, 1, client=x_tab)
        return await state.strokes.run(_read_picture, state, x_tab, decoded.pixels, chosen)

    @app.get("/api/test/{number}")
    async def test(number: int, chosen: Chosen, x_tab: TabName) -> Any:
        """Read one of the test images."""
        data = state.readers.data
        if not 0 <= number < len(data.test_rows):
            raise Refused(404, f"Test images have numbers from 0 to {len(data.test_rows) - 1}.")
        said = await state.strokes.run(_read_row, state, x_tab, data.test_rows[number], chosen)
        return said | {"label": str(data.test_labels[number])}

    @app.post("/api/why")
    async def why(request: Request, chosen: Chosen, distance: Annotated[float, Query(ge=0)]) -> Any:
        """How many rows the codes rule out for an image of 28 x 28 bytes."""
        row = _row(await request.body())
        if (chosen.recipe or state.readers.recipe) != "plain" or chosen.metric != "euclidean":
            raise Refused(409, "Rows ruled out are counted for plain and euclidean only.")
        if not distance < 1e5:
            raise Refused(422, "distance: no two images are that far apart.")
        n_rows = len(state.readers.data.rows)
        index = state.readers.estimator("plain", "euclidean")._lazy_index.get(1)
        if not index.is_pruned:
            return {"ruled_out": 0, "compared": n_rows}
        ruled = state.readers.get("ruled")
        n = await state.strokes.run(ruled.count, row, distance)
        return {"ruled_out": n, "compared": n_rows - n}


def _add_taught(app: FastAPI, state: State) -> None:
    @app.post("/api/taught")
    async def teach(
        request: Request, label: Annotated[str, Query(max_length=64)], x_tab: TabName
    ) -> Any:
        """Teach this tab an image of 28 x 28 bytes."""
        tab = state.tabs.get(x_tab)
        tab.teach(_row(await request.body()), label)
        return {"taught": len(tab.taught)}

    @app.delete("/api/taught")
    async def unteach(x_tab: TabName) -> Any:
        """Forget what was taught last."""
        tab = state.tabs.get(x_tab)
        tab.unteach()
        return {"taught": len(tab.taught)}

    @app.get("/api/taught/{form}")
    async def taught(form: Literal["idx", "knnc"], x_tab: TabName) -> Response:
        """What was taught, as IDX files in a zip archive or as knnc.save writes it."""
        rows, labels = state.tabs.get(x_tab).rows_and_labels()
        if not len(rows):
            raise Refused(409, "Nothing was taught yet.")
        made = _files.idx_archive if form == "idx" else _files.saved_classifier
        content = await state.pages.run(made, rows, labels, client=x_tab)
        name, kind = {
            "idx": ("taught.zip", "application/zip"),
            "knnc": ("taught.knnc", "application/octet-stream"),
        }[form]
        return _files.download(content, name, kind)


def _square(content: bytes) -> NDArray[np.float32]:
    """A drawing as ink from 0 to 1."""
    side = round(len(content) ** 0.5)
    if side * side != len(content) or not _SMALLEST <= side <= _LARGEST:
        raise Refused(
            422,
            f"A drawing is a square of {_SMALLEST} to {_LARGEST} bytes a side, "
            f"not {len(content):,} bytes.",
        )
    square = np.frombuffer(content, np.uint8).reshape(side, side)
    return square.astype(np.float32) / np.float32(255)


def _row(content: bytes) -> NDArray[np.uint8]:
    if len(content) != SIDE * SIDE:
        raise Refused(422, f"An image has 28 x 28 bytes, not {len(content):,} bytes.")
    return np.frombuffer(content, np.uint8)


def _read_ink(state: State, tab: str, ink: NDArray[np.float32], chosen: Choices) -> Any:
    return _read_row(state, tab, normal_form(ink).ravel(), chosen)


def _read_picture(state: State, tab: str, pixels: NDArray[np.uint8], chosen: Choices) -> Any:
    return _read_row(state, tab, normalise(pixels[np.newaxis])[0], chosen)


def _read_row(state: State, name: str, row: NDArray[np.uint8], chosen: Choices) -> dict[str, Any]:
    """The answer for one image, and what led to it."""
    image = encoded(row)
    if not row.any():
        return {"image": image, "answer": None, "classes": [], "neighbors": [], "ms": 0.0}
    data, reader = state.readers.data, state.reader(state.tabs.get(name), chosen)
    began = perf_counter()
    found = reader.find(row.reshape(1, -1))
    ms = 1e3 * (perf_counter() - began)
    shares, rows = found.shares[0], found.neighbors[0]
    return {
        "image": image,
        "answer": str(reader.classes_[shares.argmax()]),
        "classes": [
            {"label": str(label), "share": round(float(share), 4)}
            for label, share in zip(reader.classes_, shares, strict=True)
        ],
        "neighbors": [
            neighbor(data, reader, int(index), float(distance))
            for index, distance in zip(rows, found.distances[0], strict=True)
        ],
        "ms": round(ms, 3),
    }
