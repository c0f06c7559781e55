"""The kernels without Python: for this machine, and for ARM under emulation (see arm/run.sh)."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from knnc.engine.dispatch import available_kernels
from tests.engine.support import METRICS

SCRIPT = Path(__file__).parent / "arm" / "run.sh"
SOURCES = Path(__file__).parents[2] / "src" / "knnc" / "engine" / "kernels"

NEEDED = {"aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu", "qemu-aarch64": "qemu-user"}

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="run.sh is a shell script"),
    pytest.mark.skipif(not SOURCES.is_dir(), reason="the kernels' sources are not here"),
]


def _checked(*arguments: str) -> dict[str, int]:
    """Kernel to the number of distances that were compared, all of them right."""
    done = subprocess.run(
        ["sh", str(SCRIPT), *arguments], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {name: int(n) for name, n in (line.split() for line in done.stdout.splitlines())}


def test_the_kernels_of_this_machine() -> None:
    """This also tests the program that judges the ARM kernels."""
    compiler = os.environ.get("CC", "cc").split()[0]
    if not shutil.which(compiler):
        pytest.skip(f"there is no C compiler {compiler!r}")
    checked = _checked("native")
    assert set(checked) >= set(available_kernels())
    assert min(checked.values()) > 100_000


@pytest.mark.parametrize(
    ("cpu", "found"),
    [("max", {"neondotprod", "neon", "serial"}), ("cortex-a72", {"neon", "serial"})],
)
def test_the_kernels_for_arm_under_emulation(cpu: str, found: set[str]) -> None:
    missing = [package for program, package in NEEDED.items() if not shutil.which(program)]
    if missing:
        pytest.skip(f"needs the Debian packages {' and '.join(missing)}")
    checked = _checked("aarch64", cpu)
    assert {name.split("_")[2] for name in checked} == found
    assert {f"{metric}_u8_neon" for metric in METRICS} <= set(checked)
    assert min(checked.values()) > 100_000
