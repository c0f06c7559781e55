"""The tests, then those of the search once more for every instruction set of this CPU.

    python .ci/test_wheel.py                the whole suite, then each instruction set
    python .ci/test_wheel.py --installed    in place of the whole suite, what an installation may
                                            change: for a wheel of sources that passed all of it

Run with the interpreter that has knnc installed; further arguments go to pytest.
``test_kernels.py``, a part of the suite, takes every kernel by its name; here the whole search
runs without the highest instruction set, without the two highest, and so on down to plain C.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from knnc.engine.dispatch import detected_cpu_features

ROOT = Path(__file__).resolve().parents[1]

# What depends on the kernel chosen.
SEARCHES = [
    *(
        f"tests/engine/test_{name}.py"
        for name in ["oracle", "search", "prune", "radius", "codes", "float_codes", "dispatch"]
    ),
    *(f"tests/neighbors/test_{name}.py" for name in ["kneighbors", "rows", "real_data"]),
    "tests/image/test_distortion.py",
]
# What may differ where the package is installed: its files, its modules, processes beside others.
INSTALLED = ["tests/test_packaging.py", "tests/test_user_code.py", "tests/process", "tests/cli"]


def run_tests(*arguments: str, disabled: str = "") -> None:
    """One run of pytest, a file to a core as "make test" has it."""
    print(f"--- KNNC_DISABLE_CPU_FEATURES={disabled}", flush=True)
    parallel = ["-n", "auto", "--maxprocesses=4", "--dist=loadfile"]
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *parallel, *arguments],
        cwd=ROOT,
        env=os.environ | {"OMP_WAIT_POLICY": "passive", "KNNC_DISABLE_CPU_FEATURES": disabled},
        check=True,
    )


def main(*arguments: str) -> None:
    for_pytest = [argument for argument in arguments if argument != "--installed"]
    if "--installed" in arguments:
        run_tests(*INSTALLED, *SEARCHES, *for_pytest)
    else:
        run_tests(*for_pytest)
    found = detected_cpu_features()  # the lowest first
    for first in reversed(range(len(found))):
        run_tests(*SEARCHES, *for_pytest, disabled=",".join(found[first:]))


if __name__ == "__main__":
    main(*sys.argv[1:])
