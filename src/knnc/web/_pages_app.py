"""The addresses of Read: a page dropped, corrected, exported."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import FastAPI, Query, Request
from fastapi.responses import Response

from knnc.web import _files, _pages
from knnc.web._guard import Refused
from knnc.web._state import Chosen, State, TabName, body_of, encoded, explained
from knnc.web._tabs import checked_label

__all__ = ["add"]


def add(app: FastAPI, state: State) -> None:
    """Add them."""

    @app.post("/api/page")
    async def read(
        request: Request,
        chosen: Chosen,
        x_tab: TabName,
        number: Annotated[int, Query(alias="page", ge=1, le=9999)] = 1,
    ) -> Any:
        """Read a page: an image or a PDF."""
        state.fitted(chosen)  # refused at once if it is not ready

        def work(content: bytes) -> dict[str, Any]:
            decoded = state.decoder.decode(content, number)
            tab = state.tabs.get(x_tab)
            page = _pages.read(decoded.pixels, number, state.reader(tab, chosen))
            state.tabs.keep_page(tab, page)
            return page.described()

        return await state.pages.run(work, body=body_of(request), client=x_tab)

    @app.get("/api/page/picture")
    async def picture(x_tab: TabName) -> Response:
        """The page as it was decoded."""
        return Response(_page_of(state, x_tab).picture, media_type="image/png")

    @app.get("/api/page/characters/{number}")
    async def character(number: int, x_tab: TabName) -> Any:
        """Why a character is read so."""
        page, data = _page_of(state, x_tab), state.readers.data
        _check(page, number)

        def work() -> dict[str, Any]:
            reader, row, found = page.character(number)
            said: dict[str, Any] = {"image": encoded(row), "classes": [], "neighbors": []}
            return said if found is None else said | explained(data, reader, found)

        return await state.strokes.run(work)

    @app.put("/api/page/characters/{number}")
    async def correct(
        number: int,
        label: Annotated[str, Query(max_length=64)],
        chosen: Chosen,
        x_tab: TabName,
    ) -> Any:
        """Say what a character is. It is taught, and the page is read again."""
        page, tab = _page_of(state, x_tab), state.tabs.get(x_tab)
        _check(page, number)
        label = checked_label(label)
        state.fitted(chosen)  # refused while it is not ready, and nothing is taught then

        def work() -> dict[str, Any]:
            with page.lock:
                taught = tab.teach(page.page.glyphs[number].image, label)
                page.correct(number, label, state.reader(tab, chosen))
                return page.described() | {"taught": taught}

        return await state.pages.run(work, client=x_tab)

    @app.get("/api/page/export/{form}")
    async def export(form: Literal["txt", "json", "csv", "hocr"], x_tab: TabName) -> Response:
        """The page as a file."""
        page = _page_of(state, x_tab)
        return _files.download(*await state.strokes.run(page.exported, form))


def _page_of(state: State, name: str) -> _pages.ReadPage:
    page = state.tabs.get(name).page
    if page is None:
        raise Refused(409, "This tab has no page: drop one first.")
    return page


def _check(page: _pages.ReadPage, number: int) -> None:
    n = len(page.page.glyphs)
    if not 0 <= number < n:
        raise Refused(404, f"There is no character {number} on a page of {n}.")
