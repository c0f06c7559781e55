"""The addresses of Explore: the map, the neighbours of a point, a selection as a file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import FastAPI, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from knnc.web import _files
from knnc.web._map import Map
from knnc.web._state import State

__all__ = ["add"]


class Selection(BaseModel):
    """Points of the map; all if there are none."""

    points: Annotated[list[int], Field(max_length=10_000)] = []


def add(app: FastAPI, state: State) -> None:
    """Add them."""

    def the_map() -> Map:
        made: Map = state.readers.get("map")
        return made

    @app.get("/api/map")
    async def described() -> Any:
        """Where each row is, what it is called and what is remarkable about it."""
        return await state.strokes.run(the_map().described)

    @app.get("/api/map/images")
    async def images() -> Response:
        """The images, 784 bytes each."""
        return Response(the_map().images.tobytes(), media_type="application/octet-stream")

    @app.get("/api/map/points/{point}")
    async def near(point: int, k: Annotated[int, Query(ge=1, le=50)] = 10) -> Any:
        """The nearest points of one, in the original space."""
        return await state.strokes.run(the_map().near, point, k)

    @app.post("/api/map/export/{form}")
    async def export(
        form: Literal["csv", "parquet"],
        selection: Selection,
        k: Annotated[int, Query(ge=1, le=50)] = 10,
    ) -> Response:
        """A selection as a file."""
        if form == "csv":
            content = await state.strokes.run(the_map().as_csv, selection.points)
            return _files.download(content, "points.csv", "text/csv; charset=utf-8")
        table = await state.strokes.run(the_map().as_parquet, selection.points, k)
        return _files.download(table, "points.parquet", "application/vnd.apache.parquet")
