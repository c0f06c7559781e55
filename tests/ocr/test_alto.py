"""ALTO as its schema has it: version 4.4, https://github.com/altoxml/schema."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest

from knnc.datasets import sample_page
from knnc.ocr import Page, formatted, read_page

SPACE = "{http://www.loc.gov/standards/alto/ns-v4#}"
ID, NUMBER, SHARE, ANY = r"[A-Za-z_][\w.-]*", r"-?\d+(\.\d+)?", r"0(\.\d+)?|1(\.0+)?", r"(?s:.*)"
PLACE = dict.fromkeys(("HPOS", "VPOS", "HEIGHT", "WIDTH"), NUMBER)
# Of each element that is written: the children, as a pattern of their names, the attributes that
# have to be there, and those that may be. The schema allows more.
ELEMENTS: dict[str, tuple[str, dict[str, str], dict[str, str]]] = {
    "alto": ("Description,Layout,", {}, {}),
    "Description": ("MeasurementUnit,", {}, {}),
    "MeasurementUnit": ("", {}, {}),
    "Layout": ("(Page,)+", {}, {}),
    "Page": ("(PrintSpace,)?", {"ID": ID, "PHYSICAL_IMG_NR": NUMBER}, PLACE),
    "PrintSpace": ("(TextBlock,)*", {}, PLACE),
    "TextBlock": ("(TextLine,)*", {"ID": ID}, PLACE),
    "TextLine": ("(String,(SP,)?)+", {}, {"ID": ID} | PLACE),
    "SP": ("", {}, PLACE),
    "String": ("(Glyph,)*", {"CONTENT": ANY}, {"ID": ID, "WC": SHARE} | PLACE),
    "Glyph": ("(Variant,)*", {"CONTENT": "(?s:.)"}, {"ID": ID, "GC": SHARE} | PLACE),
    "Variant": ("", {}, {"CONTENT": "(?s:.{0,3})", "VC": SHARE}),
}


def check(text: str) -> ElementTree.Element:
    root = ElementTree.fromstring(text)
    assert root.tag == f"{SPACE}alto"
    names = []
    for element in root.iter():
        children, needed, allowed = ELEMENTS[element.tag.removeprefix(SPACE)]
        found = "".join(f"{child.tag.removeprefix(SPACE)}," for child in element)
        assert re.fullmatch(children, found), (element.tag, found)
        assert needed.keys() <= element.attrib.keys() <= needed.keys() | allowed.keys()
        for name, value in element.items():
            assert re.fullmatch((needed | allowed)[name], value), (element.tag, name, value)
        names += [value for name, value in element.items() if name == "ID"]
    assert len(set(names)) == len(names)
    unit = root.find(f"{SPACE}Description/{SPACE}MeasurementUnit")
    assert unit is not None
    assert unit.text == "pixel"
    return root


@pytest.fixture(scope="module")
def sample(digits_reader: Any) -> Page:
    return read_page(sample_page(), digits_reader)


def test_pages(sample: Page) -> None:
    empty = Page((), (10, 20), 0.0)
    root = check("".join(formatted([("a", 1, sample), ("a", 2, empty), ("b", 1, sample)], "alto")))
    assert len(list(root.iter(f"{SPACE}Glyph"))) == 2 * len(sample.glyphs)


@pytest.mark.parametrize("label", ["ki", "T-shirt/top", '"', "<", "&amp;", "\u3042"])
def test_labels_of_any_length(sample: Page, label: str) -> None:
    """A word with a label of several characters is written without its glyphs."""
    glyphs = [replace(glyph, label=label, alternatives=((label, 1.0),)) for glyph in sample.glyphs]
    root = check("".join(formatted([("a", 1, replace(sample, glyphs=tuple(glyphs)))], "alto")))
    words = [e.get("CONTENT") for e in root.iter(f"{SPACE}String")]
    assert words == [label * len(word.glyphs) for word in sample.words]
    assert bool(list(root.iter(f"{SPACE}Glyph"))) == (len(label) == 1)


def test_what_is_checked(sample: Page) -> None:
    """The check finds what the schema forbids."""
    good = "".join(formatted([("a", 1, sample)], "alto"))
    for before, after in (
        ("<Layout>", "<Layout><SP/>"),
        (' PHYSICAL_IMG_NR="1"', ""),
        (r'(<Glyph [^>]*CONTENT=)".', r'\1"33'),
        ("<SP/>", "<SP/><SP/>"),
        ("line_1_1", "block_1_1"),
        ("pixel", "inch"),
    ):
        bad, n = re.subn(before, after, good, count=1)
        assert n == 1
        with pytest.raises(AssertionError):
            check(bad)
