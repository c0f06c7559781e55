"""Printed digits, drawn with the fonts that come with matplotlib and Pillow: no download."""

from __future__ import annotations

from math import cos, radians, sin
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from knnc.datasets import _descr
from knnc.datasets._bunch import make_bunch

# Files of fonts, without their ending. Those for testing have other designs. None is Pillow's own
# font, the only one whose 1 has no foot: it draws three times as often.
_TRAIN_FONTS = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique"),
    *("DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSansMono-Oblique"),
    *("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSerif-BoldItalic"),
    *("cmb10", "cmr10", "cmss10", "cmti10", None, None, None),
)
_TEST_FONTS = (
    *("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta", "cmtt10"),
)
# How often a font draws each digit, each time in another shape and size.
_COPIES = 16
# The size that a font draws in, and the square that it draws on, in pixels.
_SIZE, _CANVAS = 64, 120
# The square of an image, and that of the digit in it, as MNIST's are.
_SIDE, _BOX = 28, 20


def printed_digits() -> Bunch:
    """All printed digits, of the fonts for training and of those for testing."""
    return _drawn(_TRAIN_FONTS + _TEST_FONTS)


def split_printed_digits() -> tuple[Bunch, Bunch]:
    """The printed digits as (train, test): of different fonts."""
    return _drawn(_TRAIN_FONTS), _drawn(_TEST_FONTS)


def _drawn(fonts: tuple[str | None, ...]) -> Bunch:
    from knnc._extras import require

    needs: dict[str, Any] = {
        "by": "Drawing printed digits",
        "install": "knnc[plot]",
        "others": {"PIL": "Pillow"},
    }
    folder = Path(require("matplotlib", **needs).get_data_path(), "fonts", "ttf")
    pil = require("PIL.ImageFont", **needs)
    rng = np.random.default_rng(0)
    images = [
        _draw(font, digit, rng)
        for font in (
            pil.truetype(folder / f"{name}.ttf", _SIZE) if name else pil.load_default(_SIZE)
            for name in fonts
        )
        for digit in range(10)
        for _ in range(_COPIES)
    ]
    labels = np.tile(np.repeat(np.arange(10), _COPIES), len(fonts))
    names = [str(digit) for digit in range(10)]
    return make_bunch(np.stack(images), labels, names, _descr.PRINTED)


def _draw(font: Any, digit: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A digit of a font in a shape and a size that `rng` chooses."""
    from PIL import Image, ImageDraw, ImageFilter, ImageOps

    wide, slant = rng.uniform(0.7, 1.2), rng.uniform(-0.05, 0.2)
    turn, height = radians(rng.uniform(-3, 3)), int(rng.integers(12, 48))
    blur, thick = rng.uniform(0, 0.7), int(rng.integers(0, 4))
    thin = int(rng.choice([1, 1, 1, 1, 1, 3, 5]))
    large = Image.new("L", (_CANVAS, _CANVAS))
    middle = _CANVAS / 2
    ImageDraw.Draw(large).text(
        (middle, middle), str(digit), 255, font, anchor="mm", stroke_width=thick
    )
    thinner = large.filter(ImageFilter.MinFilter(thin))
    large = thinner if thinner.getextrema()[1] == 255 else large  # some strokes would vanish
    # From a place in the result to that in the drawing: turned, made wide, slanted.
    a, b, d, e = cos(turn) / wide, sin(turn) / wide + slant, -sin(turn), cos(turn)
    where = (a, b, middle - (a + b) * middle, d, e, middle - (d + e) * middle)
    large = large.transform(large.size, Image.Transform.AFFINE, where, Image.Resampling.BICUBIC)
    large = large.crop(large.getbbox())
    # As coarse as a scan of small print is, then as large as a digit of MNIST.
    small = large.resize(_fitted(large.size, height), Image.Resampling.BOX)
    small = small.filter(ImageFilter.GaussianBlur(blur))
    small = small.resize(_fitted(small.size, _BOX), Image.Resampling.BICUBIC)
    small = ImageOps.autocontrast(small)  # thin strokes are faint by now
    image = Image.new("L", (_SIDE, _SIDE))
    image.paste(small, ((_SIDE - small.width) // 2, (_SIDE - small.height) // 2))
    return np.array(image)


def _fitted(size: tuple[int, int], side: int) -> tuple[int, int]:
    """The size of which the longer side is `side`."""
    scale = side / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
