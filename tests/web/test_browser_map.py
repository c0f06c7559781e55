"""The map in a real browser."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="needs Playwright")
expect = sync_api.expect
expect.set_options(timeout=20_000)  # on a machine that does other things too


def test_the_map(page: Any, tmp_path: Path) -> None:
    page.click("#tab-map")
    expect(page.locator("#counts")).to_have_text("400 images", timeout=60_000)
    page.select_option("#flag", "misread")
    expect(page.locator("#counts")).not_to_have_text("400 images")
    page.select_option("#flag", "")
    page.select_option("#class", "4")
    page.focus("#plane")
    page.keyboard.press("n")
    expect(page.locator("#point-title")).to_contain_text(": 4")
    expect(page.locator("#point-neighbors li")).to_have_count(10)
    page.keyboard.press("0")
    plane = page.locator("#plane").bounding_box()
    page.mouse.move(plane["x"] + 5, plane["y"] + 5)
    page.keyboard.down("Shift")
    page.mouse.down()
    page.mouse.move(plane["x"] + plane["width"] - 5, plane["y"] + plane["height"] - 5, steps=3)
    page.mouse.up()
    page.keyboard.up("Shift")
    expect(page.locator("#counts")).to_contain_text("selected")
    with page.expect_download() as download:
        page.click("#map-csv")
    download.value.save_as(tmp_path / "points.csv")
    with (tmp_path / "points.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert {line["label"] for line in lines} == {"4"}
    assert len(lines) > 25


def points_on_screen(page: Any) -> list[list[float]]:
    """Where the first images of the map are, as the page says."""
    box = page.locator("#plane").bounding_box()
    said = page.evaluate("fetch('/api/map').then((answer) => answer.json())")
    factor = 0.92 * min(box["width"], box["height"])
    pairs = zip(said["points"][::2], said["points"][1::2], strict=True)
    return [
        [
            box["x"] + box["width"] / 2 + factor * (x - 0.5),
            box["y"] + box["height"] / 2 + factor * (y - 0.5),
        ]
        for x, y in pairs
    ]


def farthest(points: list[list[float]]) -> int:
    """The point that is farthest from its nearest other."""
    return max(
        range(len(points)),
        key=lambda i: min(
            (points[i][0] - x) ** 2 + (points[i][1] - y) ** 2
            for j, (x, y) in enumerate(points)
            if j != i
        ),
    )


def test_the_map_answers_to_the_pointer(page: Any) -> None:
    page.click("#tab-map")
    expect(page.locator("#counts")).to_have_text("400 images", timeout=60_000)
    points = points_on_screen(page)
    said = page.evaluate("fetch('/api/map').then((answer) => answer.json())")
    one = farthest(points)
    title = f"{said['labels'][one]}, row {said['rows'][one]}"
    page.mouse.move(*points[one])
    expect(page.locator("#plane")).to_have_attribute("title", title)
    page.mouse.click(*points[one])
    expect(page.locator("#point-title")).to_contain_text(f"Row {said['rows'][one]}: ")
    expect(page.locator("#point-neighbors li")).to_have_count(10)
    # The wheel zooms about the pointer: what is under it stays there, others go farther away.
    other = (one + 1) % len(points)
    page.mouse.wheel(0, -300)
    page.mouse.move(*points[other])
    expect(page.locator("#plane")).not_to_have_attribute(
        "title", f"{said['labels'][other]}, row {said['rows'][other]}"
    )
    page.mouse.move(*points[one])
    expect(page.locator("#plane")).to_have_attribute("title", title)
    # It is dragged, and what was picked stays picked.
    page.mouse.down()
    page.mouse.move(points[one][0] + 60, points[one][1] + 40, steps=3)
    page.mouse.up()
    expect(page.locator("#plane")).to_have_attribute("title", title)
    page.mouse.move(points[one][0] + 62, points[one][1] + 41)
    expect(page.locator("#plane")).to_have_attribute("title", title)
    page.mouse.move(0, 0)
    expect(page.locator("#point-title")).to_contain_text(f"Row {said['rows'][one]}: ")


def test_keys_select_a_box_of_the_map(page: Any) -> None:
    page.click("#tab-map")
    expect(page.locator("#counts")).to_have_text("400 images", timeout=60_000)
    page.focus("#plane")
    keys = page.keyboard
    keys.press("b")
    keys.press("ArrowRight")
    keys.press("Escape")
    keys.press("Enter")
    expect(page.locator("#counts")).to_have_text("400 images")
    keys.press("b")
    for _ in range(12):
        keys.press("ArrowRight")
        keys.press("ArrowDown")
    keys.press("Enter")
    expect(page.locator("#counts")).to_contain_text("selected")
    n = int(page.locator("#counts").inner_text().split(", ")[1].split()[0])
    points = points_on_screen(page)
    plane = page.locator("#plane").bounding_box()
    middle = plane["x"] + plane["width"] / 2, plane["y"] + plane["height"] / 2
    inside = sum(x > middle[0] + 20 and y > middle[1] + 20 for x, y in points)
    assert inside <= n < 200
    page.click("#unselect")
    expect(page.locator("#counts")).to_have_text("400 images")
