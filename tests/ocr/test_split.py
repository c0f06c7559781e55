"""Characters that touch: seams through little ink, and which way through them is taken."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from scipy import ndimage

from knnc.ocr._parts import Part
from knnc.ocr._seams import Seam, seams_of_each
from knnc.ocr._split import _between, rejoined, split_touching, trials_of

HEIGHT = 40.0


def rings(n: int, bridge: int = 4) -> np.ndarray:
    """Rings 30 pixels wide and 40 high, side by side, joined by `bridge` rows of ink."""
    ys, xs = np.mgrid[0:40, 0:30]
    away = ((ys - 19.5) / 20) ** 2 + ((xs - 14.5) / 15) ** 2
    one = (away <= 1) & (away >= 0.55)
    mask = np.concatenate([np.pad(one, ((0, 0), (0, 4)))] * n, axis=1)[:, :-4]
    for i in range(1, n):
        mask[18 : 18 + bridge, 34 * i - 6 : 34 * i + 2] = True
    return mask


def unlike_a_ring(parts: Sequence[Part]) -> np.ndarray:
    """Little for what has one hole and is about as wide as a ring, far more for what has not."""
    holes = [ndimage.label(~np.pad(part.mask, 1))[1] - 1 for part in parts]
    widths = [part.width for part in parts]
    return np.array(
        [0.2 if n == 1 and w <= 38 else 4.0 for n, w in zip(holes, widths, strict=True)]
    )


def seams_of(mask: np.ndarray, height: float) -> list[tuple[Seam, float]]:
    """Those of one piece."""
    return seams_of_each([mask], height)[0]


def test_seams_go_where_little_ink_is() -> None:
    seams = seams_of(rings(2), HEIGHT)
    assert all(seam.shape == (40,) for seam, _ in seams)
    assert all(np.abs(np.diff(seam)).max() <= 1 for seam, _ in seams)
    best, ink = min(seams, key=lambda seam: seam[1])
    assert ink == 4 / HEIGHT
    assert 28 <= best[20] <= 36
    mask = rings(2)
    for seam, ink in seams:
        cut = sum(mask[y, x] for y, x in enumerate(seam) if x < mask.shape[1])
        assert ink == cut / HEIGHT


def test_seams_have_ink_on_both_sides() -> None:
    """And no two part it alike."""
    tail = np.zeros((40, 60), bool)
    tail[:, :30] = rings(1)
    tail[20:22, 28:] = True
    for mask in (rings(2), tail):
        seams = [seam for seam, _ in seams_of(mask, HEIGHT)]
        sides = [mask & (np.arange(mask.shape[1]) < seam[:, np.newaxis]) for seam in seams]
        assert len(sides) > 2
        shares = [side.sum() / mask.sum() for side in sides]
        assert shares == sorted(shares)
        assert min(shares) > 0.06
        assert max(shares) < 0.94
        for one, other in combinations(sides, 2):
            assert (one != other).sum() >= 0.03 * mask.sum()


def test_a_slanted_seam() -> None:
    """Two strokes that lean, joined by two pixels: the seam leans with them and cuts those."""
    mask = np.zeros((40, 50), bool)
    for y in range(40):
        x = 35 - y // 2 - 15
        mask[y, x : x + 5] = True
        mask[y, x + 15 : x + 20] = True
    mask[20, :] = mask[21, :] = False
    mask[20:22, 10:30] = True
    assert min(ink for _, ink in seams_of(mask, HEIGHT)) == 2 / HEIGHT


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("n_others", [0, 9])
def test_as_many_pieces_as_characters(n: int, n_others: int) -> None:
    parts = [Part(7, 5, rings(n))]
    parts += [Part(0, 200 + 40 * i, rings(1)) for i in range(n_others)]
    pieces = split_touching(parts, HEIGHT, unlike_a_ring)
    assert len(pieces) == n + n_others
    first = pieces[:n]
    assert [piece.top for piece in first] == [7] * n
    assert [piece.left for piece in first] == pytest.approx([5 + 34 * i for i in range(n)], abs=6)
    assert sum(int(piece.mask.sum()) for piece in first) == rings(n).sum()


def test_what_pieces_count_for() -> None:
    """The ink that is cut counts on both sides; costs count by what is usual on the page."""
    mask = rings(3)
    parts = [Part(0, 0, mask), Part(0, 200, rings(1))]
    trial, _ = trials_of(parts, HEIGHT, unlike_a_ring)
    cut = [0.0, *(ink for _, ink in seams_of(mask, HEIGHT)), 0.0]
    assert trial.last == len(cut) - 1
    for (i, j), features in trial.features.items():
        assert features[4] == cut[i] + cut[j]
        assert features[2] == trial.pieces[i, j].width / HEIGHT
        assert features[3] == (trial.pieces[i, j].height / HEIGHT) ** 2
    dearer = trials_of(parts, HEIGHT, lambda tried: 7 * unlike_a_ring(tried))[0]
    for step, features in trial.features.items():
        np.testing.assert_allclose(dearer.features[step], features)


@pytest.mark.parametrize("n_others", [3, 9])
def test_one_character_is_not_tried_where_others_are_like_it(n_others: int) -> None:
    parts = [Part(0, 40 * i, rings(1)) for i in range(1 + n_others)]
    trials = trials_of(parts, HEIGHT, unlike_a_ring)
    assert {trial.last > 1 for trial in trials} == {n_others < 8}


def test_crumbs_are_left_out() -> None:
    mask = np.zeros((40, 50), bool)
    mask[:, :30] = rings(1)
    mask[5:8, 40:44] = True
    part = Part(3, 7, mask)
    left, right = np.zeros(40, np.int64), np.full(40, 50)
    piece = _between(part, left, right)
    assert piece is not None
    assert (piece.top, piece.left, piece.width) == (3, 7, 30)
    np.testing.assert_array_equal(piece.mask, rings(1))
    crumb = _between(part, left + 35, right)
    assert crumb is not None
    assert (crumb.top, crumb.left, crumb.mask.shape) == (8, 47, (3, 4))
    assert _between(part, left + 45, right) is None


def test_what_is_no_character_is_not_tried() -> None:
    """Too low, too narrow or too wide."""
    dash = np.zeros((40, 90), bool)
    dash[:, :30] = rings(1)
    dash[18:24, 28:90] = True
    for mask in (dash, rings(4), np.concatenate([rings(2), np.ones((40, 3), bool)], axis=1)):
        (trial,) = trials_of([Part(0, 0, mask)], HEIGHT, unlike_a_ring)
        tried = [piece for step, piece in trial.pieces.items() if step != (0, trial.last)]
        assert len(tried) > 2 or mask is dash
        for piece in tried:
            assert piece.height >= 0.4 * HEIGHT
            assert 0.12 * HEIGHT <= piece.width <= 1.5 * HEIGHT


def test_nothing_to_split() -> None:
    assert split_touching([], HEIGHT, unlike_a_ring) == []
    bar = Part(0, 0, np.ones((40, 4), bool))
    assert split_touching([bar], HEIGHT, unlike_a_ring) == [bar]


def by_width(parts: Sequence[Part]) -> np.ndarray:
    """Little for what is as wide as a ring."""
    return np.array([0.2 if 26 <= part.width <= 34 else 4.0 for part in parts])


def test_a_broken_character_is_joined() -> None:
    left, right = Part(0, 0, rings(1)[:, :14]), Part(0, 16, rings(1)[:, 16:])
    whole = Part(0, 40, rings(1))
    [line] = rejoined([[left, right, whole]], HEIGHT, by_width, 0.2)
    assert [part.width for part in line] == [30, 30]
    assert [part.sure for part in line] == [1.0, 1.0]
    # Costs that are no distances only make it doubtful.
    [line] = rejoined([[left, right, whole]], HEIGHT, by_width)
    assert [part.width for part in line] == [14, 14, 30]
    assert [part.sure < 0.5 for part in line] == [True, True, False]


def test_whole_characters_side_by_side_stay() -> None:
    line = [Part(0, 34 * i, rings(1)) for i in range(4)]
    assert rejoined([line], HEIGHT, by_width, 0.2) == [line]


def test_a_scrap_beside_characters_is_doubtful() -> None:
    line = [Part(0, 60 * i, rings(1)) for i in range(3)]
    scrap = Part(10, 180, np.ones((20, 4), bool))
    [found] = rejoined([[*line, scrap]], HEIGHT, by_width, 0.2)
    assert [part.sure < 0.5 for part in found] == [False, False, False, True]
