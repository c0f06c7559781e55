"""How quickly ``knnc serve`` answers when many draw at once, and whether its memory stays flat.

    KNNC_DATA_HOME=... python benchmarks/page.py

Twenty clients each send ten drawings a second, MNIST's test images four times as large, to a server
that has learnt MNIST with the recipe plain. The time of an answer counts from the moment at which
the drawing was due, so that a server that falls behind cannot hide it. Every answer is compared
with the library's own. Memory is the server's resident set, with that of its waiting child.
Clients and server share the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from data import mnist
from serving import served

from knnc import KNeighborsClassifier
from knnc.ocr._glyphs import normal_form

N_DRAWINGS = 500


async def ask(
    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    host: str,
    method: str,
    path: str,
    body: bytes = b"",
    tab: int = 0,
) -> tuple[int, Any]:
    """Status and JSON of one request on a connection that stays open."""
    reader, writer = streams
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nX-Tab: {tab:032x}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    said = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = re.search(r"content-length: (\d+)", said)
    assert length is not None
    return int(said[9:12]), json.loads(await reader.readexactly(int(length[1])))


async def client(
    host: str, tab: int, bodies: list[bytes], answers: list[str], rate: float, n: int
) -> tuple[list[float], int]:
    """Seconds of each answer, and how many differ from the library's."""
    name, port = host.split(":")
    streams = await asyncio.open_connection(name, int(port))
    began = time.perf_counter() + np.random.default_rng(tab).random() / rate
    seconds, wrong = [], 0
    for i in range(n):
        due = began + i / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        which = (tab * 31 + i) % len(bodies)
        status, said = await ask(streams, host, "POST", "/api/draw", bodies[which], tab)
        seconds.append(time.perf_counter() - due)
        wrong += status != 200 or said["answer"] != answers[which]
    streams[1].close()
    return seconds, wrong


async def until_ready(host: str) -> None:
    name, port = host.split(":")
    streams = await asyncio.open_connection(name, int(port))
    while not (await ask(streams, host, "GET", "/api/status"))[1]["ready"]:
        await asyncio.sleep(0.2)
    streams[1].close()


def megabytes(pid: int) -> float:
    """Resident memory of a process, as Linux tells it."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(text.partition("VmRSS:")[2].split()[0]) / 1024


def cpu_seconds(pid: int) -> float:
    """What a process has computed so far, which other work on the machine changes little."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(host: str, pid: int, asked: argparse.Namespace, drawings: Any) -> int:
    """Measure and print; 1 if something was wrong or slow."""
    bodies, answers = drawings
    await until_ready(host)
    rounds = 5
    n = -(-asked.requests // (asked.clients * rounds))
    print(
        "| requests | median, ms | p99, ms | slowest, ms | server's CPU, ms | wrong | memory, MB |"
    )
    print("|---:|---:|---:|---:|---:|---:|---:|")
    everything, all_wrong, memory = [], 0, []
    for i in range(rounds + 1):  # the first, a short one, warms up
        clients = [
            client(host, tab, bodies, answers, asked.rate, n if i else asked.clients)
            for tab in range(asked.clients)
        ]
        before = cpu_seconds(pid)
        found = await asyncio.gather(*clients)
        cpu = 1e3 * (cpu_seconds(pid) - before)
        if i == 0:
            continue
        ms = 1e3 * np.concatenate([seconds for seconds, _ in found])
        wrong = sum(number for _, number in found)
        memory.append(megabytes(pid))
        everything.append(ms)
        all_wrong += wrong
        print(
            f"| {len(ms):,} | {np.median(ms):.1f} | {np.percentile(ms, 99):.1f} | {ms.max():.1f} "
            f"| {cpu / len(ms):.2f} | {wrong} | {memory[-1]:.1f} |"
        )
    ms = np.concatenate(everything)
    p99 = float(np.percentile(ms, 99))
    grown = memory[-1] - memory[0]
    print(
        f"{len(ms):,} requests: median {np.median(ms):.1f} ms, p99 {p99:.1f} ms, "
        f"{all_wrong} wrong; memory {grown:+.1f} MB"
    )
    return int(p99 >= 50 or all_wrong > 0 or grown > 5)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--rate", type=float, default=10, help="drawings a second of each client")
    parser.add_argument("--requests", type=int, default=10_000)
    asked = parser.parse_args()
    rows, test, labels = mnist()
    drawings = np.kron(test[:N_DRAWINGS].reshape(-1, 28, 28), np.ones((4, 4), np.uint8))
    inks = drawings.astype(np.float32) / np.float32(255)
    seen = np.array([normal_form(ink).ravel() for ink in inks])
    classifier = KNeighborsClassifier(5).fit(rows, labels)
    answers = [str(label) for label in classifier.predict(seen)]
    with served() as (address, process):
        bodies = [each.tobytes() for each in drawings]
        host = address.removeprefix("http://").removesuffix("/")
        return asyncio.run(measure(host, process, asked, (bodies, answers)))


if __name__ == "__main__":
    sys.exit(main())
