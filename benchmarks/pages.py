"""How much of a page is read: pages put together from MNIST's test digits, by kind of page.

    KNNC_DATA_HOME=... python benchmarks/pages.py --recipe fast --pages 10
    KNNC_DATA_HOME=... python benchmarks/pages.py --held-out --only touching
    KNNC_DATA_HOME=... python benchmarks/pages.py --forms --tesseract --held-out

The pages are those of tests/ocr/composer.py. Nothing in knnc.ocr was chosen on test digits, but
with --held-out: on pages of the last 10,000 training digits, read with the first 50,000. Errors
are characters to insert, delete or change, spaces and line ends among them; the interval is
Wilson's, for characters that are misread independently.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from types import SimpleNamespace
from typing import Any

from PIL import Image

N_TRAIN = 50_000

STYLES: dict[str, dict[str, Any]] = {
    "clean": {},
    "clean, one pixel a pixel": {"zoom": 1},
    "turned by 7 degrees": {"degrees": 7},
    "turned by -15 degrees": {"degrees": -15},
    "noise": {"noise": 0.12},
    "gradient of light": {"light": 0.3},
    "light on dark": {"invert": True, "light": 0.5},
    "show-through": {"through": 0.25},
    "grey ruled lines": {"rules": True},
    "black ruled lines": {"rules": True, "rule_grey": 0.8},
    "one pair in five touching": {"touching": 0.2},
    "hard: ruled, turned, noise, light, one pair in twenty touching": {
        "degrees": 5,
        "rules": True,
        "noise": 0.06,
        "light": 0.5,
        "touching": 0.05,
    },
}


def forms(asked: argparse.Namespace, reader: Any, images: Any, labels: Any) -> None:
    """Forms, values with marks, photographs, turned pages: a line for each kind."""
    made, composer = import_module("tests.ocr.forms"), import_module("tests.ocr.composer")
    scores = import_module("tests.ocr.score")
    from knnc.ocr import read_page

    readers = {"knnc": lambda pixels: read_page(pixels, reader)}
    if asked.tesseract:
        readers["Tesseract"] = tesseract
    print(
        "| page | reader | characters right | values | silently wrong | missing | ? | extra | s |"
    )
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|")
    for kind in {**made.KINDS, **made.NO_DIGITS}:
        if asked.only not in kind:
            continue
        pages = [made.make(kind, images, labels, 1000 + seed) for seed in range(asked.pages)]
        for name, read in readers.items():
            score = scores.Score()
            start = perf_counter()
            for form in pages:
                score.add(form, read(form.pixels), composer.character_errors)
            seconds = (perf_counter() - start) / len(pages)
            right = 100 - 100 * score.errors / score.characters
            print(
                f"| {kind} | {name} | {right:.1f} % | {score.values} | {score.wrong} "
                f"| {score.missing} | {score.unsure} | {score.extra} | {seconds:.2f} |",
                flush=True,
            )


def tesseract(pixels: Any) -> Any:
    """The page as Tesseract reads it with a list of the characters that there may be."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "page.png"
        Image.fromarray(pixels).save(path)
        allowed = "tessedit_char_whitelist=0123456789.,:/+-=%()"
        command = ["tesseract", str(path), "-", "--psm", "6", "-c", allowed, "makebox"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    height = pixels.shape[0]
    glyphs = []
    for row in said.splitlines():
        char, x0, y0, x1, y1, _ = row.rsplit(" ", 5)
        box = int(x0), height - int(y1), int(x1), height - int(y0)
        glyphs.append(SimpleNamespace(label=char, box=box, space_before=False))
    return SimpleNamespace(glyphs=glyphs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", default="fast")
    parser.add_argument("--pages", type=int, default=10, help="of each kind")
    parser.add_argument("--only", default="", help="kinds whose name has this in it")
    parser.add_argument("--held-out", action="store_true", help="training digits, for choices")
    parser.add_argument("--forms", action="store_true", help="the kinds of tests/ocr/forms.py")
    parser.add_argument("--tesseract", action="store_true", help="beside it, for forms")
    asked = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    composer = import_module("tests.ocr.composer")

    from knnc.cli._console import error_interval
    from knnc.datasets import fetch_mnist
    from knnc.ocr import read_page
    from knnc.recipes import make_recipe

    train = fetch_mnist(subset="train")
    n_train = N_TRAIN if asked.held_out else len(train.data)
    reader = make_recipe(asked.recipe).fit(train.data[:n_train], train.target[:n_train])
    digits = train if asked.held_out else fetch_mnist(subset="test")
    unseen = slice(N_TRAIN if asked.held_out else 0, None)
    images, labels = digits.images[unseen], digits.target[unseen]
    if asked.forms:
        forms(asked, reader, images, labels)
        return
    print("| page | characters right | 95 % interval | errors | a character |")
    print("|---|---:|---:|---:|---:|")
    for name, options in STYLES.items():
        if asked.only not in name:
            continue
        style = composer.Style(**options)
        wrong = total = 0
        seconds = 0.0
        for seed in range(asked.pages):
            page, text = composer.compose(images, labels, style, 1000 + seed)
            start = perf_counter()
            read = read_page(page, reader).text
            seconds += perf_counter() - start
            wrong += composer.character_errors(read, text)
            total += len(text)
        low, high = error_interval(wrong, total)
        print(
            f"| {name} | {100 - 100 * wrong / total:.2f} % | {100 - high:.2f} to {100 - low:.2f} % "
            f"| {wrong:,} of {total:,} | {1000 * seconds / total:.1f} ms |",
            flush=True,
        )


if __name__ == "__main__":
    main()
