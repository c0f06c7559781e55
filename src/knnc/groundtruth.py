"""Find the exact neighbours of many queries, however many rows there are: ``knnc groundtruth``.

A run that ends early leaves two files beside its output. OUTPUT.partial has the answers so far, in
their places. OUTPUT.progress says how far the run came, and has the heaps of the queries that it
was searching. The next run with the same files goes on from there. A killed run may leave
OUTPUT.lock too, which locks nothing without its process.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray

from knnc._file_lock import locked
from knnc.datasets._vectors import NeighborsFile, read_vectors
from knnc.engine.codes.coding import Coding
from knnc.engine.fields import array_of, count_of
from knnc.engine.floats import as_float64
from knnc.engine.index import Index
from knnc.engine.metrics import FLOAT_METRICS
from knnc.engine.scan.brute import NO_SELF
from knnc.engine.scan.streamed import StreamedRows
from knnc.engine.scan.streamed_floats import StreamedFloats, stored_dtype
from knnc.engine.system.pages import Pages
from knnc.engine.system.progress import current, progress, shifted
from knnc.engine.system.threads import effective_n_threads
from knnc.persistence.archive import read_archive, sync_folder, write_archive

__all__ = ["Job", "fingerprint_of", "opened"]

# Seconds between two times that the heaps are saved, and the most of the time that this may take.
CHECKPOINT_SECONDS = 30.0
CHECKPOINT_SHARE = 0.05
# Multiplications of a block of queries that is searched at once, where the rows are in memory.
BLOCK_WORK = 1 << 40
_METRICS = {"euclidean": "sqeuclidean", "manhattan": "manhattan", "cosine": "cosine"}
# Values looked at at a time for one that is no number.
_CHECKED = 1 << 22
_ENDS = 1 << 16
_MOST_CRC = (1 << 32) - 1

Vectors = NDArray[Any]  # uint8, float16, float32 or float64
Int64 = NDArray[np.int64]


@contextmanager
def opened(
    base: Path,
    queries: Path,
    output: Path,
    *,
    k: int,
    metric: str = "euclidean",
    n_threads: int | None = None,
    max_memory: int | None = None,
    restart: bool = False,
) -> Iterator[Job]:
    """Open a search, and lock `output` meanwhile. An earlier run may have completed it.

    Parameters
    ----------
    base, queries : Path
        Files of vectors, as :func:`knnc.datasets.read_vectors` reads them.
    output : Path
        Where the neighbours go: an .ibin file.
    k : int
        How many neighbours of each query.
    metric : {"euclidean", "manhattan", "cosine"}, default="euclidean"
        Euclidean distances are written squared.
    n_threads : int, default=None
        None takes all.
    max_memory : int, default=None
        MiB for vectors and heaps; None takes scikit-learn's `working_memory`.
    restart : bool, default=False
        Whether to begin anew, whatever an earlier run has left.

    Raises
    ------
    ValueError
        If the files do not fit one another, hold NaN or infinity, or what an earlier run left does
        not fit them.
    BlockingIOError
        If another process writes `output`.
    """
    rows, asked = _vectors(base, queries, k, output)
    if max_memory is None:
        max_memory = int(min(sklearn.get_config()["working_memory"], 1 << 40))
    threads = effective_n_threads(n_threads)
    with locked(output):
        job = Job(rows, asked, k, output, _METRICS[metric], threads, max_memory << 20)
        job.resume(fingerprint_of(base, queries, k, metric), restart)
        if not job.done():
            _check_finite(rows, base)
            _check_finite(asked, queries)
        yield job


def _vectors(base: Path, queries: Path, k: int, output: Path) -> tuple[Vectors, Vectors]:
    """The vectors and the queries, once it is clear that the neighbours can be written."""
    rows, asked = read_vectors(base), read_vectors(queries)
    if output.exists() and any(output.samefile(path) for path in (base, queries)):
        raise ValueError(f"{output} holds the vectors: the neighbours go to another file.")
    if output.suffix != ".ibin":
        raise ValueError(f"{output}: files of neighbours are called .ibin.")
    if rows.shape[1] != asked.shape[1]:
        raise ValueError(
            f"{base} has vectors of {rows.shape[1]} features, {queries} of {asked.shape[1]}."
        )
    if k > len(rows):
        raise ValueError(f"There are no {k} neighbours: {base} has {len(rows)} vectors.")
    if len(rows) >= 1 << 32:
        raise ValueError(f"{base} has {len(rows)} vectors; indices of an .ibin file have 32 bits.")
    return rows, asked


def _check_finite(vectors: Vectors, path: Path) -> None:
    if vectors.dtype == np.uint8:
        return
    step = max(1, _CHECKED // vectors.shape[1])
    for first in range(0, len(vectors), step):
        some = vectors[first : first + step]
        is_finite = np.isfinite(some).all(axis=1)
        if not is_finite.all():
            where = first + int(is_finite.argmin())
            raise ValueError(f"{path} has NaN or infinity in vector {where}, counted from 0.")
        Pages(some).drop()


def fingerprint_of(base: Path, queries: Path, k: int, metric: str) -> list[Any]:
    """What must not change between two runs that are to be one."""
    said: list[Any] = [k, metric]
    for path in (base, queries):
        status = os.stat(path)
        with open(path, "rb") as file:
            ends = file.read(_ENDS)
            file.seek(max(0, status.st_size - _ENDS))
            ends += file.read(_ENDS)
        said += [status.st_size, status.st_mtime_ns, zlib.crc32(ends)]
    return said


@dataclass(eq=False)
class Job:
    """A search of blocks of queries, each among all rows. It saves on the disk what is done.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features), uint8, float16, float32 or float64
    queries : ndarray of shape (n_queries, n_features), of these dtypes
        Two arrays of bytes have integer distances, unless the metric is cosine. All others are
        compared as floats.
    k : int
    output : Path
    metric : {"sqeuclidean", "manhattan", "cosine"}
    n_threads : int
    limit : int
        Bytes for rows and for the heaps of queries.
    """

    rows: Vectors
    queries: Vectors
    k: int
    output: Path
    metric: str
    n_threads: int
    limit: int

    def __post_init__(self) -> None:
        are_bytes = self.rows.dtype == self.queries.dtype == np.uint8
        self._are_floats = not are_bytes or self.metric == "cosine"
        self._progress_file = self.output.with_name(f"{self.output.name}.progress")
        self._partial_file = self.output.with_name(f"{self.output.name}.partial")
        # Queries that have their answers; rows that the heaps of the next ones have seen.
        self.n_done, self.n_rows_done = 0, 0
        self._checksums = [0, 0]
        self.was_complete = False
        self._heaps: tuple[Int64, Int64] | None = None
        self._block_of_heaps = 0

    def resume(self, fingerprint: list[Any], restart: bool) -> None:
        """Go on where an earlier run ended, if there was one.

        Raises
        ------
        ValueError
            If it searched other files, or in another way, or its answers are gone.
        """
        self._fingerprint = fingerprint
        if restart:
            # Before the answers are: it must not speak of them when they are of another run.
            self._progress_file.unlink(missing_ok=True)
        if not self._progress_file.exists():
            return
        said = read_archive(self._progress_file, map_it=False, verify=True)[1]
        if said.get("fingerprint") != fingerprint:
            raise ValueError(
                f"{self._progress_file} is of a search of other files, or for other neighbours: "
                "remove it, or say --restart"
            )
        self.n_done = count_of(said, "n_done", 0, len(self.queries))
        self._checksums = [count_of(said, f"crc32_{of}", 0, _MOST_CRC) for of in ("ind", "dist")]
        if self.n_done and not self._has_answers(self._partial_file):
            self.was_complete = self.n_done == len(self.queries) and self._has_answers(self.output)
            if not self.was_complete:
                raise ValueError(
                    f"{self._partial_file} has not the answers that {self._progress_file} says are "
                    "there: remove both, or say --restart"
                )
            # The earlier run was killed after it had put the output in its place.
            self._progress_file.unlink()
            return
        self.n_rows_done = count_of(said, "n_rows_done", 0, len(self.rows) - 1)
        if self.n_rows_done:
            self._block_of_heaps = count_of(said, "block", 1, len(self.queries) - self.n_done)
            shape = self._block_of_heaps, self.k
            dist, ind = (array_of(said, name, np.int64, shape) for name in ("dist", "ind"))
            self._heaps = dist, ind

    def _has_answers(self, path: Path) -> bool:
        n_queries = len(self.queries)
        return NeighborsFile.holds(path, n_queries, self.k, self.n_done, self._checksums)

    def done(self) -> float:
        """The share of the work that is done."""
        part = self._block_of_heaps * self.n_rows_done / len(self.rows)
        return (self.n_done + part) / len(self.queries)

    def run(self) -> None:
        """Search what is left, and put the output in its place."""
        answers = NeighborsFile(
            self._partial_file, len(self.queries), self.k, self.n_done, self._checksums
        )
        with closing(answers):
            self._search_into(answers)
            answers.finish(self.output)
        sync_folder(self.output.parent)
        # Last: without it, nothing would say of a complete partial file what it is.
        self._progress_file.unlink(missing_ok=True)

    def _search_into(self, answers: NeighborsFile) -> None:
        is_left = self.n_done < len(self.queries) and self._heaps is None
        index = self._index_in_memory() if is_left else None
        while self.n_done < len(self.queries):
            block = self.queries[self.n_done : self.n_done + self._block(index is not None)]
            block = as_float64(block) if self._are_floats else np.ascontiguousarray(block)
            told = shifted(current(), self.n_done, len(self.queries))
            if index is None:
                dist, ind = self._scan(block, told)
            else:
                with progress(told):
                    dist, ind = index.search(block, self.k, n_threads=self.n_threads)
                if not index.is_pruned and not self._fit_in_memory():
                    index = None
            answers.write(self._distances(dist), ind)
            self.n_done, self._checksums = answers.n_done, answers.checksums
            self._save({})

    def _distances(self, keys: Int64) -> NDArray[Any]:
        if not self._are_floats:
            return keys
        return FLOAT_METRICS[self.metric].float_distances(keys, self.rows.shape[1])

    def _fit_in_memory(self) -> bool:
        """Whether float rows fit into half of the limit."""
        n_bytes = self.rows.size * stored_dtype(self.rows.dtype).itemsize
        return not self._are_floats or n_bytes <= self.limit // 2

    def _index_in_memory(self) -> Index | None:
        """An index, if the rows or their codes fit into half of the limit."""
        half = self.limit // 2
        if self._are_floats:
            return self._index_of_floats(half)
        if self.rows.flags.c_contiguous:
            index = Index(self.rows, self.metric, n_threads=self.n_threads, max_memory=half)
            return index if index.is_pruned or not index.is_streamed else None
        if 2 * self.rows.size > half:
            return None
        rows = np.ascontiguousarray(self.rows)
        return Index(rows, self.metric, n_threads=self.n_threads, max_memory=half)

    def _index_of_floats(self, half: int) -> Index | None:
        needed = Coding().peak_nbytes_of_floats(*self.rows.shape)
        dtype = stored_dtype(self.rows.dtype)
        if self.rows.dtype != dtype or not self.rows.flags.c_contiguous:
            needed += self.rows.size * dtype.itemsize
        if needed > half:
            return None
        rows = np.require(self.rows, dtype, ["C", "A"])
        return Index(rows, self.metric, n_threads=self.n_threads, max_memory=half)

    def _block(self, in_memory: bool) -> int:
        """Queries of a block: as many as have room for their heaps, or are searched in seconds."""
        if self._heaps is not None:
            return self._block_of_heaps
        # The heaps, and of floats what two heaps are merged in.
        a_neighbor, a_feature = (80, 8) if self._are_floats else (16, 1)
        a_query = a_neighbor * self.k + a_feature * self.queries.shape[1]
        most: int = max(256, self.limit // 2 // a_query)
        return min(most, max(256, BLOCK_WORK // int(self.rows.size))) if in_memory else most

    def _scan(self, block: Vectors, told: Any) -> tuple[Int64, Int64]:
        """Search a block of queries among rows that are read as it goes."""
        shape = len(block), self.k
        heaps = self._heaps or (np.empty(shape, np.int64), np.empty(shape, np.int64))
        if self._are_floats:
            floats = StreamedFloats(self.rows, self.metric, self.limit // 2)
            scan = floats.scan(block, *heaps, self.n_threads, NO_SELF, told, self.n_rows_done)
        else:
            rows = StreamedRows(self.rows, self.metric, None, self.limit // 2)
            scan = rows.scan(block, *heaps, self.n_threads, NO_SELF, told, self.n_rows_done)
        for n_rows_done in self._due(scan):
            self.n_rows_done = n_rows_done
            self._save({"dist": heaps[0], "ind": heaps[1]})
        self._heaps, self.n_rows_done = None, 0
        return heaps

    def _due(self, scan: Iterator[int]) -> Iterator[int]:
        """Of the moments at which heaps could be saved those at which it is time to."""
        saved, took = perf_counter(), 0.0
        for n_rows_done in scan:
            if n_rows_done == len(self.rows):
                continue
            if perf_counter() - saved >= max(CHECKPOINT_SECONDS, took / CHECKPOINT_SHARE):
                began = perf_counter()
                yield n_rows_done
                saved = perf_counter()
                took = saved - began

    def _save(self, heaps: dict[str, NDArray[np.int64]]) -> None:
        said = {
            "fingerprint": self._fingerprint,
            "n_done": self.n_done,
            "crc32_ind": self._checksums[0],
            "crc32_dist": self._checksums[1],
            "n_rows_done": self.n_rows_done,
            "block": len(heaps["dist"]) if heaps else 0,
        }
        write_archive(self._progress_file, "groundtruth", {**said, **heaps})
