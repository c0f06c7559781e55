"""Where and with what the numbers were made: processor, versions, commit, how busy it was."""

from __future__ import annotations

import datetime
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from system import n_cpus

ROOT = Path(__file__).resolve().parent.parent
LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "KNNC_DISABLE_CPU_FEATURES")


def describe() -> dict[str, Any]:
    """The machine and the software, as it goes into the report."""
    from knnc.runtime import runtime_info

    info = runtime_info()
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": cpu_name(),
        "cpus": n_cpus(),
        "n_threads": info["n_threads"],
        "cache": caches(),
        "memory_bytes": memory_bytes(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "versions": info["versions"],
        "kernels": info["kernels"],
        "commit": commit(),
        "environment": {name: os.environ[name] for name in LIMITS if name in os.environ},
        "load_average": load_average(),
    }


def cpu_name() -> str:
    """As the processor calls itself."""
    if sys.platform == "darwin":
        return _said("sysctl", "-n", "machdep.cpu.brand_string") or platform.processor()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    fields = {name.strip(): value.strip() for name, value in fields.items()}
    name = fields.get("model name", platform.machine())
    if "cpu family" in fields and "model" in fields:
        name += f" (family {fields['cpu family']}, model {fields['model']})"
    return name


def caches() -> str:
    """The first processor's caches, by level; "" if the system does not say."""
    found = []
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        try:
            level, kind, size = (
                (index / name).read_text().strip() for name in ("level", "type", "size")
            )
        except OSError:
            continue
        if kind != "Instruction":
            found.append(f"L{level} {size}")
    return ", ".join(found)


def memory_bytes() -> int | None:
    """Physical memory."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def load_average() -> float | None:
    """Processes that wanted a CPU, over the last minute."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def commit() -> str:
    """The commit measured, and whether anything was changed since."""
    head = _said("git", "-C", str(ROOT), "rev-parse", "HEAD")
    if not head:
        return "unknown: not a git checkout"
    changed = _said("git", "-C", str(ROOT), "status", "--porcelain", "--", "src", "setup.py")
    return head[:12] + (", with changes to src/ that are not committed" if changed else "")


def _said(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def import_seconds(n: int) -> dict[str, float]:
    """What knnc's estimators take to import beyond scikit-learn's; n fresh interpreters each.

    The two alternate, and the clock starts after the interpreter has.
    """
    statements = {
        "sklearn.neighbors": "import sklearn.neighbors",
        "knnc": "from knnc import NearestNeighbors",
    }
    seconds: dict[str, list[float]] = {name: [] for name in statements}
    for _ in range(n + 1):
        for name, times in seconds.items():
            code = (
                f"import time; t = time.perf_counter(); {statements[name]}; "
                "print(time.perf_counter() - t)"
            )
            done = subprocess.run(
                [sys.executable, "-c", code], capture_output=True, text=True, check=True
            )
            times.append(float(done.stdout))
    # The first of each read the files from the disk.
    added = [b - a for a, b in zip(*(times[1:] for times in seconds.values()), strict=True)]
    return {
        "runs": n,
        "sklearn.neighbors": statistics.median(seconds["sklearn.neighbors"][1:]),
        "knnc": statistics.median(seconds["knnc"][1:]),
        "added": statistics.median(added),
        "added_low": min(added),
        "added_high": max(added),
    }
