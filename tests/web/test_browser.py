"""The page in a real browser: Chromium as Debian has it, or Chrome, driven by Playwright."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.web.conftest import as_file, scan
from tests.web.strokes import DIGITS

sync_api = pytest.importorskip("playwright.sync_api", reason="needs Playwright")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe")
expect = sync_api.expect
expect.set_options(timeout=20_000)  # on a machine that does other things too

REFUSED = "Failed to load resource: the server responded with a status of 415"


def draw(page: Any, digit: str) -> None:
    """Draw with the mouse."""
    paper = page.locator("#paper").bounding_box()
    for points in DIGITS[digit]:
        for i, (x, y) in enumerate(points):
            page.mouse.move(paper["x"] + x, paper["y"] + y)
            if i == 0:
                page.mouse.down()
        page.mouse.up()


def file_of_scan() -> dict[str, Any]:
    return {"name": "scan.png", "mimeType": "image/png", "buffer": as_file(scan()[0])}


def test_each_digit_that_is_drawn_is_read(page: Any) -> None:
    for digit in DIGITS:
        draw(page, digit)
        expect(page.locator("#answer")).to_have_text(digit)
        expect(page.locator("#neighbors li")).to_have_count(5)
        expect(page.locator("#classes tr")).to_have_count(10)
        page.click("#clear")
        expect(page.locator("#answer")).to_have_text("")


def test_what_was_drawn_is_undone_stroke_by_stroke(page: Any) -> None:
    draw(page, "7")
    expect(page.locator("#answer")).to_have_text("7")
    draw(page, "0")
    page.click("#undo")
    expect(page.locator("#answer")).to_have_text("7")
    expect(page.locator("#why")).to_contain_text("1,029 rows had to be compared whole")
    page.click("#undo")
    expect(page.locator("#answer")).to_have_text("")


def test_the_brush_has_a_size(page: Any) -> None:
    inks = []
    for size in ("10", "40"):
        page.locator("#brush").fill(size)
        draw(page, "1")
        expect(page.locator("#answer")).not_to_be_empty()
        inks.append(
            page.evaluate(
                """() => {
                    const paper = document.getElementById("paper");
                    const { data } = paper.getContext("2d").getImageData(0, 0, 280, 280);
                    return data.filter((v, i) => i % 4 === 3 && v > 127).length;
                }"""
            )
        )
        page.click("#clear")
    thin, thick = inks
    assert 3 * thin < thick < 6 * thin


@pytest.mark.parametrize(
    "options", [{"viewport": {"width": 400, "height": 800}, "has_touch": True, "is_mobile": True}]
)
def test_a_finger_draws_and_the_page_does_not_scroll(page: Any) -> None:
    touch = page.context.new_cdp_session(page)
    paper = page.locator("#paper").bounding_box()

    def send(kind: str, *points: tuple[float, float]) -> None:
        places = [{"x": paper["x"] + x, "y": paper["y"] + y} for x, y in points]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})

    for points in DIGITS["7"]:
        send("touchStart", points[0])
        for (x, y), (u, v) in pairwise(points):
            for step in range(1, 9):
                send("touchMove", (x + (u - x) * step / 8, y + (v - y) * step / 8))
        send("touchEnd")
    expect(page.locator("#answer")).to_have_text("7")
    assert page.evaluate("window.scrollY") == 0
    assert paper == page.locator("#paper").bounding_box()


def test_a_reload_keeps_what_was_taught(page: Any) -> None:
    draw(page, "7")
    expect(page.locator("#answer")).to_have_text("7")
    page.fill("#label", "x")
    page.press("#label", "Enter")
    expect(page.locator("#taught")).to_contain_text("1 image taught")
    page.reload()
    expect(page.locator("#taught")).to_contain_text("1 image taught")
    for button in ("#unteach", "#save-idx", "#save-knnc"):
        expect(page.locator(button)).to_be_enabled()
    page.click("#unteach")
    expect(page.locator("#unteach")).to_be_disabled()


def test_the_reader_can_be_chosen(page: Any) -> None:
    draw(page, "3")
    page.fill("#k", "9")
    page.press("#k", "Tab")
    expect(page.locator("#neighbors li")).to_have_count(9)
    page.select_option("#metric", "manhattan")
    page.select_option("#weights", "distance")
    page.select_option("#recipe", "fast")
    expect(page.locator("#metric")).to_be_disabled()
    expect(page.locator("#answer")).to_have_text("3")


def test_teaching_and_what_was_taught(page: Any, tmp_path: Path) -> None:
    page.fill("#k", "1")
    draw(page, "7")
    expect(page.locator("#answer")).to_have_text("7")
    page.fill("#label", "<i>x")
    page.press("#label", "Enter")
    expect(page.locator("#answer")).to_have_text("<i>x")
    expect(page.locator("#neighbors li").first).to_contain_text("taught 1")
    for button, name in (("#save-idx", "taught.zip"), ("#save-knnc", "taught.knnc")):
        with page.expect_download() as download:
            page.click(button)
        assert download.value.suggested_filename == name
        download.value.save_as(tmp_path / name)
        assert (tmp_path / name).stat().st_size > 100
    page.click("#unteach")
    expect(page.locator("#answer")).to_have_text("7")


def test_a_test_image_and_a_picture(page: Any) -> None:
    page.fill("#test", "3")
    page.click("#show-test")
    expect(page.locator("#why")).to_contain_text("label is 3")
    page.set_input_files("#picture", file_of_scan())
    expect(page.locator("#answer")).not_to_be_empty()
    expect(page.locator("#why")).not_to_contain_text("label is")


@pytest.mark.parametrize(
    "refusals",
    [[f"{REFUSED} (Unsupported Media Type)"]],
    ids=["415"],
)
def test_what_is_wrong_is_said_and_goes_away(page: Any) -> None:
    page.set_input_files("#picture", {"name": "x.gif", "mimeType": "", "buffer": b"GIF89a"})
    said = page.locator("#error")
    expect(said).to_have_text("This is no PNG, JPEG, TIFF, WEBP, BMP or PDF file.")
    draw(page, "1")
    expect(page.locator("#answer")).to_have_text("1")
    expect(said).to_be_hidden()


def test_a_scan_is_read_corrected_and_exported(page: Any, tmp_path: Path) -> None:
    page.click("#tab-read")
    drop(page, file_of_scan()["buffer"])
    pixels, text = scan()
    expect(page.locator("#text span")).to_have_count(len(text) - 1)
    assert page.locator("#text").inner_text() == text
    assert page.evaluate("document.getElementById('sheet').width") == pixels.shape[1]
    page.locator("#text span").nth(3).click()
    expect(page.locator("#character-title")).to_contain_text("Character 4")
    expect(page.locator("#character-neighbors li")).to_have_count(5)
    page.fill("#correction", "&")
    page.press("#correction", "Enter")
    expect(page.locator("#text span").nth(3)).to_have_text("&")
    expect(page.locator("#character-title")).to_contain_text("corrected")
    for form in ("txt", "json", "csv", "hocr"):
        with page.expect_download() as download:
            page.click(f"#exports [data-form={form}]")
        path = tmp_path / download.value.suggested_filename
        download.value.save_as(path)
        assert path.name == f"page.{form}"
        assert ("&amp;" if form == "hocr" else "&") in path.read_text(encoding="utf-8")


def test_a_scan_is_pasted(page: Any) -> None:
    page.click("#tab-read")
    page.evaluate(
        """(bytes) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "scan.png"));
            document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data }));
        }""",
        list(file_of_scan()["buffer"]),
    )
    _, text = scan()
    expect(page.locator("#text span")).to_have_count(len(text) - 1)
    assert page.locator("#text").inner_text() == text
    page.click("#tab-draw")
    page.evaluate("document.dispatchEvent(new ClipboardEvent('paste', {}))")  # of text: nothing


def test_what_cannot_be_writing_is_said_to_be_so(page: Any) -> None:
    page.click("#tab-read")
    dots = np.full((900, 900), 255, np.uint8)
    dots[::6, ::6] = dots[1::6, ::6] = dots[::6, 1::6] = dots[1::6, 1::6] = 0
    for pixels, said in (
        (dots, "There is more on this page than can be writing"),
        (np.full((90, 90), 255, np.uint8), "There is nothing that looks like writing"),
    ):
        drop(page, as_file(pixels))
        expect(page.locator("#error")).to_contain_text(said)


def drop(page: Any, content: bytes) -> None:
    """Drop a file on the page, as a file manager would."""
    page.evaluate(
        """(bytes) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "scan.png"));
            const event = new DragEvent("drop", { dataTransfer: data, bubbles: true });
            document.getElementById("drop").dispatchEvent(event);
        }""",
        list(content),
    )


def test_keys_alone_do_everything(page: Any) -> None:
    keys = page.keyboard
    page.focus("#tab-draw")
    keys.press("Tab")
    assert page.evaluate("document.activeElement.id") == "paper"
    for _ in range(4):
        keys.press("ArrowUp")
    keys.press("Space")
    for _ in range(17):
        keys.press("ArrowDown")
    keys.press("Space")
    expect(page.locator("#answer")).to_have_text("1")
    keys.press("Control+z")
    expect(page.locator("#answer")).to_have_text("")
    page.focus("#tab-draw")
    keys.press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "tab-read"
    page.set_input_files("#scan", file_of_scan())  # the system's own dialog is not the page's
    expect(page.locator("#text span")).to_have_count(12)
    page.focus("#sheet")
    keys.press("ArrowRight")
    expect(page.locator("#character-title")).to_contain_text("Character 1:")
    keys.press("ArrowRight")
    expect(page.locator("#character-title")).to_contain_text("Character 2:")
    keys.press("Enter")
    assert page.evaluate("document.activeElement.id") == "correction"
    keys.type("5")
    keys.press("Enter")
    expect(page.locator("#text span").nth(1)).to_have_text("5")


LARGE, SMALL = {"width": 1200, "height": 900}, {"width": 400, "height": 800}


@pytest.mark.parametrize(
    "options",
    [
        {"viewport": LARGE},
        {"viewport": LARGE, "color_scheme": "dark"},
        {"viewport": SMALL, "color_scheme": "dark"},
        {"viewport": SMALL, "has_touch": True},
    ],
    ids=["light", "dark", "small and dark", "small and light"],
)
def test_nothing_is_cut_off_and_axe_finds_no_serious_fault(page: Any) -> None:
    draw(page, "5")
    expect(page.locator("#answer")).to_have_text("5")
    for tab in ("draw", "read", "map"):
        page.click(f"#tab-{tab}")
        if tab == "read":
            page.set_input_files("#scan", file_of_scan())
            expect(page.locator("#text span")).to_have_count(12)
            page.locator("#text span").first.click()
            expect(page.locator("#character")).to_be_visible()
        if tab == "map":
            expect(page.locator("#counts")).to_have_text("400 images", timeout=60_000)
        page.evaluate("window.scrollTo(0, 0)")
        wide, seen = page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert wide <= seen
        found = axe.Axe().run(page).response["violations"]
        faults = [
            (each["id"], each["nodes"][0]["html"])
            for each in found
            if each["impact"] in ("serious", "critical")
        ]
        assert not faults
