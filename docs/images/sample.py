"""Makes the sample page that ships with knnc: src/knnc/datasets/sample.png.

python docs/images/sample.py

The digits are those of scikit-learn's that ``load_dataset("digits")`` holds back for tests. Four
greys and a page without noise keep the file small.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import numpy as np
from PIL import Image
from zopfli.png import optimize

from knnc.datasets import load_dataset

ROOT = Path(__file__).parents[2]
SEED = 1


def main() -> None:
    """Write the page and print its text."""
    sys.path.insert(0, str(ROOT))
    composer = import_module("tests.ocr.composer")
    _, test = load_dataset("digits")
    style = composer.Style(zoom=3.5, lines=3, words=3, degrees=2)
    page, text = composer.compose(test.images, test.target, style, SEED)
    picture = Image.fromarray(page).quantize(4, dither=Image.Dither.NONE)
    grey = np.asarray(picture.convert("L"))
    levels, index = np.unique(grey, return_inverse=True)
    packed = Image.fromarray(index.reshape(grey.shape).astype(np.uint8), "P")
    packed.putpalette(np.repeat(levels, 3).tolist())
    path = ROOT / "src" / "knnc" / "datasets" / "sample.png"
    packed.save(path, optimize=True, bits=2)
    path.write_bytes(optimize(path.read_bytes()))  # a tenth smaller, the same pixels
    print(f"{path.stat().st_size:,} bytes", text, sep="\n\n")


if __name__ == "__main__":
    main()
