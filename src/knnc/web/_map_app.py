"""The addresses of Explore: the map, the neighbours of a point, a selection as a file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, Field, ValidationError

from knnc.web import _files
from knnc.web._map import Map
from knnc.web._state import State, body_of

__all__ = ["add"]

_MOST_POINTS = 10_000
# Such a selection, with numbers of up to nine digits.
_MOST_BYTES = 100_000


class Selection(BaseModel):
    """Points of the map; all if there are none."""

    points: Annotated[list[int], Field(max_length=_MOST_POINTS)] = []


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

    @app.post("/api/map/export/{form}", openapi_extra=_SELECTION)
    async def export(
        request: Request,
        form: Literal["csv", "parquet"],
        k: Annotated[int, Query(ge=1, le=50)] = 10,
    ) -> Response:
        """A selection as a file."""
        made = the_map()

        def work(content: bytes) -> str | bytes:
            points = _points_of(content)
            return made.as_csv(points) if form == "csv" else made.as_parquet(points, k)

        content = await state.strokes.run(work, body=body_of(request, _MOST_BYTES))
        kinds = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}
        return _files.download(content, f"points.{form}", kinds[form])


def _points_of(content: bytes) -> list[int]:
    try:
        return Selection.model_validate_json(content).points
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error


# FastAPI would take the body in whole before its size is known, and answer 400 if it is too large.
_SELECTION = {
    "requestBody": {"content": {"application/json": {"schema": Selection.model_json_schema()}}}
}
