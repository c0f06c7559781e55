"""What a wheel holds and how large it is: ``python .ci/check_wheel.py [--repaired] WHEEL...``.

One that is repaired brings its OpenMP runtime along.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

LARGEST = 1_000_000  # bytes
# ".1" and so on end the names of shared libraries that auditwheel put in.
WANTED = {".py", ".pyi", ".typed", ".so", ".pyd", ".dll", ".dylib", ".txt", ".png", ""}
PAGE = {".html", ".css", ".js"}  # in knnc/web/static alone
RUNTIMES = ("libgomp", "libomp", "vcomp")
HERE_ONLY = re.compile(rb"\]\((?!https?:)(.*?)\)")


def check(wheel: Path, is_repaired: bool) -> str:
    """What is wrong with a wheel, or nothing."""
    sizes: Counter[str] = Counter()
    has_runtime = False
    with ZipFile(wheel) as archive:
        for member in archive.infolist():
            name = PurePosixPath(member.filename)
            top, suffix = name.parts[0], name.suffix
            if top.endswith(".dist-info"):
                suffix = "metadata"
                if name.name == "METADATA" and (link := HERE_ONLY.search(archive.read(member))):
                    return f"the description links to {link[1].decode()}, which no index has"
            elif top.endswith(".libs") or (top == "knnc" and ".dylibs" in name.parts):
                suffix = "libraries"
                has_runtime |= name.name.lower().startswith(RUNTIMES)
            elif name.parts[:3] == ("knnc", "web", "static") and suffix in PAGE:
                suffix = "page"
            elif top != "knnc" or suffix not in WANTED:
                return f"{name} has no place in a wheel"
            sizes[suffix] += member.compress_size
    size = wheel.stat().st_size
    print(f"{wheel.name}: {size:,} bytes")
    print("   ", ", ".join(f"{kind} {part:,}" for kind, part in sizes.most_common()))
    if is_repaired and not has_runtime:
        return "there is no OpenMP runtime in it"
    return f"{size:,} bytes are more than {LARGEST:,}" if size > LARGEST else ""


if __name__ == "__main__":
    repaired = sys.argv[1:2] == ["--repaired"]
    wheels = sys.argv[1 + repaired :]
    problems = [f"{wheel}: {said}" for wheel in wheels if (said := check(Path(wheel), repaired))]
    sys.exit("\n".join(problems) or 0)
