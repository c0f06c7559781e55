"""Rows prepared for searching, and the choice of the scan that serves a search.

packed       whole rows in the layout of a kernel, for brute force
codes        short codes, which rule most rows out (algorithm "pruned", or "auto" if faster)
tree         bytes of very few features in a k-d tree
neither      the rows are streamed: there is no memory to pack them
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from knnc.engine.auto import Policy, QueryCount
from knnc.engine.codes.coding import MAX_PRUNED_FEATURES
from knnc.engine.codes.learning import sample_rows
from knnc.engine.codes.rows import CodedRows
from knnc.engine.fields import State, part_of
from knnc.engine.floats import FloatRows
from knnc.engine.metrics import ENGINE_METRICS
from knnc.engine.packed import PackedRows, nbytes_for
from knnc.engine.scan import brute, coded, floats, many, radius
from knnc.engine.scan.streamed import StreamedRows
from knnc.engine.system.locks import ForkSafeLock
from knnc.engine.system.memory import MemoryPlan
from knnc.engine.system.progress import ProgressCallback, current

__all__ = ["PreparedRows"]

Bytes = NDArray[np.uint8]
Int64 = NDArray[np.int64]

# Queries that a search counts as at least: reading 47 MB takes as long as comparing some 30.
LEAST_COUNTED = 32

_packing = ForkSafeLock()


class _TreeOfBytes:
    """A k-d tree over bytes of few features. Sums of float64 are the exact integers here."""

    def __init__(self, rows: Bytes, metric: str, n_threads: int) -> None:
        values = FloatRows(rows.astype(np.float32, order="C"), metric)
        self._tree = floats.KDTree(values, n_threads)
        self.nbytes = int(self._tree.nbytes) + values.rows.nbytes

    def search(
        self, queries: Bytes, k: int, n_threads: int, first_self: int
    ) -> tuple[Int64, Int64]:
        """The k nearest rows of each query."""
        values = np.ascontiguousarray(queries, np.float64)
        keys, ind = floats.tree_search(self._tree, values, k, n_threads, first_self, current())
        return keys.view(np.float64).astype(np.int64), ind

    def within(
        self,
        queries: Bytes,
        limit: int,
        n_threads: int,
        first_self: int,
        return_distance: bool,
        sort: bool,
        progress: ProgressCallback | None,
    ) -> tuple[Int64, Int64 | None, Int64]:
        """All rows whose key is at most `limit`."""
        values = np.ascontiguousarray(queries, np.float64)
        largest = limit if limit < 0 else int(np.float64(limit).view(np.int64))
        indptr, keys, ind = floats.tree_within(
            self._tree, values, largest, n_threads, first_self, return_distance, sort, progress
        )
        return indptr, None if keys is None else keys.view(np.float64).astype(np.int64), ind


class PreparedRows:
    """What is made of training rows, and the scans over it. Arguments are not checked here.

    Parameters
    ----------
    rows : ndarray of shape (n_samples_fit, n_features), uint8
    metric, kernel, algorithm : str
    max_memory : int or None
    policy : Policy
        As :class:`knnc.engine.index.Index` takes them; `kernel` is a kernel's name.
    """

    def __init__(
        self,
        rows: Bytes,
        metric: str,
        kernel: str,
        algorithm: str,
        max_memory: int | None,
        policy: Policy,
    ) -> None:
        self._rows = rows
        self._metric = metric
        self._kernel = kernel
        self._algorithm = algorithm
        self._policy = policy
        self._packed: PackedRows | None = None
        self._codes: CodedRows | None = None
        self._tree: _TreeOfBytes | None = None
        self.plan = MemoryPlan.for_rows(rows, nbytes_for(metric, kernel, *rows.shape), max_memory)
        many = policy.queries_to_code(rows, metric, self.plan) if algorithm == "auto" else None
        self._queries_to_code = many
        self._has_tree = algorithm == "auto" and policy.plants_tree_of_bytes(rows, self.plan)
        self._query_count = QueryCount(many or 0, LEAST_COUNTED)

    def build(self, n_threads: int) -> None:
        """Make codes or a tree if the algorithm asks for them, else pack the rows."""
        if self._has_tree:
            self._tree = _TreeOfBytes(self._rows, self._metric, n_threads)
            return
        if self._algorithm == "pruned":
            coding = self._policy.coding
            self._codes = coding.encode(self._rows, self._metric, self._kernel, n_threads)
        elif self._queries_to_code == 0:
            self._codes = self._codes_if_faster(n_threads)
        # Wide rows that may have codes soon are packed by the first search that needs it.
        is_wide = self._rows.shape[1] >= self._policy.coding.narrow_below
        is_soon = is_wide and bool(self._queries_to_code)
        if self._codes is None and not is_soon and not self.is_streamed:
            self.packed(n_threads)

    @property
    def is_pruned(self) -> bool:
        """Whether there are codes."""
        return self._codes is not None

    @property
    def is_streamed(self) -> bool:
        """Whether brute force streams the rows."""
        return self._packed is None and self.plan.is_streamed(beside=self._nbytes_codes)

    @property
    def nbytes(self) -> int:
        """Bytes of the packed rows and of the codes."""
        parts = self._packed, self._tree
        return self._nbytes_codes + sum(int(part.nbytes) for part in parts if part is not None)

    @property
    def _nbytes_codes(self) -> int:
        codes = self._codes
        return 0 if codes is None else int(codes.nbytes)

    def scan(self) -> tuple[str, str]:
        """How a search for few neighbours reads the rows now, and why."""
        if self._tree is not None:
            return "tree", f"many rows of at most {self._policy.tree_byte_features} features"
        if self._codes is not None or self._algorithm != "auto":
            why = f"algorithm={self._algorithm!r}"
            if self._algorithm == "auto":
                why = "a trial found that codes save time"
        elif self._queries_to_code is None:
            why = self._policy.why_never()
        else:
            why = self._query_count.what_is_due(is_late=self._queries_to_code > 0)
        if self.is_streamed and not self.is_pruned:
            return "streamed", f"{why}; packed rows are larger than max_memory"
        return "pruned" if self.is_pruned else "brute", why

    def search(
        self, queries: Bytes, k: int, n_threads: int, first_self: int
    ) -> tuple[Int64, Int64]:
        """The k nearest rows of each query."""
        if self._tree is not None and self._policy.pays_for(k, len(self._rows)):
            return self._tree.search(queries, k, n_threads, first_self)
        codes, options = self._codes, (queries, k, n_threads, first_self, current())
        if self._algorithm != "pruned":
            pays = self._policy.pays_for(k, len(self._rows))
            codes = self._codes_for(len(queries), n_threads) if pays else None
        if codes is not None:
            return coded.search(codes, *options)
        streamed = self._streamed()
        if streamed is not None:
            return streamed.search(*options)
        packed = self.packed(n_threads)
        if self._policy.lists_for(k, len(queries)):
            return many.search(brute.search, radius.search, packed, self._sample, *options)
        return brute.search(packed, *options)

    def within(
        self,
        queries: Bytes,
        limit: int,
        n_threads: int,
        first_self: int,
        return_distance: bool,
        sort: bool,
    ) -> tuple[Int64, Int64 | None, Int64]:
        """All rows whose key is at most `limit`."""
        options = queries, limit, n_threads, first_self, return_distance, sort, current()
        if self._tree is not None:
            return self._tree.within(*options)
        codes = self._codes_for(len(queries), n_threads)
        if codes is not None and (
            self._algorithm == "pruned"
            or self._policy.pays_within(codes, queries, limit, first_self, n_threads)
        ):
            return coded.within(codes, *options)
        streamed = self._streamed()
        if streamed is not None:
            return streamed.within(*options)
        return radius.search(self.packed(n_threads), *options)

    def streamed_among(self, where: NDArray[np.intp]) -> StreamedRows | None:
        """Some of the rows, ascending, to be streamed; None if there is memory for a copy."""
        streamed = self._streamed()
        if streamed is None or self.plan.may_copy(len(where) * self._rows.shape[1]):
            return None
        return streamed.among(where)

    def _streamed(self) -> StreamedRows | None:
        if not self.is_streamed:
            return None
        room = self.plan.room_for_chunks(beside=self._nbytes_codes)
        return StreamedRows(self._rows, self._metric, self._kernel, room)

    def packed(self, n_threads: int) -> PackedRows:
        """The packed rows. Of several threads that ask at once, one packs and the others wait."""
        packed = self._packed
        if packed is None:
            with _packing.held():
                packed = self._packed
                if packed is None:
                    packed = PackedRows(
                        self._rows, self._metric, self._kernel, n_threads, drop_constant=True
                    )
                    self._packed = packed
        return packed

    def _sample(self) -> PackedRows:
        some = sample_rows(self._rows, 1 + len(self._rows) // many.SAMPLE_SHARE)
        return PackedRows(some, self._metric, self._kernel, 1)

    def _codes_if_faster(self, n_threads: int) -> CodedRows | None:
        return self._policy.codes_if_faster(
            self._rows, self._metric, self._kernel, n_threads, self._unpack
        )

    def _unpack(self) -> None:
        self._packed = None

    def _codes_for(self, n_queries: int, n_threads: int) -> CodedRows | None:
        """The codes, if there are any; made now if the queries have become many.

        One thread decides. Others that search meanwhile use brute force, and pack the rows anew.
        """
        if self._codes is None and self._queries_to_code:
            with self._query_count.decision(n_queries) as is_due:
                if is_due:
                    self._codes = self._codes_if_faster(n_threads)
                    if self._codes is not None:
                        self._unpack()
        return self._codes

    def state(self) -> dict[str, Any]:
        """Everything that :meth:`restore` needs."""
        return {
            "packed": self._packed and self._packed.state(),
            "pruned": self._codes and self._codes.state(),
        }

    def restore(self, state: State) -> None:
        """Take packed rows and codes from a state.

        Raises
        ------
        ValueError, TypeError
            If the state is not one that :meth:`state` returns, or is that of other rows.
        """
        n_features = self._rows.shape[1]
        if state.get("packed") is not None:
            saved = part_of(state, "packed")
            packed = PackedRows(None, self._metric, self._kernel, 1, saved=saved)
            if (packed.n_rows, packed.n_features) != self._rows.shape:
                raise ValueError("packed rows are not those of rows")
            self._packed = packed
        if state.get("pruned") is not None:
            if not ENGINE_METRICS[self._metric].can_be_pruned or n_features > MAX_PRUNED_FEATURES:
                raise ValueError("there are codes of rows that have none")
            saved = part_of(state, "pruned")
            self._codes = CodedRows.restored(saved, self._rows, self._metric, self._kernel)
