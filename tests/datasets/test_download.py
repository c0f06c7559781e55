"""Downloads from a server on this machine, good and bad; a file arrives whole or not at all."""

from __future__ import annotations

import errno
import gzip
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from knnc.datasets import _download, _registry, fetch_mnist
from tests.datasets.server import Mirror, endless, in_turn, send, status
from tests.datasets.support import TINY, idx_bytes, idx_header, store_tiny, tiny_collection

IMAGES, LABELS, TEST_IMAGES, TEST_LABELS = (f"{name}.gz" for name in TINY)
GOOD = gzip.compress(idx_bytes(TINY["train-images-idx3-ubyte"]), mtime=0)
LARGEST = _registry.IdxFile("", "", TINY["train-images-idx3-ubyte"].shape).most_bytes


def stored(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "mnist").iterdir())


def assert_train(home: Path, **kwargs: Any) -> None:
    bunch = fetch_mnist(data_home=home, **kwargs)
    np.testing.assert_array_equal(bunch.images, TINY["train-images-idx3-ubyte"])
    np.testing.assert_array_equal(bunch.target, TINY["train-labels-idx1-ubyte"])


def assert_fails(home: Path, what: str) -> None:
    """An OSError that says `what`, and which files to put where; nothing is left behind."""
    with pytest.raises(OSError, match=what) as caught:
        fetch_mnist(data_home=home)
    message = str(caught.value)
    assert message.startswith("Tiny could not be downloaded: ")
    assert f"put these files into {home / 'mnist'} " in message
    assert f"{IMAGES}, {LABELS}. They are published at " in message
    assert "KNNC_DATA_HOME" in message
    assert stored(home) == []


def test_download(tmp_path: Path, mirror: Mirror) -> None:
    home = tmp_path / "a" / "home"
    assert_train(home)
    assert stored(home) == [IMAGES, LABELS]
    assert mirror.requests == [IMAGES, LABELS]
    assert set(mirror.accepted_encodings) == {"identity"}
    assert (home / "mnist" / IMAGES).read_bytes() == GOOD

    assert_train(home)
    assert_train(home, download_if_missing=False)
    assert len(mirror.requests) == 2, "what is there is not asked for again"

    bunch = fetch_mnist(data_home=home, subset="all")
    assert mirror.requests[2:] == [TEST_IMAGES, TEST_LABELS]
    assert len(bunch.data) == 12


def test_only_what_is_missing(tmp_path: Path, mirror: Mirror) -> None:
    store_tiny(tmp_path, "train-images-idx3-ubyte", ending="")
    assert_train(tmp_path)
    assert mirror.requests == [LABELS]


@pytest.mark.skipif(os.name != "posix", reason="needs permission bits")
def test_permissions_are_those_of_the_umask(tmp_path: Path, mirror: Mirror) -> None:
    umask = os.umask(0o027)
    try:
        assert_train(tmp_path)
    finally:
        os.umask(umask)
    assert (tmp_path / "mnist" / IMAGES).stat().st_mode & 0o777 == 0o640


def test_another_gzip_wrapper(tmp_path: Path, mirror: Mirror) -> None:
    """Mirrors pack the same content with other levels and time stamps."""
    other = gzip.compress(idx_bytes(TINY["train-images-idx3-ubyte"]), compresslevel=0, mtime=1)
    assert other != GOOD
    mirror.answers[IMAGES] = send(other)
    assert_train(tmp_path)


def test_content_encoding(tmp_path: Path, mirror: Mirror) -> None:
    """A server that calls the packing a transfer encoding has it undone on the way."""
    mirror.answers[IMAGES] = send(GOOD, Content_Encoding="gzip")
    assert_train(tmp_path)


def test_not_found(tmp_path: Path, mirror: Mirror) -> None:
    mirror.answers[IMAGES] = status(404)
    assert_fails(tmp_path, re.escape(f"{mirror.url}{IMAGES}: the server answered 404"))
    assert mirror.requests == [IMAGES], "asking again cannot help"


@pytest.mark.parametrize("code", [429, 503])
def test_busy_for_a_while(tmp_path: Path, mirror: Mirror, code: int) -> None:
    mirror.answers[IMAGES] = in_turn(status(code), status(code), send(GOOD))
    assert_train(tmp_path)
    assert mirror.requests == [IMAGES, IMAGES, IMAGES, LABELS]


def test_busy_for_good(tmp_path: Path, mirror: Mirror) -> None:
    mirror.answers[IMAGES] = status(503)
    assert_fails(tmp_path, "the server answered 503")
    assert mirror.requests == [IMAGES] * _download.ATTEMPTS


def test_waits_longer_each_time(
    tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(_download, "WAIT", 2.0)
    monkeypatch.setattr("time.sleep", waits.append)
    mirror.answers[IMAGES] = status(500)
    assert_fails(tmp_path, "the server answered 500")
    assert waits == [2.0, 4.0]


WRONG = {
    "a page": (b"<html>Log in to the network</html>", "not an IDX file"),
    "nothing": (b"", "the file is empty"),
    "a page in gzip": (gzip.compress(b"<html>"), "not an IDX file"),
    "damaged": (GOOD[:-8] + bytes(8), "damaged"),
    "cut off": (GOOD[:-20], "cut off"),
    "other pixels": (gzip.compress(idx_bytes(TINY["train-images-idx3-ubyte"][::-1])), "SHA-256"),
    "another shape": (gzip.compress(idx_bytes(TINY["t10k-images-idx3-ubyte"])), "is a uint8 array"),
    "a claimed terabyte": (gzip.compress(idx_header(0x08, 2**20, 2**20)), "is a uint8 array"),
}


@pytest.mark.parametrize(("content", "what"), WRONG.values(), ids=WRONG.keys())
def test_wrong_content(tmp_path: Path, mirror: Mirror, content: bytes, what: str) -> None:
    mirror.answers[IMAGES] = send(content)
    assert_fails(tmp_path, re.escape(f"{mirror.url}{IMAGES}: ") + f".*{what}")
    assert mirror.requests == [IMAGES] * _download.ATTEMPTS


def test_wrong_content_once(tmp_path: Path, mirror: Mirror) -> None:
    mirror.answers[IMAGES] = in_turn(send(b"oops"), send(GOOD))
    assert_train(tmp_path)


def test_what_arrived_before_a_failure_stays(tmp_path: Path, mirror: Mirror) -> None:
    mirror.answers[LABELS] = status(404)
    with pytest.raises(OSError, match="404") as caught:
        fetch_mnist(data_home=tmp_path)
    assert f": {LABELS}. They are published" in str(caught.value)
    assert stored(tmp_path) == [IMAGES]
    mirror.answers[LABELS] = send(gzip.compress(idx_bytes(TINY["train-labels-idx1-ubyte"])))
    assert_train(tmp_path)
    assert mirror.requests == [IMAGES, LABELS, LABELS]


def test_transfer_cut_off(tmp_path: Path, mirror: Mirror) -> None:
    mirror.answers[IMAGES] = send(GOOD[:50], length=len(GOOD))
    assert_fails(tmp_path, re.escape(f"{mirror.url}{IMAGES}: "))
    mirror.answers[IMAGES] = in_turn(send(GOOD[:50], length=len(GOOD)), send(GOOD))
    assert_train(tmp_path)


def test_silent_server(tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_download, "TIMEOUT", (5.0, 0.2))
    with socket.socket() as listener:  # accepts, and never answers
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        monkeypatch.setitem(_registry.COLLECTIONS, "mnist", tiny_collection(url))
        assert_fails(tmp_path, "timed out")


def test_connection_refused(
    tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as unused:  # bound, so that nobody else listens there
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        monkeypatch.setitem(_registry.COLLECTIONS, "mnist", tiny_collection(url))
        assert_fails(tmp_path, re.escape(f"{url}{IMAGES}: ") + ".*refused")


def test_endless_data(tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    unlink = Path.unlink

    def measured(path: Path, missing_ok: bool = False) -> None:
        sizes.append(path.stat().st_size)
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", measured)
    mirror.answers[IMAGES] = endless
    assert_fails(tmp_path, f"stopped after {LARGEST:,} bytes, more than the file can have")
    assert mirror.requests == [IMAGES], "asking again would only cost the same again"
    assert len(sizes) == 1
    assert sizes[0] <= LARGEST


def test_bomb_as_content_encoding(tmp_path: Path, mirror: Mirror) -> None:
    mirror.answers[IMAGES] = send(gzip.compress(bytes(20_000_000)), Content_Encoding="gzip")
    assert_fails(tmp_path, "stopped after")


def test_a_length_that_is_no_number(tmp_path: Path, mirror: Mirror) -> None:
    def answer(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "many")
        handler.end_headers()
        handler.wfile.write(GOOD)

    mirror.answers[IMAGES] = answer
    assert_fails(tmp_path, "many")


def test_second_mirror(tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = f"{mirror.url}nothing-here-"
    monkeypatch.setitem(_registry.COLLECTIONS, "mnist", tiny_collection(empty, mirror.url))
    assert_train(tmp_path)
    assert mirror.requests == [f"nothing-here-{IMAGES}", IMAGES, f"nothing-here-{LABELS}", LABELS]
    mirror.answers.clear()
    with pytest.raises(OSError, match=r"nothing-here-t10k.* 404; .*/mirror/t10k-.* 404\. To use"):
        fetch_mnist(data_home=tmp_path, subset="test")


def test_interrupt_leaves_nothing(
    tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(_download._Limited, "write", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch_mnist(data_home=tmp_path)
    assert stored(tmp_path) == []


def test_home_that_is_a_file(tmp_path: Path, mirror: Mirror) -> None:
    home = tmp_path / "home"
    home.write_text("")
    with pytest.raises(OSError, match="choose another folder with data_home=") as caught:
        fetch_mnist(data_home=home)
    assert f"cannot store a data set in {home / 'mnist'}: " in str(caught.value)
    assert mirror.requests == []


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="needs a user whom permissions bind"
)
def test_home_without_write_permission(tmp_path: Path, mirror: Mirror) -> None:
    (tmp_path / "mnist").mkdir(mode=0o555)
    with pytest.raises(PermissionError, match=r"cannot store a data set in .*; choose another"):
        fetch_mnist(data_home=tmp_path)
    assert mirror.requests == []


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
def test_read_only_home(
    tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """As the test above, also for root."""

    def refuse(path: Any, mode: str = "r", **kwargs: Any) -> Any:
        raise OSError(code, os.strerror(code), str(path))

    monkeypatch.setattr(_download, "open", refuse, raising=False)
    with pytest.raises(OSError, match=r"cannot store a data set in .*; choose another") as caught:
        fetch_mnist(data_home=tmp_path)
    assert caught.value.errno == code
    assert isinstance(caught.value, PermissionError) == (code == errno.EACCES)
    assert mirror.requests == []


FULL_DISK = """
import resource, signal, sys
from knnc.datasets import _registry, fetch_mnist
from tests.datasets.support import tiny_collection
_registry.COLLECTIONS["mnist"] = tiny_collection(sys.argv[2])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    fetch_mnist(data_home=sys.argv[1])
except OSError as exc:
    print(exc)
"""


def child(source: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", source, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_FSIZE as Linux has it")
def test_full_disk(tmp_path: Path, mirror: Mirror) -> None:
    """A file that cannot grow is the disk's fault, not the network's, and not tried again."""
    mirror.answers[IMAGES] = send(bytes(500_000))
    with child(FULL_DISK, tmp_path, mirror.url) as process:
        output, errors = process.communicate(timeout=60)
    assert "cannot store a data set in" in output, errors
    assert os.strerror(errno.EFBIG) in output
    assert mirror.requests == [IMAGES]
    assert stored(tmp_path) == []


def test_replacing_a_file_that_another_process_reads(
    tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Windows does when another process was faster."""

    def refuse(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes())
        raise PermissionError(errno.EACCES, "Access is denied", str(source))

    monkeypatch.setattr(os, "replace", refuse)
    assert_train(tmp_path)
    assert stored(tmp_path) == [IMAGES, LABELS]


def test_replacing_is_refused(
    tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise PermissionError(errno.EACCES, "Access is denied", str(source))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(PermissionError, match="cannot store a data set in"):
        fetch_mnist(data_home=tmp_path)
    assert stored(tmp_path) == []


FETCH = """
import sys
from knnc.datasets import _registry, fetch_mnist
from tests.datasets.support import tiny_collection
_registry.COLLECTIONS["mnist"] = tiny_collection(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
print(fetch_mnist(data_home=sys.argv[1], subset="all").data.sum())
"""


def test_processes_at_the_same_time(tmp_path: Path, mirror: Mirror) -> None:
    total = sum(int(TINY[name].sum()) for name in TINY if "images" in name)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", FETCH, str(tmp_path), mirror.url],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=60)[0] for process in processes]
    assert answers == [f"{total}\n"] * len(processes)
    assert stored(tmp_path) == sorted([IMAGES, LABELS, TEST_IMAGES, TEST_LABELS])
