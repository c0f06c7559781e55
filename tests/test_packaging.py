"""What is installed, and what a build says when it cannot be done."""

from __future__ import annotations

import os
import pkgutil
import re
import shutil
import subprocess
import sys
import sysconfig
from importlib import metadata, resources
from pathlib import Path

import pytest

import knnc
from knnc.engine import packed

ROOT = Path(__file__).resolve().parents[1]
NEEDED_TO_BUILD = (
    "pyproject.toml",
    "setup.py",
    "README.md",
    "LICENSE",
    "LICENSE-bundled.txt",
    "src",
)

needs_sources = pytest.mark.skipif(
    not (ROOT / "src/knnc/engine/scan/brute.pyx").exists(),
    reason="these tests are not beside the sources",
)


def installed_files() -> list[str]:
    """The files of an installed wheel; an editable install has none of its own."""
    files = [path.as_posix() for path in metadata.files("knnc") or ()]
    return [path for path in files if path.startswith("knnc/")]


needs_wheel = pytest.mark.skipif(not installed_files(), reason="knnc is installed as editable")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what a build needs, with nothing built in it."""
    copy = tmp_path / "knnc"
    copy.mkdir()
    built = shutil.ignore_patterns("*.so", "*.pyd", "*.egg-info", "__pycache__")
    for name in NEEDED_TO_BUILD:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=built)
        else:
            shutil.copy(ROOT / name, copy / name)
    return copy


def build(tree: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "setup.py", "build_ext", "--inplace"],
        cwd=tree,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_version_is_the_literal() -> None:
    assert metadata.version("knnc") == knnc.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+|(a|b|rc)\d+)?", knnc.__version__)


def test_the_types_are_there_to_be_found() -> None:
    package = resources.files("knnc")
    assert package.joinpath("py.typed").is_file()
    assert package.joinpath("engine", "packed.pyi").is_file()


def test_the_page_is_there() -> None:
    page = resources.files("knnc").joinpath("web", "static")
    names = {entry.name for entry in page.iterdir()}
    assert {"index.html", "style.css", "main.js"} <= names
    linked = set()
    for name in names:
        text = page.joinpath(name).read_text(encoding="utf-8")
        linked |= set(re.findall(r'(?:from "\./|src="|href=")([\w.]+)"', text))
    assert linked == names - {"index.html"}


def test_the_command_is_there() -> None:
    (command,) = metadata.entry_points(group="console_scripts", name="knnc")
    assert command.value == "knnc.cli:main"
    assert callable(command.load())


def test_every_extra_is_known() -> None:
    extras = set(metadata.metadata("knnc").get_all("Provides-Extra"))
    assert {"all", "cli", "dask", "datasets", "ocr", "pdf", "plot", "progress", "web"} <= extras


def test_the_extension_module_is_for_every_later_python() -> None:
    made = Path(packed.__file__).name
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        assert made == "packed" + sysconfig.get_config_var("EXT_SUFFIX")
    else:
        assert made in {"packed.abi3.so", "packed.pyd"}


@pytest.mark.skipif(
    not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this Python has a global lock"
)
def test_no_module_brings_the_global_lock_back() -> None:
    """An extension module that does not declare itself would, for the whole process."""
    modules = sorted(module.name for module in pkgutil.walk_packages(knnc.__path__, "knnc."))
    modules = [name for name in modules if name.startswith(("knnc.engine", "knnc.image", "knnc._"))]
    program = f"import sys\nfor name in {modules}: __import__(name)\nprint(sys._is_gil_enabled())"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False", done.stderr


def test_every_dependency_of_development_is_locked() -> None:
    text = (ROOT / "requirements/dev.txt").read_text(encoding="utf-8")
    locked = set(re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE))
    wanted = metadata.requires("knnc") or []
    names = {re.split(r"[^A-Za-z0-9-]", requirement, maxsplit=1)[0] for requirement in wanted}
    assert {name.lower() for name in names} - {"knnc"} <= locked, 'run "make lock"'
    release = (ROOT / "requirements/release.txt").read_text(encoding="utf-8")
    assert all("--hash=" in part for part in re.split(r"\n(?=\S)", release.strip()))


@needs_wheel
def test_the_wheel_has_no_sources() -> None:
    suffixes = {Path(path).suffix for path in installed_files()}
    assert suffixes.isdisjoint({".c", ".h", ".pyx", ".pxd"})
    assert {".py", ".pyi"} <= suffixes
    assert "knnc/datasets/sample.png" in installed_files()


@needs_sources
@pytest.mark.skipif(os.name == "nt", reason="CC does not choose the compiler on Windows")
@pytest.mark.parametrize(
    ("compiler", "said"),
    [("/nonexistent/cc", "was not found"), ("false", "does not work")],
)
def test_without_a_compiler_the_build_says_what_to_install(
    tree: Path, compiler: str, said: str
) -> None:
    result = build(tree, CC=compiler)
    assert result.returncode == 1
    *_, last = result.stderr.strip().splitlines()
    assert last.startswith(f'knnc needs a C compiler, and "{compiler}" {said}; install one')
    for command in ("apt install", "dnf install", "xcode-select --install", "Build Tools"):
        assert command in last
    assert "Traceback" not in result.stderr


@needs_sources
@pytest.mark.skipif(os.name == "nt", reason="CC does not choose the compiler on Windows")
def test_without_python_h_the_build_says_what_to_install(tree: Path, tmp_path: Path) -> None:
    real = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    assert real
    fake = tmp_path / "cc-without-python"
    # The compiler, but for the folders in which Python.h could be.
    fake.write_text(
        "#!/bin/sh\n"
        'for word in "$@"; do\n'
        '  shift; case $word in -I*) ;; *) set -- "$@" "$word" ;; esac\n'
        "done\n"
        f'exec "{real}" "$@"\n'
    )
    fake.chmod(0o755)
    result = build(tree, CC=str(fake))
    assert result.returncode == 1
    *_, last = result.stderr.strip().splitlines()
    assert last.startswith("knnc needs the C headers of Python")
    assert "apt install" in last
    assert "dnf install" in last
    assert "Traceback" not in result.stderr


# Of a probe with OpenMP nothing is linked without a folder to find its runtime in; and no more than
# probes is compiled.
WITHOUT_OPENMP = """#!/bin/sh
case "$*" in
    *probe*) ;;
    *) echo "this one compiles probes only" >&2; exit 1 ;;
esac
case " $* " in
    *" -c "*) ;;
    *" -L/with/openmp "*) ;;
    *" -fopenmp "*) echo "library 'omp' not found" >&2; exit 1 ;;
esac
exec "{real}" "$@"
"""


@needs_sources
@pytest.mark.skipif(sys.platform != "linux", reason="OpenMP is asked for in another way")
@pytest.mark.parametrize("ldflags", ["", "-L/with/openmp"])
def test_openmp_can_be_required_and_is_looked_for_where_ldflags_say(
    tree: Path, tmp_path: Path, ldflags: str
) -> None:
    """As .ci/libomp builds it for wheels for macOS."""
    real = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    fake = tmp_path / "cc-without-openmp"
    fake.write_text(WITHOUT_OPENMP.format(real=real))
    fake.chmod(0o755)
    result = build(tree, CC=str(fake), KNNC_REQUIRE_OPENMP="1", LDFLAGS=ldflags)
    assert result.returncode == 1
    refused = "KNNC_REQUIRE_OPENMP is set, and no way to use OpenMP worked" in result.stderr
    assert refused == (ldflags == "")
    assert ("this one compiles probes only" in result.stderr) == (ldflags != "")


@needs_sources
def test_a_missing_source_is_named(tree: Path) -> None:
    (tree / "src/knnc/engine/scan/brute.pyx").unlink()
    result = build(tree)
    assert result.returncode == 1
    *_, last = result.stderr.strip().splitlines()
    assert last == "knnc cannot be built: src/knnc/engine/scan/brute.pyx is missing."
