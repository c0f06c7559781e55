"""How a hand may draw the ten digits on a square of 280 pixels."""

from __future__ import annotations

from math import cos, pi, sin

Points = list[tuple[float, float]]


def arc(x: float, y: float, a: float, b: float, first: float, last: float) -> Points:
    """A part of an ellipse; 0 is right, 90 is down."""
    angles = (pi / 180 * (first + (last - first) * i / 16) for i in range(17))
    return [(x + a * cos(angle), y + b * sin(angle)) for angle in angles]


DIGITS: dict[str, list[Points]] = {
    "0": [arc(140, 140, 50, 80, -90, 270)],
    "1": [[(145, 55), (138, 140), (132, 225)]],
    "2": [[*arc(140, 100, 48, 45, 190, 390), (85, 220), (205, 220)]],
    "3": [[*arc(135, 98, 48, 42, 200, 440), *arc(135, 182, 52, 44, -80, 150)]],
    "4": [[(130, 50), (85, 160), (195, 160)], [(160, 120), (145, 230)]],
    "5": [[(190, 60), (110, 60), (100, 128), *arc(130, 172, 58, 50, -110, 140)]],
    "6": [[(165, 50), (110, 120), *arc(140, 180, 48, 45, 190, 550)]],
    "7": [[(85, 65), (195, 65), (125, 225)]],
    "8": [[*arc(140, 95, 36, 42, 90, 450), *arc(140, 182, 40, 42, 270, 630)]],
    "9": [[*arc(140, 100, 45, 43, 0, -360), (180, 150), (165, 230)]],
}
