"""What quantizers are made of besides axes and groups: steps of codes, bounds, states checked.

Compiled, a line of this would take ten times as much of a wheel. The terms are those of
quantizer.pyx and of the files that it includes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnc.engine.codes import learning
from knnc.engine.fields import State, array_of, count_of, number_of

__all__ = [
    "bound_of_axes",
    "checked_float_codes",
    "choose_steps",
    "cover",
    "float_codes",
    "float_grid",
    "groups_of",
    "pack_axes",
    "saved_groups",
    "stages_of",
    "steps_of",
]

# Distances of codes stay below this, for the kernels' sums of 32 bits; a code is within +-127.
LARGEST_SUM = 2**30
# KNNC_MAX_SHIFT of kernels.h.
MAX_SHIFT = 8

# Half the distance between 1 and the next float64.
ROUNDING = 2.0**-53
# The same for float32, in which rows are projected.
ROUNDING_OF_FLOATS = 2.0**-24
# s^2 is at least this: what a turn in float32 may stretch distances by (floats.pxi).
LEAST_NORM = 1 + 1e-6
# A code covers the coordinates of all but this part of the sample: at each stage of projected rows,
# and of turned ones. Rows left of Gaussian noise of 100,000 x 128, k = 5: 60 with 1e-3, 1,345 with
# the narrower codes of bytes. The last is of bytes for Manhattan distance.
SHARE_CUT_OFF = 1e-3
TURNED_SHARE_CUT_OFF = 5e-3
GRID_SHARE_CUT_OFF = 5e-4
# Rows of a sample that the step of turned rows is learnt from.
STEP_ROWS = 1024
# The standard deviation of coordinates, in steps, above which too many are cut off.
CODED_DEVIATION = 127 / 1.75


def largest_sum(n_coarse: int, shift: int) -> int:
    """A bound of distances of codes if the first ones are shifted so far."""
    return n_coarse * 254**2 << shift


def choose_steps(
    n_coarse: int, largest: NDArray[np.float64], least: float
) -> tuple[float, tuple[int, ...]]:
    """The last stage's step and the shifts, from the largest that each stage's codes have to hold.

    Later stages have smaller coordinates. Their step is the first one's or a half, a quarter...
    of it: exactly, so that distances of stages add up as whole numbers. No step is below `least`.
    """
    most = 0
    while most < MAX_SHIFT // 2 and largest_sum(n_coarse, 2 * most + 2) < LARGEST_SUM:
        most += 1
    wanted = np.maximum(largest / 127, 1e-9 * least)
    wanted[0] = max(wanted[0], least)
    halvings = np.clip(np.floor(np.log2(wanted[0] / wanted)), 0, most)
    halvings = np.maximum.accumulate(halvings).astype(np.int64)
    step = max(wanted[0] / 2.0 ** halvings.max(), least)
    return step, tuple((2 * np.diff(halvings, prepend=0)).tolist())


def steps_of(step: float, stages: tuple[int, ...], shifts: tuple[int, ...]) -> NDArray[np.float64]:
    """Of each coordinate: the last stage's step, doubled for each two bits that come later."""
    later = sum(shifts) - np.cumsum(shifts)
    return np.repeat(step * 2.0 ** (later // 2), stages)


def stages_of(
    saved: State, n_coarse: int, most_shift: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """`stages` and `shifts` as a state has them, checked."""
    given = saved.get("stages")
    n_stages = len(given) if isinstance(given, np.ndarray) and given.ndim else 0
    stages = array_of(saved, "stages", np.int64, (n_stages,), n_coarse + 1).tolist()
    shifts = array_of(saved, "shifts", np.int64, (n_stages,), most_shift + 1).tolist()
    if sum(stages) != n_coarse or min(stages) < 1 or shifts[0]:
        raise ValueError("stages are not parts of the coarse code")
    if any(shift % 2 for shift in shifts) or largest_sum(n_coarse, sum(shifts)) >= LARGEST_SUM:
        raise ValueError("shifts are not those of these stages")
    return tuple(stages), tuple(shifts)


def checked_float_codes(
    saved: State, n_features: int, block: int, most_shift: int
) -> tuple[tuple[Any, ...], tuple[float, ...], tuple[NDArray[Any] | None, ...]]:
    """What a `FloatQuantizer` takes of a state, checked: its sizes, numbers and arrays."""
    n_coarse = count_of(saved, "n_coarse", 1, n_features + 1)
    is_whole, has_tail = saved.get("axes") is None, n_coarse != n_features
    n_axes = 0 if is_whole else n_coarse - has_tail
    if is_whole == (n_axes > 0) or (is_whole and has_tail):
        raise ValueError("axes are not those of the coarse code")
    numbers = (
        number_of(saved, "step", positive=True),
        number_of(saved, "fine_step", positive=has_tail or is_whole),
        number_of(saved, "norm", positive=True),
        number_of(saved, "gamma"),
        number_of(saved, "scale", positive=True),
        number_of(saved, "tail_origin"),
        number_of(saved, "far_length", positive=True),
    )
    stages, shifts = stages_of(saved, n_coarse, most_shift)
    tail_at = sum(stages[:2]) - 1 if has_tail else -1
    sizes = n_coarse, n_axes, n_features if has_tail else 0, tail_at, stages, shifts
    mean = array_of(saved, "mean", np.float64, (n_features,))
    signs = array_of(saved, "signs", np.float64, (n_features,))
    if (np.abs(signs) != 1).any():
        raise ValueError("signs holds what is no sign")
    shape = -(-n_axes // block), n_features, block
    axes = array_of(saved, "axes", np.float32, shape) if n_axes else None
    return sizes, numbers, (mean, signs, axes)


def groups_of(
    group: NDArray[np.int32], sign: NDArray[np.int8], parent: NDArray[np.int32], n_coarse: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], float, float]:
    """The lowest sums of the groups and of the coarse ones, the fine step and the coarse one.

    A sum of at most `step` bytes, above its lowest value, fits a byte in whole steps.
    """
    lowest = np.bincount(group, weights=np.minimum(sign, 0), minlength=len(parent))
    lowest = 255 * lowest.astype(np.int64)
    coarse = np.bincount(parent, weights=lowest, minlength=n_coarse).astype(np.int64)
    return lowest, coarse, np.bincount(group).max(), np.bincount(parent[group]).max()


def saved_groups(
    saved: State, n_features: int, n_coarse: int
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """`group`, `sign` and `parent` as a state has them.

    What follows from the groups is not read, but has to be what the file says.
    """
    n_fine = count_of(saved, "n_fine", 1, n_features)
    sign = array_of(saved, "sign", np.int8, (n_features,))
    if sign.min() < -1 or sign.max() > 1:
        raise ValueError("sign holds what is no sign")
    group = array_of(saved, "group", np.int32, (n_features,), n_fine)
    parent = array_of(saved, "parent", np.int32, (n_fine,), n_coarse)
    lowest, coarse, fine_step, step = groups_of(group, sign, parent, n_coarse)
    steps = number_of(saved, "step"), number_of(saved, "fine_step")
    said = array_of(saved, "lowest", np.int64, (n_fine,))
    said_coarse = array_of(saved, "lowest_coarse", np.int64, (n_coarse,))
    if steps != (step, fine_step) or (said != lowest).any() or (said_coarse != coarse).any():
        raise ValueError("sums of groups are not those of these groups")
    return group, sign, parent


def bound_of_axes(
    axes: NDArray[np.float64], least: float, features_a_sum: int
) -> tuple[float, float]:
    """s^2 of the matrix A, at least `least`, and what bounds the rounding of its products."""
    d = axes.shape[1]
    frobenius = float(np.sqrt((axes * axes).sum())) * (1 + 1e-6)
    # The Gram matrix errs by less than 2 d u |A|_F^2, eigvalsh by far less.
    largest = np.linalg.eigvalsh(axes @ axes.T).max(initial=0.0)
    norm = max(least, float(largest * (1 + 1e-9) + 4 * d * ROUNDING * frobenius**2))
    n_roundings = (features_a_sum + d // features_a_sum + 2) * ROUNDING_OF_FLOATS
    return norm, n_roundings / (1 - n_roundings) * frobenius + 2 * ROUNDING_OF_FLOATS * norm**0.5


def cover(
    sample: NDArray[np.float32],
    axes: NDArray[np.float64],
    axes_a_stage: list[int],
    norm: float | None,
    cut_off: float,
) -> tuple[NDArray[np.float64], float]:
    """What codes hold in each stage, all but a few coordinates; and where the middle of t is.

    `norm`: s^2 where there is a coordinate t, else None. No bound depends on what float32 loses.
    """
    points, middle = learning.product(sample, axes.T.astype(np.float32)), 0.0
    if norm is not None:
        squares = np.einsum("ij,ij->i", sample, sample) * norm
        tails = np.sqrt(np.maximum(squares - np.einsum("ij,ij->i", points, points), 0))
        low, high = np.quantile(tails, [cut_off, 1 - cut_off])
        middle = (low + high) / 2
    parts = np.split(
        np.abs(points, out=points), np.cumsum(axes_a_stage)[: len(axes_a_stage) - 1], axis=1
    )
    covered = [np.quantile(part, 1 - cut_off) if part.size else 0.0 for part in parts]
    return np.array(covered, np.float64), float(middle)


def pack_axes(axes: NDArray[np.float64], block: int) -> NDArray[np.float32]:
    """Axes in blocks, those of a block side by side for each feature: (n_blocks, d, block)."""
    n_blocks = -(-len(axes) // block)
    packed = np.zeros((n_blocks, axes.shape[1], block), np.float32)
    for b in range(n_blocks):
        some = axes[b * block : (b + 1) * block]
        packed[b, :, : len(some)] = some.T
    return packed


def float_grid(sample: NDArray[np.float64]) -> tuple[NDArray[np.float64], float, float]:
    """The centre, the scale and the step that make bytes of float rows.

    The centre is the median of each feature, a value that the sample has. Where half of the values
    are that one, such as the background of images, a byte loses nothing of it.
    """
    some = learning.sample_rows(sample, STEP_ROWS)
    middle = len(some) // 2
    centre = np.partition(some, middle, axis=0)[middle]
    centred, _, exponent = learning.scaled(some)
    away = np.abs(centred - np.partition(centred, middle, axis=0)[middle])
    step = np.quantile(away, 1 - GRID_SHARE_CUT_OFF) / 127
    return centre, 2.0**exponent, max(float(step), 1e-9)


def float_codes(
    sample: NDArray[np.float64],
    sizes: tuple[int, ...],
    is_whole: bool,
    turn: Callable[..., NDArray[np.float64]],
    block: int,
    features_a_sum: int,
) -> State:
    """What a `FloatQuantizer` has learnt from a sample, as its `state`.

    Parameters
    ----------
    sample, sizes, is_whole
        As the quantizer takes them.
    turn : callable
        ``turned_rows`` of quantizer.pyx.
    block : int
        Axes of a block, see `pack_axes`.
    features_a_sum : int
        Products that a projection adds up in one sum.
    """
    d, n_coarse = sample.shape[1], sum(sizes)
    has_tail = n_coarse != d
    centred, mean, exponent = learning.scaled(sample)
    signs = np.random.default_rng(2).choice([-1.0, 1.0], d)
    norm, gamma, packed = LEAST_NORM, 0.0, None
    tail_origin = fine_step = far_length = 0.0
    if has_tail or is_whole:
        some = turn(learning.sample_rows(centred, STEP_ROWS), signs)
        covered = np.quantile(np.abs(some), 1 - TURNED_SHARE_CUT_OFF)
        fine_step = max(covered / 127, 1e-9)
        far_length = CODED_DEVIATION * fine_step * d**0.5
    step, shifts = fine_step, (0,) * len(sizes)
    if not is_whole:
        axes_a_stage = list(sizes)
        axes_a_stage[min(1, len(sizes) - 1)] -= has_tail
        floats = centred.astype(np.float32)
        del centred
        axes = learning.principal_directions(floats, tuple(axes_a_stage))
        axes = axes.astype(np.float32).astype(np.float64)  # as they are stored
        norm, gamma = bound_of_axes(axes, norm, features_a_sum)
        packed = pack_axes(axes, block)
        bound = norm if has_tail else None
        largest, tail_origin = cover(floats, axes, axes_a_stage, bound, SHARE_CUT_OFF)
        step, shifts = choose_steps(n_coarse, largest, 1e-9)
    if not has_tail and not is_whole:
        far_length = CODED_DEVIATION * float(np.linalg.norm(steps_of(step, sizes, shifts)))
    return {
        "n_coarse": n_coarse,
        "step": float(step),
        "fine_step": float(fine_step),
        "stages": np.array(sizes, np.int64),
        "shifts": np.array(shifts, np.int64),
        "norm": float(norm),
        "gamma": float(gamma),
        "scale": 2.0**exponent,
        "tail_origin": float(tail_origin),
        "far_length": float(far_length),
        "mean": mean,
        "signs": signs,
        "axes": packed,
    }
