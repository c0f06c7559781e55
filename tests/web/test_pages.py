"""Pages dropped, corrected, exported; files that are hostile."""

from __future__ import annotations

import csv
import io
import json
import socket
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from knnc.web import _decode, _pages
from knnc.web._decode import Decoder
from knnc.web._files import csv_table
from knnc.web._guard import Refused
from knnc.web._readers import Readers
from knnc.web._tabs import Tab
from tests.web.conftest import as_file, scan

Ask = Callable[..., Any]


@pytest.fixture
def page(ask: Ask) -> Any:
    """A page that was read, and its text."""
    pixels, text = scan()
    response = ask("POST", "/api/page", content=as_file(pixels))
    assert response.status_code == 200, response.text
    return response.json(), text


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "WEBP", "BMP", "PDF"])
def test_each_format_is_read(ask: Ask, form: str) -> None:
    if form == "PDF":
        pytest.importorskip("pypdfium2", reason="a PDF needs the extra 'pdf'")
    pixels, text = scan()
    read = ask("POST", "/api/page", content=as_file(pixels, form)).json()
    assert len(read["glyphs"]) == len(text) - 1
    assert sum(a == b for a, b in zip(read["text"], text, strict=True)) >= len(text) - 2


def test_a_correction_pins_a_character_and_teaches_its_like(ask: Ask, page: Any) -> None:
    read, _ = page
    corrected = ask("PUT", "/api/page/characters/2", params={"label": "<&>", "k": 1}).json()
    assert corrected["taught"] == 1
    assert corrected["glyphs"][2]["label"] == "<&>"
    assert corrected["glyphs"][2]["corrected"]
    assert [each["box"] for each in corrected["glyphs"]] == [g["box"] for g in read["glyphs"]]
    near = ask("GET", "/api/page/characters/2").json()["neighbors"]
    assert (near[0]["label"], near[0]["taught"], near[0]["distance"]) == ("<&>", True, 0.0)
    pixels, _ = scan()
    again = ask("POST", "/api/page", content=as_file(pixels), params={"k": 1}).json()
    assert again["glyphs"][2]["label"] == "<&>"  # what was taught holds for the next page too


def test_a_second_correction_takes_the_place_of_the_first(ask: Ask, page: Any) -> None:
    for label in ("a", "b"):
        corrected = ask("PUT", "/api/page/characters/2", params={"label": label, "k": 1}).json()
        assert corrected["taught"] == 1
        assert corrected["glyphs"][2]["label"] == label
    near = ask("GET", "/api/page/characters/2").json()["neighbors"]
    assert [each["label"] for each in near] == ["b"]


def test_a_correction_teaches_nothing_before_the_reader_is_ready(
    ask: Ask, page: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = [True, True]
    estimator = Readers.estimator

    def later(self: Readers, *given: str) -> Any:
        if waiting and waiting.pop():
            raise Refused(202, "The reader is being made ready: this takes a moment.")
        return estimator(self, *given)

    monkeypatch.setattr(Readers, "estimator", later)
    taught = []
    teach = Tab.teach
    monkeypatch.setattr(Tab, "teach", lambda self, *given: taught.append(1) or teach(self, *given))
    corrected = ask("PUT", "/api/page/characters/2", params={"label": "8"})
    assert corrected.json()["glyphs"][2]["label"] == "8"
    assert (waiting, len(taught)) == ([], 1)


@pytest.mark.parametrize(("path", "status"), [("99", 404), ("-1", 404), ("x", 422)])
def test_a_character_that_is_not_there(ask: Ask, page: Any, path: str, status: int) -> None:
    assert ask("GET", f"/api/page/characters/{path}").status_code == status
    correction = ask("PUT", f"/api/page/characters/{path}", params={"label": "1"})
    assert correction.status_code == status


class Words(HTMLParser):
    """What is inside of each ocrx_word, with its title."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[list[str]] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        named = dict(attrs)
        if named.get("class") == "ocrx_word":
            self.words.append([named.get("title") or "", ""])

    def handle_data(self, data: str) -> None:
        if self.words and data.strip():
            self.words[-1][1] += data


def test_exports_agree_and_escape(ask: Ask, page: Any) -> None:
    read, _ = page
    bad = "=<b>'\"&"
    read = ask("PUT", "/api/page/characters/0", params={"label": bad}).json()
    text = ask("GET", "/api/page/export/txt")
    assert text.text == read["text"] + "\n"
    assert "attachment" in text.headers["content-disposition"]
    exported = json.loads(ask("GET", "/api/page/export/json").text)
    assert exported["text"] == read["text"]
    for name in ("label", "box", "line", "guess", "is_mark"):
        assert [each[name] for each in exported["glyphs"]] == [g[name] for g in read["glyphs"]]
    lines = list(csv.reader(io.StringIO(ask("GET", "/api/page/export/csv").text)))
    assert lines[1][0] == "'" + bad
    assert [line[0] for line in lines[2:]] == [each["label"] for each in read["glyphs"][1:]]
    parsed = Words()
    parsed.feed(ask("GET", "/api/page/export/hocr").text)
    assert "b" not in parsed.tags
    assert "".join(word for _, word in parsed.words) == read["text"].replace("\n", "").replace(
        " ", ""
    )
    assert all(title.startswith("bbox ") and "x_wconf" in title for title, _ in parsed.words)
    assert ask("GET", "/api/page/export/exe").status_code == 422


def test_the_picture_is_what_was_decoded(ask: Ask, page: Any) -> None:
    from PIL import Image

    picture = ask("GET", "/api/page/picture")
    assert picture.headers["content-type"] == "image/png"
    with Image.open(io.BytesIO(picture.content)) as image:
        assert np.array_equal(np.asarray(image), scan()[0])


def test_paper_without_writing(ask: Ask) -> None:
    read = ask("POST", "/api/page", content=as_file(np.full((90, 90), 255, np.uint8))).json()
    assert (read["text"], read["glyphs"]) == ("", [])
    assert ask("GET", "/api/page/export/hocr").status_code == 200


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG file whose header says so, with few bytes behind it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (png_that_claims(30_000, 30_000), "pixels are allowed"),
        (png_that_claims(100, 100), "damaged"),
        (as_file(scan()[0])[:900], "damaged"),
        (b"%PDF-1.7\n" + bytes(5000), "damaged PDF"),
        (b"II*\0" + bytes(50), "image"),
    ],
    ids=["bomb", "short", "cut", "pdf", "tiff"],
)
def test_hostile_files_are_refused_with_a_sentence(ask: Ask, content: bytes, said: str) -> None:
    response = ask("POST", "/api/page", content=content)
    assert response.status_code == 422
    assert said in response.json()["error"]
    assert "/" not in response.json()["error"].replace("28 / 28", "")


def pages_of_a_tiff(*sizes: tuple[int, int]) -> bytes:
    """A TIFF file with a black page of each size, packed into few bytes."""
    from PIL import Image

    out = io.BytesIO()
    first, *others = (Image.new("1", size) for size in sizes)
    first.save(out, "TIFF", compression="group4", save_all=True, append_images=others)
    return out.getvalue()


@pytest.mark.parametrize("form", ["GIF", "PPM"])
def test_no_other_format_passes_as_webp(ask: Ask, form: str) -> None:
    content = bytearray(as_file(scan()[0], form))
    content[8:12] = b"WEBP"
    response = ask("POST", "/api/page", content=bytes(content))
    assert response.status_code == 415
    assert response.json()["error"] == "This is no PNG, JPEG, TIFF, WEBP, BMP or PDF file."


def test_a_child_decodes_no_format_that_is_not_named(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_bytes(as_file(scan()[0], "GIF"))
    asked = json.dumps({"path": str(path), "page": 1}).encode()
    command = [sys.executable, "-m", "knnc.web._decode"]
    said = subprocess.run(command, input=asked, capture_output=True, check=True).stdout
    assert json.loads(said)["error"] == "The image is damaged, or of another format."


@pytest.mark.parametrize("page", [1, 2])
def test_each_page_of_a_tiff_has_a_limit_of_pixels(ask: Ask, page: int) -> None:
    small, large = (100, 100), (20_000, 6_000)
    content = pages_of_a_tiff(*([large] if page == 1 else [small, large]))
    assert len(content) < 100_000
    response = ask("POST", "/api/page", content=content, params={"page": page})
    assert response.status_code == 422
    assert "20,000 x 6,000 pixels is too large" in response.json()["error"]


def test_a_child_imports_nothing_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "knnc").mkdir()
    (tmp_path / "knnc" / "__init__.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    # As "knnc serve" has it: its first entry is the folder of the program.
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    decoder = Decoder()
    assert decoder.decode(as_file(scan()[0]), 1).pixels.shape == scan()[0].shape
    decoder.close()


def test_a_child_that_ends_while_it_writes_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    said = b'{"height": 3, "width": 4}\n' + bytes(11)

    class Ended:
        def poll(self) -> None: ...
        def kill(self) -> None: ...
        def communicate(self, *_: Any, **__: Any) -> tuple[bytes, bytes]:
            return said, b""

    decoder = Decoder()
    monkeypatch.setattr(decoder, "_take", Ended)
    with pytest.raises(Refused, match="damaged or too large") as refused:
        decoder.decode(as_file(scan()[0]), 1)
    assert refused.value.status == 422


def test_a_decoder_that_takes_too_long_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = Decoder()
    monkeypatch.setattr(_decode, "MAX_SECONDS", 0.001)
    with pytest.raises(Refused, match="not decoded within"):
        decoder.decode(as_file(scan()[0]), 1)
    monkeypatch.undo()
    assert decoder.decode(as_file(scan()[0]), 1).pixels.shape == scan()[0].shape
    decoder.close()


def test_reading_ends_when_it_takes_too_long(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pages, "MAX_SECONDS", -1)
    response = ask("POST", "/api/page", content=as_file(scan()[0]))
    assert response.status_code == 422
    assert "cut it up" in response.json()["error"]


def test_a_client_reads_one_page_at_a_time(
    ask: Any, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go = threading.Event(), threading.Event()
    read = _pages.read

    def slow(*given: Any) -> Any:
        begun.set()
        assert go.wait(30)
        return read(*given)

    monkeypatch.setattr(_pages, "read", slow)
    first: list[Any] = []
    content = as_file(scan()[0])
    thread = threading.Thread(
        target=lambda: first.append(ask("POST", "/api/page", content=content))
    )
    thread.start()
    assert begun.wait(60)
    second = ask("POST", "/api/page", content=content)
    # A page is refused before it is sent.
    with socket.create_connection(server.removeprefix("http://").split(":"), 10) as early:
        head = f"POST /api/page HTTP/1.1\r\nHost: {early.getpeername()[0]}\r\nX-Tab: {ask.tab}\r\n"
        early.sendall(f"{head}Content-Length: 19000000\r\n\r\n".encode())
        assert early.recv(99).startswith(b"HTTP/1.1 429 ")
    go.set()
    thread.join()
    assert (second.status_code, second.headers["retry-after"]) == (429, "1")
    assert "still being read" in second.json()["error"]
    assert first[0].status_code == 200
    assert httpx.get(f"{server}/api/status").status_code == 200


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t"])
def test_no_text_of_a_table_is_a_formula(start: str) -> None:
    lines = list(csv.reader(io.StringIO(csv_table(["a", "b"], [(start + 'x"', -1)]))))
    assert lines[1] == ["'" + start + 'x"', "-1"]
