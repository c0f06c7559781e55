"""What can be downloaded, as bytes: IDX, a saved classifier, CSV, hOCR, Parquet."""

from __future__ import annotations

import csv
import html
import io
import json
import struct
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from fastapi.responses import Response
from numpy.typing import NDArray

from knnc import KNeighborsClassifier
from knnc.persistence.estimators import save

__all__ = ["csv_table", "download", "hocr", "idx_archive", "page_json", "saved_classifier"]

_SIDE = 28


def download(content: bytes | str, name: str, kind: str) -> Response:
    """Content that a browser saves rather than shows."""
    disposition = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=kind, headers=disposition)


def idx_archive(rows: NDArray[np.uint8], labels: NDArray[Any]) -> bytes:
    """Training images and labels as MNIST has them, in a zip archive.

    Labels that are no single digits are numbered, and a mapping file says which each is.
    """
    classes = np.unique(labels)
    are_digits = all(len(label) == 1 and label in "0123456789" for label in classes)
    codes = labels.astype(np.uint8) if are_digits else np.searchsorted(classes, labels)
    parts = {
        "train-images-idx3-ubyte": _idx(rows.reshape(-1, _SIDE, _SIDE)),
        "train-labels-idx1-ubyte": _idx(codes.astype(np.uint8)),
    }
    if not are_digits:
        lines = (f"{i} {' '.join(str(ord(c)) for c in label)}" for i, label in enumerate(classes))
        parts["taught-mapping.txt"] = "\n".join(lines).encode() + b"\n"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


def _idx(array: NDArray[np.uint8]) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.tobytes()


def saved_classifier(rows: NDArray[np.uint8], labels: NDArray[Any]) -> bytes:
    """A classifier of these rows alone, as :func:`knnc.save` writes it."""
    classifier = KNeighborsClassifier(min(5, len(rows)), n_jobs=1).fit(rows, labels)
    with tempfile.TemporaryDirectory(prefix="knnc-") as folder:
        path = Path(folder, "taught.knnc")
        save(classifier, path)
        return path.read_bytes()


def csv_table(names: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """A table as CSV. No text in it is taken for a formula by a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(names)
    writer.writerows([_harmless(value) for value in line] for line in lines)
    return out.getvalue()


def _harmless(value: object) -> object:
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return "'" + value
    return value


def hocr(
    size: tuple[int, int],
    glyphs: Sequence[Any],
    texts: Sequence[str],
    probabilities: Sequence[float],
) -> str:
    """A page as hOCR: lines, words and characters with their boxes.

    Parameters
    ----------
    size : (int, int)
        Width and height.
    glyphs : sequence of Glyph
        In reading order.
    texts : sequence of str
        What each is read as.
    probabilities : sequence of float
        How sure each is.
    """
    from knnc._version import __version__

    out = [
        "<!DOCTYPE html>",
        '<html xmlns="http://www.w3.org/1999/xhtml"><head><meta charset="utf-8"/>',
        f"<title>knnc</title><meta name='ocr-system' content='knnc {__version__}'/>",
        "<meta name='ocr-capabilities' content='ocr_page ocr_line ocrx_word ocrx_cinfo'/>",
        "</head><body>",
        f"<div class='ocr_page' title='bbox 0 0 {size[0]} {size[1]}'>",
    ]
    for words in _lines(glyphs, texts, probabilities):
        everything = [each for word in words for each in word]
        out.append(f"<span class='ocr_line' title='{_bbox(everything)}'>")
        for word in words:
            sure = round(100 * min(each.probability for each in word))
            parts = "".join(
                f"<span class='ocrx_cinfo' title='{_bbox([each])}; "
                f"x_conf {round(100 * each.probability)}'>{html.escape(each.text)}</span>"
                for each in word
            )
            title = f"{_bbox(word)}; x_wconf {sure}"
            out.append(f"<span class='ocrx_word' title='{title}'>{parts}</span>")
        out.append("</span>")
    return "\n".join([*out, "</div></body></html>", ""])


class _Character(NamedTuple):
    box: tuple[int, int, int, int]
    text: str
    probability: float


def _lines(
    glyphs: Sequence[Any], texts: Sequence[str], probabilities: Sequence[float]
) -> list[list[list[_Character]]]:
    """Lines of words of characters."""
    lines: list[list[list[_Character]]] = []
    line = None
    for glyph, text, probability in zip(glyphs, texts, probabilities, strict=True):
        if glyph.line != line:
            lines.append([[]])
            line = glyph.line
        elif glyph.space_before:
            lines[-1].append([])
        lines[-1][-1].append(_Character(glyph.box, text, probability))
    return lines


def _bbox(characters: Sequence[_Character]) -> str:
    boxes = np.array([each.box for each in characters])
    x0, y0 = boxes[:, :2].min(axis=0)
    x1, y1 = boxes[:, 2:].max(axis=0)
    return f"bbox {x0} {y0} {x1} {y1}"


def page_json(text: str, size: tuple[int, int], glyphs: Sequence[dict[str, Any]]) -> str:
    """A page as JSON."""
    return json.dumps({"text": text, "size": size, "glyphs": glyphs}, indent=1)
