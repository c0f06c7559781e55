"""Random calls, valid and hostile, for as long as wanted: ``python -m tests.soak --seconds 600``.

Each case is made of a seed alone, so a failure is repeated by ``python -m tests.soak --seed N``.
Answers are compared with the oracle, errors must be of the documented types, and the memory of the
process, once it has seen every kind of case, must not grow. The process ends with 1 at a failure.
What a case is, ``tests/soak_cases.py`` says.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import os
import sys
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

from tests.soak_cases import KINDS

# Growth of resident memory that is still called flat, and cases before it is first looked at.
MAX_GROWTH = 16 << 20
WARM_UP = 400


def run_case(seed: int) -> str:
    """One case: all that it does follows from its seed."""
    rng = np.random.default_rng(seed)
    kind = KINDS[rng.integers(len(KINDS))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return kind(rng)


def compact_memory() -> None:
    """Let glibc keep one heap, and nothing large in it: with one a thread, holes look like leaks.

    45 MiB after 12,000 cases, which 14 rounds of the same 150 cases do not make.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(-8, 1)  # M_ARENA_MAX
        libc.mallopt(-3, 1 << 16)  # M_MMAP_THRESHOLD


def resident() -> int:
    """Bytes of memory in use, once what can be given back is."""
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has one
        if trim is not None:
            trim(0)
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    return 0


def soak(seconds: float, first_seed: int) -> int:
    """Run cases until the time is over; the exit status."""
    compact_memory()
    said: Counter[str] = Counter()
    baseline = last_look = 0
    end = time.monotonic() + seconds
    case = 0
    while time.monotonic() < end or case <= WARM_UP:
        seed = first_seed + case
        try:
            said[run_case(seed)] += 1
        except Exception:  # of any kind: that is what is looked for
            traceback.print_exc()
            print(f"FAILED: repeat it with: python -m tests.soak --seed {seed}", flush=True)
            said["FAILED"] += 1
        case += 1
        if case % WARM_UP == 0:
            last_look = resident()
            baseline = baseline or last_look
            print(f"{case} cases, {last_look / 2**20:.1f} MiB, {dict(said)}", flush=True)
    growth = resident() - baseline
    print(f"{case} cases, seeds {first_seed}..{first_seed + case - 1}: {dict(said)}")
    print(f"memory grew by {growth / 2**20:.1f} MiB since case {WARM_UP}")
    if growth > MAX_GROWTH:
        print(f"FAILED: more than {MAX_GROWTH / 2**20:.0f} MiB")
    return int(said["FAILED"] > 0 or growth > MAX_GROWTH)


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--first-seed", type=int, default=None, help="default: from the clock")
    parser.add_argument("--seed", type=int, help="run this one case only, errors and all")
    options = parser.parse_args()
    if options.seed is not None:
        print(run_case(options.seed))
        return 0
    first = time.time_ns() // 10**9 * 10**6 if options.first_seed is None else options.first_seed
    print(f"first seed {first}", flush=True)
    return soak(options.seconds, first)


if __name__ == "__main__":
    sys.exit(main())
