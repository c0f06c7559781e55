"""What can be downloaded: IDX files, a saved classifier, CSV."""

from __future__ import annotations

import csv
import io
import struct
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from fastapi.responses import Response
from numpy.typing import NDArray

from knnc import KNeighborsClassifier
from knnc.persistence.estimators import save
from knnc.web._guard import Refused

__all__ = ["csv_table", "download", "idx_archive", "saved_classifier"]

_SIDE = 28
_MOST_CLASSES = 256


def download(content: bytes | str, name: str, kind: str) -> Response:
    """Content that a browser saves rather than shows."""
    disposition = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=kind, headers=disposition)


def idx_archive(rows: NDArray[np.uint8], labels: NDArray[Any]) -> bytes:
    """Training images and labels as MNIST has them, in a zip archive.

    Labels that are no single digits are numbered, and a mapping file says which each is.

    Raises
    ------
    Refused
        If there are more labels than a byte can number.
    """
    classes = np.unique(labels)
    if len(classes) > _MOST_CLASSES:
        raise Refused(
            409,
            f"IDX files have {_MOST_CLASSES} labels at most, and {len(classes):,} were taught: "
            "save them as .knnc.",
        )
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
