"""Ten classes can be told apart, also without one kind of cones, and in an animation."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="pictures need the extra 'plot'")
pytest.importorskip("colorspacious", reason="it comes with the extra 'test'")

import colorspacious
from PIL import Image, ImageDraw

from knnc.plot._animation import write_gif
from knnc.plot._base import CLASSES

RGB = np.array([[int(c[at : at + 2], 16) for at in (1, 3, 5)] for c in CLASSES]) / 255
WHITE = np.array([100.0, 0.0, 0.0])


def seen(rgb: np.ndarray, deficiency: str | None) -> np.ndarray:
    """Colours in CAM02-UCS, where distances are those that people see."""
    if deficiency is not None:
        space = {"name": "sRGB1+CVD", "cvd_type": deficiency, "severity": 100}
        rgb = np.clip(colorspacious.cspace_convert(rgb, space, "sRGB1"), 0, 1)
    return np.asarray(colorspacious.cspace_convert(rgb, "sRGB1", "CAM02-UCS"))


@pytest.mark.parametrize(
    ("deficiency", "least"),
    [(None, 28), ("deuteranomaly", 15), ("protanomaly", 15), ("tritanomaly", 15)],
)
def test_no_two_classes_look_alike(deficiency: str | None, least: float) -> None:
    colours = seen(RGB, deficiency)
    near = min(np.linalg.norm(a - b) for a, b in combinations(colours, 2))
    assert len(colours) == 10
    assert near >= least
    assert np.linalg.norm(colours - WHITE, axis=1).min() >= 20, "one is hardly seen on white"


def test_none_is_grey() -> None:
    colours = seen(RGB, None)
    assert np.hypot(colours[:, 1], colours[:, 2]).min() > 15


def test_an_animation_keeps_all_colours_and_white_paper(tmp_path: object) -> None:
    picture = Image.new("RGB", (110, 20), "white")
    for at, colour in enumerate(CLASSES):
        ImageDraw.Draw(picture).rectangle((10 * at + 5, 5, 10 * at + 12, 15), fill=colour)
    path = f"{tmp_path}/colours.gif"
    write_gif([Image.new("RGB", picture.size, "white"), picture], path, seconds=1, colours=CLASSES)
    with Image.open(path) as gif:
        gif.seek(1)
        shown = np.asarray(gif.convert("RGB"), dtype=int)
    wanted = np.asarray(picture, dtype=int)
    assert np.abs(shown - wanted).max() <= 8, "Pillow matches colours to a few steps"
    assert (shown[0] == 255).all()
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) == 11
