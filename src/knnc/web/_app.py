"""The server: its addresses, the page's files, and errors as sentences."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from knnc._version import __version__
from knnc.web import _draw_app, _map_app, _pages_app
from knnc.web._guard import Refused
from knnc.web._readers import Readers
from knnc.web._state import State

__all__ = ["make_app"]

_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}


def make_app(
    train: str, recipe: str, data_home: Path | None = None, *, n_shown: int = 3_000
) -> FastAPI:
    """The server, without the guard in front of it.

    Parameters
    ----------
    train : str
        "digits", "mnist", "fashion-mnist" or a folder of IDX files.
    recipe : str
        The recipe that reads unless another is chosen.
    data_home : Path, default=None
        Where data sets are kept.
    n_shown : int, default=3000
        Images on the map at most.

    Returns
    -------
    app : FastAPI
    """
    state = State(Readers(train, recipe, data_home, n_shown))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        state.close()

    # The pages of documentation would load scripts from elsewhere.
    app = FastAPI(
        title="knnc", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan
    )
    app.state.knnc = state
    _add_errors(app)
    _add_static(app)
    _draw_app.add(app, state)
    _pages_app.add(app, state)
    _map_app.add(app, state)
    return app


def _add_errors(app: FastAPI) -> None:
    """Every error is an object with one sentence."""

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> JSONResponse:
        headers = {} if error.retry_after is None else {"retry-after": str(error.retry_after)}
        return JSONResponse({"error": str(error)}, error.status, headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = f"{first['loc'][-1]}: " if first["loc"] else ""
        sentence = f"{where}{first['msg']}."
        return JSONResponse({"error": sentence}, 422)

    @app.exception_handler(HTTPException)
    async def other(request: Request, error: HTTPException) -> JSONResponse:
        sentence = {
            404: "There is nothing at this address.",
            405: f"{request.method} is not possible at this address.",
        }.get(error.status_code, str(error.detail))
        return JSONResponse({"error": sentence}, error.status_code)

    @app.exception_handler(Exception)
    async def failed(_: Request, __: Exception) -> JSONResponse:
        sentence = "The server made a mistake: the terminal that runs knnc serve says which."
        return JSONResponse({"error": sentence}, 500)


def _add_static(app: FastAPI) -> None:
    """The page itself. Its files are read once: no name in an address is ever a path."""
    for entry in files("knnc.web").joinpath("static").iterdir():
        content = entry.read_bytes()
        kind = _TYPES.get(entry.name.rpartition(".")[2])
        if kind is None:
            continue
        path = "/" if entry.name == "index.html" else f"/{entry.name}"

        def get(content: bytes = content, kind: str = kind) -> Response:
            return Response(content, media_type=kind)

        app.get(path, include_in_schema=False)(get)
