"""How the extension modules are compiled. All else about the package is in pyproject.toml.

Environment variables:

``KNNC_NO_OPENMP=1``
    build without OpenMP: the same answers, on one thread.
``SOURCE_DATE_EPOCH``
    the time, in seconds since 1970, that the files of an sdist get; without it, 1980.
``CC``, ``CFLAGS``, ``CPPFLAGS``, ``LDFLAGS``
    as for any C build; an optimisation level in CFLAGS replaces the default -O3, and debugging
    information asked for there (-g) the default of none.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext as setuptools_build_ext
from setuptools.command.sdist import sdist as setuptools_sdist
from setuptools.errors import BaseError, CCompilerError

KERNEL_DIR = "src/knnc/engine/kernels"
FLOAT_KERNEL_DIR = f"{KERNEL_DIR}/floats"
IMAGE_KERNEL_DIR = "src/knnc/image/kernels"

# Each extension module, and the C sources linked into it besides its own .pyx.
EXTENSIONS = {
    "knnc.engine.dispatch": f"{KERNEL_DIR}/*.c",
    "knnc.engine.packed": "",
    "knnc.engine.scan.brute": "",
    "knnc.engine.scan.radius": "",
    "knnc.engine.codes.quantizer": "",
    "knnc.engine.codes.rows": "",
    "knnc.engine.scan.coded": "",
    "knnc.engine.floats": f"{FLOAT_KERNEL_DIR}/*.c",
    "knnc.engine.scan.floats": "",
    "knnc.image._distortion": f"{IMAGE_KERNEL_DIR}/*.c",
    "knnc.image._histograms": "",
}

# What Cython would add to every module that takes arrays, compiled once: in each of them it made
# the modules of one wheel 0.95 MB, compressed, in place of 0.52. (Sections for the linker to drop
# bring 2 per cent of that, -O2 in place of -O3 8.)
SHARED = "knnc._cyutility"
# So that a repaired wheel is below a megabyte: Microsoft's compiler gets these flags.
SMALLER = {SHARED: {"/O2": "/O1"}}
# Others take SMALLEST for all that Cython makes, where nearly no time goes. Loops over rows and
# coordinates are in C files and headers that keep -O3 (kernels/, code.h).
GENERATED = "build/cython"
WITH_LOOPS = "_histograms.c"  # its loop over pixels is no C file
SMALLEST = ("-Oz", "-Os")  # the first that the compiler takes; gcc has -Oz from version 12 on
# Kernels that are as fast with -O2 (gcc 12, AVX-512): searches with squared Euclidean distance take
# 8 per cent longer, tangents 50, and the pairs of Manhattan distance twice as long with AVX2.
AT_O2 = ("chebyshev_", "f64_", "hamming_", "idm")

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "cdivision": True,
    "freethreading_compatible": True,
    # What is made of rows is pickled by its state, not class by class: 20,000 bytes of a wheel.
    "auto_pickle": False,
}

# A free-threaded interpreter has no stable ABI (before Python 3.15's own), nor has PyPy.
USE_ABI3 = platform.python_implementation() == "CPython" and not sysconfig.get_config_var(
    "Py_GIL_DISABLED"
)

NO_COMPILER = (
    "knnc needs a C compiler, and {compiler}; install one with "
    '"sudo apt install build-essential" on Debian or Ubuntu, "sudo dnf install gcc" on Fedora, '
    '"xcode-select --install" on macOS, or on Windows the "Desktop development with C++" part of '
    "Microsoft's Build Tools for Visual Studio."
)

NO_HEADERS = (
    "knnc needs the C headers of Python {version}, and the compiler finds no Python.h in "
    '{include}; install them with "sudo apt install python{version}-dev" (or python3-dev) on '
    'Debian or Ubuntu, "sudo dnf install python3-devel" on Fedora, or use a Python from '
    "python.org, which has them."
)

PROGRAM = "int main(void) { return 0; }\n"
OPENMP_PROGRAM = """
#include <omp.h>
#include <stdio.h>
int main(void) {
    int threads = 0;
#pragma omp parallel num_threads(2) reduction(+ : threads)
    threads += 1;
    printf("openmp %d %d\\n", _OPENMP, threads);
    return threads >= 1 && omp_get_max_threads() >= 1 ? 0 : 1;
}
"""


class Flags(NamedTuple):
    """What one way of building asks of the compiler and of the linker."""

    compile: list[str]
    link: list[str]


def make_extensions() -> list[Extension]:
    """One Extension for each module, with the flags that no probe has to find."""
    headers = [*Path("src/knnc").rglob("*.px[di]")]
    for folder in (KERNEL_DIR, FLOAT_KERNEL_DIR, IMAGE_KERNEL_DIR):
        headers += Path(folder).glob("*.h")
    extensions = []
    for name, c_sources in EXTENSIONS.items():
        sources = [Path("src", *name.split(".")).with_suffix(".pyx")]
        sources += Path().glob(c_sources) if c_sources else []
        extensions.append(
            Extension(
                name,
                sources=sorted(p.as_posix() for p in sources),
                include_dirs=[KERNEL_DIR, FLOAT_KERNEL_DIR, IMAGE_KERNEL_DIR],
                # Every file a change of which rebuilds.
                depends=sorted(p.as_posix() for p in (*sources, *headers, Path("setup.py"))),
                define_macros=[("Py_LIMITED_API", "0x030B0000")] if USE_ABI3 else [],
                py_limited_api=USE_ABI3,
            )
        )
    # Generated, and so of no source that is there before the build.
    shared = Extension(SHARED, sources=["src/knnc/_cyutility.c"], depends=["setup.py"])
    shared.define_macros, shared.py_limited_api = extensions[0].define_macros, USE_ABI3
    return [*extensions, shared]


@contextlib.contextmanager
def output_into(log: Path) -> Iterator[None]:
    """Send what this process and its children print to a file: a failed probe is no news."""
    with log.open("ab") as file, contextlib.ExitStack() as after:
        for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
            stream.flush()
            after.callback(os.close, saved := os.dup(number))
            after.callback(os.dup2, saved, number)
            after.callback(stream.flush)
            os.dup2(file.fileno(), number)
        yield


def use_a_compiler_that_exists() -> None:
    """Fall back to cc, gcc or clang where the compiler that built Python is not installed."""
    built_with = (sysconfig.get_config_var("CC") or "").split()
    if os.name == "nt" or "CC" in os.environ or not built_with or shutil.which(built_with[0]):
        return
    for name in ("cc", "gcc", "clang"):
        if shutil.which(name):
            os.environ["CC"] = name
            return


def libomp_prefixes() -> list[str]:
    """Where libomp may be on macOS: Homebrew (either place), conda, MacPorts."""
    prefixes = [os.environ.get("CONDA_PREFIX", ""), sys.prefix]
    if brew := shutil.which("brew"):
        asked = subprocess.run(
            [brew, "--prefix", "libomp"], capture_output=True, text=True, check=False
        )
        prefixes.append(asked.stdout.strip())
    prefixes += ["/opt/homebrew/opt/libomp", "/usr/local/opt/libomp", "/opt/local"]
    return [p for p in dict.fromkeys(prefixes) if p and Path(p, "include").is_dir()]


def openmp_candidates(compiler_type: str) -> list[Flags]:
    """The ways to ask for OpenMP, in the order in which they are tried."""
    if compiler_type == "msvc":
        return [Flags(["/openmp"], [])]
    candidates = [Flags(["-fopenmp"], ["-fopenmp"])]
    if sys.platform == "darwin":
        # First as CPPFLAGS and LDFLAGS have it, then at each place libomp may be.
        apple = ["-Xpreprocessor", "-fopenmp"]
        candidates.append(Flags(apple, ["-lomp"]))
        for prefix in libomp_prefixes():
            include, lib = f"{prefix}/include", f"{prefix}/lib"
            if Path(include, "libomp", "omp.h").exists():  # MacPorts
                include, lib = f"{include}/libomp", f"{lib}/libomp"
            link = [f"-L{lib}", f"-Wl,-rpath,{lib}", "-lomp"]
            candidates.append(Flags([*apple, f"-I{include}"], link))
    return candidates


class build_ext(setuptools_build_ext):
    """Check the tools, find the flags, then compile."""

    def run(self) -> None:
        use_a_compiler_that_exists()
        super().run()

    def build_extensions(self) -> None:
        self.started = time.time()
        for source in (path for ext in self.extensions for path in ext.depends):
            if not Path(source).exists():
                raise SystemExit(f"knnc cannot be built: {source} is missing.")
        with tempfile.TemporaryDirectory(
            prefix="knnc-build-", ignore_cleanup_errors=True
        ) as folder:
            self.probe_dir = Path(folder)
            self.require_compiler()
            self.require_headers()
            flags = self.common_flags(), self.openmp_flags()
            self.smallest = self.taken(SMALLEST)
        for ext in self.extensions:
            for part in flags:
                ext.extra_compile_args += part.compile
                ext.extra_link_args += part.link
            smaller = SMALLER.get(ext.name, {})
            ext.extra_compile_args = [smaller.get(flag, flag) for flag in ext.extra_compile_args]
        self.cythonize()
        self.compile_by_level()
        super().build_extensions()

    def compile_by_level(self) -> None:
        """Set the level of each file; Microsoft's compiler is not asked."""
        compile_one = getattr(self.compiler, "_compile", None)
        if compile_one is None or not self.smallest:
            return

        def compile_at_level(
            obj: str, src: str, ext: str, cc_args: list[str], postargs: list[str], pp: list[str]
        ) -> None:
            # *_serial.c: the oracles of the others, for processors without vectors.
            name = Path(src).name
            is_generated = Path(src).is_relative_to(GENERATED) and name != WITH_LOOPS
            level = "-O2" if name.startswith(AT_O2) else "-O3"
            if is_generated or name.endswith("_serial.c"):
                level = self.smallest[0]
            postargs = [level if flag == "-O3" else flag for flag in postargs]
            compile_one(obj, src, ext, cc_args, postargs, pp)

        self.compiler._compile = compile_at_level

    def build_extension(self, ext: Extension) -> None:
        """Compile, unless build/modules has this very module: pip starts from nothing each time."""
        made, kept = Path(self.get_ext_fullpath(ext.name)), self.kept[ext.name]
        if ext not in self.stale:
            made.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(kept, made)
            return
        super().build_extension(ext)
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(made, kept)
        # As old as the start: a source saved while the compiler ran is newer.
        os.utime(kept, (self.started, self.started))

    def kept_module(self, ext: Extension) -> Path:
        """Where a module stays that is made by the same recipe."""
        from Cython import __version__ as cython_version

        command = getattr(self.compiler, "compiler_so", self.compiler.compiler_type)
        arguments = ext.extra_compile_args, ext.extra_link_args, ext.define_macros
        made_with = command, arguments, DIRECTIVES, cython_version, sysconfig.get_platform()
        recipe = json.dumps([sorted(ext.depends), *made_with])
        of_recipe = hashlib.sha256(recipe.encode()).hexdigest()[:16]
        return Path("build", "modules", of_recipe, self.get_ext_filename(ext.name))

    def is_current(self, ext: Extension) -> bool:
        """Whether the kept module is newer than its sources."""
        kept = self.kept[ext.name]
        newest = max(Path(source).stat().st_mtime for source in ext.depends)
        return not self.force and kept.exists() and kept.stat().st_mtime > newest

    def cythonize(self) -> None:
        """Translate the .pyx files; what is generated goes to the build folder."""
        from Cython.Build import cythonize
        from Cython.Compiler import Options

        Options.docstrings = False  # of modules that are not public: they would take kB of a wheel
        self.kept = {ext.name: self.kept_module(ext) for ext in self.extensions}
        self.stale = [ext for ext in self.extensions if not self.is_current(ext)]
        self.force = True  # what else is in the build folder may be of another recipe
        translated = cythonize(
            self.stale,
            build_dir=GENERATED,
            compiler_directives=DIRECTIVES,
            include_path=["src"],
            shared_utility_qualified_name=SHARED,
            force=True,
        )
        # Only the sources are taken: build_ext has put names of its own on the extensions.
        for ext, done in zip(self.stale, translated, strict=True):
            ext.sources = done.sources

    def try_to_build(self, program: str, flags: Flags, *, link: bool, run: bool = False) -> str:
        """Compile, link and run a small program; what went wrong, or "" when nothing did."""
        folder = Path(tempfile.mkdtemp(dir=self.probe_dir))
        source, log = folder / "probe.c", folder / "log"
        source.write_text(program)
        try:
            with output_into(log):
                objects = self.compiler.compile(
                    [str(source)], output_dir=str(folder), extra_postargs=flags.compile
                )
                if link:
                    # LDFLAGS are those of modules, and setuptools links no program with them.
                    said = shlex.split(os.environ.get("LDFLAGS", "")) if os.name != "nt" else []
                    self.compiler.link_executable(
                        objects, "probe", output_dir=str(folder), extra_postargs=said + flags.link
                    )
                if run:
                    made = folder / self.compiler.executable_filename("probe")
                    subprocess.run([str(made)], check=True, timeout=60)
        except (BaseError, CCompilerError, OSError, subprocess.SubprocessError) as error:
            said = log.read_text(errors="replace").strip() if log.exists() else ""
            return "\n".join(part for part in (said, str(error)) if part)
        return ""

    def require_compiler(self) -> None:
        problem = self.try_to_build(PROGRAM, Flags([], []), link=True)
        if problem:
            command = getattr(self.compiler, "compiler_so", None) or ["none was found"]
            if os.name != "nt" and shutil.which(command[0]):
                print(problem, file=sys.stderr)
                raise SystemExit(NO_COMPILER.format(compiler=f'"{command[0]}" does not work'))
            found = "none was found" if os.name == "nt" else f'"{command[0]}" was not found'
            raise SystemExit(NO_COMPILER.format(compiler=found))

    def require_headers(self) -> None:
        problem = self.try_to_build("#include <Python.h>\n", Flags([], []), link=False)
        if problem:
            print(problem, file=sys.stderr)
            version = f"{sys.version_info[0]}.{sys.version_info[1]}"
            include = sysconfig.get_path("include")
            raise SystemExit(NO_HEADERS.format(version=version, include=include))

    def common_flags(self) -> Flags:
        """C11, and -O3 and -g0 where the compiler takes them and the user asked for no others."""
        if self.compiler.compiler_type == "msvc":
            return Flags(["/std:c11", "/O2", "/fp:precise"], [])
        # Some kernels are linked into several modules, each of which has to call its own. A fused
        # multiply-add rounds once where a distance of floats rounds twice.
        # Nothing here throws or unwinds: tables for that are 4 % of a wheel.
        wanted = ["-std=c11", "-fvisibility=hidden", "-ffp-contract=off"]
        wanted.append("-fno-asynchronous-unwind-tables")
        # Python's own flags mostly have -g, which makes modules five times as large.
        for family, default in (("-O", "-O3"), ("-g", "-g0")):
            if family not in os.environ.get("CFLAGS", ""):
                wanted.append(default)
        # Nothing reads the identity of a module, and it cannot be compressed.
        link = ["-Wl,--build-id=none"]
        problem = self.try_to_build(PROGRAM, Flags([], link), link=True)
        return Flags(self.taken(wanted), [] if problem else link)

    def taken(self, flags: Sequence[str]) -> list[str]:
        """Those that the compiler takes."""
        return [f for f in flags if not self.try_to_build(PROGRAM, Flags([f], []), link=False)]

    def openmp_flags(self) -> Flags:
        """The flags of the first way to use OpenMP that compiles, links and runs; or none."""
        if os.environ.get("KNNC_NO_OPENMP", "0") not in ("", "0"):
            why = "KNNC_NO_OPENMP is set"
        else:
            problems = []
            for flags in openmp_candidates(self.compiler.compiler_type):
                problem = self.try_to_build(OPENMP_PROGRAM, flags, link=True, run=True)
                if not problem:
                    return flags
                problems.append(f"{' '.join(flags.compile)}: {problem}")
            print("\n".join(problems), file=sys.stderr)
            why = "no way to use OpenMP worked"
            if sys.platform == "darwin":
                why += '; "brew install libomp" provides it'
            if os.environ.get("KNNC_REQUIRE_OPENMP", "0") not in ("", "0"):
                raise SystemExit(f"knnc cannot be built: KNNC_REQUIRE_OPENMP is set, and {why}")
        print(f"knnc: building without OpenMP ({why}): one thread only", file=sys.stderr)
        return Flags([], [])


class sdist(setuptools_sdist):
    """The same sources give the same bytes, wherever, whenever and by whomever it is made."""

    def make_archive(self, base_name: str, format: str, *args: str, **kwargs: str) -> str:  # noqa: A002
        if format != "gztar":
            return super().make_archive(base_name, format, *args, **kwargs)
        made = f"{base_name}.tar.gz"
        time_of_files = int(os.environ.get("SOURCE_DATE_EPOCH", 315532800))

        def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.mtime = time_of_files
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            return member

        with (
            open(made, "wb") as file,
            gzip.GzipFile("", "wb", fileobj=file, mtime=time_of_files) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            archive.add(kwargs["base_dir"], filter=plain)  # which takes a folder's files in order
        return made


def description() -> str:
    """The README as a package index shows it, where this tree's pictures and pages are not."""
    text = Path("README.md").read_text(encoding="utf-8")
    text = re.sub(r"<picture>.*?</picture>\n\n", "", text, flags=re.DOTALL)
    # A picture goes with the line below it, which is about the picture.
    text = re.sub(r"!\[[^\]]*\]\((?!https?:).*?\)\n\n.*?\n\n", "", text, flags=re.DOTALL)
    return re.sub(r"\[([^\]]*)\]\((?!https?:).*?\)", r"\1", text)


setup(
    long_description=description(),
    long_description_content_type="text/markdown",
    ext_modules=make_extensions(),
    cmdclass={"build_ext": build_ext, "sdist": sdist},
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if USE_ABI3 else {},
)
