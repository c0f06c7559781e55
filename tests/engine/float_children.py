"""What tests of float rows run in a process of its own, as child.py does."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

import knnc
from knnc.engine import encoding
from knnc.engine.floats import FloatRows, available_float_kernels
from knnc.engine.scan import floats as float_search
from knnc.engine.scan.brute import NO_SELF
from knnc.neighbors.repeated import repeats
from tests.engine.child import Report, clocks, guarded, run
from tests.engine.float_support import Rows, draw_floats
from tests.float_oracle import FLOAT_METRICS, float_kneighbors


def choose() -> Report:
    """The kernel that is chosen, and those that can run."""
    rows = draw_floats(1, 5, 5)
    return {"chosen": FloatRows(rows, "cosine").kernel, "available": available_float_kernels()}


def search_at_the_end_of_memory() -> Report:
    """By kernel, how many searches of rows and queries have a forbidden page right behind them.

    What the standard error says last is the kernel that ends the process.
    """
    searches: Counter[str] = Counter()
    for kernel in available_float_kernels():
        print(kernel, file=sys.stderr, flush=True)
        for metric in FLOAT_METRICS:
            for dtype in ("float64", "float32"):
                for d in (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33):
                    values = draw_floats(2, 17, d, "tenths").astype(dtype)
                    queries = draw_floats(3, 5, d, "tenths")
                    rows = guarded(values.view(np.uint8)).view(dtype)
                    points = guarded(queries.view(np.uint8)).view(np.float64)
                    engine = FloatRows(rows, metric, kernel)
                    for some in (points, points[-1:]):
                        got = float_search.search(engine, some, 3, 1, NO_SELF, None)
                        expected = float_kneighbors(values, np.array(some), 3, metric)
                        if not all(map(np.array_equal, got, expected)):
                            raise AssertionError(
                                f"wrong answer with {kernel} {metric} {dtype} {d=}"
                            )
                        searches[kernel] += 1
    return dict(searches)


class _Mode:
    """The floating-point mode of the calling thread: upwards, and no subnormal numbers."""

    def __init__(self) -> None:
        self.libm = ctypes.CDLL("libm.so.6")
        # Where fenv_t of glibc has the word that controls the arithmetic, and what is set in it:
        # "upwards", "flush to zero" and "denormals are zero".
        words = {"x86_64": (28, 0x4000 | 0x8040), "aarch64": (0, 0x400000 | 1 << 24)}
        self.at, self.bits = words[platform.machine()]

    def get(self) -> int:
        """The bits that are in force of those that `enter` sets."""
        return self._read()[1] & self.bits

    def enter(self) -> None:
        environment, word = self._read()
        ctypes.memmove(
            ctypes.addressof(environment) + self.at, (word | self.bits).to_bytes(4, "little"), 4
        )
        self.libm.fesetenv(environment)

    def _read(self) -> tuple[ctypes.Array[ctypes.c_char], int]:
        environment = ctypes.create_string_buffer(64)
        self.libm.fegetenv(environment)
        return environment, int.from_bytes(environment.raw[self.at : self.at + 4], "little")


def search_in_other_modes() -> Report:
    """`search_in_another_mode` for each kernel that can run."""
    return {kernel: search_in_another_mode(kernel) for kernel in available_float_kernels()}


def search_in_another_mode(kernel: str) -> Report:
    """Search in a thread that rounds upwards and takes subnormal numbers for zero."""
    cases: list[Any] = []
    for metric in FLOAT_METRICS:
        for dtype in ("float64", "float32", "uint8"):
            for palette in ("normal", "subnormal", "subnormal float32", "tiny", "all magnitudes"):
                values, queries = draw_floats(4, 60, 21, palette), draw_floats(5, 9, 21, palette)
                made = Rows(values, dtype, metric, kernel)
                cases.append((made, queries, float_kneighbors(made.values, queries, 9, metric)))
    values, queries = draw_floats(4, 700, 21, "tiny"), draw_floats(5, 150, 21, "tiny")
    for metric in FLOAT_METRICS:  # enough for several threads
        made = Rows(values, "float64", metric, kernel)
        cases.append((made, queries, float_kneighbors(made.values, queries, 9, metric)))
    report: Report = {"wrong": [], "was_in_force": True, "stays": True}
    mode = _Mode()

    def search() -> None:
        mode.enter()
        tiny, two = np.float64(2.0**-1074), np.float64(2.0)
        report["was_in_force"] = mode.get() == mode.bits and bool(tiny * two == 0)
        for made, queries, expected in cases:
            engine = made.engine
            if (
                made.metric == "cosine" and made.values.dtype == made.dtype
            ):  # norms are measured in this mode too
                engine = FloatRows(made.values, made.metric, kernel, None, 2)
            has_tree = made.metric != "cosine" and made.values.dtype == made.dtype
            for n_threads in (1, 2):
                # A tree is planted in this mode too.
                tree = float_search.KDTree(engine, n_threads) if has_tree else None
                for some in (slice(0, len(queries)), slice(7, 8)):
                    asked = queries[some], 9, n_threads, NO_SELF, None
                    found = {"rows": float_search.search(engine, *asked)}
                    if tree is not None:
                        found["tree"] = float_search.tree_search(tree, *asked)
                    for by, got in found.items():
                        if not all(
                            np.array_equal(a, b[some]) for a, b in zip(got, expected, strict=True)
                        ):
                            report["wrong"].append(
                                f"{by} {made.metric} {made.values.dtype} {n_threads=}"
                            )
        report["stays"] = mode.get() == mode.bits

    thread = threading.Thread(target=search)
    thread.start()
    thread.join()
    return report


def fit_in_another_mode() -> Report:
    """Fit and ask for neighbours in a thread with such a mode: they have the same bits."""
    tiny = draw_floats(4, 60, 5, "subnormal float32").astype(np.float32)
    long = np.arange(60 * 5).reshape(60, 5) * (2**53 + 1)  # float64 holds no such number
    byte = np.random.default_rng(3).integers(0, 256, (60, 5))
    cases: dict[str, Any] = {
        "float32": tiny,
        "as float64": tiny.astype(np.float64),
        "float64": draw_floats(4, 60, 5, "subnormal"),
        "int64": long,
        "pixels": (byte / 255).astype(np.float32),
        "multiplied": byte * (1 / 255),
        "almost whole": byte.astype(np.float32) + (byte == 0) * np.float32(1e-42),
    }

    def answers() -> dict[str, list[Any]]:
        found = {}
        for name, X in cases.items():
            for metric in ("euclidean", "manhattan", "cosine"):
                for algorithm in ("auto", "brute"):
                    fitted = knnc.NearestNeighbors(metric=metric, algorithm=algorithm).fit(X)
                    dist, ind = fitted.kneighbors(X[:9])
                    radius = dist[0, 2]
                    within = fitted.radius_neighbors(X[:9], radius, sort_results=True)
                    found[f"{name} {metric} {algorithm}"] = [
                        *(dist.tobytes(), ind.tobytes(), fitted.engine_),
                        *(part.tobytes() for both in within for part in both),
                    ]
        return found

    expected = answers()
    repeats.forget()
    encoding._pixel_table.cache_clear()
    report: Report = {"wrong": [], "was_in_force": False}
    mode = _Mode()

    def ask() -> None:
        mode.enter()
        report["was_in_force"] = mode.get() == mode.bits
        got = answers()
        report["wrong"] = [name for name, of_case in got.items() if of_case != expected[name]]

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    return report


def _long_search(form: str) -> tuple[Callable[[float], object], Callable[[], bool]]:
    """A search for so many seconds or more, and whether its rows still give the right answer."""
    n, d, k = (400_000, 64, 5) if form == "one query" else (20_000, 200, 5)
    if form == "all wanted":
        n, d, k = 20_000, 3, 20_000
    made = Rows(draw_floats(6, n, d), "float64", "sqeuclidean")
    queries = draw_floats(7, 40, d)
    size = {"one query": 1, "few queries": 7, "all wanted": 200}.get(form, 4000)

    def once() -> object:
        points = np.resize(queries, (size, d))
        if form == "within":
            limit = int(np.float64(1.6 * d).view(np.int64))
            return float_search.within(made.engine, points, limit, 2, NO_SELF, True, True, None)
        return float_search.search(made.engine, points, k, 2, NO_SELF, None)

    def run(seconds: float) -> None:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            once()

    def is_exact() -> bool:
        got = float_search.search(made.engine, queries[:3], 5, 2, NO_SELF, None)
        return all(
            map(np.array_equal, got, float_kneighbors(made.values, queries[:3], 5, made.metric))
        )

    return run, is_exact


def listen_and_interrupt_each(*forms: str) -> Report:
    """`listen_and_interrupt` for each form; the standard error says which one hangs or breaks."""
    report = {}
    for form in forms:
        print(form, file=sys.stderr, flush=True)
        report[form] = listen_and_interrupt(form)
    return report


def listen_and_interrupt(form: str) -> Report:
    """A signal every 20 ms with a handler that returns, then SIGINT 0.4 s into a long search."""
    run, is_exact = _long_search(form)
    heard: list[tuple[float, float]] = []
    signal.signal(signal.SIGALRM, lambda number, frame: heard.append(clocks()))
    start = clocks()
    signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
    run(1.0)
    end = clocks()
    signal.setitimer(signal.ITIMER_REAL, 0)
    times: Any = [start, *(moment for moment in heard if moment <= end), end]
    silences = np.diff(times, axis=0)
    longest = silences[silences.min(axis=1).argmax()].tolist()
    sent: list[tuple[float, float]] = []

    def send() -> None:
        sent.append(clocks())
        os.kill(os.getpid(), signal.SIGINT)

    timer, raised = threading.Timer(0.4, send), "nothing"
    try:
        timer.start()
        run(8.0)
    except KeyboardInterrupt:
        raised = "KeyboardInterrupt"
    end = clocks()
    timer.cancel()
    return {
        "heard": len(times) - 2,
        "longest_silence": longest,
        "raised": raised,
        "latency": np.subtract(end, sent[0]).tolist() if sent else None,
        "exact_after": is_exact(),
    }


if __name__ == "__main__":
    run(globals())
