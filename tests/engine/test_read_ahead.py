"""The thread that packs the next chunk of rows: how many there are, how it ends."""

from __future__ import annotations

import _thread
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from knnc.engine.scan import read_ahead
from knnc.engine.scan.read_ahead import ReadAhead
from tests.engine.support import run_child


class Chunk:
    """Counts how many of its kind there are."""

    alive, most = 0, 0
    lock = threading.Lock()

    def __init__(self, *_: int) -> None:
        with self.lock:
            Chunk.alive += 1
            Chunk.most = max(Chunk.most, Chunk.alive)

    def __del__(self) -> None:
        with self.lock:
            Chunk.alive -= 1


def bounds(n: int) -> Iterator[tuple[int, int]]:
    return iter([(i, i + 1) for i in range(n)])


def test_no_more_than_two_chunks_at_a_time() -> None:
    Chunk.most = 0
    with ReadAhead(Chunk, bounds(50)) as chunks:  # type: ignore[arg-type]
        seen = 0
        for first, _, chunk in chunks:
            assert first == seen
            seen += 1
            del chunk
            chunks.done()
    assert seen == 50
    assert Chunk.most == 2
    assert Chunk.alive == 0


@pytest.mark.parametrize("when", ["before", "after"])
def test_ctrl_c_while_the_thread_starts(when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Ctrl-C can: no thread is left that waits for a search which is gone."""
    before = _thread._count()

    def interrupted(*arguments: Any) -> None:
        if when == "after":
            _thread.start_new_thread(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(read_ahead, "start_new_thread", interrupted)
        with pytest.raises(KeyboardInterrupt), ReadAhead(Chunk, bounds(50)):  # type: ignore[arg-type]
            pytest.fail("the thread was not interrupted")
    deadline = time.monotonic() + 20
    while (_thread._count() > before or Chunk.alive) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert _thread._count() <= before
    assert Chunk.alive == 0


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there are no timers")
def test_ctrl_c_at_any_moment() -> None:
    """Many short searches, each interrupted somewhere, in a process that has to end."""
    report = run_child("interrupt_streams", module="stream_children")
    assert report["interrupts"] > 50
    assert report["threads"] == 0
    assert report["exact_after"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_child_forked_in_the_middle_says_so() -> None:
    report = run_child("fork_in_stream", module="stream_children")
    assert "forked in the middle" in report["child"]
    assert (report["status"], report["exact"]) == (0, True)


@pytest.mark.parametrize("error", [TimeoutError, OSError, MemoryError])
def test_what_goes_wrong_in_the_thread_is_raised(error: type[Exception]) -> None:
    def pack(first: int, last: int) -> Chunk:
        if first == 3:
            raise error("a disk that does not answer")
        return Chunk()

    with ReadAhead(pack, bounds(9)) as chunks:  # type: ignore[arg-type]
        for expected in range(3):
            first, _, chunk = next(chunks)
            assert first == expected
            del chunk
            chunks.done()
        with pytest.raises(error, match="does not answer"):
            next(chunks)


def test_after_an_error_no_other_chunk_is_made() -> None:
    """Also where there was room for one."""
    begun, released = threading.Event(), threading.Event()
    packed: list[int] = []
    before = _thread._count()

    def pack(first: int, last: int) -> Chunk:
        packed.append(first)
        begun.set()
        released.wait(60)
        return Chunk()

    chunks = ReadAhead(pack, bounds(9))  # type: ignore[arg-type]
    with chunks:
        assert begun.wait(60)
        chunks.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    released.set()
    deadline = time.monotonic() + 20
    while _thread._count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert packed == [0]


def test_no_rows() -> None:
    with ReadAhead(Chunk, bounds(0)) as chunks:  # type: ignore[arg-type]
        assert np.size([*chunks]) == 0
