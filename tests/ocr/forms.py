"""Forms, notes and photographs put together from images of digits, with what is written on them.

Each kind in ``KINDS`` is a function of images, labels and a random generator. It returns a
:class:`Form`: the page in grey or colour and its fields, each a text and where it is written.
"""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi, sin
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy import ndimage

from .hand import Box, Field, Form, Hand, Pixels, Rng, put


def digits_of(rng: Rng, n: int) -> str:
    return "".join(map(str, rng.integers(0, 10, n)))


def value_of(rng: Rng, kind: str) -> str:
    """A number as people write it."""
    n = rng.integers(1, 1000)
    cents = f"{rng.integers(0, 100):02d}"
    day, month, year = rng.integers(1, 29), rng.integers(1, 13), rng.integers(1950, 2030)
    if kind == "dates":
        sign = rng.choice(["/", "/", "-", "."])
        return f"{day:02d}{sign}{month:02d}{sign}{year if rng.random() < 0.7 else year % 100:02d}"
    return {
        "times": f"{rng.integers(0, 24):02d}:{rng.integers(0, 60):02d}",
        "decimals": f"{rng.choice(['-', '-', '+', ''])}{n}{rng.choice(['.', ','])}{cents}",
        "thousands": f"{rng.integers(1, 100)},{rng.integers(0, 1000):03d}.{cents}",
        "sums": f"{n}+{rng.integers(1, 100)}={n + rng.integers(1, 9)}",
        "percent": f"{rng.integers(1, 100)}%",
        "brackets": f"({n})",
    }[kind]


def blank(height: int, width: int) -> Form:
    return Form(np.zeros((height, width), np.float32))


def finish(form: Form, rng: Rng, ink: Any = 30, paper: Any = 250, noise: float = 2.0) -> Form:
    """Grey, or in colour where `ink` and `paper` are."""
    ink, paper = np.asarray(ink, np.float32), np.asarray(paper, np.float32)
    share = form.ink[..., None] if ink.ndim or paper.ndim else form.ink
    grey = paper + (ink - paper) * share
    grey = grey + rng.normal(0, noise, form.ink.shape + (1,) * (grey.ndim - 2))
    form.pixels = np.rint(grey.clip(0, 255)).astype(np.uint8)
    return form


def line(form: Form, box: Box, width: int, dark: float, dash: int = 0) -> None:
    """A level or an upright line, its corner at the start of `box`."""
    x0, y0, x1, y1 = (round(v) for v in box)
    place = form.ink[y0 : max(y1, y0 + width), x0 : max(x1, x0 + width)]
    drawn = np.full(place.shape, dark, np.float32)
    if dash:
        along = np.arange(max(place.shape)) % (2 * dash) < dash
        drawn *= along[None, :] if place.shape[1] > place.shape[0] else along[:, None]
    np.maximum(place, drawn, out=place)


def cells(hand: Hand, style: str) -> Form:
    """Three fields of eight cells with a digit in each."""
    rng = hand.rng
    zoom, cell, wide = 2.0, 70 if style == "apart" else 62, 62
    high = 66
    form = blank(480, 700)
    dark = 0.45 if "grey" in style else 1.0
    dash = 5 if style == "dashed" else 0
    pen = int(rng.integers(2, 4))
    for row in range(3):
        left, top = 40 + int(rng.integers(0, 30)), 50 + 130 * row
        for j in range(8):
            x0, x1 = left + cell * j, left + cell * j + wide
            line(form, (x0, top, x0 + pen, top + high), pen, dark, dash)
            line(form, (x1, top, x1 + pen, top + high), pen, dark, dash)
            if style != "comb":
                line(form, (x0, top, x1, top + pen), pen, dark, dash)
            line(form, (x0, top + high, x1 + pen, top + high + pen), pen, dark, dash)
        y = top + (high - 40) / 2 + rng.normal(0, 2)
        text = digits_of(rng, 8)
        for j, char in enumerate(text):
            hand.write(form, char, left + cell * j + rng.normal(0, 2), y, zoom, pitch=wide)
        del form.fields[-8:]
        form.fields.append(Field(text, (left, top - 4, left + 8 * cell, top + high + 4)))
    return finish(form, rng)


def table(hand: Hand, style: str) -> Form:
    """Numbers in a table that is ruled both ways, or one frame around them all."""
    rng = hand.rng
    form = blank(620, 900)
    xs, ys = [50, 320, 590, 850], [40 + 90 * i for i in range(7)]
    pen, dark = 2, 0.5 if rng.random() < 0.5 else 1.0
    inner = style == "table"
    for y in ys if inner else (ys[0], ys[-1]):
        line(form, (xs[0], y, xs[-1] + pen, y + pen), pen, dark)
    for x in xs if inner else (xs[0], xs[-1]):
        line(form, (x, ys[0], x + pen, ys[-1] + pen), pen, dark)
    for i in range(6):
        for j in range(3):
            text = digits_of(rng, int(rng.integers(1, 5)))
            hand.write(form, text, xs[j] + 25 + rng.uniform(0, 30), ys[i] + 26, 2.0)
    return finish(form, rng)


def label_image(text: str, size: int, font: str = "DejaVuSans") -> npt.NDArray[np.float32]:
    """Printed text as ink, in a font that Matplotlib ships."""
    from pathlib import Path

    import matplotlib
    from PIL import ImageFont

    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{font}.ttf"
    face = ImageFont.truetype(str(path), size)
    x0, y0, x1, y1 = face.getbbox(text)
    picture = Image.new("L", (round(x1 - x0) + 2, round(y1 - y0) + 2))
    ImageDraw.Draw(picture).text((1 - x0, 1 - y0), text, 255, face)
    return np.asarray(picture, np.float32) / 255


def labelled(hand: Hand) -> Form:
    """A printed word before each box with a number in it."""
    rng = hand.rng
    form = blank(520, 900)
    for i, word in enumerate(("Name", "Grade", "Weight", "Phone")):
        y = 40 + 115 * i
        put(form.ink, label_image(word, 30), 30, y + 20)
        for x in (200, 800):
            line(form, (x, y, x + 2, y + 70), 2, 1.0)
        for at in (y, y + 70):
            line(form, (200, at, 802, at + 2), 2, 1.0)
        hand.write(form, digits_of(rng, int(rng.integers(3, 8))), 225, y + 16, 2.0)
    return finish(form, rng)


def rows(hand: Hand, n: int = 5, words: bool = True, zoom: float = 2.0) -> Form:
    """Plain lines of digits."""
    rng, high = hand.rng, 20 * zoom
    form = blank(round(high * (2.2 * n + 2.4)), round(high * 18))
    for i in range(n):
        parts = [digits_of(rng, int(rng.integers(2, 6))) for _ in range(3)]
        text = " ".join(parts) if words else digits_of(rng, 9)
        hand.write(form, text, 1.5 * high, high * (1.5 + 2.2 * i), zoom)
    return form


def photographed(hand: Hand, dark: bool = True) -> Form:
    """A sheet on a dark table, in mild perspective, a shadow across it."""
    rng = hand.rng
    form = finish(rows(hand), rng, paper=245)
    h, w = form.pixels.shape
    sheet = np.asarray(form.pixels, np.float32)
    if dark:
        edge = rng.uniform(-0.9, 0.9)
        ys, xs = np.mgrid[0 : 1 : h * 1j, 0 : 1 : w * 1j]
        away = (ys - 0.5) * cos(edge) + (xs - 0.5) * sin(edge) + rng.uniform(-0.2, 0.2)
        sheet = sheet * (1 - 0.35 / (1 + np.exp(-40 * away))).astype(np.float32)
    pad = 90
    corners = np.array([[0, 0], [w, 0], [w, h], [0, h]], float) + pad
    moved = corners + rng.uniform(-28, 28, (4, 2))
    turn = projective(moved, corners - pad)
    out = Image.fromarray(sheet).transform(
        (w + 2 * pad, h + 2 * pad),
        Image.Transform.PERSPECTIVE,
        turn.ravel()[:8].tolist(),
        Image.Resampling.BICUBIC,
        fillcolor=-1000,
    )
    page = np.asarray(out)
    wood = 45 + ndimage.gaussian_filter(rng.normal(0, 30, page.shape), (1, 12))
    page = np.where(page < -60, wood, page) + rng.normal(0, 3, page.shape)
    form.pixels = np.rint(ndimage.gaussian_filter(page, 0.6).clip(0, 255)).astype(np.uint8)
    form.turn = turn
    return form


def projective(src: npt.NDArray[Any], dst: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """The 3 x 3 matrix that takes four points to four others."""
    equations, values = [], []
    for (x, y), (u, v) in zip(src, dst, strict=True):
        equations += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return np.append(np.linalg.solve(np.array(equations), np.array(values)), 1).reshape(3, 3)


def padded(hand: Hand) -> Form:
    """A level sheet with an even dark border around it."""
    form = finish(rows(hand), hand.rng)
    form.pixels = np.pad(form.pixels, 60, constant_values=45)
    form.fields = [Field(f.text, tuple(v + 60 for v in f.box)) for f in form.fields]  # type: ignore[arg-type]
    return form


def dark_edge(hand: Hand) -> Form:
    """Two rows of five digits, and a dark edge along part of a side."""
    rng = hand.rng
    form = blank(700, 700)
    for i in range(2):
        hand.write(form, digits_of(rng, 5), 80, 150 + 240 * i, 2.0, pitch=90)
    finish(form, rng)
    wide, side = int(rng.integers(2, 12)), int(rng.integers(0, 4))
    page = np.rot90(form.pixels, side)
    page[200:640, :wide] = 0
    return form


def specks(hand: Hand) -> Form:
    """A short number, and a dot, a stroke or a blot elsewhere."""
    rng = hand.rng
    form = blank(260, 420)
    hand.write(form, digits_of(rng, int(rng.integers(1, 4))), 60, 60, 2.0)
    kind = rng.integers(0, 3)
    x, y = int(rng.integers(40, 360)), int(rng.integers(170, 225))
    if kind == 2:
        form.ink[y : y + 3, x : x + 22] = 1
    else:
        r = (3.5, 6)[kind]
        ys, xs = np.mgrid[0:260, 0:420]
        form.ink[(ys - y) ** 2 + (xs - x) ** 2 <= r * r] = 1
    return finish(form, rng)


def written(hand: Hand, kind: str) -> Form:
    """Seven values with the marks of their kind, one a line."""
    form = blank(760, 620)
    for i in range(7):
        hand.write(form, value_of(hand.rng, kind), 60, 40 + 100 * i, 2.0)
    return finish(form, hand.rng)


def heights(hand: Hand) -> Form:
    """Lines of digits of 90 down to 20 pixels."""
    form = blank(620, 900)
    y = 30.0
    for high in (90, 64, 45, 32, 20):
        hand.write(form, digits_of(hand.rng, 7), 50, y, high / 20)
        y += 1.7 * high + 20
    return finish(form, hand.rng)


def spaced(hand: Hand) -> Form:
    """Single digits at even distances."""
    form = blank(420, 820)
    pitch = float(hand.rng.uniform(60, 90))
    for i in range(4):
        y, text = 40 + 92 * i, digits_of(hand.rng, 8)
        for j, char in enumerate(text):
            hand.write(form, char, 40 + pitch * j, y, 2.0, pitch=pitch)
        del form.fields[-8:]
        form.fields.append(Field(text, (40, y - 10, 40 + 8 * pitch, y + 50)))
    return finish(form, hand.rng)


def lone(hand: Hand) -> Form:
    """One digit alone."""
    form = blank(160, 160)
    hand.write(form, digits_of(hand.rng, 1), 50 + hand.rng.uniform(0, 30), 60, 2.0)
    return finish(form, hand.rng)


def turned(hand: Hand, degrees: int) -> Form:
    """Lines of digits, the page turned to the left."""
    form = finish(rows(hand), hand.rng)
    h, w = form.pixels.shape
    image = Image.fromarray(form.pixels).rotate(
        degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=250
    )
    a = -degrees * pi / 180
    c, s = cos(a), sin(a)
    cx, cy = image.width / 2, image.height / 2
    turn = np.array(
        [[c, -s, cx - c * w / 2 + s * h / 2], [s, c, cy - s * w / 2 - c * h / 2], [0, 0, 1]]
    )
    form.pixels = np.asarray(image)
    form.turn = np.linalg.inv(turn)
    return form


def coloured(hand: Hand, kind: str) -> Form:
    rng = hand.rng
    form = rows(hand)
    if kind == "pencil":
        grain = ndimage.gaussian_filter(rng.normal(0, 1, form.ink.shape), 0.7)
        form.ink *= (0.85 + 0.5 * grain).clip(0.3, 1).astype(np.float32)
        return finish(form, rng, ink=150, paper=240, noise=4)
    inks = [(20, 40, 160), (190, 30, 40), (20, 120, 60), (60, 20, 20)]
    papers = [(250, 240, 190), (215, 235, 250), (250, 215, 225), (220, 245, 215)]
    return finish(form, rng, ink=inks[rng.integers(4)], paper=papers[rng.integers(4)])


def small(hand: Hand) -> Form:
    """Digits 8 pixels high."""
    return finish(rows(hand, zoom=0.4), hand.rng, noise=1.0)


def printed(hand: Hand, text: Callable[[Rng], str], fonts: tuple[str, ...]) -> Form:
    """Printed lines."""
    rng = hand.rng
    form = blank(520, 700)
    for i in range(5):
        font, said = fonts[rng.integers(len(fonts))], text(rng)
        ink = label_image(said, 54, font)
        put(form.ink, ink, 40, 30 + 95 * i)
        box = (30.0, 10.0 + 95 * i, 60.0 + ink.shape[1], 100.0 + 95 * i)
        form.fields.append(Field(said, box))
    return finish(form, rng)


_FONTS = ("DejaVuSans", "DejaVuSerif", "DejaVuSansMono", "STIXGeneral", "cmr10", "cmss10")


def letters(hand: Hand) -> Form:
    """Printed letters that are not shaped like digits."""
    chars = list("ACDEFGHJKMNPQRTUVWXYabdefhkmnprtwx")
    return printed(hand, lambda rng: "".join(rng.choice(chars, 7)), _FONTS)


def drawings(hand: Hand) -> Form:
    """Closed and open scribbles, as large as digits."""
    rng = hand.rng
    form = blank(420, 620)
    for i in range(4):
        for j in range(6):
            n = int(rng.integers(4, 9))
            points = ndimage.gaussian_filter1d(rng.uniform(0, 44, (n, 2)), 0.4, axis=0)
            fine = np.stack([np.interp(np.linspace(0, n - 1, 60), range(n), p) for p in points.T])
            fine = ndimage.gaussian_filter1d(fine, 2, axis=1)
            picture = Image.new("L", (60, 60))
            ImageDraw.Draw(picture).line([(x + 8, y + 8) for x, y in fine.T], 255, 5)
            put(form.ink, np.asarray(picture, np.float32) / 255, 30 + 95 * j, 25 + 95 * i)
            box = (20.0 + 95 * j, 10.0 + 95 * i, 110.0 + 95 * j, 105.0 + 95 * i)
            form.fields.append(Field("?", box))
    return finish(form, rng)


KINDS: dict[str, Callable[[Hand], Form]] = {
    **{
        f"boxes, {style}": (lambda hand, style=style: cells(hand, style))  # type: ignore[misc]
        for style in ("adjoining", "apart", "grey", "dashed")
    },
    "combs": lambda hand: cells(hand, "comb"),
    "frame round the page": lambda hand: table(hand, "frame"),
    "ruled table": lambda hand: table(hand, "table"),
    "printed labels beside boxes": labelled,
    "dark border": padded,
    "photograph: perspective, shadow, dark table": photographed,
    "long dark edge": dark_edge,
    "specks beside a short number": specks,
    "lone digits": lone,
    **{
        kind: (lambda hand, kind=kind: written(hand, kind))  # type: ignore[misc]
        for kind in ("dates", "times", "decimals", "thousands", "sums", "percent", "brackets")
    },
    "evenly spaced": spaced,
    "mixed heights": heights,
    "8-pixel digits": small,
    "pencil": lambda hand: coloured(hand, "pencil"),
    "coloured ink and paper": lambda hand: coloured(hand, "colour"),
    **{
        f"turned by {degrees} degrees": (lambda hand, d=degrees: turned(hand, d))  # type: ignore[misc]
        for degrees in (30, 90, 180, 270)
    },
    "printed digits": lambda hand: printed(hand, lambda rng: digits_of(rng, 7), _FONTS),
}

# Nothing on these is a digit: each character should be marked as unsure.
NO_DIGITS: dict[str, Callable[[Hand], Form]] = {"printed letters": letters, "drawings": drawings}


def make(kind: str, images: Pixels, labels: npt.NDArray[Any], seed: int) -> Form:
    """A form of a kind; the same for the same seed."""
    hand = Hand(images, labels, np.random.default_rng([seed, sum(map(ord, kind))]))
    return {**KINDS, **NO_DIGITS}[kind](hand)
