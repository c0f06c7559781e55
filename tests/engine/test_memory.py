"""How much memory a fit and a search use for the time that they take."""

from __future__ import annotations

import errno
import mmap
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from knnc.engine import aligned
from knnc.engine.index import Index
from knnc.engine.system.memory import MemoryPlan, config_context
from tests.engine.support import assert_exact, draw, run_child


def _peak(function: str, *arguments: object) -> int:
    """Bytes that a function of tests.engine.peaks says were used at most."""
    return _report(function, *arguments)["peak"]


def _report(function: str, *arguments: object) -> dict[str, int]:
    """All that a function of tests.engine.peaks says."""
    report = run_child(function, *arguments, module="peaks")
    peak = report["peak"]
    if peak is None:
        pytest.skip("the system does not tell the peak of memory")
    print(f"\n{function}{arguments}: {peak / 2**20:.1f} MiB")
    return report


def test_one_query_for_all_rows_by_their_codes() -> None:
    """The answer is 16 bytes a neighbour; heaps of a whole tile would be twelve times that."""
    assert _peak("all_rows_wanted", 400_000) < 3 * 16 * 400_000


@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_DATA")
def test_rows_in_a_file_stay_there(tmp_path: Path) -> None:
    """Eight times as large as the bound, and no more of it than that in memory at any time."""
    bound, n_features = 16 << 20, 256
    rows = np.random.default_rng(0).integers(0, 256, (1 << 14, n_features), np.uint8)
    with open(tmp_path / "rows", "wb") as file:
        for shift in range(8 * bound // rows.nbytes):
            file.write((rows + np.uint8(shift)).tobytes())
    report = _report("streamed_rows", tmp_path / "rows", n_features, bound)
    assert report["streamed"]
    assert report["peak"] < 1.5 * bound


def test_codes_are_not_copied_about() -> None:
    """What is kept is 1.2 times these rows, half of which is there twice while it is packed.

    With a whole copy on the way it would be 2.4.
    """
    assert _peak("coding", 400_000, 192) < 1.9 * 400_000 * 192


def test_late_codes_take_the_place_of_the_packed_rows() -> None:
    """Packed, rows are 1.03 times their bytes: beside them codes would be 0.7 more, and again while
    they are packed."""
    report = _report("late_codes", 180_000)
    assert report["pruned"]
    assert report["peak"] < 1.3 * report["bytes"]


def test_memory_for_rows_starts_where_kernels_want_it() -> None:
    header = Path(__file__).parents[2] / "src/knnc/engine/kernels/kernels.h"
    if not header.exists():
        pytest.skip("an installed package has no headers")
    assert f"#define KNNC_ALIGNMENT {aligned.ALIGNMENT}\n" in header.read_text()
    for n_bytes in (1, 100, 2 << 20):
        assert aligned.own_pages(n_bytes).ctypes.data % aligned.ALIGNMENT == 0


@pytest.mark.skipif(not hasattr(mmap, "MADV_HUGEPAGE"), reason="there is no such advice here")
def test_a_kernel_may_refuse_huge_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(mmap.mmap):
        def madvise(self, *arguments: int) -> None:
            raise OSError(errno.EINVAL, "Invalid argument")

    system = SimpleNamespace(**{**vars(mmap), "mmap": Refusing})
    monkeypatch.setattr(aligned, "mmap", system)
    pages = aligned.own_pages(2 << 20)
    assert isinstance(pages.base.obj, Refusing)
    pages[:] = 7
    rows = draw(1, 20_000, 60)
    assert_exact(Index(rows), rows, rows[:20], 3, "sqeuclidean")


@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_AS")
def test_an_index_without_memory_is_a_memory_error(algorithm: str) -> None:
    report = run_child("without_memory", algorithm, module="peaks")
    assert set(report["errors"]) == {"MemoryError"}
    assert report["afterwards"]


def test_few_queries_on_many_threads(algorithm: str) -> None:
    """Each of 64 threads with heaps of its own for all of them would take 64 times the answer."""
    assert _peak("many_threads", algorithm) < 120 * 2**20


def test_groups_of_many_features() -> None:
    """Tens of bytes for each pair of 4,096 features were more than a gigabyte."""
    assert _peak("groups_of_features", 4_096) < 64 * 2**20


def test_all_pairs_within_a_radius() -> None:
    """The result, and the lists of one chunk of 4 million pairs."""
    report = _report("within_everything", 4_000)
    assert report["result"] > 16 * 4_000 * 3_999
    assert report["peak"] < report["result"] + 192 * 2**20


# --- the plan ---


def test_a_plan_without_a_limit_has_room_for_everything() -> None:
    plan = MemoryPlan.for_rows(draw(1, 9, 10), nbytes_packed=500)
    assert plan.max_memory is None
    assert not plan.is_streamed(beside=1 << 60)
    assert plan.has_room_for(1 << 60)
    assert plan.may_copy(1 << 60)


def test_a_plan_counts_codes_and_packed_rows_together() -> None:
    plan = MemoryPlan.for_rows(draw(1, 9, 10), nbytes_packed=500, max_memory=600)
    assert [plan.is_streamed(beside) for beside in (0, 100, 101)] == [False, False, True]
    assert [plan.room_for_chunks(beside) for beside in (0, 101, 700)] == [600, 499, 0]
    assert [plan.has_room_for(nbytes) for nbytes in (600, 601)] == [True, False]
    assert [plan.may_copy(nbytes) for nbytes in (300, 301)] == [True, False]


def test_a_plan_before_the_kernel_is_known_counts_the_rows() -> None:
    rows = draw(1, 9, 10)
    for limit, is_streamed in ((90, False), (89, True)):
        with config_context(max_memory=limit):
            assert MemoryPlan.for_rows(rows).is_streamed() == is_streamed
            if is_streamed:
                assert Index(rows).is_streamed
