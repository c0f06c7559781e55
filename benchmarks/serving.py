"""A server of the page, on MNIST, for as long as a block takes."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def served() -> Iterator[tuple[str, int]]:
    """Its address, which ends with a slash, and its process."""
    command = [sys.executable, "-m", "knnc", "serve", "--train", "mnist", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        try:
            address = re.search(r"http://[\d.:]+/", server.stderr.readline())
            assert address is not None
            yield address[0], server.pid
        finally:
            server.terminate()
