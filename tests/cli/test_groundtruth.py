"""``knnc groundtruth``: exact neighbours of many queries, in files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import knnc
from tests.datasets.test_vectors import OF_BYTES, OF_FLOATS, write_vectors
from tests.float_oracle import distances_of, float_kneighbors
from tests.oracle import oracle_kneighbors

from .conftest import Program

pytest.importorskip("typer", reason="the command line needs the extra 'cli'")

from knnc import groundtruth

from .groundtruth_support import (
    QUERIES,
    ROWS,
    Files,
    Killed,
    check,
    run,
    streaming,
    write_files,
)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return write_files(tmp_path)


def test_the_command(knnc_here: Program, files: Files) -> None:
    base, queries, output = files
    result = knnc_here("groundtruth", base, queries, "-k", 10, "-o", output, "--threads", 2)
    assert (result.code, result.err) == (0, "")
    assert "10 neighbours of each of 700 queries among 5,000 vectors" in result.out.replace(
        "\n", " "
    )
    check(output)
    assert sorted(os.listdir(base.parent)) == ["base.u8bin", "queries.u8bin", "truth.ibin"]


def test_names_that_the_encoding_of_the_output_lacks(knnc_child: Program, files: Files) -> None:
    """As those of consoles on Windows do; the work was done by then."""
    output = files[2].with_name("truth-\u03bb.ibin")
    result = knnc_child(
        "groundtruth", *files[:2], "-k", 10, "-o", output, PYTHONIOENCODING="cp1252"
    )
    assert (result.code, result.err) == (0, "")
    assert r"truth-\u03bb.ibin: 10 neighbours" in result.out.replace("\n", " ")
    check(output)


@pytest.mark.parametrize("suffix", [".bvecs", ".npy", ".u8bin"])
@pytest.mark.parametrize("streamed", [False, True])
def test_every_kind_of_file(
    suffix: str, streamed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if streamed:
        streaming(monkeypatch)
    base = write_vectors(tmp_path / f"base{suffix}", ROWS)
    queries = write_vectors(tmp_path / f"queries{suffix}", QUERIES)
    run((base, queries, tmp_path / "truth.ibin"))
    check(tmp_path / "truth.ibin")


def test_manhattan_distances(files: Files) -> None:
    run(files, metric="manhattan", n_neighbors=3)
    check(files[2], oracle_kneighbors(ROWS, QUERIES, 3, "manhattan"))


def float_truth(
    rows: np.ndarray, queries: np.ndarray, k: int, metric: str
) -> tuple[np.ndarray, np.ndarray]:
    """Distances as a file has them, and indices, by the oracle."""
    name = "sqeuclidean" if metric == "euclidean" else metric
    keys, ind = float_kneighbors(rows, queries.astype(np.float64), k, name)
    return distances_of(keys, name, rows.shape[1]), ind


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "cosine"])
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("base", "queries"),
    [
        ("base.fbin", "queries.fvecs"),
        ("base.fvecs", "queries.npy"),
        ("base.npy", "queries.fbin"),
        ("base.u8bin", "queries.fbin"),
        ("base.fvecs", "queries.bvecs"),
        ("base.bvecs", "queries.u8bin"),
    ],
)
def test_floats(
    base: str,
    queries: str,
    streamed: bool,
    metric: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The oracle's neighbours, ties and rows of zeros included."""
    if streamed:
        streaming(monkeypatch)
    arrays = []
    for name, some in ((base, ROWS), (queries, QUERIES)):
        rows = some if Path(name).suffix in OF_BYTES[:2] else some / np.float64(7)
        if Path(name).suffix in OF_FLOATS:
            rows = rows.astype(np.float32)
        arrays.append(rows[:300].copy())
        arrays[-1][5] = 0
        write_vectors(tmp_path / name, arrays[-1])
    run((tmp_path / base, tmp_path / queries, tmp_path / "truth.ibin"), metric=metric)
    check(tmp_path / "truth.ibin", float_truth(*arrays, 10, metric))


def test_codes_of_floats(tmp_path: Path) -> None:
    """Many rows, copied from a file in which they are apart, and searched by their codes."""
    rng = np.random.default_rng(1)
    rows = (rng.standard_normal((6000, 4)) @ rng.standard_normal((4, 64))).astype(np.float32)
    base = write_vectors(tmp_path / "base.fvecs", rows)
    queries = write_vectors(tmp_path / "queries.fbin", rows[:600] + np.float32(0.125))
    run((base, queries, tmp_path / "truth.ibin"), n_neighbors=7)
    some = rows[:600] + np.float32(0.125)
    check(tmp_path / "truth.ibin", float_truth(rows, some, 7, "euclidean"))


@pytest.mark.parametrize("max_memory", [None, 16])
def test_float_rows_larger_than_memory(max_memory: int | None, tmp_path: Path) -> None:
    rows = np.random.default_rng(2).standard_normal((9000, 300))
    base = write_vectors(tmp_path / "base.npy", rows)
    queries = write_vectors(tmp_path / "queries.npy", rows[:50])
    output = tmp_path / "truth.ibin"
    job = groundtruth.Job(rows, rows[:50], 3, output, "sqeuclidean", 1, 16 << 20)
    assert job._index_in_memory() is None
    run((base, queries, output), n_neighbors=3, max_memory=max_memory)
    np.testing.assert_array_equal(knnc.datasets.read_neighbors(output)[1][:, 0], np.arange(50))
    check(output, float_truth(rows, rows[:50], 3, "euclidean"))


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_floats_that_are_no_numbers(
    which: int, value: float, knnc_here: Program, tmp_path: Path
) -> None:
    arrays = [ROWS.astype(np.float32), QUERIES.astype(np.float32)]
    arrays[which][33, 2] = value
    files = [write_vectors(tmp_path / f"{i}.fbin", rows) for i, rows in enumerate(arrays)]
    result = knnc_here("groundtruth", *files, "-k", 3, "-o", tmp_path / "truth.ibin")
    assert result.code == 1
    assert f"{which}.fbin has NaN or infinity in vector 33" in " ".join(result.err.split())


@pytest.mark.parametrize("are_floats", [False, True])
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("n_times", [1, 4])
def test_a_run_goes_on_where_the_last_one_ended(
    streamed: bool,
    n_times: int,
    are_floats: bool,
    files: Files,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if streamed:
        streaming(monkeypatch)
    else:
        monkeypatch.setattr(groundtruth, "BLOCK_WORK", 1)
    rows, queries = ROWS, QUERIES
    if are_floats:  # the same numbers, which have the same distances
        rows, queries = ROWS.astype(np.float32), QUERIES.astype(np.float32)
        base = write_vectors(files[0].with_name("base.fbin"), rows)
        asked = write_vectors(files[1].with_name("queries.fbin"), queries)
        files[0].unlink()
        files[1].unlink()
        files = base, asked, files[2]
    save, saved = groundtruth.Job._save, 0

    def die(self: Any, heaps: Any) -> None:
        nonlocal saved
        save(self, heaps)
        saved += 1
        if saved % 2 == 0 and saved <= 2 * n_times:
            raise Killed

    monkeypatch.setattr(groundtruth.Job, "_save", die)
    shares = []
    for _ in range(n_times if streamed else 1):
        with pytest.raises(Killed):
            run(files)
        assert not files[2].exists()
        job = groundtruth.Job(rows, queries, 10, files[2], "sqeuclidean", 1, 1 << 30)
        job.resume(groundtruth.fingerprint_of(files[0], files[1], 10, "euclidean"), False)
        shares.append(job.done())
    assert shares == sorted(set(shares))
    assert shares[0] > 0
    calls: list[tuple[int, int]] = []
    with knnc.progress(lambda *call: calls.append(call)):
        run(files)
    assert calls[0][0] >= shares[-1] * len(QUERIES) - 1
    assert calls == sorted(set(calls))
    assert calls[-1] == (len(QUERIES), len(QUERIES))
    assert "the last" in capsys.readouterr().out
    check(files[2])
    assert sorted(os.listdir(files[2].parent)) == sorted(path.name for path in files)


@pytest.mark.parametrize(("max_memory", "expected"), [(16, 16 << 20), (None, 1 << 30)])
def test_memory_is_in_mebibytes(
    max_memory: int | None,
    expected: int,
    files: Files,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits = []
    index = groundtruth.Job._index_in_memory

    def noted(job: Any) -> Any:
        limits.append(job.limit)
        return index(job)

    monkeypatch.setattr(groundtruth.Job, "_index_in_memory", noted)
    run(files, max_memory=max_memory)
    assert limits == [expected]


@pytest.mark.parametrize("which", [0, 1])
def test_the_vectors_are_not_overwritten(which: int, knnc_here: Program, files: Files) -> None:
    before = files[which].read_bytes()
    other = files[which].with_name("other.ibin")
    os.link(files[which], other)
    for output, code, why in (
        (files[which], 2, "has to end in .ibin"),
        (other, 1, "holds the vectors: the neighbours go to another file"),
    ):
        result = knnc_here("groundtruth", *files[:2], "-k", 3, "-o", output)
        assert result.code == code
        assert why in " ".join(result.err.replace("│", " ").split())
        assert files[which].read_bytes() == before


@pytest.mark.parametrize(
    ("k", "base", "queries", "code", "why"),
    [
        (5001, "base.u8bin", "queries.u8bin", 1, "There are no 5001 neighbours"),
        (1, "base.u8bin", "narrow.npy", 1, "24 features"),
        (1, "base.u8bin", "queries.txt", 1, "are called"),
        (1, "none.u8bin", "queries.u8bin", 2, "there is no file"),
        (1, "base.u8bin", "queries.u8bin", 2, "has to end in .ibin"),
    ],
)
def test_what_is_refused(
    k: int, base: str, queries: str, code: int, why: str, knnc_here: Program, files: Files
) -> None:
    folder = files[0].parent
    np.save(folder / "narrow.npy", QUERIES[:, :5])
    (folder / "queries.txt").write_text("no vectors")
    output = files[2].with_suffix(".txt" if ".ibin" in why else ".ibin")
    before = sorted(os.listdir(folder))
    result = knnc_here("groundtruth", folder / base, folder / queries, "-k", k, "-o", output)
    assert result.code == code
    assert why in " ".join(result.err.replace("│", " ").split())
    assert sorted(os.listdir(folder)) == before
