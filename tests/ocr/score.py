"""How much of a form is read, and what is wrong without a sign of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .forms import Form


@dataclass
class Score:
    """What reading came to, over fields."""

    characters: int = 0
    errors: int = 0
    values: int = 0
    wrong: int = 0
    missing: int = 0
    unsure: int = 0
    extra: int = 0

    def add(self, form: Form, page: Any, distance: Callable[[str, str], int]) -> None:
        """Glyphs whose middle is in a field's box are its; what is in none is extra."""
        found = ["" for _ in form.fields]
        for glyph in page.glyphs:
            x0, y0, x1, y1 = glyph.box
            x, y, w = form.turn @ np.array([(x0 + x1) / 2, (y0 + y1) / 2, 1])
            x, y = x / w, y / w
            for i, f in enumerate(form.fields):
                if f.box[0] <= x <= f.box[2] and f.box[1] <= y <= f.box[3]:
                    found[i] += " " * (glyph.space_before and bool(found[i])) + glyph.label
                    break
            else:
                self.extra += glyph.label != "?"
        for f, read in zip(form.fields, found, strict=True):
            self.characters += len(f.text)
            self.errors += distance(read, f.text)
            self.values += 1
            plain, truth = read.replace(" ", ""), f.text.replace(" ", "")
            self.missing += not read
            self.wrong += bool(read) and plain != truth and "?" not in plain
            self.unsure += read.count("?")
