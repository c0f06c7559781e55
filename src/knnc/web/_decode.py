"""Uploads decoded in a child process, which is killed if it takes too long.

``python -m knnc.web._decode`` is that child: JSON with the path of a file and the number of a page
comes in, a line of JSON and grey pixels go out.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnc.web._guard import Refused

__all__ = ["Decoded", "Decoder"]

MAX_SECONDS = 20
MAX_PIXELS = 100_000_000  # before they are reduced
_MAX_MEMORY = 3 << 30

# The formats, as Pillow calls them, and what their files begin with. Others are refused before
# anything looks at them.
_PDF_WITHIN = 1024
_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP")
_BEGINNING = re.compile(rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|II\*\0|MM\0\*|RIFF....WEBP|BM", re.DOTALL)
_DAMAGED = "The file could not be decoded: it is damaged or too large."


@dataclass(frozen=True)
class Decoded:
    """An upload in grey, upright and of bounded size."""

    pixels: NDArray[np.uint8]


class Decoder:
    """Child processes, of which one is always ready."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spare: subprocess.Popen[bytes] | None = None

    def decode(self, content: bytes, page_number: int) -> Decoded:
        """Decode a file.

        Raises
        ------
        Refused
            If it is no image or PDF, is damaged or too large, or takes too long.
        """
        if not content:
            raise Refused(422, "The file is empty.")
        if not (_BEGINNING.match(content) or b"%PDF-" in content[:_PDF_WITHIN]):
            raise Refused(415, "This is no PNG, JPEG, TIFF, WEBP, BMP or PDF file.")
        child = self._take()
        # This process removes the file, whatever becomes of the child.
        with tempfile.TemporaryDirectory(prefix="knnc-") as folder:
            path = os.path.join(folder, "upload")
            with open(path, "wb") as file:
                file.write(content)
            try:
                asked = json.dumps({"path": path, "page": page_number}).encode()
                out, _ = child.communicate(asked, timeout=MAX_SECONDS)
            except subprocess.TimeoutExpired:
                raise Refused(422, f"The file was not decoded within {MAX_SECONDS} s.") from None
            finally:
                child.kill()
                child.communicate()
        return _result(out)

    def _take(self) -> subprocess.Popen[bytes]:
        """The child that is ready, or a new one; the next one starts."""
        with self._lock:
            ready, self._spare = self._spare, None
            if ready is None or ready.poll() is not None:
                ready = _start()
            self._spare = _start()
            return ready

    def close(self) -> None:
        """End the child that waits."""
        with self._lock:
            if self._spare is not None:
                self._spare.kill()
                self._spare.communicate()
                self._spare = None


def _start() -> subprocess.Popen[bytes]:
    # What it imports is what this process does, wherever that is from.
    paths = os.pathsep.join(path for path in sys.path if path)
    # -P: nothing in the working directory takes the place of a module.
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "knnc.web._decode"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )


def _result(out: bytes) -> Decoded:
    line, found, pixels = out.partition(b"\n")
    said: dict[str, Any] = json.loads(line) if found else {}
    if "error" in said:
        raise Refused(422, str(said["error"]))
    height, width = said.get("height", 0), said.get("width", 0)
    if not found or len(pixels) != height * width:  # killed, by the system or its own limits
        raise Refused(422, _DAMAGED)
    return Decoded(np.frombuffer(pixels, np.uint8).reshape(height, width))


def main() -> None:
    """Decode what comes in. Everything is imported before it is read."""
    _limit()
    from knnc.ocr._extra import require
    from knnc.ocr._load import load_grey

    image_module = require("PIL.Image")
    for plugin in ("Bmp", "Jpeg", "Png", "Tiff", "WebP"):
        require(f"PIL.{plugin}ImagePlugin")
    asked = sys.stdin.buffer.read()
    if not asked:  # the server has ended
        return
    said = json.loads(asked)
    name, page_number = said["path"], said["page"]
    try:
        _check_pixels(image_module, name, page_number)
        grey = load_grey(name, page_number)
    except (ValueError, OSError, ImportError, MemoryError) as error:
        sentence = str(error).removeprefix(f"{name}: ") or "The file needs too much memory"
        print(json.dumps({"error": sentence[:1].upper() + sentence[1:] + "."}))
        return
    height, width = grey.pixels.shape
    sys.stdout.buffer.write(json.dumps({"height": height, "width": width}).encode() + b"\n")
    sys.stdout.buffer.write(grey.pixels.tobytes())


def _check_pixels(image_module: Any, name: str, page_number: int) -> None:
    """Refuse an image of another format or of too many pixels, before any pixel is decoded."""
    from knnc.ocr._pdf import is_pdf

    with open(name, "rb") as file:
        if is_pdf(file):  # it is drawn small enough
            return
        image_module.MAX_IMAGE_PIXELS = None
        try:
            with image_module.open(file, formats=_FORMATS) as image:
                if 1 < page_number <= getattr(image, "n_frames", 1):
                    image.seek(page_number - 1)  # whose size may differ from the first's
                width, height = image.size
        except image_module.UnidentifiedImageError:
            raise ValueError("the image is damaged, or of another format") from None
        except (OSError, SyntaxError, EOFError) as error:
            raise ValueError(f"a damaged image: {error}") from error
    if width * height > MAX_PIXELS:
        raise ValueError(
            f"an image of {width:,} x {height:,} pixels is too large: {MAX_PIXELS:,} pixels are "
            "allowed"
        )


def _limit() -> None:
    """Bound this process, where the system can."""
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    with contextlib.suppress(ValueError, OSError):  # macOS knows no such limit
        resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY, _MAX_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_SECONDS, MAX_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
