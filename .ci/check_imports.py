"""No circle of imports in src/knnc, with Cython's `cimport` and the imports of .pyx files.

import-linter, which checks the layers, sees Python files only: ``python .ci/check_imports.py``.
"""

from __future__ import annotations

import re
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

SOURCES = Path(__file__).parents[1] / "src"
LINE = re.compile(r"^\s*from\s+(knnc[\w.]*)\s+c?import\s+\(?([\w ,]*)", re.MULTILINE)
TYPE_CHECKING = re.compile(r"^if TYPE_CHECKING:.*\n(?:(?: +.*)?\n)+", re.MULTILINE)


def imported(path: Path, modules: set[str]) -> set[str]:
    """The modules that a file imports, at any depth of its functions, but for types."""
    found = set()
    for package, names in LINE.findall(TYPE_CHECKING.sub("", path.read_text(encoding="utf-8"))):
        parts = {f"{package}.{name.split(' as ')[0].strip()}" for name in names.split(",")}
        found |= (parts & modules) or ({package} & modules)
    return found


def main() -> str:
    """What is wrong, or nothing."""
    graph: dict[str, set[str]] = {}
    files = {}
    for path in sorted(SOURCES.rglob("*.p[yx]*")):
        if path.suffix in (".py", ".pyx", ".pxd", ".pxi"):
            name = ".".join(path.relative_to(SOURCES).with_suffix("").parts)
            files[path] = name.removesuffix(".__init__")
    modules = set(files.values())
    for path, name in files.items():
        graph.setdefault(name, set()).update(imported(path, modules) - {name})
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return "a circle of imports: " + " <- ".join(error.args[1])
    outside = {
        f"{name} imports {other}"
        for name, others in graph.items()
        for other in others
        if name.startswith("knnc.engine") and not other.startswith("knnc.engine")
    }
    return "; ".join(sorted(outside))


if __name__ == "__main__":
    sys.exit(main() or 0)
