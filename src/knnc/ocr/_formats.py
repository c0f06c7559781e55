"""Pages in the formats that programs for text recognition write."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from html import escape
from typing import Any

from knnc.ocr._page import Box, Glyph, Page, Word, box_around

__all__ = ["FORMATS", "formatted"]

# A page with the name of its file and its number there.
Named = tuple[str, int, Page]


def formatted(pages: Iterable[Named], kind: str) -> Iterator[str]:
    """Write pages in one of the formats, piece by piece; each piece ends at the end of a line.

    Parameters
    ----------
    pages : iterable of (str, int, Page)
        For each page the name of its file, its number in the file, from 1, and the page.
    kind : {"text", "json", "tsv", "hocr", "alto"}
        ``text`` has a form feed between pages. ``json`` has one line for each page, with one
        object. ``tsv`` has the columns of Tesseract. ``hocr`` is HTML with boxes. ``alto`` is XML
        of ALTO, version 4.

    Yields
    ------
    piece : str

    Raises
    ------
    ValueError
        If there is no such kind.
    """
    if kind not in FORMATS:
        raise ValueError(f"no format is called {kind!r}: choose from {', '.join(FORMATS)}")
    return FORMATS[kind](pages)


def _text(pages: Iterable[Named]) -> Iterator[str]:
    for number, (_, _, page) in enumerate(pages):
        yield "\f" * (number > 0) + page.text + "\n" * bool(page.glyphs)


def _json(pages: Iterable[Named]) -> Iterator[str]:
    for file, number, page in pages:
        record = {
            "file": file,
            "page": number,
            "size": page.size,
            "degrees": page.degrees,
            "quarters": page.quarters,
            "text": page.text,
            "unlike": page.unlike,
            "too_dense": page.too_dense,
            "lines": [
                {
                    "text": page.lines[words[0].line],
                    "box": box_around(word.box for word in words),
                    "words": [_word(word) for word in words],
                }
                for words in _lines(page)
            ],
            "glyphs": [_glyph(glyph) for glyph in page.glyphs],
        }
        yield json.dumps(record, allow_nan=False) + "\n"


def _lines(page: Page) -> list[list[Word]]:
    lines: list[list[Word]] = [[] for _ in page.lines]
    for word in page.words:
        lines[word.line].append(word)
    return lines


def _word(word: Word) -> dict[str, Any]:
    return {"text": word.text, "box": word.box, "confidence": word.confidence}


def _glyph(glyph: Glyph) -> dict[str, Any]:
    return {
        "box": glyph.box,
        "label": glyph.label,
        "probability": glyph.probability,
        "confidence": glyph.confidence,
        "guess": glyph.guess,
        "line": glyph.line,
        "space_before": glyph.space_before,
        "is_mark": glyph.is_mark,
        "alternatives": [{"label": label, "share": share} for label, share in glyph.alternatives],
        "neighbors": [
            {"row": row, "label": label, "distance": distance}
            for row, label, distance in zip(
                glyph.neighbors, glyph.neighbor_labels, glyph.distances, strict=False
            )
        ],
    }


_COLUMNS = "level page_num block_num par_num line_num word_num left top width height conf text"


def _tsv(pages: Iterable[Named]) -> Iterator[str]:
    yield "\t".join(_COLUMNS.split()) + "\n"
    for n, (_, _, page) in enumerate(pages, 1):
        yield _row(1, (n, 0, 0, 0, 0), (0, 0, *page.size))
        for i, words in enumerate(_lines(page), 1):
            yield _row(4, (n, 1, 1, i, 0), box_around(word.box for word in words))
            for j, word in enumerate(words, 1):
                yield _row(5, (n, 1, 1, i, j), word.box, f"{100 * word.confidence:.1f}", word.text)


def _row(
    level: int, numbers: tuple[int, ...], box: Box, confidence: str = "-1", text: str = ""
) -> str:
    x0, y0, x1, y1 = box
    values = (level, *numbers, x0, y0, x1 - x0, y1 - y0, confidence, text)
    return "\t".join(map(str, values)) + "\n"


def _hocr(pages: Iterable[Named]) -> Iterator[str]:
    yield (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<html xmlns="http://www.w3.org/1999/xhtml">\n<head>\n<title></title>\n'
        '<meta name="ocr-system" content="knnc"/>\n'
        '<meta name="ocr-capabilities" content="ocr_page ocr_carea ocr_par ocr_line '
        'ocrx_word"/>\n'
        "</head>\n<body>\n"
    )
    for n, (file, number, page) in enumerate(pages, 1):
        name = escape(file.replace('"', "_"), quote=True)
        title = f'image "{name}"; {_bbox((0, 0, *page.size))}; ppageno {number - 1}'
        yield f"<div class='ocr_page' id='page_{n}' title='{title}'>\n"
        if page.glyphs:  # one area with one paragraph, as programs expect that read hOCR
            title = _bbox(box_around(glyph.box for glyph in page.glyphs))
            yield f"<div class='ocr_carea' id='block_{n}_1' title='{title}'>\n"
            yield f"<p class='ocr_par' id='par_{n}_1' title='{title}'>\n"
        for i, words in enumerate(_lines(page), 1):
            box = box_around(word.box for word in words)
            yield f"<span class='ocr_line' id='line_{n}_{i}' title='{_bbox(box)}'>\n"
            for j, word in enumerate(words, 1):
                title = f"{_bbox(word.box)}; x_wconf {round(100 * word.confidence)}"
                yield (
                    f"<span class='ocrx_word' id='word_{n}_{i}_{j}' title='{title}'>"
                    f"{escape(word.text)}</span>\n"
                )
            yield "</span>\n"
        yield "</p>\n</div>\n" * bool(page.glyphs) + "</div>\n"
    yield "</body>\n</html>\n"


def _bbox(box: Box) -> str:
    return "bbox " + " ".join(map(str, box))


def _alto(pages: Iterable[Named]) -> Iterator[str]:
    yield (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<alto xmlns="http://www.loc.gov/standards/alto/ns-v4#">\n'
        "<Description><MeasurementUnit>pixel</MeasurementUnit></Description>\n<Layout>\n"
    )
    for n, (_, number, page) in enumerate(pages, 1):
        width, height = page.size
        size = f'HEIGHT="{height}" WIDTH="{width}"'
        yield f'<Page ID="page_{n}" PHYSICAL_IMG_NR="{number}" {size}>\n'
        yield f"<PrintSpace {_place((0, 0, width, height))}>\n"
        for i, words in enumerate(_lines(page), 1):
            box = _place(box_around(word.box for word in words))
            yield f'<TextBlock ID="block_{n}_{i}" {box}>\n<TextLine ID="line_{n}_{i}" {box}>\n'
            for j, word in enumerate(words, 1):
                yield "<SP/>\n" * (j > 1) + _string(word, f"{n}_{i}_{j}")
            yield "</TextLine>\n</TextBlock>\n"
        yield "</PrintSpace>\n</Page>\n"
    yield "</Layout>\n</alto>\n"


def _string(word: Word, name: str) -> str:
    # A Glyph of ALTO has one character, a Variant at most three. Labels may have more.
    glyphs = "".join(
        f'<Glyph ID="glyph_{name}_{k}" CONTENT="{escape(glyph.label)}" {_place(glyph.box)} '
        f'GC="{glyph.confidence:.4f}">'
        + "".join(
            f'<Variant CONTENT="{escape(label)}" VC="{share:.4f}"/>'
            for label, share in glyph.alternatives
            if len(label) <= 3
        )
        + "</Glyph>\n"
        for k, glyph in enumerate(word.glyphs, 1)
        if all(len(glyph.label) == 1 for glyph in word.glyphs)
    )
    return (
        f'<String ID="word_{name}" CONTENT="{escape(word.text)}" {_place(word.box)} '
        f'WC="{word.confidence:.4f}">\n{glyphs}</String>\n'
    )


def _place(box: Box) -> str:
    x0, y0, x1, y1 = box
    return f'HPOS="{x0}" VPOS="{y0}" HEIGHT="{y1 - y0}" WIDTH="{x1 - x0}"'


FORMATS: dict[str, Callable[[Iterable[Named]], Iterator[str]]] = {
    "text": _text,
    "json": _json,
    "tsv": _tsv,
    "hocr": _hocr,
    "alto": _alto,
}
