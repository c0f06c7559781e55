"""Examples that ``--help`` shows below each command; a test runs them."""

from __future__ import annotations

__all__ = ["EXAMPLES", "epilog"]

EXAMPLES: dict[str, tuple[str, ...]] = {
    "knnc": (
        "knnc demo",
        "knnc evaluate digits",
        "knnc view misread digits",
        "knnc read --sample",
    ),
    "demo": ("knnc demo --out demo.jpg",),
    "evaluate": (
        "knnc evaluate digits",
        "knnc evaluate mnist -k 3 --limit 1000",
        "knnc evaluate digits --recipe accurate --json",
    ),
    "compare": ("knnc compare digits --train-images 200 --test-images 200 --out digits.pdf",),
    "read": ("knnc read --sample", "knnc read --sample --json"),
    "serve": ("knnc serve --train mnist --open",),
    "groundtruth": ("knnc groundtruth base.u8bin queries.u8bin -k 100 -o truth.ibin",),
    "info": ("knnc info", "knnc info --json"),
    "view": ("knnc view sprite digits", "knnc view confusion digits --out confusion.svg"),
    "view sprite": ("knnc view sprite digits --rows 2 --columns 20",),
    "view read": ("knnc view read digits --images 24 --recipe fast",),
    "view misread": ("knnc view misread digits --images 6 --neighbors 3",),
    "view confusion": ("knnc view confusion digits --recipe fast",),
    "view curve": ("knnc view curve digits --max-k 15 --cv 5",),
    "view embedding": ("knnc view embedding digits --train-images 300 --gif",),
    "view pixels": ("knnc view pixels digits",),
    "view disputed": ("knnc view disputed digits -k 7",),
    "view duplicates": ("knnc view duplicates digits --radius 10",),
}


def epilog(command: str) -> str:
    """What stands below the help of a command; typer takes an empty line for the end of one."""
    return "\n\n".join(["Examples:", *EXAMPLES[command]])
