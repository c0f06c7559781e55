"""Run commands again and again, each time with a standard stream that is closed or broken."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

STREAMS = ("stdin", "stdout", "stderr")


def _closed() -> int:
    return -1


def _full() -> int:
    return os.open("/dev/full", os.O_WRONLY)


def _without_reader() -> int:
    reading, writing = os.pipe()
    os.close(reading)
    return writing


BROKEN: dict[str, Callable[[], int]] = {
    "closed": _closed,
    "full": _full,
    "without a reader": _without_reader,
}


@contextmanager
def _as_started(files: dict[str, int]) -> Iterator[None]:
    """Have the streams that an interpreter makes of these files; -1 is a closed one."""
    kept = [os.dup(number) for number in range(3)]
    streams = [getattr(sys, name) for name in STREAMS]
    for number, name in enumerate(STREAMS):
        if files[name] < 0:
            os.close(number)
            setattr(sys, name, None)
        else:
            os.dup2(files[name], number)
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    try:
        yield
        for name in STREAMS[1:]:  # as the interpreter does at its end
            if (stream := getattr(sys, name)) is not None:
                stream.flush()
    finally:
        for number, name in enumerate(STREAMS):
            os.dup2(kept[number], number)
            os.close(kept[number])
            setattr(sys, name, streams[number])


def _run(args: list[str], **broken: str) -> dict[str, Any]:
    """The code of a run, and what came out of the streams that are as they should be."""
    from knnc.cli import _console, _field, _race, main
    from knnc.neighbors import KNeighborsClassifier

    # Figures and pictures that nobody looks at take no time.
    _console._DPI = 10
    _race._median_seconds = lambda call: 1.0
    _field.field, _field.recipes = (lambda slow: {}), (lambda: {"plain": KNeighborsClassifier()})
    files = {name: os.open(f"{name}.txt", os.O_RDWR | os.O_CREAT | os.O_TRUNC) for name in STREAMS}
    files |= {name: BROKEN[how]() for name, how in broken.items()}
    sys.argv = ["knnc", *args]
    report: dict[str, Any] = {"raised": ""}
    try:
        with _as_started(files):
            report["code"] = main()
    except BaseException as error:  # the test says which
        report["raised"] = repr(error)
    for name in STREAMS:
        if files[name] >= 0:
            os.close(files[name])
        report[name] = Path(f"{name}.txt").read_text(encoding="utf-8")
    return report


def sweep(args: list[str], ways: list[str]) -> dict[str, Any]:
    """What a command did with its streams as they should be, and broken in each of these ways."""
    reports = {"": _run(args), "stdin closed": _run(args, stdin="closed")}
    for name in STREAMS[1:]:
        for how in ways:
            reports[f"{name} {how}"] = _run(args, **{name: how})
    reports["all closed"] = _run(args, **dict.fromkeys(STREAMS, "closed"))
    return reports


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])  # by command, the ways
    print(json.dumps({command: sweep(command.split(), ways) for command, ways in asked.items()}))
