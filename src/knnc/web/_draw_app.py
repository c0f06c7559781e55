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
from knnc.web._state import Choices, Chosen, State, TabName, body_of, encoded, explained

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
        body = body_of(request, _LARGEST**2)
        return await state.strokes.run(_read_ink, state, x_tab, chosen, body=body)

    @app.post("/api/image")
    async def image(request: Request, chosen: Chosen, x_tab: TabName) -> Any:
        """Read a file with one character or thing on it."""
        state.fitted(chosen)  # refused before it is decoded, if it is not ready
        decode = state.decoder.decode
        decoded = await state.pages.run(decode, 1, body=body_of(request), client=x_tab)
        return await state.strokes.run(_read_picture, decoded.pixels, state, x_tab, chosen)

    @app.get("/api/test/{number}")
    async def test(number: int, chosen: Chosen, x_tab: TabName) -> Any:
        """Read one of the test images."""
        data = state.readers.data
        if not 0 <= number < len(data.test_rows):
            raise Refused(404, f"Test images have numbers from 0 to {len(data.test_rows) - 1}.")
        said = await state.strokes.run(_read_row, data.test_rows[number], state, x_tab, chosen)
        return said | {"label": str(data.test_labels[number])}

    @app.post("/api/why")
    async def why(request: Request, chosen: Chosen, distance: Annotated[float, Query(ge=0)]) -> Any:
        """How many rows the codes rule out for an image of 28 x 28 bytes."""
        if (chosen.recipe or state.readers.recipe) != "plain" or chosen.metric != "euclidean":
            raise Refused(409, "Rows ruled out are counted for plain and euclidean only.")
        if not distance < 1e5:
            raise Refused(422, "distance: no two images are that far apart.")
        n_rows, fitted = len(state.readers.data.rows), state.fitted(chosen)

        def work(content: bytes) -> dict[str, Any]:
            row = _row(content)
            if not fitted._lazy_index.get(1).is_pruned:
                return {"ruled_out": 0, "compared": n_rows}
            n = state.readers.get("ruled").count(row, distance)
            return {"ruled_out": n, "compared": n_rows - n}

        return await state.strokes.run(work, body=body_of(request, SIDE**2))


def _add_taught(app: FastAPI, state: State) -> None:
    @app.post("/api/taught")
    async def teach(
        request: Request, label: Annotated[str, Query(max_length=64)], x_tab: TabName
    ) -> Any:
        """Teach this tab an image of 28 x 28 bytes. It forgets what that was called before."""
        tab = state.tabs.get(x_tab)

        def work(content: bytes) -> dict[str, int]:
            return {"taught": tab.teach(_row(content), label)}

        return await state.strokes.run(work, body=body_of(request, SIDE**2))

    @app.get("/api/taught")
    async def n_taught(x_tab: TabName) -> Any:
        """How many images this tab was taught."""
        return {"taught": len(state.tabs.get(x_tab).taught)}

    @app.delete("/api/taught")
    async def unteach(x_tab: TabName) -> Any:
        """Forget what was taught last."""
        return {"taught": await state.strokes.run(state.tabs.get(x_tab).unteach)}

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


def _read_ink(content: bytes, state: State, tab: str, chosen: Choices) -> Any:
    return _read_row(normal_form(_square(content)).ravel(), state, tab, chosen)


def _read_picture(pixels: NDArray[np.uint8], state: State, tab: str, chosen: Choices) -> Any:
    return _read_row(normalise(pixels[np.newaxis])[0], state, tab, chosen)


def _read_row(row: NDArray[np.uint8], state: State, name: str, chosen: Choices) -> dict[str, Any]:
    """The answer for one image, and what led to it."""
    image = encoded(row)
    if not row.any():
        return {"image": image, "answer": None, "classes": [], "neighbors": [], "ms": 0.0}
    data, reader = state.readers.data, state.reader(state.tabs.get(name), chosen)
    began = perf_counter()
    found = reader.find(row.reshape(1, -1))
    ms = 1e3 * (perf_counter() - began)
    answer = str(reader.classes_[found.shares[0].argmax()])
    said = {"image": image, "answer": answer, "ms": round(ms, 3)}
    return said | explained(data, reader, found)
