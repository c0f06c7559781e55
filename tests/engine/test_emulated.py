"""The kernels without Python: for this machine, and under emulation (see emulated/run.sh)."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from knnc.engine.dispatch import all_kernels, available_kernels
from tests.engine.support import METRICS

SCRIPT = Path(__file__).parent / "emulated" / "run.sh"
SOURCES = Path(__file__).parents[2] / "src" / "knnc" / "engine" / "kernels"

IS_X86 = platform.machine().lower() in ("x86_64", "amd64")
NEEDED = {"aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu", "qemu-aarch64": "qemu-user"}

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="run.sh is a shell script"),
    pytest.mark.skipif(not SOURCES.is_dir(), reason="the kernels' sources are not here"),
]


def _run(*arguments: str, **environment: str) -> list[str]:
    """The lines that run.sh prints."""
    done = subprocess.run(
        ["sh", str(SCRIPT), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def _check(target: str, **environment: str) -> set[str]:
    """The kernels checked, each on many distances, all of them right."""
    lines = [line.split() for line in _run(target, **environment)]
    assert min(int(n) for _, n in lines) > 100_000
    return {name for name, _ in lines}


def test_the_kernels_of_this_machine() -> None:
    """This also tests the program that judges the ARM kernels."""
    compiler = os.environ.get("CC", "cc").split()[0]
    if not shutil.which(compiler):
        pytest.skip(f"there is no C compiler {compiler!r}")
    assert _check("native") >= set(available_kernels())


@pytest.mark.skipif(not IS_X86, reason="these are the kernels of x86")
def test_the_kernels_for_avx512_and_vnni_in_plain_c() -> None:
    """By SIMDe, as this processor may have neither. It takes half a minute."""
    if not Path("/usr/include/simde/x86/avx512.h").exists():
        pytest.skip("needs the Debian package libsimde-dev")
    assert _check("simde") == set(all_kernels())


@pytest.fixture(scope="module")
def for_arm(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder for the program, so that it is compiled once."""
    missing = [package for program, package in NEEDED.items() if not shutil.which(program)]
    if missing:
        pytest.skip(f"needs the Debian packages {' and '.join(missing)}")
    return str(tmp_path_factory.mktemp("aarch64"))


def test_the_kernels_for_arm_under_emulation(for_arm: str) -> None:
    dot = {f"{metric}_u8_neondotprod" for metric in ("sqeuclidean", "manhattan")}
    both = {f"{metric}_u8_{isa}" for metric in METRICS for isa in ("neon", "serial")}
    assert _check("aarch64", KEEP_IN=for_arm) == dot | both


@pytest.mark.parametrize(
    ("cpu", "found"), [("max", ["neon", "neondotprod"]), ("cortex-a72", ["neon"])]
)
def test_the_features_of_arm_processors(cpu: str, found: list[str], for_arm: str) -> None:
    assert _run("aarch64", "features", QEMU_CPU=cpu, KEEP_IN=for_arm) == found
